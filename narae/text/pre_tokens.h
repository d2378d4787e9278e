#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/text/pattern.h"

namespace narae::text {

/// GPT-2's pre-tokens (Radford et al. 2019): endings as 's, words, numbers and runs of other signs, each with the blank
/// before it, and runs of white space without the last one before a word.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// LLaMA 3's: the same idea with three digits at most, line ends kept with what ends there.
inline constexpr std::string_view llama3_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// How a text is cut into pre-tokens, over whose borders no token reaches.
struct PreTokenRule {
  std::vector<std::string> splits = {};  ///< patterns, each of which cuts the pieces of the one before
  bool add_prefix_space = false;         ///< these pieces get a blank in front where they have none
  bool use_regex = true;                 ///< and are cut by gpt2_pattern

  friend bool operator==(const PreTokenRule&, const PreTokenRule&) = default;
};

/// Cuts texts by a rule. Copies share the compiled patterns; any number of threads may use one.
class NARAE_API PreTokenizer {
 public:
  /// Throws Error for a pattern that is not supported.
  explicit PreTokenizer(PreTokenRule rule = {});

  [[nodiscard]] const PreTokenRule& rule() const { return rule_; }

  /// Calls `take` for every pre-token in order; the view lives as long as the call. Throws Error for invalid UTF-8.
  void for_each(std::string_view text, const PieceHandler& take) const;

 private:
  void cut(std::string_view piece, std::size_t level, const PieceHandler& take) const;
  void cut_last(std::string_view piece, const PieceHandler& take) const;

  PreTokenRule rule_;
  std::vector<Pattern> splits_;
  std::vector<Pattern> last_;  // gpt2_pattern or none
};

}  // namespace narae::text
