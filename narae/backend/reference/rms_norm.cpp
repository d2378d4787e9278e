#include <cmath>
#include <cstdint>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// Rows of a shape whose last `axes` axes are normalised.
struct Rows {
  std::int64_t count = 1, length = 1;

  Rows(const Shape& x, Attributes attributes) {
    const std::int64_t axes = attributes_as<LayerNormAttributes>(attributes).axes;
    for (int i = 0; i < x.rank(); ++i) (i < x.rank() - axes ? count : length) *= x[i];
  }
};

// (x, gamma, eps) -> (y, 1 / sqrt(mean(x^2) + eps))
Kernel make_rms_norm(const KernelRequest& request) {
  const Rows rows(request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [rows](const KernelArguments& at) {
      const double eps = *at.in<T>(2);
      for (std::int64_t row = 0; row < rows.count; ++row) {
        const T* x = at.in<T>(0) + row * rows.length;
        double squares = 0;
        for (std::int64_t i = 0; i < rows.length; ++i) squares += static_cast<double>(x[i]) * x[i];
        const double r = 1 / std::sqrt(squares / static_cast<double>(rows.length) + eps);
        for (std::int64_t i = 0; i < rows.length; ++i) {
          at.out<T>(0)[row * rows.length + i] = static_cast<T>(x[i] * r * at.in<T>(1)[i]);
        }
        at.out<T>(1)[row] = static_cast<T>(r);
      }
    }};
  });
}

// (x, gamma, rstd, dy) -> (dx, dgamma); with h = x rstd and g = gamma dy, dx = rstd (g - h mean(g h)).
Kernel make_rms_norm_gradient(const KernelRequest& request) {
  const Rows rows(request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [rows](const KernelArguments& at) {
      std::vector<double> dgamma(static_cast<std::size_t>(rows.length));
      for (std::int64_t row = 0; row < rows.count; ++row) {
        const T* x = at.in<T>(0) + row * rows.length;
        const T* dy = at.in<T>(3) + row * rows.length;
        const double r = at.in<T>(2)[row];
        const auto g = [&](std::int64_t i) { return static_cast<double>(at.in<T>(1)[i]) * dy[i]; };
        double product = 0;
        for (std::int64_t i = 0; i < rows.length; ++i) {
          product += g(i) * x[i] * r;
          dgamma[static_cast<std::size_t>(i)] += dy[i] * x[i] * r;
        }
        for (std::int64_t i = 0; i < rows.length; ++i) {
          at.out<T>(0)[row * rows.length + i] =
              static_cast<T>(r * (g(i) - x[i] * r * product / static_cast<double>(rows.length)));
        }
      }
      for (std::int64_t i = 0; i < rows.length; ++i) {
        at.out<T>(1)[i] = static_cast<T>(dgamma[static_cast<std::size_t>(i)]);
      }
    }};
  });
}

const DefineKernel rms_norm(reference_backend(), "rms_norm", make_rms_norm);
const DefineKernel rms_norm_gradient(reference_backend(), "rms_norm_gradient", make_rms_norm_gradient);

}  // namespace
}  // namespace narae
