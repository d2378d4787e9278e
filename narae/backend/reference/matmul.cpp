#include <cstdint>
#include <type_traits>
#include <vector>

#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae {
namespace {

// Sums in double (or in int64), rounded once: the oracle for kernels that add in another order.
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;

struct Product {
  std::int64_t batch, m, n, k;
  bool transpose_a, transpose_b;
};

template <class T>
void multiply(const Product& p, const T* a, const T* b, const T* bias, T* y) {
  const std::int64_t a_row = p.transpose_a ? 1 : p.k;
  const std::int64_t a_column = p.transpose_a ? p.m : 1;
  std::vector<Sum<T>> row(static_cast<std::size_t>(p.n));
  for (std::int64_t batch = 0; batch < p.batch; ++batch, a += p.m * p.k, b += p.k * p.n) {
    for (std::int64_t i = 0; i < p.m; ++i, y += p.n) {
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = bias == nullptr ? 0 : bias[j];
      // Both ways add up k products in order; b is read along its rows.
      if (p.transpose_b) {
        for (std::int64_t j = 0; j < p.n; ++j) {
          Sum<T>& sum = row[static_cast<std::size_t>(j)];
          for (std::int64_t l = 0; l < p.k; ++l) sum += Sum<T>{a[i * a_row + l * a_column]} * b[j * p.k + l];
        }
      } else {
        for (std::int64_t l = 0; l < p.k; ++l) {
          const Sum<T> factor = a[i * a_row + l * a_column];
          for (std::int64_t j = 0; j < p.n; ++j) row[static_cast<std::size_t>(j)] += factor * b[l * p.n + j];
        }
      }
      for (std::int64_t j = 0; j < p.n; ++j) y[j] = static_cast<T>(row[static_cast<std::size_t>(j)]);
    }
  }
}

template <class T>
Kernel matmul_of(const Product& p) {
  return {.run = [p](const KernelArguments& at) { multiply<T>(p, at.in<T>(0), at.in<T>(1), nullptr, at.out<T>(0)); },
          .flops = 2.0 * static_cast<double>(p.batch * p.m) * static_cast<double>(p.n * p.k)};
}

Kernel make_matmul(const KernelRequest& request) {
  const auto words = attributes_as<MatmulAttributes>(request.attributes);
  const Shape& a = request.inputs[0].shape;
  const Shape& y = request.results[0].shape;
  Product p{.batch = 1,
            .m = y[-2],
            .n = y[-1],
            .k = words.transpose_a != 0 ? a[-2] : a[-1],
            .transpose_a = words.transpose_a != 0,
            .transpose_b = words.transpose_b != 0};
  for (int i = 0; i < y.rank() - 2; ++i) p.batch *= y[i];
  switch (request.results[0].dtype) {
    case DType::f32:
      return matmul_of<float>(p);
    case DType::f64:
      return matmul_of<double>(p);
    case DType::i32:
      return matmul_of<std::int32_t>(p);
    case DType::i64:
      return matmul_of<std::int64_t>(p);
    default:
      return {};
  }
}

template <class T>
Kernel linear_of(const Product& p) {
  return {
      .run = [p](const KernelArguments& at) { multiply<T>(p, at.in<T>(0), at.in<T>(1), at.in<T>(2), at.out<T>(0)); },
      .flops = 2.0 * static_cast<double>(p.m) * static_cast<double>(p.n * p.k)};
}

Kernel make_linear(const KernelRequest& request) {
  const Shape& x = request.inputs[0].shape;
  const Product p{
      .batch = 1, .m = x[0], .n = request.results[0].shape[1], .k = x[1], .transpose_a = false, .transpose_b = true};
  switch (request.results[0].dtype) {
    case DType::f32:
      return linear_of<float>(p);
    case DType::f64:
      return linear_of<double>(p);
    default:
      return {};
  }
}

const DefineKernel matmul(reference_backend(), "matmul", make_matmul);
const DefineKernel linear(reference_backend(), "linear", make_linear);

}  // namespace
}  // namespace narae
