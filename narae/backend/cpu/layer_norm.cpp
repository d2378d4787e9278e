// Layer normalisation of rows and its gradient.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "narae/backend/cpu/norm_rows.h"
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

const NormRows<float>& rows_of(float) {
  return norm_rows_f32();
}
const NormRows<double>& rows_of(double) {
  return norm_rows_f64();
}

// (x, gamma, beta, eps) -> (y, mean, 1 / sqrt(biased variance + eps))
template <class T>
Kernel forward(const Rows& rows) {
  return {.run =
              [rows](const KernelArguments& at) {
                const NormRows<T>& f = rows_of(T{});
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

// (x, gamma, mean, rstd, dy) -> (dx, dgamma, dbeta). Rows are shared out in a fixed number of parts, each with sums of
// its own for dgamma and dbeta, which are then added in order.
template <class T>
struct Gradient {
  Rows rows;
  std::int64_t parts;

  explicit Gradient(const Rows& r) : rows(r), parts(std::clamp<std::int64_t>(r.count * r.length / 8192, 1, 16)) {
    parts = std::min(parts, r.count);
  }

  void run(const KernelArguments& at) const {
    const NormRows<T>& f = rows_of(T{});
    T* sums = reinterpret_cast<T*>(at.scratch);
    const std::int64_t n = rows.length;
    parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        T* dgamma = sums + part * 2 * n;
        std::memset(dgamma, 0, static_cast<std::size_t>(2 * n) * sizeof(T));
        for (std::int64_t row = part * rows.count / parts; row < (part + 1) * rows.count / parts; ++row) {
          f.layer_gradient(at.in<T>(0) + row * n, at.in<T>(4) + row * n, n, at.in<T>(2)[row], at.in<T>(3)[row],
                           at.in<T>(1), at.out<T>(0) + row * n, dgamma, dgamma + n);
        }
      }
    });
    for (std::int64_t i = 0; i < n; ++i) {
      double dgamma = 0;
      double dbeta = 0;
      for (std::int64_t part = 0; part < parts; ++part) {
        dgamma += static_cast<double>(sums[part * 2 * n + i]);
        dbeta += static_cast<double>(sums[part * 2 * n + n + i]);
      }
      at.out<T>(1)[i] = static_cast<T>(dgamma);
      at.out<T>(2)[i] = static_cast<T>(dbeta);
    }
  }
};

template <class T>
Kernel backward(const Rows& rows) {
  const Gradient<T> gradient(rows);
  return {.run = [gradient](const KernelArguments& at) { gradient.run(at); },
          .scratch_bytes = static_cast<std::size_t>(gradient.parts * 2 * rows.length) * sizeof(T),
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
