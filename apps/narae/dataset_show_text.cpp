#include "apps/narae/dataset_show_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "apps/narae/commands.h"
#include "narae/core/error.h"
#include "narae/data/sequences.h"
#include "narae/text/utf8.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;
using Numbers = std::vector<std::int64_t>;

constexpr std::size_t shown_samples = 5;
constexpr std::size_t shown_characters = 80;
constexpr Split all_splits[] = {Split::train, Split::validation, Split::test};

// The beginning of a text in one line.
std::string in_brief(const std::string& text) {
  std::string line;
  std::size_t count = 0;
  for (const std::string_view character : text::characters_of(text)) {
    if (++count > shown_characters) return line + " ...";
    line += character == "\n" || character == "\t" || character == "\r" ? " " : character;
  }
  return line;
}

[[noreturn]] void refuse_empty(const std::string& name, Split split) {
  throw UsageError("--split: '" + name + "' has no " + std::string(name_of(split)) + " samples");
}

// The least, the middle and the most of some lengths.
Json range_of(Numbers lengths) {
  std::sort(lengths.begin(), lengths.end());
  return {{"least", lengths.front()}, {"median", lengths[lengths.size() / 2]}, {"most", lengths.back()}};
}

std::string line_of(const Json& range, std::string_view unit) {
  return fmt::format("lengths: {} to {} {} (median {})\n", range["least"].get<std::int64_t>(),
                     range["most"].get<std::int64_t>(), unit, range["median"].get<std::int64_t>());
}

// How many samples each class has.
Json class_counts_of(const std::vector<std::string>& classes, std::span<const std::int64_t> labels) {
  Numbers counts(classes.size());
  for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
  Json json = Json::object();
  for (std::size_t c = 0; c < classes.size(); ++c) json[classes[c]] = counts[c];
  return json;
}

// "12 texts to train with, 3 to validate with, 4 to test with"
std::string counts_line(const Json& json, std::string_view what) {
  const auto of = [&](const char* split) { return json["samples"][split].get<std::int64_t>(); };
  return fmt::format("{}: {} {} to train with, {} to validate with, {} to test with\n", json["name"].get<std::string>(),
                     of("train"), what, of("validation"), of("test"));
}

std::string classes_lines(const Json& json, std::string_view what) {
  std::string text;
  for (const auto& item : json["class_counts"].items()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", item.key(), item.value().get<std::int64_t>());
  }
  return fmt::format("{} {}: {}\n", json["class_counts"].size(), what, text);
}

void answer(const Json& json, const std::string& text, bool as_json) {
  if (as_json) {
    print_json(json);
  } else {
    print(text);
  }
}

void show_texts(const std::string& name, Split split, bool as_json) {
  const TextSplits splits = open_texts(name);
  const LabelledTexts& part = splits.part(split);
  if (part.size() == 0) refuse_empty(name, split);
  const text::Tokenizer tokenizer = training_tokenizer(splits, splits.usual);
  const EncodedTexts encoded_part = encoded(splits, split, tokenizer);
  Json json{{"name", splits.name}, {"kind", name_of(DataKind::texts)}};
  for (const Split s : all_splits) json["samples"][std::string(name_of(s))] = splits.part(s).size();
  json["class_counts"] = class_counts_of(splits.classes, part.labels);
  json["tokens"] = splits.usual.kind == text::TokenKind::word ? "words" : "characters";
  json["vocabulary"] = tokenizer.vocabulary.size();
  json["lengths"] = range_of(*encoded_part.data.lengths);
  json["unknown"] = encoded_part.unknown_tokens;
  json["first"] = Json::array();
  const auto unit = json["tokens"].get<std::string>();
  std::string text = counts_line(json, "texts") + classes_lines(json, "classes") + line_of(json["lengths"], unit) +
                     fmt::format("vocabulary of the training texts: {} {}\n", tokenizer.vocabulary.size(), unit);
  for (std::size_t i = 0; i < std::min(shown_samples, part.texts.size()); ++i) {
    const std::string& label = splits.classes[static_cast<std::size_t>(part.labels[i])];
    json["first"].push_back({{"text", part.texts[i]}, {"label", label}});
    text += fmt::format("  {}: {}\n", label, in_brief(part.texts[i]));
  }
  answer(json, text, as_json);
}

void show_tags(const std::string& name, Split split, bool as_json) {
  const TagSplits splits = open_tags(name);
  const std::vector<TaggedSentence>& part = splits.part(split);
  if (part.empty()) refuse_empty(name, split);
  Numbers labels;
  Numbers lengths;
  for (const TaggedSentence& sentence : part) {
    labels.insert(labels.end(), sentence.tags.begin(), sentence.tags.end());
    lengths.push_back(std::ssize(sentence.words));
  }
  Json json{{"name", splits.name}, {"kind", name_of(DataKind::tags)}};
  for (const Split s : all_splits) json["samples"][std::string(name_of(s))] = splits.part(s).size();
  json["class_counts"] = class_counts_of(splits.tags, labels);
  json["vocabulary"] = training_tokenizer(splits).vocabulary.size();
  json["lengths"] = range_of(lengths);
  json["first"] = Json::array();
  std::string text =
      counts_line(json, "sentences") + classes_lines(json, "tags") + line_of(json["lengths"], "words") +
      fmt::format("vocabulary of the training sentences: {} words\n", json["vocabulary"].get<std::int64_t>());
  for (std::size_t i = 0; i < std::min(shown_samples, part.size()); ++i) {
    Json words = Json::array();
    std::string line;
    for (std::size_t k = 0; k < part[i].words.size(); ++k) {
      const std::string& tag = splits.tags[static_cast<std::size_t>(part[i].tags[k])];
      words.push_back({part[i].words[k], tag});
      line += (k == 0 ? "" : " ") + part[i].words[k] + "/" + tag;
    }
    json["first"].push_back(words);
    text += "  " + in_brief(line) + "\n";
  }
  answer(json, text, as_json);
}

void show_pairs(const std::string& name, Split split, bool as_json) {
  const PairSplits splits = open_pairs(name);
  const TextPairs& part = splits.part(split);
  if (part.size() == 0) refuse_empty(name, split);
  const text::Tokenizer tokenizer = training_tokenizer(splits, splits.usual);
  const EncodedTexts encoded_part = encoded_pairs(splits, split, tokenizer);
  Json json{{"name", splits.name}, {"kind", name_of(DataKind::pairs)}};
  for (const Split s : all_splits) json["samples"][std::string(name_of(s))] = splits.part(s).size();
  json["tokens"] = splits.usual.kind == text::TokenKind::word ? "words" : "characters";
  json["vocabulary"] = tokenizer.vocabulary.size();
  json["source_lengths"] = range_of(*encoded_part.data.lengths);
  json["target_lengths"] = range_of(*encoded_part.data.label_lengths);
  json["unknown"] = encoded_part.unknown_tokens;
  json["first"] = Json::array();
  const auto unit = json["tokens"].get<std::string>();
  std::string text = counts_line(json, "pairs") + "sources, " + line_of(json["source_lengths"], unit + " and <eos>") +
                     "targets, " + line_of(json["target_lengths"], unit + " and <eos>") +
                     fmt::format("vocabulary of both sides: {} {}\n", tokenizer.vocabulary.size(), unit);
  for (std::size_t i = 0; i < std::min(shown_samples, part.sources.size()); ++i) {
    json["first"].push_back({{"source", part.sources[i]}, {"target", part.targets[i]}});
    text += fmt::format("  {} -> {}\n", in_brief(part.sources[i]), in_brief(part.targets[i]));
  }
  answer(json, text, as_json);
}

void show_corpus(const std::string& name, Split split, bool as_json) {
  const text::Corpus corpus = open_corpus(name);
  const std::string& part = split == Split::train        ? corpus.train
                            : split == Split::validation ? corpus.validation
                                                         : corpus.test;
  if (part.empty()) refuse_empty(name, split);
  const auto distinct = [&](const text::Tokenization& rule) {
    text::TokenCounts counts;
    text::count_tokens(corpus.train, rule, counts);
    return counts.size();
  };
  const auto characters = text::count_characters(part);
  const auto words = text::tokens_of(part, {.words = text::WordRule::blanks}).size();
  const auto lines = text::lines_of(part).size();
  Json json{{"name", corpus.name}, {"kind", name_of(DataKind::corpus)}, {"split", name_of(split)}};
  json["characters"] = characters;
  json["words"] = words;
  json["lines"] = lines;
  json["different_characters"] = distinct({.kind = text::TokenKind::character});
  json["different_words"] = distinct({.words = text::WordRule::blanks});
  const std::vector<std::string_view> all_lines = text::lines_of(part);
  std::string text = fmt::format("{}: {} characters, {} words between blanks, {} lines in the {} part\n", corpus.name,
                                 characters, words, lines, name_of(split));
  text += fmt::format("training text: {} different characters, {} different words\n",
                      json["different_characters"].get<std::int64_t>(), json["different_words"].get<std::int64_t>());
  json["first"] = Json::array();
  for (std::size_t i = 0; i < std::min(shown_samples, all_lines.size()); ++i) {
    json["first"].push_back(all_lines[i]);
    text += "  " + in_brief(std::string(all_lines[i])) + "\n";
  }
  answer(json, text, as_json);
}

void show_series(const std::string& name, bool as_json) {
  const Series series = open_series(name);
  Json json{{"name", series.name}, {"kind", name_of(DataKind::series)}, {"rows", series.rows()}};
  std::string text = fmt::format("{}: {} rows\n", series.name, series.rows());
  json["columns"] = Json::array();
  for (std::size_t c = 0; c < series.columns.size(); ++c) {
    double least = series.at(0, c);
    double most = least;
    double sum = 0;
    for (std::int64_t r = 0; r < series.rows(); ++r) {
      least = std::min(least, series.at(r, c));
      most = std::max(most, series.at(r, c));
      sum += series.at(r, c);
    }
    const double mean = sum / static_cast<double>(series.rows());
    json["columns"].push_back({{"name", series.columns[c]}, {"least", least}, {"mean", mean}, {"most", most}});
    text += fmt::format("column {}: {:.6g} to {:.6g} (mean {:.6g})\n", series.columns[c], least, most, mean);
  }
  json["first"] = Json::array();
  for (std::int64_t r = 0; r < std::min<std::int64_t>(shown_samples, series.rows()); ++r) {
    Json row = Json::array();
    std::string line;
    for (std::size_t c = 0; c < series.columns.size(); ++c) {
      row.push_back(series.at(r, c));
      line += fmt::format("{}{:.6g}", c == 0 ? "" : "  ", series.at(r, c));
    }
    json["first"].push_back(row);
    text += "  " + line + "\n";
  }
  answer(json, text, as_json);
}

}  // namespace

void show_text_dataset(const std::string& name, DataKind kind, Split split, bool as_json) {
  if (kind == DataKind::texts) return show_texts(name, split, as_json);
  if (kind == DataKind::tags) return show_tags(name, split, as_json);
  if (kind == DataKind::pairs) return show_pairs(name, split, as_json);
  if (kind == DataKind::corpus) return show_corpus(name, split, as_json);
  if (split != Split::train) throw UsageError("--split: '" + name + "' is one series; a forecast chooses its parts");
  show_series(name, as_json);
}

}  // namespace narae::cli
