#pragma once

#include <cstdint>
#include <span>

#include "narae/core/array.h"
#include "narae/core/export.h"

namespace narae {

/// Pixels down and across.
struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  [[nodiscard]] std::int64_t count() const { return height * width; }
  friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

/// A part of a picture: rows [top, top + height), columns [left, left + width).
struct PictureBox {
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// A picture in somebody else's memory, planes of rows. Rows and planes may lie apart: a part of a larger picture.
template <class T>
struct PictureView {
  const T* pixels = nullptr;
  std::int64_t channels = 0;
  PictureSize size;
  std::int64_t row_stride = 0;    ///< elements from one row to the next
  std::int64_t plane_stride = 0;  ///< elements from one channel to the next

  /// Contiguous planes of contiguous rows.
  static PictureView of(const T* pixels, std::int64_t channels, PictureSize size) {
    return {pixels, channels, size, size.width, size.count()};
  }
  [[nodiscard]] const T* row(std::int64_t channel, std::int64_t y) const {
    return pixels + channel * plane_stride + y * row_stride;
  }
  /// The box must lie inside (unchecked).
  [[nodiscard]] PictureView part(const PictureBox& box) const {
    return {row(0, box.top) + box.left, channels, {box.height, box.width}, row_stride, plane_stride};
  }
};

/// The pixels of u8 (channels, height, width). Throws Error for other arrays.
[[nodiscard]] NARAE_API PictureView<std::uint8_t> view_of(const Array& picture);

/// Scales a picture to `size`, bilinearly with antialiasing: a new pixel is the mean of the old ones under a triangle
/// that reaches one new (at least one old) pixel to either side, first along the rows, then along the columns, rounded
/// after each - Pillow's resize(BILINEAR) to within 1 of 255. Only the part `window` of the result is computed and
/// written to `out`: (channels, window.height, window.width).
NARAE_API void resize(const PictureView<std::uint8_t>& from, PictureSize size, const PictureBox& window,
                      std::span<std::uint8_t> out);

/// The whole of it. Throws Error for arrays that are no u8 pictures and sizes below 1.
[[nodiscard]] NARAE_API Array resized(const Array& picture, PictureSize size);

/// How pictures of any size are brought to the one that a network takes, outside of random cropping.
struct FitOptions {
  /// Both sides are scaled on their own. Otherwise the picture keeps its proportions: it is scaled until the network's
  /// size divided by `crop` just fits into it, and what stands over is cut off evenly.
  bool stretch = false;
  float crop = 1;  ///< above 0, at most 1; 0.875 takes 224 of 256 pixels
};

/// Throws Error for a crop out of range.
NARAE_API void check(const FitOptions& options);

/// Scales and crops a picture to `size`; `out`: (channels, size.height, size.width).
NARAE_API void fit(const PictureView<std::uint8_t>& from, PictureSize size, const FitOptions& options,
                   std::span<std::uint8_t> out);
[[nodiscard]] NARAE_API Array fitted(const Array& picture, PictureSize size, const FitOptions& options = {});

}  // namespace narae
