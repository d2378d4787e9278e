#pragma once

#include <cstdint>
#include <optional>

#include "narae/backend/cpu/winograd_tiles.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {

/// From one of the 36 numbers of a tile to the next, where `numbers` of each lie together: a line more than a power of
/// two, or all 36 would fall into one set of the first cache.
[[nodiscard]] constexpr std::int64_t winograd_apart(std::int64_t numbers) {
  return numbers + 16;
}

/// How many of `count` channels or filters (a multiple of 16) are taken together.
[[nodiscard]] constexpr std::int64_t winograd_share(std::int64_t count) {
  for (const std::int64_t share : {64, 48, 32})
    if (count % share == 0) return share;
  return 16;
}

/// The filters of a convolution, transformed for Winograd's algorithm: (groups of filters, parts of channels, 36, part,
/// group), so that what is multiplied together lies together. They come from (filters, channels, 3, 3), or for the
/// input gradient upside down from (channels, filters, 3, 3).
struct WinogradFilters {
  std::int64_t filters, channels;
  std::int64_t block;  ///< channels of a block of a picture
  bool turned = false;
  std::int64_t group = winograd_share(filters);
  std::int64_t part = winograd_share(channels);

  bool operator==(const WinogradFilters&) const = default;

  [[nodiscard]] std::int64_t groups() const { return filters / group; }
  [[nodiscard]] std::int64_t parts() const { return channels / part; }
  [[nodiscard]] std::int64_t apart() const { return winograd_apart(part * group); }
  /// Of a part of a group.
  [[nodiscard]] std::int64_t part_numbers() const { return winograd_products * apart(); }
  [[nodiscard]] std::int64_t numbers() const { return groups() * parts() * part_numbers(); }
  /// Numbers of scratch that a transform needs.
  [[nodiscard]] std::int64_t scratch_numbers() const { return winograd_taps * part * block; }
  /// Transforms a part of a group.
  void transform(const float* w, std::int64_t group_number, std::int64_t part_number, float* scratch, float* u) const;
  /// Transforms all, on all threads; `scratch` holds scratch_numbers() for each of `threads`.
  void transform_all(const float* w, float* scratch, std::int64_t threads, float* u) const;
};

/// The layout of weights (filters, channels, 3, 3) that are kept transformed.
[[nodiscard]] Layout winograd_layout(const WinogradFilters& wanted);
/// Nothing for other layouts.
[[nodiscard]] std::optional<WinogradFilters> winograd_filters(Layout layout);
/// Transforms row-major weights to such a layout.
[[nodiscard]] Kernel make_winograd_filters(const WinogradFilters& filters);

}  // namespace narae::cpu
