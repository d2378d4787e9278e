#pragma once

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {

// Kernels on f32 values whose channels lie in blocks.

/// x -> (mean, biased variance)
[[nodiscard]] Kernel make_blocked_statistics(const ChannelBlocks& blocks);
/// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta)
[[nodiscard]] Kernel make_blocked_batch_norm_gradient(const ChannelBlocks& blocks);
/// x -> its sum over everything but the channels, or over the planes alone.
[[nodiscard]] Kernel make_blocked_channel_sum(const ChannelBlocks& blocks);
[[nodiscard]] Kernel make_blocked_plane_sum(const ChannelBlocks& blocks);

}  // namespace narae::cpu
