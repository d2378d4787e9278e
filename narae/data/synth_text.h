#pragma once

#include <cstdint>
#include <string>

#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/data/series.h"
#include "narae/data/text_pairs.h"
#include "narae/data/text_sets.h"
#include "narae/text/corpus.h"

// Texts, tagged sentences and series that the program makes itself: pure functions of their arguments.
namespace narae {

/// A story of simple English sentences, paragraph after paragraph, about a few people, animals and things: about
/// `characters` of it for training, and a tenth of that each for validation and test. Subjects and verbs agree,
/// quotation marks and paragraphs are closed, and a paragraph keeps to its person. Throws Error for fewer than 1000 or
/// more than 2^28 characters.
[[nodiscard]] NARAE_API text::Corpus synth_text(std::int64_t characters, std::uint64_t seed = 0);

/// Short reviews, `negative` or `positive`. The order of the words decides: "not" turns a judgement round, and in "X
/// but Y" the last clause counts, so that both classes have the same words equally often.
[[nodiscard]] NARAE_API TextSplits synth_sentiment(std::int64_t train, std::int64_t test, std::uint64_t seed = 0);

/// Names of eight made-up peoples, each with sounds and endings of its own; no name of the test part is in the training
/// part.
[[nodiscard]] NARAE_API TextSplits synth_names(std::int64_t train, std::int64_t test, std::uint64_t seed = 0);

/// English sentences with parts of speech. Many words are nouns and verbs alike ("the watch", "they watch"): the tag
/// follows from what stands around them.
[[nodiscard]] NARAE_API TagSplits synth_tags(std::int64_t train, std::int64_t test, std::uint64_t seed = 0);

/// How a target follows from its source.
enum class PairRule {
  copy,     ///< the same letters
  reverse,  ///< in the opposite order
  sort,     ///< by the alphabet
  add,      ///< the sum of two numbers: "27+5" -> "32"
};

/// Pairs for networks that turn a text into another, to be cut into characters: `length` letters at most and half as
/// many at least, or two numbers of up to `length` digits. Sources of the validation and test parts, `test` pairs each,
/// are different ones, and none is in the training part. Throws Error for a length below 1 or above 65536 (add: 18) and
/// negative sizes, UsageError for more pairs than there are different sources.
[[nodiscard]] NARAE_API PairSplits synth_pairs(PairRule rule, std::int64_t train, std::int64_t test,
                                               std::int64_t length, std::uint64_t seed = 0);

/// Numbers of up to `length` digits in English words and in Korean: "two hundred six", 이백육. Parts as in synth_pairs.
/// Throws Error for a length below 1 or above 9, and as synth_pairs does.
[[nodiscard]] NARAE_API PairSplits synth_numbers(std::int64_t train, std::int64_t test, std::int64_t length,
                                                 std::uint64_t seed = 0);

struct SynthSeriesOptions {
  std::int64_t rows = 2000;
  std::int64_t period = 24;  ///< rows of a season
  double noise = 0.1;        ///< its deviation, where the season's amplitude is 1
};

/// One column "value": a slow trend, a season of two harmonics, and noise that fades from row to row (an autoregressive
/// process). Throws Error for options out of range.
[[nodiscard]] NARAE_API Series synth_series(const SynthSeriesOptions& options = {}, std::uint64_t seed = 0);

/// The adding problem (Hochreiter and Schmidhuber, "Long short-term memory", 1997): image f32 (length, 2), a random
/// number in [0, 1) and a mark in each row; two rows are marked with 1, one in each half, the others with 0. label f32
/// (): the sum of the two marked numbers. Answering 1 always has a mean squared error of 1/6. Sample i is a pure
/// function of (split, seed, length, i). Throws Error for a length below 2 or a negative size.
[[nodiscard]] NARAE_API Dataset synth_adding(Split split, std::int64_t size, std::int64_t length = 100,
                                             std::uint64_t seed = 0);

}  // namespace narae
