#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/text/bpe.h"
#include "narae/text/vocabulary.h"
#include "narae/text/words.h"

namespace narae::text {

/// What a token is.
enum class TokenKind {
  character,
  word,
  byte_pair,  ///< a piece of a word, as a Bpe has learned it
};

/// "char", "word", "bpe".
[[nodiscard]] NARAE_API std::string_view name_of(TokenKind kind);
/// Throws UsageError for any other name.
[[nodiscard]] NARAE_API TokenKind token_kind_from(const std::string& name);

/// How a text becomes tokens, before they are numbered.
struct Tokenization {
  TokenKind kind = TokenKind::word;
  WordRule words = WordRule::basic;  ///< of TokenKind::word
  bool lowercase = false;
  bool nfc = true;         ///< normalisation form C first
  bool line_ends = false;  ///< of TokenKind::word: `<eos>` after every line, as in PTB; otherwise a line end is a blank

  friend bool operator==(const Tokenization&, const Tokenization&) = default;
};

/// A text as its tokens are cut from it: in form C and lower case, where the rule says so. Throws Error for invalid
/// UTF-8.
[[nodiscard]] NARAE_API std::string normalised(std::string_view text, const Tokenization& rule);

/// The tokens of a text. A last line without a line end counts as a line, an empty text has none. Throws Error for
/// invalid UTF-8, and for byte pairs, which no rule knows without what was learned.
[[nodiscard]] NARAE_API std::vector<std::string> tokens_of(std::string_view text, const Tokenization& rule);

/// Adds the tokens of a text to `counts`. Throws Error as tokens_of does.
NARAE_API void count_tokens(std::string_view text, const Tokenization& rule, TokenCounts& counts);

/// Text to token numbers and back. A value.
struct Tokenizer {
  Tokenization rule;
  Vocabulary vocabulary;                     ///< of byte pairs: spelled in byte characters
  std::shared_ptr<const Bpe> bpe = nullptr;  ///< of TokenKind::byte_pair

  /// The numbers of the text's tokens, unknown ones as `<unk>`. The spelled-out "<unk>" of word texts is the special
  /// token; other special tokens are never made from the text itself, but for the line ends of `rule.line_ends`.
  /// Byte pairs know every text, and make their special tokens from texts that spell them out (Bpe).
  /// Throws Error for invalid UTF-8, and for an unknown token where there is no `<unk>`.
  [[nodiscard]] TokenIds encode(std::string_view text) const;

  /// The numbers of words that are set apart already, one each. Throws Error for byte pairs, which cut words
  /// themselves.
  [[nodiscard]] TokenIds encode_words(std::span<const std::string> words) const;

  /// Characters joined as they are, words with blanks; `<pad>` and `<bos>` are left out, `<eos>` is a line end where
  /// `rule.line_ends` and is left out elsewhere. Byte pairs: Bpe::decode. Throws Error for a number out of range.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const;
  [[nodiscard]] std::string decode(std::span<const std::int64_t> ids) const;

  /// The token that ends a text: `<eos>`, or as models of byte pairs call it, `<|endoftext|>` or `<|end_of_text|>`.
  [[nodiscard]] std::optional<std::int32_t> end_token() const;

  friend NARAE_API bool operator==(const Tokenizer& a, const Tokenizer& b);
};

/// A tokenizer of byte pairs. Throws Error for a `<pad>` that is not token 0.
[[nodiscard]] NARAE_API Tokenizer byte_pair_tokenizer(Bpe bpe);

/// The same with more tokens behind the others, which no text is cut into: classes, for example. (Byte pairs make them
/// from texts that spell them out.) Throws Error for one that there is already.
[[nodiscard]] NARAE_API Tokenizer with_tokens(Tokenizer tokenizer, std::span<const std::string> tokens);

/// Byte pairs that are learned where `VocabularyOptions::max_size` is 0, special tokens and bytes included.
inline constexpr std::int64_t usual_byte_pairs = 10000;

/// A tokenizer whose vocabulary holds the tokens of `texts`. With `rule.line_ends`, `<eos>` is added to the special
/// tokens where `options` lack it. Byte pairs are learned by train_bpe, with the special tokens of `options` but
/// `<unk>`, which they never need. Throws UsageError for byte pairs of lower-case text.
[[nodiscard]] NARAE_API Tokenizer learn_tokenizer(std::span<const std::string> texts, const Tokenization& rule,
                                                  VocabularyOptions options = {});

/// The file of a tokenizer in a run's folder: "tokenizer.json" of byte pairs, "vocabulary.json" of the others.
[[nodiscard]] NARAE_API std::string_view file_name(const Tokenizer& tokenizer);

/// `vocabulary.json`: rule and tokens, from which encode and decode work the same again; of byte pairs the
/// `tokenizer.json` of bpe_file.h.
[[nodiscard]] NARAE_API std::string to_json(const Tokenizer& tokenizer);
/// The opposite; `name` is the file's, for messages. Throws Error for every kind of defect, naming the file and the
/// key.
[[nodiscard]] NARAE_API Tokenizer parse_tokenizer(std::string_view json, const std::string& name);

/// Writes the text of to_json, atomically. Throws Error as AtomicFile does.
NARAE_API void save_tokenizer(const std::filesystem::path& path, const Tokenizer& tokenizer);
/// Reads `vocabulary.json` or `tokenizer.json` under any name, GPT-2's `vocab.json` and `merges.txt`, or what a folder
/// has of these. Throws Error for a missing or damaged file.
[[nodiscard]] NARAE_API Tokenizer load_tokenizer(const std::filesystem::path& path);

}  // namespace narae::text
