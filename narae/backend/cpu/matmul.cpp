// matmul and linear: for a few rows our own kernel, else tile units or oneDNN in f32, blocks of our own in f64.
#include <algorithm>
#include <memory>
#include <vector>

#include "narae/backend/cpu/amx_matmul.h"
#include "narae/backend/cpu/few_rows.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/onednn_matmul.h"
#include "narae/backend/cpu/product.h"
#include "narae/backend/cpu/transpose2d.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"

namespace narae::cpu {
namespace {

// Rows of the result that are computed at a time, and the columns of b that stay in the cache meanwhile.
constexpr std::int64_t row_block = 24;
constexpr std::int64_t column_block = 128;

// b^T (n, k) to b (k, n).
void transpose_rows(const double* from, std::int64_t n, std::int64_t k, double* to) {
  constexpr std::int64_t rows = 32;
  parallel_for((n + rows - 1) / rows, 1 + 4096 / k, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * rows;
    transpose2d(std::min(end * rows, n) - first, k, from + first * k, k, to + first, n);
  });
}

struct Blocked {
  Product p;
  bool has_bias;
  std::vector<std::int64_t> a_rows, a_columns, b_rows;

  void multiply(const double* a, const double* b, const double* bias, double* y) const {
    const std::int64_t rows = (p.m + row_block - 1) / row_block;
    const std::int64_t columns = (p.n + column_block - 1) / column_block;
    const double block_flops =
        2.0 * static_cast<double>(std::min(p.m, row_block) * p.k) * static_cast<double>(std::min(p.n, column_block));
    parallel_for(rows * columns, static_cast<std::int64_t>(1 + 1e6 / block_flops),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t block = begin; block < end; ++block) {
                     const std::int64_t i = block % rows * row_block;
                     const std::int64_t j = block / rows * column_block;
                     gemm(Gemm<double>{.m = std::min(p.m - i, row_block),
                                       .n = std::min(p.n - j, column_block),
                                       .k = p.k,
                                       .a = a,
                                       .a_rows = a_rows.data() + i,
                                       .a_columns = a_columns.data(),
                                       .b = b + j,
                                       .b_rows = b_rows.data(),
                                       .c = y + i * p.n + j,
                                       .c_row = p.n,
                                       .column_bias = has_bias ? bias + j : nullptr});
                   }
                 });
  }
};

Kernel make_blocked(const Product& p, bool has_bias) {
  const auto blocked = std::make_shared<const Blocked>(Blocked{
      p, has_bias, offsets(p.m, p.transpose_a ? 1 : p.k), offsets(p.k, p.transpose_a ? p.m : 1), offsets(p.k, p.n)});
  Kernel kernel{.run = {}, .flops = p.flops()};
  if (p.transpose_b) kernel.scratch_bytes = static_cast<std::size_t>(p.n * p.k) * sizeof(double);
  kernel.run = [blocked](const KernelArguments& at) {
    const Product& p = blocked->p;
    for (std::int64_t batch = 0; batch < p.batch; ++batch) {
      const double* b = at.in<double>(1) + batch * p.k * p.n;
      if (p.transpose_b) {
        auto* own = reinterpret_cast<double*>(at.scratch);
        transpose_rows(b, p.n, p.k, own);
        b = own;
      }
      blocked->multiply(at.in<double>(0) + batch * p.m * p.k, b, blocked->has_bias ? at.in<double>(2) : nullptr,
                        at.out<double>(0) + batch * p.m * p.n);
    }
  };
  return kernel;
}

Kernel make_matmul(const KernelRequest& request) {
  const auto words = attributes_as<MatmulAttributes>(request.attributes);
  return make_product(product_of(request.inputs[0].shape, request.results[0].shape, words), request.results[0].dtype,
                      false);
}

Kernel make_linear(const KernelRequest& request) {
  const Shape& x = request.inputs[0].shape;
  const Product p{
      .batch = 1, .m = x[0], .n = request.results[0].shape[1], .k = x[1], .transpose_a = false, .transpose_b = true};
  return make_product(p, request.results[0].dtype, true);
}

const DefineKernel matmul(cpu_backend(), "matmul", make_matmul);
const DefineKernel linear(cpu_backend(), "linear", make_linear);

}  // namespace

Product product_of(const Shape& a, const Shape& y, const MatmulAttributes& words) {
  Product p{.batch = 1,
            .m = y[-2],
            .n = y[-1],
            .k = words.transpose_a != 0 ? a[-2] : a[-1],
            .transpose_a = words.transpose_a != 0,
            .transpose_b = words.transpose_b != 0};
  for (int i = 0; i < y.rank() - 2; ++i) p.batch *= y[i];
  return p;
}

Kernel make_product(const Product& p, DType dtype, bool has_bias) {
  if (p.batch * p.m * p.n * p.k == 0) return {};
  if (dtype == DType::f32) {
    if (Kernel kernel = make_few_rows(p, has_bias)) return kernel;
    return amx::make_product(p, has_bias, onednn::make_product(p, has_bias));
  }
  if (dtype == DType::f64) return make_blocked(p, has_bias);
  return {};
}

}  // namespace narae::cpu
