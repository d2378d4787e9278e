#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/data/augment.h"
#include "narae/data/dataset.h"

// What the generators of texts share.
namespace narae::detail {

/// One of several, all alike.
template <class T, std::size_t n>
[[nodiscard]] const T& one_of(const std::array<T, n>& choices, RandomStream& random) {
  return choices[static_cast<std::size_t>(random.below(n))];
}

/// True with this probability.
[[nodiscard]] inline bool chance(float probability, RandomStream& random) {
  return random.uniform() < probability;
}

/// The random numbers of sample `index` of a part of a generated set.
[[nodiscard]] inline RandomStream random_of(std::string_view set, Split split, std::uint64_t seed, std::int64_t index) {
  return sample_stream(std::string(set) + "/" + std::string(name_of(split)), seed, 0, index);
}

inline void require_sizes(std::string_view set, std::int64_t train, std::int64_t test) {
  if (train >= 0 && test >= 0) return;
  throw Error(std::string(set) + ": " + std::to_string(train) + " training and " + std::to_string(test) +
              " test samples; at least 0 each");
}

}  // namespace narae::detail
