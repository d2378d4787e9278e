#include "narae/train/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "narae/core/error.h"
#include "narae/train/sampling.h"

namespace narae {
namespace {

struct Beam {
  TokenSequence tokens;  // behind the prompt
  double log_probability = 0;
};

struct Candidate {
  double log_probability;
  std::size_t beam;
  std::int64_t token;
};

void require(const BeamOptions& options) {
  if (options.beams < 1) throw UsageError(std::to_string(options.beams) + " beams; give 1 or more");
  if (options.max_tokens < 1) throw UsageError(std::to_string(options.max_tokens) + " tokens; give 1 or more");
  if (!std::isfinite(options.length_penalty)) throw UsageError("the length penalty must be a number");
}

double score_of(double log_probability, std::size_t tokens, const BeamOptions& options) {
  return log_probability / std::pow(static_cast<double>(std::max<std::size_t>(tokens, 1)), options.length_penalty);
}

// The best ways to go on with all beams, best first; of equal ones that of the earlier beam and the lower token.
std::vector<Candidate> best_candidates(const std::vector<Beam>& beams, const TokenSequence& prompt, const Array& logits,
                                       const BeamOptions& options) {
  const auto vocabulary = static_cast<std::size_t>(logits.shape[1]);
  std::vector<Candidate> all;
  for (std::size_t b = 0; b < beams.size(); ++b) {
    const auto row = logits.values<float>().subspan(b * vocabulary, vocabulary);
    std::vector<float> values(row.begin(), row.end());
    TokenSequence seen = prompt;
    seen.insert(seen.end(), beams[b].tokens.begin(), beams[b].tokens.end());
    penalize_repetition(values, seen, options.repetition_penalty);
    const double normaliser = log_sum_exp(values);
    for (const std::int64_t token : options.never) {
      values[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
    }
    for (std::size_t token = 0; token < vocabulary; ++token) {
      if (values[token] == -std::numeric_limits<float>::infinity()) continue;
      all.push_back({beams[b].log_probability + values[token] - normaliser, b, static_cast<std::int64_t>(token)});
    }
  }
  // Twice as many as beams: each beam can end only once.
  const std::size_t count = std::min(all.size(), 2 * static_cast<std::size_t>(options.beams));
  const auto better = [](const Candidate& a, const Candidate& b) {
    if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
    return std::tie(a.beam, a.token) < std::tie(b.beam, b.token);
  };
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(), better);
  all.resize(count);
  return all;
}

// Answers, best first, at most as many as beams.
void keep_answer(std::vector<BeamAnswer>& answers, BeamAnswer answer, const BeamOptions& options) {
  const auto worse = [](double score, const BeamAnswer& other) { return score > other.score; };
  answers.insert(std::upper_bound(answers.begin(), answers.end(), answer.score, worse), std::move(answer));
  if (std::ssize(answers) > options.beams) answers.pop_back();
}

}  // namespace

std::vector<BeamAnswer> beam_search(const nn::SequenceModule& network, const TokenSequence& prompt,
                                    const BeamOptions& options) {
  require(options);
  LanguageDecoder decoder(network);
  decoder.begin({prompt});
  std::vector<Beam> beams(1);
  std::vector<BeamAnswer> answers;
  for (std::int64_t written = 0; written < options.max_tokens; ++written) {
    std::vector<Beam> next;
    std::vector<std::int64_t> rows;
    std::vector<std::int64_t> tokens;
    const std::vector<Candidate> candidates = best_candidates(beams, prompt, decoder.logits(), options);
    for (std::size_t rank = 0; rank < candidates.size() && std::ssize(next) < options.beams; ++rank) {
      const Candidate& candidate = candidates[rank];
      const Beam& from = beams[candidate.beam];
      if (options.end == candidate.token) {
        // An ending that is not among the best counts for nothing: others go on better.
        if (std::ssize(answers) < options.beams || static_cast<std::int64_t>(rank) < options.beams) {
          const double score = score_of(candidate.log_probability, from.tokens.size() + 1, options);
          keep_answer(answers, {from.tokens, score}, options);
        }
        continue;
      }
      next.push_back({from.tokens, candidate.log_probability});
      next.back().tokens.push_back(candidate.token);
      rows.push_back(static_cast<std::int64_t>(candidate.beam));
      tokens.push_back(candidate.token);
    }
    beams = std::move(next);
    if (beams.empty()) break;
    const double best = score_of(beams.front().log_probability, beams.front().tokens.size(), options);
    if (std::ssize(answers) == options.beams && answers.back().score >= best) return answers;
    if (written + 1 == options.max_tokens) break;
    decoder.keep(rows);
    decoder.go_on(tokens);
  }
  for (Beam& beam : beams) {
    const double score = score_of(beam.log_probability, beam.tokens.size(), options);
    keep_answer(answers, {std::move(beam.tokens), score}, options);
  }
  return answers;
}

}  // namespace narae
