// vocabulary.json: a tokenizer as a file.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/text/bpe_file.h"
#include "narae/text/tokenizer.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view format_name = "narae vocabulary";
constexpr std::array<std::string_view, 7> keys{"format", "kind", "words", "lowercase", "nfc", "line_ends", "tokens"};
constexpr std::size_t most_bytes = std::size_t{256} << 20;

const Json& at(const Json& json, std::string_view key) {
  if (!json.contains(key)) throw Error("the key '" + std::string(key) + "' is missing");
  return json[key];
}

std::string text_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  if (!value.is_string()) throw Error("'" + std::string(key) + "' is not a text but " + value.type_name());
  return value.get<std::string>();
}

bool flag_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  if (!value.is_boolean()) throw Error("'" + std::string(key) + "' is not true or false but " + value.type_name());
  return value.get<bool>();
}

std::vector<std::string> tokens_at(const Json& json) {
  const Json& list = at(json, "tokens");
  if (!list.is_array()) throw Error(std::string("'tokens' is not a list but ") + list.type_name());
  std::vector<std::string> tokens;
  tokens.reserve(list.size());
  for (const Json& token : list) {
    if (!token.is_string()) {
      throw Error("token " + std::to_string(tokens.size()) + " is not a text but " + token.type_name());
    }
    tokens.push_back(token.get<std::string>());
  }
  return tokens;
}

// Tokens that encode could never produce are signs of another rule, or of damage.
void check_tokens(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary;
  if (vocabulary.size() == 0) throw Error("there are no tokens");
  const bool words = tokenizer.rule.kind == TokenKind::word;
  if (tokenizer.rule.line_ends && !words) throw Error("'line_ends' is true, but tokens are characters");
  if (tokenizer.rule.line_ends && !vocabulary.find(Special::end)) {
    throw Error("'line_ends' is true, but there is no token <eos>");
  }
  for (std::int64_t i = 0; i < vocabulary.size(); ++i) {
    if (vocabulary.is_special(i)) continue;
    const std::string& token = vocabulary.token(i);
    if (words && words_of(token, WordRule::blanks) != std::vector{token}) {
      throw Error("token " + std::to_string(i) + " '" + token + "' holds a blank");
    }
    const bool names_a_class = token.size() > 2 && token.front() == '<' && token.back() == '>';
    if (!words && !names_a_class && count_characters(token) != 1) {
      throw Error("token " + std::to_string(i) + " '" + token + "' is not one character");
    }
  }
}

Tokenizer from_json(const Json& json) {
  if (!json.is_object()) throw Error(std::string("not an object but ") + json.type_name());
  if (text_at(json, "format") != format_name) throw Error("'format' is not '" + std::string(format_name) + "'");
  for (const auto& item : json.items()) {
    if (std::find(keys.begin(), keys.end(), item.key()) == keys.end()) {
      throw Error("unknown key '" + item.key() + "'" + did_you_mean(item.key(), keys));
    }
  }
  Tokenizer tokenizer{.rule = {.kind = token_kind_from(text_at(json, "kind")),
                               .words = word_rule_from(text_at(json, "words")),
                               .lowercase = flag_at(json, "lowercase"),
                               .nfc = flag_at(json, "nfc"),
                               .line_ends = flag_at(json, "line_ends")},
                      .vocabulary = Vocabulary(tokens_at(json))};
  if (tokenizer.rule.kind == TokenKind::byte_pair) throw Error("'kind' is bpe, which a tokenizer.json holds");
  check_tokens(tokenizer);
  return tokenizer;
}

// Whether the document is a tokenizer.json: an object with a model.
bool holds_model(std::string_view json) {
  bool found = false;
  const auto look = [&](int depth, Json::parse_event_t event, Json& parsed) {
    found = found || (depth == 1 && event == Json::parse_event_t::key && parsed == "model");
    return depth == 0;  // nothing is kept
  };
  const Json nothing = Json::parse(json, look, false);
  static_cast<void>(nothing);
  return found;
}

Tokenizer named_byte_pairs(Bpe bpe, const std::string& name) try {
  return byte_pair_tokenizer(std::move(bpe));
} catch (const Error& e) {
  throw Error(name + ": " + e.what());
}

}  // namespace

std::string_view file_name(const Tokenizer& tokenizer) {
  return tokenizer.bpe ? "tokenizer.json" : "vocabulary.json";
}

std::string to_json(const Tokenizer& tokenizer) {
  if (tokenizer.bpe) return to_json(*tokenizer.bpe);
  const Tokenization& rule = tokenizer.rule;
  Json json{{"format", format_name},
            {"kind", name_of(rule.kind)},
            {"words", name_of(rule.words)},
            {"lowercase", rule.lowercase},
            {"nfc", rule.nfc},
            {"line_ends", rule.line_ends},
            {"tokens", tokenizer.vocabulary.tokens()}};
  return json.dump(1) + "\n";
}

Tokenizer parse_tokenizer(std::string_view json, const std::string& name) {
  if (holds_model(json)) return named_byte_pairs(parse_bpe(json, name), name);
  try {
    return from_json(Json::parse(json));
  } catch (const Json::exception& e) {
    throw Error(name + ": not a vocabulary: " + e.what());
  } catch (const Error& e) {
    throw Error(name + ": not a vocabulary: " + e.what());
  }
}

void save_tokenizer(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  write_file(path, to_json(tokenizer));
}

Tokenizer load_tokenizer(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::string name = path.filename().string();
  if (name == "vocab.json" || name == "merges.txt") return named_byte_pairs(load_bpe(path), path.string());
  if (!std::filesystem::is_directory(path, ignored)) return parse_tokenizer(read_text(path, most_bytes), path.string());
  if (const auto file = path / "vocabulary.json"; std::filesystem::exists(file, ignored)) return load_tokenizer(file);
  return named_byte_pairs(load_bpe(path), path.string());
}

}  // namespace narae::text
