#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "narae/core/export.h"
#include "narae/train/language_decoder.h"

namespace narae {

struct BeamOptions {
  std::int64_t beams = 4;                    ///< sequences that are followed side by side
  std::int64_t max_tokens = 200;             ///< of an answer
  double length_penalty = 1;                 ///< answers are compared by log probability / tokens^length_penalty
  std::optional<std::int64_t> end = {};      ///< the token that ends an answer
  std::span<const std::int64_t> never = {};  ///< tokens that are not chosen
  double repetition_penalty = 1;             ///< see SamplingOptions
};

/// An answer of beam search, without the token that ended it.
struct BeamAnswer {
  TokenSequence tokens;
  double score = 0;  ///< log probability / tokens^length_penalty
};

/// The likeliest continuations of a prompt that a search finds which follows the `beams` likeliest beginnings: at most
/// so many answers, best first. It ends when no unfinished beginning can become better than the worst answer kept
/// (its score at the length it has now), or after max_tokens, when beginnings count as answers. Throws UsageError for
/// options out of range.
[[nodiscard]] NARAE_API std::vector<BeamAnswer> beam_search(const nn::SequenceModule& network,
                                                            const TokenSequence& prompt, const BeamOptions& options);

}  // namespace narae
