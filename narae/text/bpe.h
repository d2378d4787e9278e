#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "narae/core/export.h"
#include "narae/text/pair_table.h"
#include "narae/text/pre_tokens.h"
#include "narae/text/vocabulary.h"

namespace narae::text {

/// A token that is found in a text before anything else is done with it.
struct AddedToken {
  std::int32_t id = 0;
  bool special = true;      ///< means something of its own, and is left out of decoded texts
  bool normalized = false;  ///< is looked for after those that aren't

  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

/// What a tokenizer of byte pairs is made of.
struct BpeParts {
  std::vector<std::string> tokens;                            ///< by number, spelled in byte characters (byte_level.h)
  std::vector<std::pair<std::int32_t, std::int32_t>> merges;  ///< pairs of tokens, the one that is merged first first
  std::vector<AddedToken> added = {};
  PreTokenRule pre_tokens = {};
  bool ignore_merges = false;  ///< a pre-token that is a token is that one, whatever the merges say
  TokenIds before = {};        ///< what `add_special` puts in front of a text
  TokenIds after = {};         ///< and behind it

  friend bool operator==(const BpeParts&, const BpeParts&) = default;
};

/// Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019): every text has tokens, and they give the
/// text back byte for byte. A value; never changes; any number of threads may use one.
///
/// A text is cut at the added tokens (the leftmost, the longest of these), then into pre-tokens; the bytes of each
/// pre-token are merged pair by pair, always the pair that comes first in the list of merges and of these the leftmost.
class NARAE_API Bpe {
 public:
  /// Throws Error for tokens that are empty or given twice, a byte without a token, merges that name tokens that there
  /// are none of, make none or are given twice, and added tokens that there are none of or are given twice.
  explicit Bpe(BpeParts parts);

  [[nodiscard]] const BpeParts& parts() const { return parts_; }
  /// How many tokens there are, added ones included.
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(parts_.tokens.size()); }

  /// The tokens of a text; with `add_special`, what begins and ends texts as well. Throws Error for invalid UTF-8.
  [[nodiscard]] TokenIds encode(std::string_view text, bool add_special = false) const;

  /// The bytes of a token: characters of a text may lie in several tokens. Throws Error for a number out of range.
  [[nodiscard]] const std::string& bytes(std::int64_t id) const;
  /// Whether the token is a special one.
  [[nodiscard]] bool is_special(std::int64_t id) const;

  /// The text of some tokens, bytes that are not UTF-8 as U+FFFD, special tokens only where they are wanted. Throws
  /// Error for a number out of range.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool with_special = false) const;
  [[nodiscard]] std::string decode(std::span<const std::int64_t> ids, bool with_special = false) const;

  friend bool operator==(const Bpe& a, const Bpe& b) { return a.parts_ == b.parts_; }

 private:
  struct Merge {
    std::int32_t rank;
    std::int32_t token;  // that it makes
  };
  // Added tokens by their first byte, the longest first.
  using AddedTokens = std::array<std::vector<std::int32_t>, 256>;
  class Encoding;  // of one text

  void rank_merges(const std::unordered_map<std::string_view, std::int32_t>& ids);
  void sort_added();
  void merge_short(TokenIds& word) const;
  void merge_long(TokenIds& word) const;

  BpeParts parts_;
  PreTokenizer pre_tokenizer_;
  std::vector<std::string> bytes_;  // of each token
  std::vector<bool> special_;
  std::array<std::int32_t, 256> byte_tokens_{};
  PairTable<Merge> merges_;
  std::unordered_map<std::string, std::int32_t> whole_;  // tokens by their bytes, where merges are ignored
  AddedTokens first_added_;
  AddedTokens second_added_;  // the normalized ones
  bool has_added_[2] = {};
};

}  // namespace narae::text
