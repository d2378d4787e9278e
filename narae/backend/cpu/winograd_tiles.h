#pragma once

#include <cstdint>

namespace narae::cpu {

/// Winograd's algorithm F(4 x 4, 3 x 3): from a tile of 6 x 6 inputs to one of 4 x 4 results.
constexpr std::int64_t winograd_input = 6;
constexpr std::int64_t winograd_output = 4;
constexpr std::int64_t winograd_products = winograd_input * winograd_input;
constexpr std::int64_t winograd_taps = 9;

/// A picture whose channels lie in blocks: (channels / block, height, width, block).
struct BlockedPicture {
  std::int64_t channels, height, width, block;

  [[nodiscard]] std::int64_t numbers() const { return channels * height * width; }
  /// From the first number to that of a channel's, at pixel (0, 0).
  [[nodiscard]] std::int64_t at(std::int64_t channel) const {
    return channel / block * block * height * width + channel % block;
  }
};

/// Where a tile begins; it may lie partly outside the picture, where numbers count as zero.
struct TilePlace {
  std::int64_t row, column;
};

/// What becomes of a tile's results: plus a bias for each channel (null: none), plus what the picture holds already,
/// then max(y, 0), a NaN counting as 0.
struct AfterTile {
  const float* bias = nullptr;
  bool adds = false;
  bool rectifies = false;
};

/// The transforms of tiles and filters. The 36 numbers of a transformed one are `apart` numbers from each other, those
/// of neighbouring channels (or filters) side by side.
struct WinogradTransforms {
  /// B^T d B of all channels.
  void (*input)(const float* picture, const BlockedPicture& p, const TilePlace& at, float* v, std::int64_t apart);
  /// A dy A^T of all channels, a tile of 4 x 4.
  void (*cotangent)(const float* picture, const BlockedPicture& p, const TilePlace& at, float* v, std::int64_t apart);
  /// A^T m A into the picture.
  void (*output)(const float* m, std::int64_t apart, const AfterTile& after, float* picture, const BlockedPicture& p,
                 const TilePlace& at);
  /// G g G^T of `count` filters g (9, count); turned: of g upside down.
  void (*filter)(const float* g, std::int64_t count, bool turned, float* u, std::int64_t apart);
  /// G^T d G: g (9, count).
  void (*filter_gradient)(const float* d, std::int64_t apart, std::int64_t count, float* g);
};
/// For blocks of 8 or 16 channels, and as many filters at a time.
[[nodiscard]] const WinogradTransforms& winograd_transforms(std::int64_t block);

}  // namespace narae::cpu
