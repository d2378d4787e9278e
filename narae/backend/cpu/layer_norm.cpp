// Layer normalisation of rows and its gradient.
#include <algorithm>
#include <cmath>

#include "narae/backend/cpu/norm_rows.h"
#include "narae/backend/cpu/part_sums.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// Rows of a shape whose last `axes` axes are normalised.
struct Rows {
  std::int64_t count = 1, length = 1;

  explicit Rows(const KernelRequest& request) {
    const Shape& x = request.inputs[0].shape;
    const std::int64_t axes = attributes_as<LayerNormAttributes>(request.attributes).axes;
    for (int i = 0; i < x.rank(); ++i) (i < x.rank() - axes ? count : length) *= x[i];
  }
  [[nodiscard]] std::int64_t grain() const { return std::max<std::int64_t>(1, 8192 / length); }
};

// (x, gamma, beta, eps) -> (y, mean, 1 / sqrt(biased variance + eps))
template <class T>
Kernel forward(const Rows& rows) {
  return {.run =
              [rows](const KernelArguments& at) {
                const NormRows<T>& f = norm_rows<T>();
                const double eps = static_cast<double>(*at.in<T>(3));
                const auto n = static_cast<double>(rows.length);
                parallel_for(rows.count, rows.grain(), [&](std::int64_t begin, std::int64_t end) {
                  for (std::int64_t row = begin; row < end; ++row) {
                    const T* x = at.in<T>(0) + row * rows.length;
                    const double exact = f.sum(x, rows.length) / n;
                    const auto mean = static_cast<T>(exact);
                    const double rounding = exact - static_cast<double>(mean);
                    const double variance = std::max(0.0, f.squares(x, rows.length, mean) / n - rounding * rounding);
                    const auto rstd = static_cast<T>(1 / std::sqrt(variance + eps));
                    f.layer(x, rows.length, mean, rstd, at.in<T>(1), at.in<T>(2), at.out<T>(0) + row * rows.length);
                    at.out<T>(1)[row] = mean;
                    at.out<T>(2)[row] = rstd;
                  }
                });
              },
          .flops = 8.0 * static_cast<double>(rows.count * rows.length)};
}

// (x, gamma, mean, rstd, dy) -> (dx, dgamma, dbeta)
template <class T>
Kernel backward(const Rows& rows) {
  const std::int64_t n = rows.length;
  const PartSums<T> sums(rows.count, n, 2 * n);
  return {.run =
              [sums, n](const KernelArguments& at) {
                const NormRows<T>& f = norm_rows<T>();
                T* memory = reinterpret_cast<T*>(at.scratch);
                sums.run(memory, [&](std::int64_t row, T* dgamma) {
                  f.layer_gradient(at.in<T>(0) + row * n, at.in<T>(4) + row * n, n, at.in<T>(2)[row], at.in<T>(3)[row],
                                   at.in<T>(1), at.out<T>(0) + row * n, dgamma, dgamma + n);
                });
                for (std::int64_t i = 0; i < n; ++i) {
                  at.out<T>(1)[i] = sums.total(memory, i);
                  at.out<T>(2)[i] = sums.total(memory, n + i);
                }
              },
          .scratch_bytes = sums.scratch_bytes(),
          .flops = 16.0 * static_cast<double>(rows.count * rows.length)};
}

Kernel make_layer_norm(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return forward<float>(Rows(request));
  if (request.results[0].dtype == DType::f64) return forward<double>(Rows(request));
  return {};
}

Kernel make_layer_norm_gradient(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return backward<float>(Rows(request));
  if (request.results[0].dtype == DType::f64) return backward<double>(Rows(request));
  return {};
}

const DefineKernel layer_norm(cpu_backend(), "layer_norm", make_layer_norm);
const DefineKernel layer_norm_gradient(cpu_backend(), "layer_norm_gradient", make_layer_norm_gradient);

}  // namespace
}  // namespace narae::cpu
