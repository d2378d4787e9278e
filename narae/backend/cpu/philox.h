#pragma once

#include <cstdint>

namespace narae::cpu {

/// words[4 i + k] = word k of philox(key, counter_high, first + i) for i < blocks (core/random.h).
void philox_words(std::uint64_t key, std::uint64_t counter_high, std::uint64_t first, std::int64_t blocks,
                  std::uint32_t* words);
/// x[i] = uniform_from(words[i])
void uniforms(const std::uint32_t* words, std::int64_t n, float* x);
/// y[i] = uniform_from(words[i]) >= p ? x[i] / (1 - p) : 0; y may be x.
void drop(const std::uint32_t* words, std::int64_t n, float p, const float* x, float* y);

}  // namespace narae::cpu
