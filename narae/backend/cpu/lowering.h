#pragma once

#include <cstdint>

namespace narae::cpu {

/// The windows of a convolution over one padded image (channels, height, width): entry (k, p) of their matrix is what
/// weight k = (channel, row, column) of a filter meets at output pixel p. Extents are (height, width).
struct Windows {
  std::int64_t channels;
  std::int64_t padded[2];
  std::int64_t kernel[2];
  std::int64_t stride[2];
  std::int64_t dilation[2];
  std::int64_t pixels[2];

  [[nodiscard]] std::int64_t taps() const { return channels * kernel[0] * kernel[1]; }
  [[nodiscard]] std::int64_t pixel_count() const { return pixels[0] * pixels[1]; }
};

/// Numbers that the functions below may read or write behind the end of an image or a matrix, for the sake of whole
/// vectors.
inline constexpr std::int64_t lowering_slack = 32;

/// matrix[k][p], rows `pitch` apart.
void windows_by_tap(const Windows& w, const float* image, float* matrix, std::int64_t pitch);
void windows_by_tap(const Windows& w, const double* image, double* matrix, std::int64_t pitch);
/// matrix[p][k], rows `pitch` apart.
void windows_by_pixel(const Windows& w, const float* image, float* matrix, std::int64_t pitch);
void windows_by_pixel(const Windows& w, const double* image, double* matrix, std::int64_t pitch);
/// Adds matrix[k][p] to the element of the image that it was for.
void add_windows(const Windows& w, const float* matrix, std::int64_t pitch, float* image);
void add_windows(const Windows& w, const double* matrix, std::int64_t pitch, double* image);

}  // namespace narae::cpu
