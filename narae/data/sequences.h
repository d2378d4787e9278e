#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/data/text_pairs.h"
#include "narae/data/text_sets.h"
#include "narae/text/tokenizer.h"

// Texts as datasets of token numbers. Their field "image" is i64 (positions), which the loader leaves as it is.
namespace narae {

/// A text cut for truncated backpropagation: it becomes `batch` streams (contiguous parts whose lengths differ by one
/// at most), and the k-th batch of `batch` samples, read in order, holds the k-th window of `steps` tokens of every
/// stream. So row b of a batch goes on where row b of the batch before ended, and a recurrent state can be carried
/// over. Fields: image i64 (steps), the tokens, and label i64 (steps), the tokens that follow them. Every token but the
/// first of each stream is a label exactly once; windows that a stream doesn't fill end in tokens 0 with labels -1
/// (no_label).
///
/// To be read with batch size `batch`, without shuffling. Throws Error for a text with fewer than two tokens a stream
/// or only one different token, and for options below 1.
[[nodiscard]] NARAE_API Dataset language_windows(std::string name, text::TokenIds tokens, std::int64_t batch,
                                                 std::int64_t steps);

/// The windows of `steps` tokens that begin every `stride` tokens of a text, and one that ends with it, with the fields
/// of language_windows: each stands by itself, to be read in any order. Overlapping ones show a network that carries no
/// state every token at several places. Throws Error for a text without a whole window, or only one different token,
/// and for options below 1.
[[nodiscard]] NARAE_API Dataset single_windows(std::string name, text::TokenIds tokens, std::int64_t steps,
                                               std::int64_t stride);

struct EncodeOptions {
  std::int64_t max_length = 0;  ///< tokens; longer texts are cut at their end; 0: no limit
  bool strict = false;          ///< a longer text is an Error instead
};

/// Texts as a dataset, and what became of them.
struct EncodedTexts {
  Dataset data;
  std::int64_t cut = 0;             ///< texts that were longer than max_length
  std::int64_t empty = 0;           ///< texts without tokens: they became one unknown (or padding) token
  std::int64_t tokens = 0;          ///< in all texts, before cutting
  std::int64_t unknown_tokens = 0;  ///< of these, those that the vocabulary lacks
};

/// Labelled texts by the vocabulary of `tokenizer` (to be learned from training texts alone: training_tokenizer).
/// Fields: image i64 (positions), label i64 (); `lengths` are set, `positions` is the longest length, or max_length
/// where texts were cut, and what is behind a text is `<pad>` (0 without one). Throws Error for a text too long when
/// strict, for unknown tokens without `<unk>`, and for texts without tokens where the vocabulary has neither `<unk>`
/// nor
/// `<pad>`.
[[nodiscard]] NARAE_API EncodedTexts encoded(const TextSplits& splits, Split split, const text::Tokenizer& tokenizer,
                                             const EncodeOptions& options = {});

/// Pairs of texts by one vocabulary for both sides, with `<bos>` and `<eos>`. Fields: image i64 (source positions), the
/// source's tokens and `<eos>`; label i64 (target positions), the target's tokens and `<eos>`. `lengths` and
/// `label_lengths` are set, and `begin_token` is `<bos>`. Both sides are cut to max_length tokens, and then lack
/// `<eos>`. Throws Error for a vocabulary without `<bos>` or `<eos>`, for a text too long when strict, and for unknown
/// tokens without `<unk>`.
[[nodiscard]] NARAE_API EncodedTexts encoded_pairs(const PairSplits& splits, Split split,
                                                   const text::Tokenizer& tokenizer, const EncodeOptions& options = {});

/// Sentences with a tag for each word. Fields: image i64 (positions), label i64 (positions), -1 behind the end;
/// `lengths` are set. Words are looked up as they are (lower-cased when the tokenizer does so). Throws Error as
/// `encoded` does, and for a sentence whose tags are not as many as its words.
[[nodiscard]] NARAE_API EncodedTexts tagged(const TagSplits& splits, Split split, const text::Tokenizer& tokenizer,
                                            const EncodeOptions& options = {});

/// A tokenizer that knows the tokens of the training texts.
[[nodiscard]] NARAE_API text::Tokenizer training_tokenizer(const TextSplits& splits, const text::Tokenization& rule,
                                                           const text::VocabularyOptions& options = {});
/// One for sources and targets, whose special tokens are `<pad>`, `<unk>`, `<bos>` and `<eos>` whatever `options` say.
[[nodiscard]] NARAE_API text::Tokenizer training_tokenizer(const PairSplits& splits, const text::Tokenization& rule,
                                                           const text::VocabularyOptions& options = {});
[[nodiscard]] NARAE_API text::Tokenizer training_tokenizer(const TagSplits& splits, bool lowercase = false,
                                                           const text::VocabularyOptions& options = {});

}  // namespace narae
