#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "narae/core/export.h"

namespace narae::text {

/// Takes one piece of a text.
using PieceHandler = std::function<void(std::string_view piece)>;

/// A regular expression over characters, as tokenizers state them: literals, `|`, classes, `* + ?` and `{m,n}`, groups
/// `(?:...)` and `(?i:...)`, lookahead, `\p{L}` (letters), `\p{N}` (numbers) and `\s` (white space), all of Unicode 16,
/// whatever version the regular-expression library knows.
class NARAE_API Pattern {
 public:
  /// Throws Error for anything else in the expression, naming it and its place, and for one that matches nothing at
  /// all ("").
  explicit Pattern(std::string expression);

  [[nodiscard]] const std::string& expression() const { return expression_; }

  /// Calls `take` for every match and for what lies between matches, in order: pieces that make up the text. `text` is
  /// UTF-8. Throws Error when the search needs too much memory or time.
  void cut(std::string_view text, const PieceHandler& take) const;

 private:
  std::string expression_;
  std::shared_ptr<const void> code_;  // PCRE2's
  bool compiled_ = false;             // to machine code
};

}  // namespace narae::text
