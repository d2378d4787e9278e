#pragma once

#include <optional>

#include "narae/graph/tensor.h"
#include "narae/ops/size2d.h"

namespace narae {

struct MaxPool2dOptions {
  std::optional<Size2d> stride = {};  ///< the kernel's size unless given
  Size2d padding = 0;                 ///< at most half the kernel; padding never wins
  bool ceil_mode = false;             ///< keep a last window that is cut off at the end
};

struct AvgPool2dOptions {
  std::optional<Size2d> stride = {};  ///< the kernel's size unless given
  Size2d padding = 0;                 ///< at most half the kernel
  bool ceil_mode = false;             ///< keep a last window that is cut off at the end
  bool count_include_pad = true;      ///< padding counts as zeros; else the mean is over what is not padding
};

/// Pooled values and, for each, its position height * input width + width in the input plane (i32).
struct MaxPool2dResult {
  Tensor values;
  Tensor indices;
};

/// The maximum of each window of x: (batch, channels, height, width); out = floor((in + 2 padding - kernel) / stride)
/// + 1. With `ceil_mode` the quotient is rounded up, but no window starts in the padding behind the input. The first
/// maximum wins, NaN beats everything. Throws Error when no window fits.
[[nodiscard]] NARAE_API Tensor max_pool2d(const Tensor& x, Size2d kernel, const MaxPool2dOptions& options = {});
[[nodiscard]] NARAE_API MaxPool2dResult max_pool2d_with_indices(const Tensor& x, Size2d kernel,
                                                                const MaxPool2dOptions& options = {});
/// Adds y: (batch, channels, out height, out width) at the positions `indices` of planes of `size`, zeros elsewhere.
[[nodiscard]] NARAE_API Tensor max_unpool2d(const Tensor& y, const Tensor& indices, Size2d size);

/// The mean of each window of x: (batch, channels, height, width); sizes as for max_pool2d. What a window of
/// `ceil_mode` has beyond the padding counts for nothing.
[[nodiscard]] NARAE_API Tensor avg_pool2d(const Tensor& x, Size2d kernel, const AvgPool2dOptions& options = {});

/// The mean (maximum) of windows that cut x: (batch, channels, height, width) into `size` parts: part i of n covers
/// floor(i in / n) up to ceil((i + 1) in / n).
[[nodiscard]] NARAE_API Tensor adaptive_avg_pool2d(const Tensor& x, Size2d size);
[[nodiscard]] NARAE_API Tensor adaptive_max_pool2d(const Tensor& x, Size2d size);

/// The mean (maximum) over height and width: (batch, channels, height, width) -> (batch, channels).
[[nodiscard]] NARAE_API Tensor global_avg_pool(const Tensor& x);
[[nodiscard]] NARAE_API Tensor global_max_pool(const Tensor& x);

}  // namespace narae
