// The squared norm of a gradient of weights, without the gradient: with k rows in a and b,
// |a^T b|^2 = sum over (i, j) of (a a^T)_ij (b b^T)_ij, two matrices of k x k (Gram matrices; Goodfellow, "Efficient
// per-example gradient computations", 2015, uses the same). Where k, the batch, is small, the norm is known before the
// gradient is computed, and the gradient need not outlive the update that it enters (follow.cpp).
#include <utility>
#include <vector>

#include "narae/graph/attributes.h"
#include "narae/plan/order.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

constexpr std::int64_t most_terms = 32;
constexpr std::int64_t least_numbers = 1 << 16;  // of the gradient

class Gram : Rewriter {
 public:
  void run(Program& program) {
    rewrite(program, [this](Value value) { return place(std::move(value)); });
    remove_dead(to_);
    program = std::move(to_);
  }

 private:
  int place(Value value) {
    if (value.op->name != "sum_of_squares" || value.signature.shape.rank() != 0) return append(std::move(value));
    const Value& product = to_.at(value.inputs[0]);
    if (!is_small_sum(product)) return append(std::move(value));
    const int a = product.inputs[0];
    const int b = product.inputs[1];
    const std::int64_t k = to_.at(a).signature.shape[0];
    const int both = write(value, "mul", {gram(value, a, k), gram(value, b, k)}, {}, {k, k});
    const ReduceAttributes all{.axes = 0b11, .keep = 0};
    const Attributes axes = words_of(all);
    const int sum = write(value, "sum", {both}, {axes.begin(), axes.end()}, {});
    return write(value, "relu", {sum}, {}, {});  // rounding must not make it negative
  }

  // a^T b of few rows and many results.
  [[nodiscard]] bool is_small_sum(const Value& product) const {
    if (product.op->name != "matmul" || product.signature.shape.rank() != 2) return false;
    const auto words = attributes_as<MatmulAttributes>(product.attributes);
    const std::int64_t k = to_.at(product.inputs[0]).signature.shape[0];
    const Shape& shape = product.signature.shape;
    return words.transpose_a != 0 && words.transpose_b == 0 && k > 0 && k <= most_terms &&
           shape.count() >= least_numbers && k * 4 <= shape[0] && k * 4 <= shape[1];
  }

  int gram(const Value& instead, int rows, std::int64_t k) {
    const MatmulAttributes second_transposed{.transpose_a = 0, .transpose_b = 1};
    const Attributes words = words_of(second_transposed);
    return write(instead, "matmul", {rows, rows}, {words.begin(), words.end()}, {k, k});
  }
};

}  // namespace

void gram(Program& program, const PlanOptions& options) {
  if (!options.fast_kernels || !options.fuse || program.stores.empty()) return;
  Gram().run(program);
}

}  // namespace narae::plan
