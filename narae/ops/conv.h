#pragma once

#include "narae/graph/tensor.h"
#include "narae/ops/size2d.h"

namespace narae {

struct Conv2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;  ///< zeros on either side
  Size2d dilation = 1;
  std::int64_t groups = 1;
};

/// Cross-correlation of x: (batch, channels, height, width) with w: (filters, channels / groups, kernel height,
/// kernel width), plus b: (filters) unless undefined; (batch, filters, out height, out width) with
/// out = floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. Throws Error when the extents don't fit.
[[nodiscard]] NARAE_API Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                                      const Conv2dOptions& options = {});

struct ConvTranspose2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;         ///< taken off either side of the result
  Size2d output_padding = 0;  ///< added to the far side of the result; less than the stride
  Size2d dilation = 1;
  std::int64_t groups = 1;
};

/// The transpose of a convolution (its gradient by the input; Zeiler et al. 2010), plus b: (filters) unless undefined,
/// for x: (batch, channels, height, width) and w: (channels, filters / groups, kernel height, kernel width);
/// (batch, filters, out height, out width) with out = (in - 1) stride - 2 padding + dilation (kernel - 1) +
/// output_padding + 1. Throws Error when the extents don't fit.
[[nodiscard]] NARAE_API Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                                                const ConvTranspose2dOptions& options = {});

}  // namespace narae
