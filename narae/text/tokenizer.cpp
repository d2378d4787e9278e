#include "narae/text/tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "narae/core/error.h"
#include "narae/text/bpe_trainer.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

constexpr std::array<std::string_view, 3> kind_names{"char", "word", "bpe"};

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
  if (rule.kind == TokenKind::byte_pair)
    throw Error("tokenizer: byte pairs are learned; a rule alone does not know them");
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

Tokenizer learn_byte_pairs(std::span<const std::string> texts, const Tokenization& rule,
                           const VocabularyOptions& options) {
  if (rule.lowercase) {
    throw UsageError("tokenizer: byte pairs keep capital letters apart; leave lowercase (data.lowercase) false");
  }
  BpeTraining training{.vocabulary_size = options.max_size == 0 ? usual_byte_pairs : options.max_size,
                       .min_count = options.min_count};
  for (const Special special : options.specials)
    if (special != Special::unknown) training.special_tokens.emplace_back(name_of(special));
  return byte_pair_tokenizer(train_bpe(texts, training));
}

}  // namespace

std::string_view name_of(TokenKind kind) {
  return kind_names[static_cast<std::size_t>(kind)];
}

TokenKind token_kind_from(const std::string& name) {
  for (const TokenKind kind : {TokenKind::character, TokenKind::word, TokenKind::byte_pair})
    if (name == name_of(kind)) return kind;
  throw UsageError("token kind '" + name + "' is not one of char, word, bpe" + did_you_mean(name, kind_names));
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
  if (bpe) return bpe->encode(text);
  TokenIds ids;
  for_each_token(text, rule, [&](std::string_view token, bool line_end) {
    ids.push_back(line_end ? vocabulary.id(token) : plain_id(vocabulary, token));
  });
  return ids;
}

TokenIds Tokenizer::encode_words(std::span<const std::string> words) const {
  if (bpe)
    throw Error("tokenizer: byte pairs cut words into pieces; words with a number each need a vocabulary of words");
  TokenIds ids;
  for (const std::string& word : words) ids.push_back(plain_id(vocabulary, normalised(word, rule)));
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  return bpe ? bpe->decode(ids) : joined(*this, ids);
}

std::string Tokenizer::decode(std::span<const std::int64_t> ids) const {
  return bpe ? bpe->decode(ids) : joined(*this, ids);
}

std::optional<std::int32_t> Tokenizer::end_token() const {
  const auto end = vocabulary.find(Special::end);
  if (end || !bpe) return end;
  for (const AddedToken& token : bpe->parts().added) {
    const std::string& text = vocabulary.token(token.id);
    if (text == "<|endoftext|>" || text == "<|end_of_text|>") return token.id;
  }
  return std::nullopt;
}

bool operator==(const Tokenizer& a, const Tokenizer& b) {
  const bool same_pairs = a.bpe == b.bpe || (a.bpe && b.bpe && *a.bpe == *b.bpe);
  return same_pairs && a.rule == b.rule && a.vocabulary == b.vocabulary;
}

Tokenizer byte_pair_tokenizer(Bpe bpe) {
  Vocabulary vocabulary(bpe.parts().tokens);
  return {.rule = {.kind = TokenKind::byte_pair, .nfc = false},
          .vocabulary = std::move(vocabulary),
          .bpe = std::make_shared<const Bpe>(std::move(bpe))};
}

Tokenizer with_tokens(Tokenizer tokenizer, std::span<const std::string> tokens) {
  if (tokenizer.bpe) {
    BpeParts parts = tokenizer.bpe->parts();
    for (const std::string& token : tokens) {
      parts.added.push_back({.id = static_cast<std::int32_t>(parts.tokens.size())});
      parts.tokens.push_back(token);
    }
    return byte_pair_tokenizer(Bpe(std::move(parts)));
  }
  std::vector<std::string> all = tokenizer.vocabulary.tokens();
  all.insert(all.end(), tokens.begin(), tokens.end());
  tokenizer.vocabulary = Vocabulary(std::move(all));
  return tokenizer;
}

Tokenizer learn_tokenizer(std::span<const std::string> texts, const Tokenization& rule, VocabularyOptions options) {
  if (rule.kind == TokenKind::byte_pair) return learn_byte_pairs(texts, rule, options);
  TokenCounts counts;
  for (const std::string& text : texts) count_tokens(text, rule, counts);
  const bool ends = std::find(options.specials.begin(), options.specials.end(), Special::end) != options.specials.end();
  if (rule.kind == TokenKind::word && rule.line_ends && !ends) options.specials.push_back(Special::end);
  return {rule, Vocabulary::of(counts, options)};
}

}  // namespace narae::text
