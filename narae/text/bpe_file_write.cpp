// Tokenizers as files. Objects of vocabularies are written by hand: in the order of the numbers, a token a line.
#include <nlohmann/json.hpp>

#include "narae/text/bpe_file.h"

namespace narae::text {
namespace {

using Json = nlohmann::json;

std::string json_text(std::string_view text) {
  return Json(text).dump();
}

// `"token": number` for each, between braces.
std::string vocabulary_object(const Bpe& bpe, const std::string& indent, const std::string& line_end) {
  std::string text = "{";
  for (std::int64_t id = 0; id < bpe.size(); ++id) {
    if (id > 0) text += ',';
    text += line_end;
    text += indent;
    text += json_text(bpe.parts().tokens[static_cast<std::size_t>(id)]) + ": " + std::to_string(id);
  }
  return text + line_end;
}

std::string flag_text(bool flag) {
  return flag ? "true" : "false";
}

std::string added_json(const Bpe& bpe) {
  std::string text;
  for (const AddedToken& token : bpe.parts().added) {
    text += (text.empty() ? "\n" : ",\n");
    text += "    {\"id\": " + std::to_string(token.id) +
            ", \"content\": " + json_text(bpe.parts().tokens[static_cast<std::size_t>(token.id)]) +
            R"(, "single_word": false, "lstrip": false, "rstrip": false, "normalized": )" +
            flag_text(token.normalized) + ", \"special\": " + flag_text(token.special) + "}";
  }
  return "[" + text + (text.empty() ? "]" : "\n  ]");
}

std::string byte_level_json(const PreTokenRule& rule) {
  return R"({"type": "ByteLevel", "add_prefix_space": )" + flag_text(rule.add_prefix_space) +
         R"(, "trim_offsets": true, "use_regex": )" + flag_text(rule.use_regex) + "}";
}

std::string pre_tokenizer_json(const PreTokenRule& rule) {
  if (rule.splits.empty()) return byte_level_json(rule);
  std::string text = "{\"type\": \"Sequence\", \"pretokenizers\": [";
  for (const std::string& split : rule.splits) {
    text += R"(
    {"type": "Split", "pattern": {"Regex": )" +
            json_text(split) + R"(}, "behavior": "Isolated", "invert": false},)";
  }
  return text + "\n    " + byte_level_json(rule) + "]}";
}

std::string post_processor_json(const Bpe& bpe) {
  const BpeParts& parts = bpe.parts();
  if (parts.before.empty() && parts.after.empty()) return "null";
  Json special = Json::object();
  const auto around = [&](const char* sequence, int type) {
    Json pieces = Json::array();
    const auto add = [&](const TokenIds& ids) {
      for (const std::int32_t id : ids) {
        const std::string& token = parts.tokens[static_cast<std::size_t>(id)];
        pieces.push_back({{"SpecialToken", {{"id", token}, {"type_id", type}}}});
        special[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
      }
    };
    add(parts.before);
    pieces.push_back({{"Sequence", {{"id", sequence}, {"type_id", type}}}});
    add(parts.after);
    return pieces;
  };
  Json single = around("A", 0);
  Json pair = single;
  for (Json& piece : around("B", 1)) pair.push_back(std::move(piece));
  return Json{{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}}.dump();
}

}  // namespace

std::string to_json(const Bpe& bpe) {
  std::string merges;
  for (const auto& [left, right] : bpe.parts().merges) {
    merges += (merges.empty() ? "\n" : ",\n");
    merges += "      [" + json_text(bpe.parts().tokens[static_cast<std::size_t>(left)]) + ", " +
              json_text(bpe.parts().tokens[static_cast<std::size_t>(right)]) + "]";
  }
  return "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": " +
         added_json(bpe) +
         ",\n  \"normalizer\": null,\n  \"pre_tokenizer\": " + pre_tokenizer_json(bpe.parts().pre_tokens) +
         ",\n  \"post_processor\": " + post_processor_json(bpe) +
         R"(,
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": )" +
         flag_text(bpe.parts().ignore_merges) + ",\n    \"vocab\": " + vocabulary_object(bpe, "      ", "\n") +
         "    },\n    \"merges\": [" + merges + "\n    ]\n  }\n}\n";
}

std::string vocab_json(const Bpe& bpe) {
  return vocabulary_object(bpe, "", "\n") + "}\n";
}

std::string merges_text(const Bpe& bpe) {
  std::string text = "#version: 0.2\n";
  for (const auto& [left, right] : bpe.parts().merges) {
    text += bpe.parts().tokens[static_cast<std::size_t>(left)] + " " +
            bpe.parts().tokens[static_cast<std::size_t>(right)] + "\n";
  }
  return text;
}

}  // namespace narae::text
