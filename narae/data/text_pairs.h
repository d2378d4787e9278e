#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/text/corpus.h"
#include "narae/text/tokenizer.h"

namespace narae {

/// Texts that are read, and what each of them is to be turned into: a sentence and its translation.
struct TextPairs {
  std::vector<std::string> sources;
  std::vector<std::string> targets;

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(sources.size()); }
};

/// A set of pairs in its parts.
struct PairSplits {
  std::string name;
  TextPairs train;
  TextPairs validation;
  TextPairs test;
  text::Tokenization usual;  ///< how texts of this set are usually cut into tokens

  [[nodiscard]] const TextPairs& part(Split split) const {
    return split == Split::train ? train : split == Split::validation ? validation : test;
  }
};

struct PairSetOptions {
  /// The sides: a language (what a file's name ends in), a column's name or its number from 1. Empty: `en` where there
  /// is such a language, else the first side; and the first of the others.
  std::string source = {};
  std::string target = {};
  double validation_fraction = 0.05;  ///< set aside at random where the set has no such part of its own
  double test_fraction = 0.05;
  std::uint64_t seed = 0;                         ///< of that choice
  std::size_t max_bytes = text::most_text_bytes;  ///< of each file
};

/// Reads pairs of texts, plain or gzip:
/// - a folder with files in parallel, line by line, named after a part and ending in a language of two or three
/// letters:
///   `train.en`, `train.de`, `val.en`, `test_2016_flickr.en.gz`, ... (multi30k); of several for one part the first by
///   name;
/// - tables, one or named after parts: `.tsv` or `.txt` with tabs (Tatoeba's `kor.txt`: English, Korean, attribution),
/// or
///   `.csv` with a header (`Q,A,label`; also source, target; question, answer; input, output; prompt, response).
///
/// Parts that the set lacks are taken from the training part at random, each source with all its targets: none is in
/// two parts. Pairs with an empty side are left out. Throws Error naming the files when their numbers of lines differ,
/// file and line for a row without two sides; UsageError listing the sides for one that is not there, for two equal
/// sides, and for shares out of range.
[[nodiscard]] NARAE_API PairSplits read_pair_set(const std::string& path, const PairSetOptions& options = {});

/// Whether `read_pair_set` knows what lies there.
[[nodiscard]] NARAE_API bool holds_pair_set(const std::string& path);
/// What read_pair_set expects, for messages.
[[nodiscard]] NARAE_API std::string pair_set_layout();

}  // namespace narae
