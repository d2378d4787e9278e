#pragma once

#include <cstdint>
#include <vector>

#include "narae/graph/kernel.h"

namespace narae::cpu {

/// The part of one axis of a plane that one output position looks at: [begin, end). `counted`: positions that a mean
/// over it divides by.
struct PoolRange {
  std::int64_t begin, end, counted;
};

/// The windows of a pooling: output (i, j) looks at rows[i] x columns[j] of its plane.
struct PoolWindows {
  std::int64_t in_height, in_width;
  std::vector<PoolRange> rows, columns;

  [[nodiscard]] std::int64_t in_size() const { return in_height * in_width; }
  [[nodiscard]] std::int64_t out_height() const { return static_cast<std::int64_t>(rows.size()); }
  [[nodiscard]] std::int64_t out_width() const { return static_cast<std::int64_t>(columns.size()); }
  [[nodiscard]] std::int64_t out_size() const { return out_height() * out_width(); }
  /// visit(number of the output position, rows, columns)
  template <class Visit>
  void for_each(const Visit& visit) const {
    std::int64_t at = 0;
    for (const PoolRange& r : rows)
      for (const PoolRange& c : columns) visit(at++, r, c);
  }
};

/// Of max_pool2d, avg_pool2d and their adaptive forms between planes of these shapes (batch, channels, height, width).
[[nodiscard]] PoolWindows pool_windows(const KernelRequest& request, const Shape& in, const Shape& out);

/// Pooling of one block of channels of one image; a pixel is 8 or 16 numbers, one for each channel.
struct BlockPooling {
  /// The first NaN, else the first maximum, and its position in the plane.
  void (*max)(const PoolWindows& windows, const float* x, float* y, std::int32_t* indices);
  void (*average)(const PoolWindows& windows, const float* x, float* y);
  void (*average_gradient)(const PoolWindows& windows, const float* dy, float* dx);
};
/// For blocks of 8 or of 16 channels.
[[nodiscard]] const BlockPooling& block_pooling(std::int64_t block);

}  // namespace narae::cpu
