#pragma once

#include <algorithm>
#include <cstdint>

namespace narae::cpu {

/// Copies `rows` rows of n numbers between matrices whose rows are `from_pitch` and `to_pitch` apart.
void copy_rows(std::int64_t rows, std::int64_t n, const float* from, std::int64_t from_pitch, float* to,
               std::int64_t to_pitch);
void copy_rows(std::int64_t rows, std::int64_t n, const double* from, std::int64_t from_pitch, double* to,
               std::int64_t to_pitch);

/// The geometry of the sums below: a convolution of one group's channels of one image. Extents are (height, width).
struct Windows {
  std::int64_t channels, filters;
  std::int64_t x[2];
  std::int64_t kernel[2];
  std::int64_t y[2];
  std::int64_t stride[2];
  std::int64_t padding[2];
  std::int64_t dilation[2];

  [[nodiscard]] std::int64_t taps() const { return channels * kernel[0] * kernel[1]; }
  [[nodiscard]] std::int64_t pixels() const { return y[0] * y[1]; }
  /// Rows of the input with its padding.
  [[nodiscard]] std::int64_t padded_height() const { return x[0] + 2 * padding[0]; }
  /// From one row of the padded input to the next: the zeros behind a row are those in front of the next as well, and
  /// an output's rows fit in one behind the other.
  [[nodiscard]] std::int64_t pitch() const { return std::max(x[1] + padding[1], y[1]); }
  [[nodiscard]] std::int64_t padded_size() const { return channels * padded_height() * pitch() + padding[1]; }
};

/// Numbers in front of and behind the memory given to the functions below that may be read, for whole vectors' sake.
inline constexpr std::int64_t windows_slack = 16;

/// image[c][i][j] = the sum of all matrix[k][p] for which weight k = (c, row, column) at output pixel p reads (i, j);
/// matrix rows are `matrix_pitch` apart, image rows `image_pitch` >= the width, which is a multiple of 16 numbers.
void add_windows(const Windows& w, const float* matrix, std::int64_t matrix_pitch, float* image,
                 std::int64_t image_pitch);
void add_windows(const Windows& w, const double* matrix, std::int64_t matrix_pitch, double* image,
                 std::int64_t image_pitch);

/// Adds dy[f][p] image[k meets p] to sums[f][k] over the pixels p, in one sum for each vector lane: sums has 16 numbers
/// for each (f, k). The image is padded; the stride along the width must be 1.
void add_weight_products(const Windows& w, const float* image, const float* dy, float* sums);
void add_weight_products(const Windows& w, const double* image, const double* dy, double* sums);
/// dw[i] = the sum of the 16 lanes of sums[i], of `parts` blocks of sums that are `part_size` numbers apart.
void sum_lanes(std::int64_t count, std::int64_t parts, std::int64_t part_size, const float* sums, float* dw);
void sum_lanes(std::int64_t count, std::int64_t parts, std::int64_t part_size, const double* sums, double* dw);

}  // namespace narae::cpu
