#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narae/core/dtype.h"
#include "narae/core/export.h"
#include "narae/core/shape.h"

namespace narae {

/// Turns stored numbers into what a network takes: (x / unit - mean[c]) / stddev[c] in float32, where unit is 255 for
/// u8 and 1 for every other type, rounded as PyTorch rounds ToTensor and Normalize.
class NARAE_API Normalizer {
 public:
  /// `sample` is the shape of one sample; mean and stddev have one entry per extent of its first dimension, one for
  /// all, or none (0 and 1). Throws Error for other counts, a deviation of 0 and half-precision input.
  Normalizer(DType dtype, const Shape& sample, std::span<const float> mean, std::span<const float> stddev);

  /// One sample as it is stored, straight to where it is wanted.
  void apply(const std::byte* sample, std::span<float> out) const;
  /// The same for numbers that are floats already but still in stored units (a resampled picture).
  void apply_in_place(std::span<float> values) const;

  /// The answers for each of the 256 values of u8 samples in channel c.
  [[nodiscard]] const float* table(std::size_t c) const { return tables_[tables_.size() == 1 ? 0 : c].data(); }
  /// One number in stored units of channel c.
  [[nodiscard]] float operator()(float value, std::size_t c) const {
    const std::size_t k = mean_.size() == 1 ? 0 : c;
    return (value / unit_ - mean_[k]) / stddev_[k];
  }

 private:
  DType dtype_;
  float unit_;
  std::vector<float> mean_;
  std::vector<float> stddev_;
  std::vector<std::array<float, 256>> tables_;  ///< for u8: the answer for each of the 256 values, per channel
};

/// A movement of a picture about its centre: stretched, sheared, rotated, then translated.
struct Movement {
  float x = 0;        ///< pixels to the right
  float y = 0;        ///< pixels down
  float degrees = 0;  ///< clockwise
  float scale_x = 1;
  float scale_y = 1;
  float shear = 0;  ///< degrees, along x: the upper part goes to the right
};

/// Where a moved picture is read from: pixel (x, y), counted from the centre, comes from
/// (xx * x + xy * y + x0, yx * x + yy * y + y0).
struct Affine {
  float xx = 1, xy = 0, x0 = 0;
  float yx = 0, yy = 1, y0 = 0;
};

/// The inverse of a movement, as resampling needs it.
[[nodiscard]] NARAE_API Affine inverse_of(const Movement& movement);

/// Resamples a picture (channels, height, width) of u8 or float, bilinearly, in its own units; what lies outside counts
/// as 0. The identity leaves every pixel exactly as it is.
NARAE_API void resample(std::span<const std::uint8_t> picture, const Shape& shape, const Affine& affine,
                        std::span<float> out);
NARAE_API void resample(std::span<const float> picture, const Shape& shape, const Affine& affine, std::span<float> out);

}  // namespace narae
