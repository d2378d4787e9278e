#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"

namespace narae::text {

/// How a text is cut into words.
enum class WordRule {
  blanks,  ///< at white space alone: for text whose words are set apart already (PTB, SST-2)
  basic,   ///< also around punctuation and symbols
};

/// "blanks", "basic".
[[nodiscard]] NARAE_API std::string_view name_of(WordRule rule);
/// Throws UsageError for any other name.
[[nodiscard]] NARAE_API WordRule word_rule_from(const std::string& name);

/// The words of a text, without the white space between them (Unicode's; zero-width spaces too).
///
/// WordRule::basic makes a word of every run of letters, marks and digits, and of every punctuation mark and symbol;
/// an emoji of several code points is one word, a Chinese character one each. An apostrophe between letters and a point
/// or comma between digits stay inside ("don't", "3.5"), and so do the special tokens that texts spell out ("<unk>").
/// Korean particles stay with their nouns. Throws Error for invalid UTF-8.
[[nodiscard]] NARAE_API std::vector<std::string> words_of(std::string_view text, WordRule rule);

}  // namespace narae::text
