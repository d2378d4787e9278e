#pragma once

#include <cstdint>
#include <optional>

#include "narae/graph/kernel.h"

namespace narae::cpu {

/// A (batch, channels, height, width) value whose channels lie in blocks: (batch, blocks, height, width, block) in
/// memory, as convolutions like it best. The blocks hold no padding.
struct ChannelBlocks {
  std::int64_t batch, blocks, height, width, block;

  [[nodiscard]] std::int64_t channels() const { return blocks * block; }
  [[nodiscard]] std::int64_t pixels() const { return height * width; }
  /// Numbers of one block of one image.
  [[nodiscard]] std::int64_t plane() const { return pixels() * block; }
};

/// Nothing for other layouts.
[[nodiscard]] std::optional<ChannelBlocks> channel_blocks(Layout layout);
/// The layout of a value of four axes with `block` (8 or 16) channels in a block. Nothing when the block does not
/// divide the channels or there is no channel or pixel.
[[nodiscard]] std::optional<Layout> channel_blocked(const Shape& shape, std::int64_t block);

}  // namespace narae::cpu
