#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "narae/core/export.h"

namespace narae::text {

/// Token numbers of a text; memory for 2^31 different tokens.
using TokenIds = std::vector<std::int32_t>;

/// Tokens with a meaning of their own; they stand before all others, in this order.
enum class Special { padding, unknown, begin, end };

/// "<pad>", "<unk>", "<bos>", "<eos>".
[[nodiscard]] NARAE_API std::string_view name_of(Special special);

/// The token that a text of a class begins with in a language model: "<name>".
[[nodiscard]] inline std::string class_token(std::string_view name) {
  return "<" + std::string(name) + ">";
}

/// How often each token occurs.
using TokenCounts = std::unordered_map<std::string, std::int64_t>;

struct VocabularyOptions {
  std::vector<Special> specials = {Special::padding, Special::unknown};
  std::int64_t min_count = 1;  ///< tokens that occur less often are left out
  std::int64_t max_size = 0;   ///< of the whole vocabulary, special tokens included; 0: no limit
};

/// Tokens, numbered from 0. A value; never changes.
class NARAE_API Vocabulary {
 public:
  Vocabulary() = default;
  /// The tokens in this order; those spelled like special tokens are the special ones. Throws Error for a duplicate, an
  /// empty token, invalid UTF-8, and for a `<pad>` that is not token 0.
  explicit Vocabulary(std::vector<std::string> tokens);

  /// The special tokens, then the others by falling count, equal ones by their bytes. A counted token that is spelled
  /// like a special one is that one. Throws Error for options out of range and special tokens given twice.
  [[nodiscard]] static Vocabulary of(const TokenCounts& counts, const VocabularyOptions& options = {});

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  [[nodiscard]] const std::vector<std::string>& tokens() const { return tokens_; }
  /// The token of a number. Throws Error for a number out of range.
  [[nodiscard]] const std::string& token(std::int64_t id) const;
  /// The number of a token, if it has one.
  [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const;
  /// The number of a special token, if there is that one.
  [[nodiscard]] std::optional<std::int32_t> find(Special special) const;
  /// The number of a token, or of `<unk>`. Throws Error for an unknown token where there is no `<unk>`.
  [[nodiscard]] std::int32_t id(std::string_view token) const;
  /// Whether the number is that of a special token.
  [[nodiscard]] bool is_special(std::int64_t id) const;

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) { return a.tokens_ == b.tokens_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
};

}  // namespace narae::text
