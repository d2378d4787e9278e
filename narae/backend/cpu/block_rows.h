#pragma once

#include <cstdint>

namespace narae::cpu {

/// What normalisations do with pixels of one block of channels: `pixels` rows of 8 or 16 numbers, one for each channel.
struct BlockRows {
  /// For each channel: sums += sum(x - about), squares += sum((x - about)^2). In float over 256 pixels, then in double.
  void (*moments)(const float* x, std::int64_t pixels, const float* about, double* sums, double* squares);
  /// For each channel: sums += sum(dy), products += sum(dy (x - mean)).
  void (*gradient_sums)(const float* x, const float* dy, std::int64_t pixels, const float* mean, double* sums,
                        double* products);
  /// dx = dy a + (x - mean) b + c with numbers for each channel.
  void (*gradient)(const float* x, const float* dy, std::int64_t pixels, const float* mean, const float* a,
                   const float* b, const float* c, float* dx);
};
/// For blocks of 8 or of 16 channels.
[[nodiscard]] const BlockRows& block_rows(std::int64_t block);

}  // namespace narae::cpu
