#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/text/corpus.h"
#include "narae/text/tokenizer.h"

namespace narae {

/// Texts with a class each.
struct LabelledTexts {
  std::vector<std::string> texts;
  std::vector<std::int64_t> labels;  ///< from 0; positions in the set's classes

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(texts.size()); }
};

/// A set of labelled texts in its parts.
struct TextSplits {
  std::string name;
  std::vector<std::string> classes;
  LabelledTexts train;
  LabelledTexts validation;  ///< empty where the source has none and none is set aside
  LabelledTexts test;
  text::Tokenization usual;  ///< how texts of this source are usually cut into tokens

  [[nodiscard]] const LabelledTexts& part(Split split) const {
    return split == Split::train ? train : split == Split::validation ? validation : test;
  }
};

/// A sentence as words with a tag each.
struct TaggedSentence {
  std::vector<std::string> words;
  std::vector<std::int64_t> tags;
};

/// A set of tagged sentences in its parts.
struct TagSplits {
  std::string name;
  std::vector<std::string> tags;  ///< the names of the classes
  std::vector<TaggedSentence> train;
  std::vector<TaggedSentence> validation;
  std::vector<TaggedSentence> test;

  [[nodiscard]] const std::vector<TaggedSentence>& part(Split split) const {
    return split == Split::train ? train : split == Split::validation ? validation : test;
  }
};

/// How a source becomes training, validation and test texts. Parts are chosen at random, by class: each part has the
/// same share of every class, up to rounding. A pure function of the source and these options.
struct TextSetOptions {
  /// Share that is set aside for validation where the source has no validation texts of its own: of its training texts,
  /// or of all texts when it is one pile.
  double validation_fraction = 0.1;
  double test_fraction = 0.1;  ///< share of the test texts of a source that is one pile
  std::int64_t folds = 0;  ///< of such a source: cross-validation; fold `fold` of so many are the test texts; 0: none
  std::int64_t fold = 0;
  std::uint64_t seed = 0;
  std::size_t max_bytes = text::most_text_bytes;  ///< of each file
};

/// Reads labelled texts. `path` is a folder or a file, plain or gzip:
/// - tables named train, valid (val, validation, dev) and test, `.tsv`, `.csv` or `.txt`; with a header that names the
///   columns `label` (or class, category, sentiment) and `text` (or sentence, document, review, question), or without
///   one: of TSV text and label, of CSV label and one or more columns of text (as AG News), classes.txt beside them;
/// - `X.pos` and `X.neg`, a text a line (rt-polarity);
/// - `X.train.all` and `X.test.all`, or a file `X.all`: label, blank, text; Latin-1 (TREC, SUBJ);
/// - folders a class with a text a file, in train/, test/ (and valid/), or without such parts;
/// - `.txt` files that are a class each, a text a line (names; these are cut into characters).
/// A folder with one table alone, and the sources without parts, are one pile, from which parts are chosen. Classes are
/// in the order of their labels, numbers by value; labels of SST-2, IMDB, NSMC, TREC and SUBJ get their names.
/// Throws Error that names file and line for an invalid text, a row without label or text, or a class that training
/// lacks, and Error with all these layouts for anything else; UsageError for options out of range or folds of a source
/// that has test texts of its own.
[[nodiscard]] NARAE_API TextSplits read_text_set(const std::string& path, const TextSetOptions& options = {});

/// Whether `read_text_set` knows what lies there. A folder of `.txt` files alone counts when their lines are short.
[[nodiscard]] NARAE_API bool holds_text_set(const std::string& path);
/// What read_text_set expects, for messages.
[[nodiscard]] NARAE_API std::string text_set_layout();

/// Reads tagged sentences from a folder with `train`, `valid` (val, validation, dev) and `test`, `.conll` or `.tsv`,
/// plain or gzip: a word, tabs or blanks, its tag in the last column of each line; an empty line behind each sentence.
/// Without `test` (and `valid`), the options' shares of all sentences are taken from `train`, at random. Throws Error
/// that names file and line for a line with one column or a tag that training lacks, and when no sentence is left to
/// train with.
[[nodiscard]] NARAE_API TagSplits read_tag_set(const std::string& path, const TextSetOptions& options = {});
[[nodiscard]] NARAE_API bool holds_tag_set(const std::string& path);

}  // namespace narae
