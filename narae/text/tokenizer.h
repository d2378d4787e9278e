#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/text/vocabulary.h"
#include "narae/text/words.h"

namespace narae::text {

/// What a token is.
enum class TokenKind { character, word };

/// "char", "word".
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
/// invalid UTF-8.
[[nodiscard]] NARAE_API std::vector<std::string> tokens_of(std::string_view text, const Tokenization& rule);

/// Adds the tokens of a text to `counts`.
NARAE_API void count_tokens(std::string_view text, const Tokenization& rule, TokenCounts& counts);

/// Text to token numbers and back. A value.
struct Tokenizer {
  Tokenization rule;
  Vocabulary vocabulary;

  /// The numbers of the text's tokens, unknown ones as `<unk>`. The spelled-out "<unk>" of word texts is the special
  /// token; other special tokens are never made from the text itself, but for the line ends of `rule.line_ends`.
  /// Throws Error for invalid UTF-8, and for an unknown token where there is no `<unk>`.
  [[nodiscard]] NARAE_API TokenIds encode(std::string_view text) const;

  /// The numbers of words that are set apart already, one each.
  [[nodiscard]] NARAE_API TokenIds encode_words(std::span<const std::string> words) const;

  /// Characters joined as they are, words with blanks; `<pad>` and `<bos>` are left out, `<eos>` is a line end where
  /// `rule.line_ends` and is left out elsewhere. Throws Error for a number out of range.
  [[nodiscard]] NARAE_API std::string decode(std::span<const std::int32_t> ids) const;
  [[nodiscard]] NARAE_API std::string decode(std::span<const std::int64_t> ids) const;

  friend bool operator==(const Tokenizer&, const Tokenizer&) = default;
};

/// A tokenizer whose vocabulary holds the tokens of `texts`. With `rule.line_ends`, `<eos>` is added to the special
/// tokens where `options` lack it.
[[nodiscard]] NARAE_API Tokenizer learn_tokenizer(std::span<const std::string> texts, const Tokenization& rule,
                                                  VocabularyOptions options = {});

/// `vocabulary.json`: rule and tokens, from which encode and decode work the same again.
[[nodiscard]] NARAE_API std::string to_json(const Tokenizer& tokenizer);
/// The opposite; `name` is the file's, for messages. Throws Error for every kind of defect, naming the file and the
/// key.
[[nodiscard]] NARAE_API Tokenizer parse_tokenizer(std::string_view json, const std::string& name);

/// Writes `vocabulary.json`, atomically. Throws Error as AtomicFile does.
NARAE_API void save_tokenizer(const std::filesystem::path& path, const Tokenizer& tokenizer);
/// Throws Error for a missing or damaged file.
[[nodiscard]] NARAE_API Tokenizer load_tokenizer(const std::filesystem::path& path);

}  // namespace narae::text
