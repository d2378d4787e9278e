#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "narae/core/export.h"

namespace narae {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random words
/// that depend on (key, counter) and on nothing else.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_high,
                                                            std::uint64_t counter_low) {
  std::array<std::uint32_t, 4> c = {
      static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
      static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)};
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ULL * c[0];
    const std::uint64_t p1 = 0xCD9E8D57ULL * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return c;
}

/// A float in [0, 1) with 24 random bits.
[[nodiscard]] constexpr float uniform_from(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

/// FNV-1a: turns a name into a stream number.
[[nodiscard]] constexpr std::uint64_t hash_of(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  return h;
}

/// A sequence of random numbers on the host: a pure function of (seed, stream) and of how many were drawn.
/// `position` may be saved and restored.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t position = 0)
      : seed_(seed), stream_(stream), position_(position) {}

  [[nodiscard]] std::uint32_t next_u32() {
    const auto words = philox(seed_, stream_, position_ >> 2);
    return words[position_++ & 3U];
  }
  [[nodiscard]] std::uint64_t next_u64() {
    const std::uint64_t high = next_u32();
    return (high << 32) | next_u32();
  }
  /// Uniform in [0, 1).
  [[nodiscard]] float uniform() { return uniform_from(next_u32()); }
  [[nodiscard]] float uniform(float low, float high) { return low + (high - low) * uniform(); }
  /// Standard normal (Box and Muller).
  [[nodiscard]] float normal() {
    const float u = 1.0F - uniform();
    const float v = uniform();
    return std::sqrt(-2.0F * std::log(u)) * std::cos(6.2831853F * v);
  }
  /// Uniform in [0, n); n > 0. The bias is below n / 2^64.
  [[nodiscard]] std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next_u64()) * n) >> 64);
  }
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t position_;
};

}  // namespace narae
