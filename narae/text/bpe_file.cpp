// Reading tokenizers; bpe_file_write.cpp writes them.
#include "narae/text/bpe_file.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/json_value.h"
#include "narae/text/byte_level.h"
#include "narae/text/corpus.h"

namespace narae::text {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;  // sorted by key: objects of vocabularies are large

constexpr std::size_t most_bytes = std::size_t{256} << 20U;

// A value of the document with the way to it, for messages: "pre_tokenizer.pretokenizers[0].pattern".
class Value {
 public:
  Value(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  [[noreturn]] void refuse(const std::string& what) const { throw Error((path_.empty() ? "" : path_ + ": ") + what); }

  [[nodiscard]] const Json& json() const { return *json_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_null() const { return json_->is_null(); }

  [[nodiscard]] std::optional<Value> find(const std::string& key) const {
    if (!json_->is_object()) refuse(std::string("is not an object but ") + json_->type_name());
    const auto found = json_->find(key);
    if (found == json_->end()) return std::nullopt;
    return Value(*found, path_.empty() ? key : path_ + "." + key);
  }
  [[nodiscard]] Value at(const std::string& key) const {
    if (const auto value = find(key)) return *value;
    refuse("the key '" + key + "' is missing");
  }
  [[nodiscard]] std::vector<Value> items() const {
    if (!json_->is_array()) refuse(std::string("is not a list but ") + json_->type_name());
    std::vector<Value> values;
    values.reserve(json_->size());
    for (const Json& item : *json_) values.emplace_back(item, path_ + "[" + std::to_string(values.size()) + "]");
    return values;
  }
  [[nodiscard]] std::string text() const {
    if (!json_->is_string()) refuse(std::string("is not a text but ") + json_->type_name());
    return json_->get<std::string>();
  }
  [[nodiscard]] bool flag() const {
    if (!json_->is_boolean()) refuse(std::string("is not true or false but ") + json_->type_name());
    return json_->get<bool>();
  }
  [[nodiscard]] std::int32_t id() const {
    if (!holds<std::int32_t>(*json_) || json_->get<std::int32_t>() < 0) refuse("is not the number of a token");
    return json_->get<std::int32_t>();
  }
  // A key that may be missing.
  [[nodiscard]] bool flag(const std::string& key, bool otherwise) const {
    const auto value = find(key);
    return value ? value->flag() : otherwise;
  }
  // Keys other than these must say nothing.
  void allow(const std::set<std::string>& keys) const {
    if (!json_->is_object()) refuse(std::string("is not an object but ") + json_->type_name());
    for (const auto& item : json_->items()) {
      if (!keys.contains(item.key()) && !item.value().is_null()) {
        at(item.key()).refuse("the key is not known" + did_you_mean(item.key(), keys));
      }
    }
  }

 private:
  const Json* json_;
  std::string path_;
};

// What is known here has no other value than null, false, 0 or "".
void require_unused(const Value& object, const std::string& key) {
  const auto value = object.find(key);
  if (!value) return;
  const Json& json = value->json();
  const bool unused =
      json.is_null() || json == Json(false) || json == Json("") || (json.is_number() && json == Json(0));
  if (!unused) value->refuse(json.dump().substr(0, 80) + " is not supported; only files without it can be read");
}

// Tokens by number from tokens with numbers.
class Numbering {
 public:
  void add(const std::string& token, std::int32_t id, const std::string& where) {
    const auto [other, fresh] = tokens_.emplace(id, token);
    if (fresh || other->second == token) return;
    throw Error(where + ": token " + std::to_string(id) + " is '" + other->second + "' and '" + token + "'");
  }

  [[nodiscard]] std::vector<std::string> tokens(const std::string& where) && {
    std::vector<std::string> list;
    list.reserve(tokens_.size());
    for (auto& [id, token] : tokens_) {
      if (id != std::ssize(list)) {
        throw Error(where + ": there is no token " + std::to_string(list.size()) + ", but a token " +
                    std::to_string(id) + "; numbers must follow each other from 0 on");
      }
      list.push_back(std::move(token));
    }
    return list;
  }

 private:
  std::map<std::int32_t, std::string> tokens_;
};

Numbering vocabulary_of(const Value& vocab) {
  if (!vocab.json().is_object()) vocab.refuse(std::string("is not an object but ") + vocab.json().type_name());
  Numbering numbering;
  for (const auto& item : vocab.json().items()) {
    const Value id(item.value(), vocab.path() + "['" + item.key() + "']");
    numbering.add(item.key(), id.id(), vocab.path());
  }
  return numbering;
}

// Merges by the texts of their parts.
class Merges {
 public:
  explicit Merges(const std::vector<std::string>& tokens) {
    ids_.reserve(tokens.size());
    for (const std::string& token : tokens) ids_.emplace(token, static_cast<std::int32_t>(ids_.size()));
  }

  void add(const std::string& left, const std::string& right, const std::string& where) {
    merges.emplace_back(id_of(left, where), id_of(right, where));
  }
  void add(const std::string& line, const std::string& where) {
    const std::size_t blank = line.find(' ');
    const bool two = blank != 0 && blank < line.size() - 1 && line.find(' ', blank + 1) == std::string::npos;
    if (blank == std::string::npos || !two) {
      throw Error(where + ": '" + line.substr(0, 80) + "' is no merge: two tokens with a blank between them");
    }
    add(line.substr(0, blank), line.substr(blank + 1), where);
  }

  std::vector<std::pair<std::int32_t, std::int32_t>> merges;

 private:
  [[nodiscard]] std::int32_t id_of(const std::string& token, const std::string& where) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) throw Error(where + ": '" + token + "' is not in the vocabulary");
    return found->second;
  }
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

void read_added(const Value& list, BpeParts& parts, Numbering& numbering) {
  for (const Value& token : list.items()) {
    token.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    for (const char* key : {"single_word", "lstrip", "rstrip"}) require_unused(token, key);
    const std::int32_t id = token.at("id").id();
    numbering.add(token.at("content").text(), id, token.path());
    parts.added.push_back(
        {.id = id, .special = token.flag("special", false), .normalized = token.flag("normalized", true)});
  }
}

void read_byte_level(const Value& value, PreTokenRule& rule) {
  value.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  rule.add_prefix_space = value.at("add_prefix_space").flag();
  rule.use_regex = value.flag("use_regex", true);
}

std::string split_pattern(const Value& split) {
  split.allow({"type", "pattern", "behavior", "invert"});
  if (const Value behavior = split.at("behavior"); behavior.text() != "Isolated") {
    behavior.refuse("'" + behavior.text() + "' is not supported; only 'Isolated' is");
  }
  require_unused(split, "invert");
  const Value pattern = split.at("pattern");
  pattern.allow({"Regex"});
  const Value regex = pattern.at("Regex");
  try {
    (void)Pattern(regex.text());
  } catch (const Error& e) {
    regex.refuse(e.what());
  }
  return regex.text();
}

PreTokenRule read_pre_tokenizer(const Value& value) {
  PreTokenRule rule;
  const std::string type = value.is_null() ? "null" : value.at("type").text();
  if (type == "ByteLevel") {
    read_byte_level(value, rule);
    return rule;
  }
  if (type != "Sequence")
    value.refuse("'" + type + "' is not supported; ByteLevel, or a Sequence of Split and ByteLevel");
  value.allow({"type", "pretokenizers"});
  const std::vector<Value> steps = value.at("pretokenizers").items();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string step = steps[i].at("type").text();
    const bool last = i + 1 == steps.size();
    if (step != (last ? "ByteLevel" : "Split")) {
      steps[i].refuse("'" + step + "' is not supported here: Splits, and ByteLevel as the last step");
    }
    if (last) {
      read_byte_level(steps[i], rule);
    } else {
      rule.splits.push_back(split_pattern(steps[i]));
    }
  }
  if (steps.empty()) value.refuse("the Sequence is empty; its last step must be ByteLevel");
  return rule;
}

// The tokens of a TemplateProcessing's name for special tokens.
TokenIds template_tokens(const Value& special, const std::string& name) {
  TokenIds ids;
  for (const Value& id : special.at(name).at("ids").items()) ids.push_back(id.id());
  return ids;
}

void read_template(const Value& value, BpeParts& parts) {
  value.allow({"type", "single", "pair", "special_tokens"});
  bool behind = false;
  for (const Value& piece : value.at("single").items()) {
    if (const auto sequence = piece.find("Sequence")) {
      if (behind || sequence->at("id").text() != "A") sequence->refuse("one text A is wanted, once");
      behind = true;
      continue;
    }
    const std::string name = piece.at("SpecialToken").at("id").text();
    const TokenIds ids = template_tokens(value.at("special_tokens"), name);
    TokenIds& side = behind ? parts.after : parts.before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (!behind) value.at("single").refuse("the text itself (Sequence A) is missing");
}

void read_post_processor(const Value& value, BpeParts& parts) {
  if (value.is_null()) return;
  const std::string type = value.at("type").text();
  if (type == "ByteLevel") return;  // trims offsets, which are not kept here
  if (type == "TemplateProcessing") return read_template(value, parts);
  if (type != "Sequence") value.refuse("'" + type + "' is not supported; ByteLevel and TemplateProcessing are");
  for (const Value& step : value.at("processors").items()) {
    if (!parts.before.empty() || !parts.after.empty()) step.refuse("nothing may follow a TemplateProcessing");
    if (step.at("type").text() == "Sequence") step.refuse("a Sequence in a Sequence is not supported");
    read_post_processor(step, parts);
  }
}

void read_model(const Value& model, BpeParts& parts, Numbering numbering) {
  const Value list = model.at("merges");
  parts.tokens = std::move(numbering).tokens("model.vocab");
  Merges merges(parts.tokens);
  for (const Value& merge : list.items()) {
    if (merge.json().is_string()) {
      merges.add(merge.text(), merge.path());
      continue;
    }
    const std::vector<Value> pair = merge.items();
    if (pair.size() != 2) merge.refuse(std::to_string(pair.size()) + " tokens; a merge has two");
    merges.add(pair[0].text(), pair[1].text(), merge.path());
  }
  parts.merges = std::move(merges.merges);
}

Bpe from_json(const Json& json) {
  const Value document(json, "");
  document.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
                  "decoder", "model"});
  for (const char* key : {"truncation", "padding", "normalizer"}) require_unused(document, key);
  const Value model = document.at("model");
  model.allow({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
               "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (const auto type = model.find("type"); type && type->text() != "BPE") {
    type->refuse("'" + type->text() + "' is not supported; only BPE is");
  }
  for (const char* key :
       {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback"}) {
    require_unused(model, key);
  }
  BpeParts parts;
  parts.ignore_merges = model.flag("ignore_merges", false);
  parts.pre_tokens = read_pre_tokenizer(document.at("pre_tokenizer"));
  const Value decoder = document.at("decoder");
  if (decoder.is_null() || decoder.at("type").text() != "ByteLevel") decoder.refuse("only ByteLevel is supported");
  if (const auto post = document.find("post_processor")) read_post_processor(*post, parts);
  Numbering numbering = vocabulary_of(model.at("vocab"));
  if (const auto added = document.find("added_tokens"); added && !added->is_null()) {
    read_added(*added, parts, numbering);
  }
  read_model(model, parts, std::move(numbering));
  return Bpe(std::move(parts));
}

// Tokens that are no byte and that no merge makes.
std::vector<AddedToken> tokens_without_merges(const BpeParts& parts) {
  std::set<std::string> made;
  for (const auto& [left, right] : parts.merges) {
    made.insert(parts.tokens[static_cast<std::size_t>(left)] + parts.tokens[static_cast<std::size_t>(right)]);
  }
  std::vector<AddedToken> added;
  for (std::size_t id = 0; id < parts.tokens.size(); ++id) {
    const auto bytes = from_byte_characters(parts.tokens[id]);
    const bool is_byte = bytes && bytes->size() == 1;
    if (!is_byte && !made.contains(parts.tokens[id])) added.push_back({.id = static_cast<std::int32_t>(id)});
  }
  return added;
}

// What a parser says of a file, in front of which the file's name is put.
template <class Read>
Bpe named(const std::string& name, Read read) {
  try {
    return read();
  } catch (const Json::exception& e) {
    throw Error(name + ": not a tokenizer: " + e.what());
  } catch (const Error& e) {
    throw Error(name + ": not a tokenizer: " + e.what());
  }
}

std::string read_file(const fs::path& path) {
  return read_text(path, most_bytes);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

}  // namespace

Bpe parse_bpe(std::string_view json, const std::string& name) {
  return named(name, [&] { return from_json(Json::parse(json)); });
}

Bpe parse_vocab_and_merges(std::string_view vocab, std::string_view merges, const std::string& vocab_name,
                           const std::string& merges_name) {
  BpeParts parts;
  const Bpe unmerged = named(vocab_name, [&] {
    const Json json = Json::parse(vocab);
    return Bpe({.tokens = vocabulary_of(Value(json, "")).tokens("the vocabulary"), .merges = {}});
  });
  parts.tokens = unmerged.parts().tokens;
  return named(merges_name, [&] {
    Merges list(parts.tokens);
    std::size_t number = 0;
    for (const std::string_view line : lines_of(merges)) {
      ++number;
      if (number == 1 && line.starts_with("#version")) continue;
      list.add(std::string(line), "line " + std::to_string(number));
    }
    if (list.merges.empty()) throw Error("there are no merges");
    parts.merges = std::move(list.merges);
    parts.added = tokens_without_merges(parts);
    return Bpe(std::move(parts));
  });
}

Bpe load_bpe(const fs::path& path) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const std::string name = path.filename().string();
  if (!is_folder && name != "vocab.json" && name != "merges.txt") return parse_bpe(read_file(path), path.string());
  const fs::path folder = is_folder ? path : path.parent_path();
  if (is_folder && is_file(folder / "tokenizer.json")) return load_bpe(folder / "tokenizer.json");
  const fs::path vocab = folder / "vocab.json";
  const fs::path merges = folder / "merges.txt";
  if (!is_file(vocab) && !is_file(merges)) {
    throw Error(path.string() +
                ": no tokenizer in this folder; expected is tokenizer.json, or vocab.json with merges.txt");
  }
  return parse_vocab_and_merges(read_file(vocab), read_file(merges), vocab.string(), merges.string());
}

void save_bpe(const fs::path& folder, const Bpe& bpe) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": the folder cannot be made: " + error.message());
  write_file(folder / "tokenizer.json", to_json(bpe));
  write_file(folder / "vocab.json", vocab_json(bpe));
  write_file(folder / "merges.txt", merges_text(bpe));
}

}  // namespace narae::text
