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
  /// Weights of one filter.
  [[nodiscard]] std::int64_t taps() const { return group_channels() * w[0] * w[1]; }
  [[nodiscard]] std::int64_t pixels() const { return y[0] * y[1]; }
  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(batch * filters) * static_cast<double>(pixels() * taps());
  }
};

enum class ConvPass { forward, input_gradient, weight_gradient };

/// How a convolution's input and output (or their gradients) lie in memory, and the weights of
/// the forward pass; other weights and the bias are row-major.
struct ConvLayouts {
  Layout x = Layout::row_major;
  Layout y = Layout::row_major;
  Layout w = Layout::row_major;
};

/// What becomes of a forward convolution's result before it is stored: y + z, then max(y, 0) (a NaN counts as 0).
struct ConvFollower {
  bool adds = false;
  bool rectifies = false;
};

/// A convolution whose result goes through a loop of these two, as its input number `from`; see Backend::Loops.
[[nodiscard]] Kernel make_conv_behind(const KernelRequest& request, const Loop& loop, int from, bool exact);

/// The layouts that a convolution or one of its gradients wants; false for other operators and where row-major is best.
[[nodiscard]] bool choose_conv_layouts(const KernelRequest& request, LayoutChoice& choice);

/// Kernels of our own, for few channels and for f64.
[[nodiscard]] Kernel make_direct_conv(const ConvGeometry& g, ConvPass pass, DType dtype, bool has_bias);

}  // namespace narae::cpu
