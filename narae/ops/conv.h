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

}  // namespace narae
