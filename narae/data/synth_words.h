#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/data/augment.h"
#include "narae/data/dataset.h"
#include "narae/data/text_pairs.h"

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

/// A number of up to so many digits, each as likely as another.
[[nodiscard]] inline std::uint64_t draw_number(std::int64_t digits, RandomStream& random) {
  std::uint64_t bound = 1;
  for (std::int64_t k = 0; k < digits; ++k) bound *= 10;
  return random.below(bound);
}

/// Pairs of texts as `draw(random)` makes them, to be cut into characters. Sources of the validation and test parts,
/// `test` pairs each, are different ones, and none is in the training part. Throws UsageError when there are too few.
template <class Draw>
[[nodiscard]] PairSplits drawn_pairs(const std::string& name, std::int64_t train, std::int64_t test, std::uint64_t seed,
                                     const Draw& draw) {
  constexpr int attempts = 1000;
  require_sizes(name, train, test);
  PairSplits splits{.name = name, .train = {}, .validation = {}, .test = {}, .usual = {}};
  splits.usual.kind = text::TokenKind::character;
  std::unordered_set<std::string> judged;
  const auto fill = [&](TextPairs& pairs, Split split, std::int64_t size) {
    for (std::int64_t i = 0; i < size; ++i) {
      RandomStream random = random_of(name, split, seed, i);
      std::pair<std::string, std::string> pair = draw(random);
      for (int k = 1; k < attempts && judged.contains(pair.first); ++k) pair = draw(random);
      if (judged.contains(pair.first)) {
        throw UsageError(name + ": there are too few different sources of that length for " + std::to_string(test) +
                         " pairs to validate and as many to test with; choose a smaller test or a greater length");
      }
      if (split != Split::train) judged.insert(pair.first);
      pairs.sources.push_back(std::move(pair.first));
      pairs.targets.push_back(std::move(pair.second));
    }
  };
  fill(splits.test, Split::test, test);
  fill(splits.validation, Split::validation, test);
  fill(splits.train, Split::train, train);
  return splits;
}

}  // namespace narae::detail
