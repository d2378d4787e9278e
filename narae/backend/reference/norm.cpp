#include <cmath>
#include <cstdint>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// Channel c of (batch, channels, ...): calls visit(position) for each of its elements.
struct Channels {
  std::int64_t batch, channels, plane = 1;

  explicit Channels(const Shape& x) : batch(x[0]), channels(x[1]) {
    for (int i = 2; i < x.rank(); ++i) plane *= x[i];
  }
  [[nodiscard]] double per_channel() const { return static_cast<double>(batch * plane); }
  template <class Visit>
  void for_each(std::int64_t c, const Visit& visit) const {
    for (std::int64_t n = 0; n < batch; ++n) {
      const std::int64_t start = (n * channels + c) * plane;
      for (std::int64_t i = start; i < start + plane; ++i) visit(i);
    }
  }
};

// x -> (mean, biased variance)
Kernel make_statistics(const KernelRequest& request) {
  const Channels channels(request.inputs[0].shape);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [channels](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      for (std::int64_t c = 0; c < channels.channels; ++c) {
        double sum = 0;
        channels.for_each(c, [&](std::int64_t i) { sum += x[i]; });
        const double mean = sum / channels.per_channel();
        double squares = 0;
        channels.for_each(c, [&](std::int64_t i) { squares += (x[i] - mean) * (x[i] - mean); });
        at.out<T>(0)[c] = static_cast<T>(mean);
        at.out<T>(1)[c] = static_cast<T>(squares / channels.per_channel());
      }
    }};
  });
}

// (x, gamma, beta, eps) -> (y, mean, biased variance)
Kernel make_batch_norm(const KernelRequest& request) {
  const Channels channels(request.inputs[0].shape);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [channels](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      const double eps = *at.in<T>(3);
      for (std::int64_t c = 0; c < channels.channels; ++c) {
        double sum = 0;
        channels.for_each(c, [&](std::int64_t i) { sum += x[i]; });
        const double mean = sum / channels.per_channel();
        double squares = 0;
        channels.for_each(c, [&](std::int64_t i) { squares += (x[i] - mean) * (x[i] - mean); });
        const double variance = squares / channels.per_channel();
        const double scale = at.in<T>(1)[c] / std::sqrt(variance + eps);
        const double shift = at.in<T>(2)[c];
        channels.for_each(c, [&](std::int64_t i) { at.out<T>(0)[i] = static_cast<T>((x[i] - mean) * scale + shift); });
        at.out<T>(1)[c] = static_cast<T>(mean);
        at.out<T>(2)[c] = static_cast<T>(variance);
      }
    }};
  });
}

// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta); with h = (x - mean) / sqrt(variance + eps) and m
// elements a channel, dx = gamma / sqrt(variance + eps) (dy - dbeta / m - h dgamma / m).
Kernel make_batch_norm_gradient(const KernelRequest& request) {
  const Channels channels(request.inputs[0].shape);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [channels](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      const double eps = *at.in<T>(4);
      const T* dy = at.in<T>(5);
      for (std::int64_t c = 0; c < channels.channels; ++c) {
        const double mean = at.in<T>(2)[c];
        const double r = 1 / std::sqrt(at.in<T>(3)[c] + eps);
        double dgamma = 0;
        double dbeta = 0;
        channels.for_each(c, [&](std::int64_t i) {
          dgamma += dy[i] * (x[i] - mean) * r;
          dbeta += dy[i];
        });
        const double m = channels.per_channel();
        const double scale = at.in<T>(1)[c] * r;
        channels.for_each(c, [&](std::int64_t i) {
          at.out<T>(0)[i] = static_cast<T>(scale * (dy[i] - dbeta / m - (x[i] - mean) * r * dgamma / m));
        });
        at.out<T>(1)[c] = static_cast<T>(dgamma);
        at.out<T>(2)[c] = static_cast<T>(dbeta);
      }
    }};
  });
}

// Rows of a shape whose last `axes` axes are normalised.
struct Rows {
  std::int64_t count = 1, length = 1;

  Rows(const Shape& x, Attributes attributes) {
    const std::int64_t axes = attributes_as<LayerNormAttributes>(attributes).axes;
    for (int i = 0; i < x.rank(); ++i) (i < x.rank() - axes ? count : length) *= x[i];
  }
};

// (x, gamma, beta, eps) -> (y, mean, 1 / sqrt(biased variance + eps))
Kernel make_layer_norm(const KernelRequest& request) {
  const Rows rows(request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [rows](const KernelArguments& at) {
      const T* gamma = at.in<T>(1);
      const T* beta = at.in<T>(2);
      const double eps = *at.in<T>(3);
      const auto n = static_cast<double>(rows.length);
      for (std::int64_t row = 0; row < rows.count; ++row) {
        const T* x = at.in<T>(0) + row * rows.length;
        T* y = at.out<T>(0) + row * rows.length;
        double sum = 0;
        for (std::int64_t i = 0; i < rows.length; ++i) sum += x[i];
        const double mean = sum / n;
        double squares = 0;
        for (std::int64_t i = 0; i < rows.length; ++i) squares += (x[i] - mean) * (x[i] - mean);
        const double r = 1 / std::sqrt(squares / n + eps);
        for (std::int64_t i = 0; i < rows.length; ++i) y[i] = static_cast<T>((x[i] - mean) * r * gamma[i] + beta[i]);
        at.out<T>(1)[row] = static_cast<T>(mean);
        at.out<T>(2)[row] = static_cast<T>(r);
      }
    }};
  });
}

// (x, gamma, mean, rstd, dy) -> (dx, dgamma, dbeta); with h = (x - mean) rstd and g = gamma dy,
// dx = rstd (g - mean(g) - h mean(g h)).
Kernel make_layer_norm_gradient(const KernelRequest& request) {
  const Rows rows(request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [rows](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      const T* gamma = at.in<T>(1);
      const T* mean = at.in<T>(2);
      const T* rstd = at.in<T>(3);
      const T* dy = at.in<T>(4);
      const auto n = static_cast<double>(rows.length);
      for (std::int64_t row = 0; row < rows.count; ++row) {
        const std::int64_t start = row * rows.length;
        double sum = 0;
        double product = 0;
        for (std::int64_t i = 0; i < rows.length; ++i) {
          const double g = static_cast<double>(gamma[i]) * dy[start + i];
          sum += g;
          product += g * (static_cast<double>(x[start + i]) - mean[row]) * rstd[row];
        }
        for (std::int64_t i = 0; i < rows.length; ++i) {
          const double g = static_cast<double>(gamma[i]) * dy[start + i];
          const double h = (static_cast<double>(x[start + i]) - mean[row]) * rstd[row];
          at.out<T>(0)[start + i] = static_cast<T>(rstd[row] * (g - sum / n - h * product / n));
        }
      }
      for (std::int64_t i = 0; i < rows.length; ++i) {
        double dgamma = 0;
        double dbeta = 0;
        for (std::int64_t row = 0; row < rows.count; ++row) {
          const std::int64_t j = row * rows.length + i;
          dgamma += dy[j] * (static_cast<double>(x[j]) - mean[row]) * rstd[row];
          dbeta += dy[j];
        }
        at.out<T>(1)[i] = static_cast<T>(dgamma);
        at.out<T>(2)[i] = static_cast<T>(dbeta);
      }
    }};
  });
}

const DefineKernel batch_norm_statistics(reference_backend(), "batch_norm_statistics", make_statistics);
const DefineKernel batch_norm(reference_backend(), "batch_norm", make_batch_norm);
const DefineKernel batch_norm_gradient(reference_backend(), "batch_norm_gradient", make_batch_norm_gradient);
const DefineKernel layer_norm(reference_backend(), "layer_norm", make_layer_norm);
const DefineKernel layer_norm_gradient(reference_backend(), "layer_norm_gradient", make_layer_norm_gradient);

}  // namespace
}  // namespace narae
