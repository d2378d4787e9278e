// Root mean square normalisation of rows and its gradient.
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
  [[nodiscard]] double numbers() const { return static_cast<double>(count * length); }
};

// (x, gamma, eps) -> (y, 1 / sqrt(mean(x^2) + eps))
template <class T>
Kernel forward(const Rows& rows) {
  return {.run =
              [rows](const KernelArguments& at) {
                const NormRows<T>& f = norm_rows<T>();
                const double eps = static_cast<double>(*at.in<T>(2));
                const std::int64_t n = rows.length;
                parallel_for(rows.count, std::max<std::int64_t>(1, 8192 / n),
                             [&](std::int64_t begin, std::int64_t end) {
                               for (std::int64_t row = begin; row < end; ++row) {
                                 const T* x = at.in<T>(0) + row * n;
                                 const double mean_square = f.squares(x, n, T{0}) / static_cast<double>(n);
                                 const auto rstd = static_cast<T>(1 / std::sqrt(mean_square + eps));
                                 f.rms(x, n, rstd, at.in<T>(1), at.out<T>(0) + row * n);
                                 at.out<T>(1)[row] = rstd;
                               }
                             });
              },
          .flops = 4 * rows.numbers()};
}

// (x, gamma, rstd, dy) -> (dx, dgamma)
template <class T>
Kernel backward(const Rows& rows) {
  const std::int64_t n = rows.length;
  const PartSums<T> sums(rows.count, n, n);
  return {.run =
              [sums, n](const KernelArguments& at) {
                const NormRows<T>& f = norm_rows<T>();
                T* memory = reinterpret_cast<T*>(at.scratch);
                sums.run(memory, [&](std::int64_t row, T* dgamma) {
                  f.rms_gradient(at.in<T>(0) + row * n, at.in<T>(3) + row * n, n, at.in<T>(2)[row], at.in<T>(1),
                                 at.out<T>(0) + row * n, dgamma);
                });
                for (std::int64_t i = 0; i < n; ++i) at.out<T>(1)[i] = sums.total(memory, i);
              },
          .scratch_bytes = sums.scratch_bytes(),
          .flops = 10 * rows.numbers()};
}

Kernel make_rms_norm(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return forward<float>(Rows(request));
  if (request.results[0].dtype == DType::f64) return forward<double>(Rows(request));
  return {};
}

Kernel make_rms_norm_gradient(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return backward<float>(Rows(request));
  if (request.results[0].dtype == DType::f64) return backward<double>(Rows(request));
  return {};
}

const DefineKernel rms_norm(cpu_backend(), "rms_norm", make_rms_norm);
const DefineKernel rms_norm_gradient(cpu_backend(), "rms_norm_gradient", make_rms_norm_gradient);

}  // namespace
}  // namespace narae::cpu
