// The squared norm of a gradient of weights, without the gradient: with k rows in a and b,
// |a^T b|^2 = sum over (i, j) of (a a^T)_ij (b b^T)_ij, two matrices of k x k (Gram matrices; Goodfellow, "Efficient
// per-example gradient computations", 2015, uses the same). Where k, the batch, is small, the norm is known before the
// gradient is computed, and the gradient need not outlive the update that it enters (follow.cpp). Likewise the gradient
// of an embedding, whose rows are zeros but for those that were looked up: its norm is that of these alone.
#include <utility>
#include <vector>

#include "narae/graph/attributes.h"
#include "narae/plan/order.h"
#include "narae/plan/passes.h"
#include "narae/plan/rewrite.h"

namespace narae::plan {
namespace {

constexpr std::int64_t least_numbers = 1 << 16;  // of the gradient

class Gram : Rewriter {
 public:
  void run(Program& program) {
    rewrite_with_uses(program, [this](Value value) { return place(std::move(value)); });
    remove_dead(to_);
    program = std::move(to_);
  }

 private:
  int place(Value value) {
    const bool whole = value.op->name == "sum_of_squares" && value.signature.shape.rank() == 0;
    if (whole && is_of_few_segments(value.inputs[0])) {
      value.inputs = {rows_alone(to_.at(value.inputs[0]))};
      value.kernel = {};  // the one it had was for the whole
      return append(std::move(value));
    }
    if (!whole || !is_of_few_rows(value.inputs[0])) return append(std::move(value));
    const Value product = to_.at(value.inputs[0]);
    const std::int64_t k = to_.at(product.inputs[0]).signature.shape[0];
    Value wide = product;  // written in its place, in f64: what is left of large numbers must be right
    wide.signature.dtype = DType::f64;
    const int both =
        write(wide, "mul", {gram(wide, product.inputs[0], k), gram(wide, product.inputs[1], k)}, {}, {k, k});
    const ReduceAttributes all{.axes = 0b11, .keep = 0};
    const Attributes axes = words_of(all);
    const int sum = write(wide, "sum", {both}, {axes.begin(), axes.end()}, {});
    const int norm = write(wide, "relu", {sum}, {}, {});  // rounding must not make it negative
    return write(product, "cast", {norm}, type(DType::f32), {});
  }

  // The sum of fewer rows than the result has, which a later loop alone reads besides.
  [[nodiscard]] bool is_of_few_segments(int v) const {
    const Value& sum = to_.at(v);
    return sum.op->name == "segment_sum" && sum.signature.dtype == DType::f32 &&
           uses_[static_cast<std::size_t>(v)] == 2 && sum.signature.shape.count() >= least_numbers &&
           to_.at(sum.inputs[0]).signature.shape[0] < sum.signature.shape[0];
  }
  // The same sums, each at the place of its first row; zeros elsewhere.
  int rows_alone(const Value& instead) {
    const Value sum = instead;  // values move when others are added
    const Signature segments = to_.at(sum.inputs[1]).signature;
    const int first = write(sum, "first_occurrence", {sum.inputs[1]}, {sum.signature.shape[0]}, segments.shape);
    to_.at(first).signature.dtype = segments.dtype;
    return write(sum, "segment_sum", {sum.inputs[0], first}, {segments.shape[0]},
                 to_.at(sum.inputs[0]).signature.shape);
  }

  // A product a^T b of few rows and many results that a later loop alone reads besides.
  [[nodiscard]] bool is_of_few_rows(int v) const {
    const Value& product = to_.at(v);
    if (product.op->name != "matmul" || product.signature.shape.rank() != 2 || uses_[static_cast<std::size_t>(v)] != 2)
      return false;
    const auto words = attributes_as<MatmulAttributes>(product.attributes);
    const std::int64_t k = to_.at(product.inputs[0]).signature.shape[0];
    const Shape& shape = product.signature.shape;
    return words.transpose_a != 0 && words.transpose_b == 0 && product.signature.dtype == DType::f32 && k > 0 &&
           k <= Backend::Loops::few_terms && shape.count() >= least_numbers && k * 4 <= shape[0] &&
           shape[1] >= Backend::Loops::least_columns;
  }

  static std::vector<std::int64_t> type(DType dtype) { return {static_cast<std::int64_t>(dtype)}; }

  int gram(const Value& wide, int rows, std::int64_t k) {
    const Shape shape = to_.at(rows).signature.shape;
    const int same = write(wide, "cast", {rows}, type(DType::f64), shape);
    const MatmulAttributes second_transposed{.transpose_a = 0, .transpose_b = 1};
    const Attributes words = words_of(second_transposed);
    return write(wide, "matmul", {same, same}, {words.begin(), words.end()}, {k, k});
  }
};

}  // namespace

void gram(Program& program, const PlanOptions& options) {
  if (!options.fast_kernels || !options.fuse || program.stores.empty()) return;
  Gram().run(program);
}

}  // namespace narae::plan
