#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// One convolution y = x * w, whichever of the three is computed. Extents are (height, width).
struct Geometry {
  std::int64_t batch, channels, filters;
  std::int64_t x[2], w[2], y[2];
  Conv2dAttributes words;

  [[nodiscard]] std::int64_t group_channels() const { return channels / words.groups; }
  [[nodiscard]] std::int64_t group_filters() const { return filters / words.groups; }
  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(batch * filters * y[0]) * static_cast<double>(y[1] * group_channels()) *
           static_cast<double>(w[0] * w[1]);
  }
};

Geometry geometry_of(const Shape& x, const Shape& w, const Shape& y, Attributes attributes) {
  return {.batch = x[0],
          .channels = x[1],
          .filters = y[1],
          .x = {x[2], x[3]},
          .w = {w[2], w[3]},
          .y = {y[2], y[3]},
          .words = attributes_as<Conv2dAttributes>(attributes)};
}

// Calls visit(position in x, position in w, position in y) for every product that the convolution adds up.
template <class Visit>
void for_each_product(const Geometry& g, const Visit& visit) {
  const auto& [stride, padding, dilation, groups, extent] = g.words;
  for (std::int64_t n = 0; n < g.batch; ++n)
    for (std::int64_t o = 0; o < g.filters; ++o)
      for (std::int64_t i = 0; i < g.group_channels(); ++i) {
        const std::int64_t c = o / g.group_filters() * g.group_channels() + i;
        const std::int64_t x_plane = (n * g.channels + c) * g.x[0] * g.x[1];
        const std::int64_t w_plane = (o * g.group_channels() + i) * g.w[0] * g.w[1];
        const std::int64_t y_plane = (n * g.filters + o) * g.y[0] * g.y[1];
        for (std::int64_t r = 0; r < g.w[0]; ++r)
          for (std::int64_t s = 0; s < g.w[1]; ++s)
            for (std::int64_t p = 0; p < g.y[0]; ++p) {
              const std::int64_t row = p * stride[0] - padding[0] + r * dilation[0];
              if (row < 0 || row >= g.x[0]) continue;
              for (std::int64_t q = 0; q < g.y[1]; ++q) {
                const std::int64_t column = q * stride[1] - padding[1] + s * dilation[1];
                if (column < 0 || column >= g.x[1]) continue;
                visit(x_plane + row * g.x[1] + column, w_plane + r * g.w[1] + s, y_plane + p * g.y[1] + q);
              }
            }
      }
}

// Sums are kept in double and rounded once.
template <class T>
void store(const std::vector<double>& sums, T* result) {
  for (std::size_t i = 0; i < sums.size(); ++i) result[i] = static_cast<T>(sums[i]);
}

Kernel forward(const KernelRequest& request, bool has_bias) {
  const Geometry g =
      geometry_of(request.inputs[0].shape, request.inputs[1].shape, request.results[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run =
                      [g, has_bias](const KernelArguments& at) {
                        const T* x = at.in<T>(0);
                        const T* w = at.in<T>(1);
                        const std::int64_t plane = g.y[0] * g.y[1];
                        std::vector<double> sums(static_cast<std::size_t>(g.batch * g.filters * plane));
                        if (has_bias) {
                          const T* bias = at.in<T>(2);
                          for (std::size_t i = 0; i < sums.size(); ++i) {
                            sums[i] = bias[static_cast<std::int64_t>(i) / plane % g.filters];
                          }
                        }
                        for_each_product(g, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
                          sums[static_cast<std::size_t>(k)] += static_cast<double>(x[i]) * w[j];
                        });
                        store(sums, at.out<T>(0));
                      },
                  .flops = g.flops()};
  });
}

Kernel make_conv2d(const KernelRequest& request) {
  return forward(request, false);
}
Kernel make_conv2d_bias(const KernelRequest& request) {
  return forward(request, true);
}

// (dy, w) -> dx
Kernel make_input_gradient(const KernelRequest& request) {
  const Geometry g =
      geometry_of(request.results[0].shape, request.inputs[1].shape, request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run =
                      [g](const KernelArguments& at) {
                        const T* dy = at.in<T>(0);
                        const T* w = at.in<T>(1);
                        std::vector<double> sums(static_cast<std::size_t>(g.batch * g.channels * g.x[0] * g.x[1]));
                        for_each_product(g, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
                          sums[static_cast<std::size_t>(i)] += static_cast<double>(dy[k]) * w[j];
                        });
                        store(sums, at.out<T>(0));
                      },
                  .flops = g.flops()};
  });
}

// (x, dy) -> dw
Kernel make_weight_gradient(const KernelRequest& request) {
  const Geometry g =
      geometry_of(request.inputs[0].shape, request.results[0].shape, request.inputs[1].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{
        .run =
            [g](const KernelArguments& at) {
              const T* x = at.in<T>(0);
              const T* dy = at.in<T>(1);
              std::vector<double> sums(static_cast<std::size_t>(g.filters * g.group_channels() * g.w[0] * g.w[1]));
              for_each_product(g, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
                sums[static_cast<std::size_t>(j)] += static_cast<double>(x[i]) * dy[k];
              });
              store(sums, at.out<T>(0));
            },
        .flops = g.flops()};
  });
}

const DefineKernel conv2d(reference_backend(), "conv2d", make_conv2d);
const DefineKernel conv2d_bias(reference_backend(), "conv2d_bias", make_conv2d_bias);
const DefineKernel input_gradient(reference_backend(), "conv2d_input_gradient", make_input_gradient);
const DefineKernel weight_gradient(reference_backend(), "conv2d_weight_gradient", make_weight_gradient);

}  // namespace
}  // namespace narae
