#include "narae/text/tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "narae/core/error.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

constexpr std::array<std::string_view, 2> kind_names{"char", "word"};

// The number of a token of the text itself, which is never a special one but for <unk>.
std::int32_t plain_id(const Vocabulary& vocabulary, std::string_view token) {
  const std::int32_t id = vocabulary.id(token);
  if (!vocabulary.is_special(id)) return id;
  if (const auto unknown = vocabulary.find(Special::unknown)) return *unknown;
  throw Error("tokenizer: the text spells out " + std::string(token) + ", and there is no <unk>");
}

// Calls f(token, is_line_end) for every token. Line by line: neither normalisation nor words reach over line ends, and
// a large text is never held twice.
template <class F>
void for_each_token(std::string_view text, const Tokenization& rule, F&& f) {
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string line = normalised(text.substr(0, size), rule);
    if (rule.kind == TokenKind::character) {
      for (const std::string_view character : characters_of(line)) f(character, false);
    } else {
      for (const std::string& word : words_of(line, rule.words)) f(std::string_view(word), false);
      if (rule.line_ends) f(name_of(Special::end), true);
    }
    text.remove_prefix(size);
  }
}

template <class T>
std::string joined(const Tokenizer& tokenizer, std::span<const T> ids) {
  const bool words = tokenizer.rule.kind == TokenKind::word;
  const auto end = tokenizer.vocabulary.find(Special::end);
  const auto is = [&](std::int64_t id, Special special) { return tokenizer.vocabulary.find(special) == id; };
  std::string text;
  for (const T id : ids) {
    const std::string& token = tokenizer.vocabulary.token(id);
    if (end == id) {
      if (tokenizer.rule.line_ends) text += '\n';
    } else if (!is(id, Special::padding) && !is(id, Special::begin)) {
      if (words && !text.empty() && text.back() != '\n') text += ' ';
      text += token;
    }
  }
  return text;
}

}  // namespace

std::string_view name_of(TokenKind kind) {
  return kind_names[static_cast<std::size_t>(kind)];
}

TokenKind token_kind_from(const std::string& name) {
  for (const TokenKind kind : {TokenKind::character, TokenKind::word})
    if (name == name_of(kind)) return kind;
  throw UsageError("token kind '" + name + "' is not one of char, word" + did_you_mean(name, kind_names));
}

std::string normalised(std::string_view text, const Tokenization& rule) {
  const std::string composed = rule.nfc ? nfc(text) : std::string(text);
  return rule.lowercase ? lower_case(composed) : composed;
}

std::vector<std::string> tokens_of(std::string_view text, const Tokenization& rule) {
  std::vector<std::string> tokens;
  for_each_token(text, rule, [&](std::string_view token, bool) { tokens.emplace_back(token); });
  return tokens;
}

void count_tokens(std::string_view text, const Tokenization& rule, TokenCounts& counts) {
  for_each_token(text, rule, [&](std::string_view token, bool) { ++counts[std::string(token)]; });
}

TokenIds Tokenizer::encode(std::string_view text) const {
  TokenIds ids;
  for_each_token(text, rule, [&](std::string_view token, bool line_end) {
    ids.push_back(line_end ? vocabulary.id(token) : plain_id(vocabulary, token));
  });
  return ids;
}

TokenIds Tokenizer::encode_words(std::span<const std::string> words) const {
  TokenIds ids;
  for (const std::string& word : words) ids.push_back(plain_id(vocabulary, normalised(word, rule)));
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  return joined(*this, ids);
}

std::string Tokenizer::decode(std::span<const std::int64_t> ids) const {
  return joined(*this, ids);
}

Tokenizer learn_tokenizer(std::span<const std::string> texts, const Tokenization& rule, VocabularyOptions options) {
  TokenCounts counts;
  for (const std::string& text : texts) count_tokens(text, rule, counts);
  const bool ends = std::find(options.specials.begin(), options.specials.end(), Special::end) != options.specials.end();
  if (rule.kind == TokenKind::word && rule.line_ends && !ends) options.specials.push_back(Special::end);
  return {rule, Vocabulary::of(counts, options)};
}

}  // namespace narae::text
