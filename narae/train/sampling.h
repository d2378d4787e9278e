#pragma once

#include <cstdint>
#include <span>

#include "narae/core/export.h"
#include "narae/core/random.h"

namespace narae {

/// How a token is chosen by a language model's logits.
struct SamplingOptions {
  double temperature = 1;  ///< divides the logits; 0: the likeliest token is always taken (greedy)
  std::int64_t top_k = 0;  ///< only so many of the likeliest tokens; 0: all
  double top_p = 1;        ///< only the likeliest tokens that have this share of the probability together
  /// Logits of tokens that the text has already are divided by it, negative ones multiplied (Keskar et al. 2019).
  double repetition_penalty = 1;
  std::uint64_t seed = 0;
};

/// Throws UsageError for options out of range.
NARAE_API void require_valid(const SamplingOptions& options);

/// Chooses a token: of the `top_k` likeliest those that reach `top_p` together (at least one), at random by
/// softmax(logits / temperature). Of equal logits the lower token comes first. `logits` of -infinity are never chosen.
/// Throws UsageError for options out of range, and Error for logits that are NaN.
[[nodiscard]] NARAE_API std::int64_t sample_token(std::span<const float> logits, const SamplingOptions& options,
                                                  RandomStream& random);

/// Applies a repetition penalty for the tokens in `seen`, each once; those out of range are left out.
NARAE_API void penalize_repetition(std::span<float> logits, std::span<const std::int64_t> seen, double penalty);

/// log(sum exp(logits)), without overflow. Throws Error for logits that are NaN.
[[nodiscard]] NARAE_API double log_sum_exp(std::span<const float> logits);

}  // namespace narae
