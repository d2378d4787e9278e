// Tagged sentences in files of one word a line.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/text_sets.h"
#include "narae/text/corpus.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

// A word and the name of its tag.
using TaggedWord = std::pair<std::string, std::string>;

struct RawSentence {
  std::vector<TaggedWord> words;
  std::size_t line = 0;  ///< of its first word
};

// Word and tag of a line: its first and its last column.
std::optional<TaggedWord> columns_in(std::string_view line) {
  constexpr std::string_view blanks = " \t";
  const std::size_t begin = line.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t word_end = std::min(line.find_first_of(blanks, begin), line.size());
  const std::size_t end = line.find_last_not_of(blanks) + 1;
  const std::size_t before = line.substr(0, end).find_last_of(blanks);
  const std::size_t tag_begin = before == std::string_view::npos || before < begin ? word_end : before + 1;
  return TaggedWord{line.substr(begin, word_end - begin), line.substr(tag_begin, end - tag_begin)};
}

std::vector<RawSentence> read_sentences(const fs::path& file, std::size_t max_bytes) {
  const std::string content = text::read_text_file(file, max_bytes);
  std::vector<RawSentence> sentences;
  RawSentence sentence;
  std::size_t number = 0;
  const auto finish = [&] {
    if (!sentence.words.empty()) sentences.push_back(std::exchange(sentence, {}));
  };
  for (const std::string_view line : text::lines_of(content)) {
    ++number;
    auto columns = columns_in(line);
    if (!columns) {
      finish();
      continue;
    }
    if (columns->second.empty()) {
      throw Error(file.string() + ":" + std::to_string(number) + ": '" + columns->first +
                  "' has no tag; expected are a word, a blank or tab, and its tag");
    }
    if (sentence.words.empty()) sentence.line = number;
    sentence.words.push_back(std::move(*columns));
  }
  finish();
  return sentences;
}

std::map<std::string_view, fs::path> tag_files(const fs::path& path) {
  std::map<std::string_view, fs::path> files;
  std::error_code ignored;  // a folder that can't be read holds nothing for us
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    const bool known = name.ends_with(".conll") || name.ends_with(".tsv");
    if (const std::string_view part = text::part_named(entry.path()); known && !part.empty()) {
      files.emplace(part, entry.path());
    }
  }
  return files;
}

// A table of texts has lines without a break between them; sentences are set apart by empty lines.
bool begins_like_sentences(const fs::path& file) {
  const std::string beginning = text::read_beginning(file);
  std::size_t words = 0;
  for (const std::string_view line : text::lines_of(beginning)) {
    const auto columns = columns_in(line);
    if (!columns) return words > 0;
    if (columns->second.empty()) return false;
    ++words;
  }
  return false;
}

std::vector<TaggedSentence> with_numbers(const std::vector<RawSentence>& sentences,
                                         const std::vector<std::string>& tags, const fs::path& file) {
  std::vector<TaggedSentence> result;
  for (const RawSentence& sentence : sentences) {
    TaggedSentence& tagged = result.emplace_back();
    for (const auto& [word, tag] : sentence.words) {
      const auto found = std::lower_bound(tags.begin(), tags.end(), tag);
      if (found == tags.end() || *found != tag) {
        const std::size_t line = sentence.line + tagged.words.size();
        throw Error(fmt::format("{}:{}: no training word has the tag '{}' of '{}'", file.string(), line, tag, word));
      }
      tagged.words.push_back(word);
      tagged.tags.push_back(found - tags.begin());
    }
  }
  return result;
}

// Moves a random share of the training sentences out.
std::vector<TaggedSentence> take_share(std::vector<TaggedSentence>& sentences, double fraction, std::uint64_t seed,
                                       std::string_view purpose) {
  const auto count = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(sentences.size())));
  std::vector<bool> chosen(sentences.size());
  const auto order = permutation(std::ssize(sentences), RandomStream(seed, hash_of(purpose)));
  for (std::size_t k = 0; k < count; ++k) chosen[static_cast<std::size_t>(order[k])] = true;
  std::vector<TaggedSentence> taken;
  std::vector<TaggedSentence> rest;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    (chosen[i] ? taken : rest).push_back(std::move(sentences[i]));
  }
  sentences = std::move(rest);
  return taken;
}

}  // namespace

bool holds_tag_set(const std::string& path) {
  const auto files = tag_files(path);
  return files.contains("train") && begins_like_sentences(files.at("train"));
}

TagSplits read_tag_set(const std::string& path, const TextSetOptions& options) {
  const auto files = tag_files(path);
  if (!files.contains("train")) {
    throw Error("tags " + path + ": no train.conll or train.tsv there, plain or .gz");
  }
  const auto read = [&](std::string_view part) {
    return files.contains(part) ? read_sentences(files.at(part), options.max_bytes) : std::vector<RawSentence>{};
  };
  const std::vector<RawSentence> train = read("train");
  if (train.empty()) throw Error(files.at("train").string() + ": no sentence in it");
  TagSplits splits;
  splits.name = text::set_name(path);
  for (const RawSentence& sentence : train)
    for (const TaggedWord& word : sentence.words) splits.tags.push_back(word.second);
  std::sort(splits.tags.begin(), splits.tags.end());
  splits.tags.erase(std::unique(splits.tags.begin(), splits.tags.end()), splits.tags.end());
  splits.train = with_numbers(train, splits.tags, files.at("train"));
  double of_rest = options.validation_fraction;
  if (files.contains("test")) {
    splits.test = with_numbers(read("test"), splits.tags, files.at("test"));
  } else {
    splits.test = take_share(splits.train, options.test_fraction, options.seed, "tags/test");
    of_rest = std::min(1.0, of_rest / (1 - options.test_fraction));
  }
  if (files.contains("validation")) {
    splits.validation = with_numbers(read("validation"), splits.tags, files.at("validation"));
  } else {
    splits.validation = take_share(splits.train, of_rest, options.seed, "tags/validation");
  }
  if (splits.train.empty()) throw Error("tags " + path + ": nothing is left to train with");
  return splits;
}

}  // namespace narae
