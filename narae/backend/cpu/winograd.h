#pragma once

#include <cstdint>

#include "narae/backend/cpu/conv.h"
#include "narae/backend/cpu/winograd_tiles.h"

namespace narae::cpu {

/// Whether a convolution or one of its gradients is computed by Winograd's algorithm, and whose: oneDNN's for the
/// gradient of filters from many tiles.
enum class WinogradChoice { none, own, onednn };
/// With filters that last, these are transformed once.
[[nodiscard]] WinogradChoice winograd_choice(const ConvGeometry& g, ConvPass pass, bool lasting_filters = false);

/// A 3 x 3 convolution by our own kernels, or one of its gradients: f32, channels of pictures in blocks, filters
/// row-major or transformed (which is the choice already). Empty where that is not the choice.
[[nodiscard]] Kernel make_winograd(const ConvGeometry& g, ConvPass pass, bool has_bias, const ConvLayouts& layouts,
                                   const ConvFollower& follower = {});

/// The tiles of a batch of pictures y, of (height, width).
struct WinogradTiles {
  std::int64_t batch, rows, columns;

  WinogradTiles(std::int64_t pictures, const std::int64_t (&extent)[2])
      : batch(pictures),
        rows((extent[0] + winograd_output - 1) / winograd_output),
        columns((extent[1] + winograd_output - 1) / winograd_output) {}
  WinogradTiles(std::int64_t pictures, const BlockedPicture& y) : WinogradTiles(pictures, {y.height, y.width}) {}

  [[nodiscard]] std::int64_t count() const { return batch * rows * columns; }
  [[nodiscard]] std::int64_t picture(std::int64_t tile) const { return tile / (rows * columns); }
  [[nodiscard]] TilePlace place(std::int64_t tile, std::int64_t padding) const {
    const std::int64_t k = tile % (rows * columns);
    return {k / columns * winograd_output - padding, k % columns * winograd_output - padding};
  }
};

/// The gradient of the filters, for few tiles.
[[nodiscard]] Kernel make_winograd_weight_gradient(const ConvGeometry& g, const BlockedPicture& x,
                                                   const BlockedPicture& y);

using ReadTile = void (*)(const float*, const BlockedPicture&, const TilePlace&, float*, std::int64_t);

/// Transforms all tiles of pictures, on all threads: (channels / part, 36, tiles, part), so that what is multiplied
/// together lies together. `part` divides the channels.
void read_winograd_tiles(const float* pictures, const BlockedPicture& p, const WinogradTiles& tiles,
                         std::int64_t padding, std::int64_t part, ReadTile read, float* to);

}  // namespace narae::cpu
