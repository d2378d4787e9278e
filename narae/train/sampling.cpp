#include "narae/train/sampling.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "narae/core/error.h"

namespace narae {
namespace {

void require_numbers(std::span<const float> logits) {
  if (std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); })) {
    throw Error("the network answers with NaN: its weights are spoiled");
  }
}

// The tokens by falling logit, as many as may be chosen from.
std::vector<std::int64_t> likeliest(std::span<const float> logits, std::int64_t top_k) {
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto before = [&](std::int64_t a, std::int64_t b) {
    const float of_a = logits[static_cast<std::size_t>(a)];
    const float of_b = logits[static_cast<std::size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  };
  const std::size_t count = top_k == 0 ? order.size() : std::min(order.size(), static_cast<std::size_t>(top_k));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), before);
  order.resize(count);
  return order;
}

}  // namespace

void require_valid(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    throw UsageError("a temperature of " + std::to_string(options.temperature) + "; give 0 (greedy) or more");
  }
  if (options.top_k < 0)
    throw UsageError("top-k of " + std::to_string(options.top_k) + "; give 1 or more, or 0 for all");
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw UsageError("top-p of " + std::to_string(options.top_p) + "; give a share above 0 and up to 1");
  }
  if (!(options.repetition_penalty > 0) || !std::isfinite(options.repetition_penalty)) {
    throw UsageError("a repetition penalty of " + std::to_string(options.repetition_penalty) +
                     "; give 1 (none) or more, or a number between 0 and 1 to favour repetition");
  }
}

std::int64_t sample_token(std::span<const float> logits, const SamplingOptions& options, RandomStream& random) {
  require_valid(options);
  require_numbers(logits);
  const bool greedy = options.temperature == 0;
  const std::vector<std::int64_t> order = likeliest(logits, greedy ? 1 : options.top_k);
  if (greedy) return order.front();
  const double highest = logits[static_cast<std::size_t>(order.front())];
  std::vector<double> weights;
  for (const std::int64_t token : order) {
    weights.push_back(std::exp((logits[static_cast<std::size_t>(token)] - highest) / options.temperature));
  }
  // The first tokens that have the wanted share together.
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t kept = 0;
  double sum = 0;
  while (kept < weights.size() && (kept == 0 || sum < options.top_p * all)) sum += weights[kept++];
  double at = static_cast<double>(random.uniform()) * sum;
  for (std::size_t i = 0; i + 1 < kept; ++i) {
    at -= weights[i];
    if (at < 0) return order[i];
  }
  return order[kept - 1];
}

void penalize_repetition(std::span<float> logits, std::span<const std::int64_t> seen, double penalty) {
  if (penalty == 1) return;
  std::vector<std::int64_t> tokens(seen.begin(), seen.end());
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  const auto factor = static_cast<float>(penalty);
  for (const std::int64_t token : tokens) {
    if (token < 0 || token >= std::ssize(logits)) continue;
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit < 0 ? logit * factor : logit / factor;
  }
}

double log_sum_exp(std::span<const float> logits) {
  require_numbers(logits);
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - highest);
  return highest + std::log(sum);
}

}  // namespace narae
