#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/array.h"
#include "narae/graph/tensor.h"

namespace narae::nn {

/// A convolution's kernel that is not learned: f32 (height, width), both odd.
struct ImageFilter {
  std::string name;
  Array kernel;
  /// Its weights add up to 0: it answers to differences, with either sign, and gives 0 where nothing changes. The
  /// others add up to 1.
  bool finds_edges = false;
};

/// Blurs: the mean of size x size pixels. This and the other sizes: throws Error unless the size is odd and positive.
[[nodiscard]] NARAE_API ImageFilter box_filter(std::int64_t size = 5);
/// Blurs: weights in proportion to exp(-(dx^2 + dy^2) / (2 sigma^2)), sigma in pixels. Throws Error for sigma <= 0.
[[nodiscard]] NARAE_API ImageFilter gaussian_filter(std::int64_t size = 5, double sigma = 1);
/// The pixel plus what it differs by from its four neighbours: 5 in the middle, -1 beside, above and below.
[[nodiscard]] NARAE_API ImageFilter sharpen_filter();
/// Brightness below minus brightness above (Sobel): answers where a horizontal edge runs.
[[nodiscard]] NARAE_API ImageFilter horizontal_edge_filter();
/// Brightness to the right minus brightness to the left (Sobel): answers where a vertical edge runs.
[[nodiscard]] NARAE_API ImageFilter vertical_edge_filter();
/// Blurs as a camera that moves from the upper left to the lower right: the mean of `size` pixels on a diagonal.
[[nodiscard]] NARAE_API ImageFilter motion_filter(std::int64_t size = 9);

/// The six above with their defaults, in that order: box, gaussian, sharpen, horizontal_edge, vertical_edge, motion.
[[nodiscard]] NARAE_API std::vector<ImageFilter> image_filters();

/// Each channel of x: (batch, channels, height, width) by itself through the filter, in x's type; the pixels at the
/// border are repeated beyond it, so that the result has x's shape. Throws Error for other shapes and types.
[[nodiscard]] NARAE_API Tensor apply_filter(const Tensor& x, const ImageFilter& filter);

}  // namespace narae::nn
