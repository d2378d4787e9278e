#pragma once

#include <cstdint>

#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {

/// One convolution y = x * w, whichever of the three is computed. Extents are (height, width).
struct ConvGeometry {
  std::int64_t batch, channels, filters;
  std::int64_t x[2], w[2], y[2];
  Conv2dAttributes words;

  [[nodiscard]] std::int64_t group_channels() const { return channels / words.groups; }
  [[nodiscard]] std::int64_t group_filters() const { return filters / words.groups; }
  /// Of the input with its padding.
  [[nodiscard]] std::int64_t padded(int axis) const { return x[axis] + 2 * words.padding[axis]; }
  /// Weights of one filter.
  [[nodiscard]] std::int64_t taps() const { return group_channels() * w[0] * w[1]; }
  [[nodiscard]] std::int64_t pixels() const { return y[0] * y[1]; }
  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(batch * filters) * static_cast<double>(pixels() * taps());
  }
};

enum class ConvPass { forward, input_gradient, weight_gradient };

/// Kernels that copy each image's windows to a matrix and multiply it, for few channels and for f64.
[[nodiscard]] Kernel make_lowered_conv(const ConvGeometry& g, ConvPass pass, DType dtype, bool has_bias);

}  // namespace narae::cpu
