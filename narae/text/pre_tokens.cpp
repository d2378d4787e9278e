#include "narae/text/pre_tokens.h"

#include <utility>

#include "narae/core/error.h"
#include "narae/text/utf8.h"

namespace narae::text {

PreTokenizer::PreTokenizer(PreTokenRule rule) : rule_(std::move(rule)) {
  for (const std::string& expression : rule_.splits) splits_.emplace_back(expression);
  if (rule_.use_regex) last_.emplace_back(std::string(gpt2_pattern));
}

void PreTokenizer::for_each(std::string_view text, const PieceHandler& take) const {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    throw Error("tokenizer: byte " + std::to_string(bad) + " of the text begins no valid UTF-8 sequence");
  }
  if (!text.empty()) cut(text, 0, take);
}

void PreTokenizer::cut(std::string_view piece, std::size_t level, const PieceHandler& take) const {
  if (level == splits_.size()) return cut_last(piece, take);
  splits_[level].cut(piece, [&](std::string_view part) { cut(part, level + 1, take); });
}

void PreTokenizer::cut_last(std::string_view piece, const PieceHandler& take) const {
  std::string with_space;
  if (rule_.add_prefix_space && !piece.starts_with(' ')) {
    with_space = " " + std::string(piece);
    piece = with_space;
  }
  if (last_.empty()) return take(piece);
  last_.front().cut(piece, take);
}

}  // namespace narae::text
