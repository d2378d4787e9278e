#include "narae/text/corpus.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/gzip.h"
#include "narae/text/utf8.h"

namespace narae::text {
namespace {

namespace fs = std::filesystem;

std::string lower_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// "ptb.train.txt" of "data/PTB.train.txt.gz".
std::string plain_name(const fs::path& path) {
  std::string name = lower_ascii(path.filename().string());
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name;
}

bool is_text_file(const fs::path& path) {
  const std::string name = plain_name(path);
  return name.ends_with(".txt") || name.ends_with(".tokens");
}

bool speaks_about_data(const fs::path& path) {
  constexpr std::array<std::string_view, 6> names{"readme", "source", "sources", "license", "licence", "classes"};
  const std::string name = plain_name(path);
  const std::string stem = name.substr(0, name.find('.'));
  return name.starts_with('.') || name.starts_with('_') || std::find(names.begin(), names.end(), stem) != names.end();
}

std::map<std::string_view, fs::path> named_parts(const std::vector<fs::path>& files) {
  std::map<std::string_view, fs::path> parts;
  for (const fs::path& file : files) {
    const std::string_view part = part_named(file);
    if (part.empty()) continue;
    const auto [other, fresh] = parts.emplace(part, file);
    if (!fresh) {
      throw Error("corpus: " + other->second.string() + " and " + file.string() + " are both named " +
                  std::string(part) + "; keep one of them in the folder");
    }
  }
  return parts;
}

Corpus read_parts(const fs::path& path, const std::map<std::string_view, fs::path>& parts, std::size_t limit) {
  if (!parts.contains("train")) {
    throw Error("corpus " + path.string() + ": there are parts to " + std::string(parts.begin()->first) +
                " with, but none to train with; expected is a file train.txt");
  }
  const auto read = [&](std::string_view part) {
    return parts.contains(part) ? read_text_file(parts.at(part), limit) : std::string();
  };
  return {set_name(path), read("train"), read("validation"), read("test")};
}

// Where to cut near byte `at`: behind the next line end, or else between two characters.
std::size_t cut_near(std::string_view text, std::size_t at, std::size_t last) {
  const std::size_t line_end = text.find('\n', at);
  if (line_end != std::string_view::npos && line_end + 1 <= last) return line_end + 1;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  return at;
}

// The characters or words of `text` that the vocabulary lacks: is there one?
bool lacks_token(const Vocabulary& vocabulary, std::string_view text, const Tokenization& rule) {
  TokenCounts counts;
  count_tokens(text, rule, counts);
  return std::any_of(counts.begin(), counts.end(), [&](const auto& entry) { return !vocabulary.find(entry.first); });
}

}  // namespace

std::string read_bytes(const fs::path& path, std::size_t limit) {
  const Buffer file = map_file(path);
  const bool compressed = is_gzip(file);
  if (!compressed && file.size() > limit) {
    throw Error(path.string() + ": " + std::to_string(file.size()) + " bytes, more than the " + std::to_string(limit) +
                " that are accepted here");
  }
  const Buffer content = compressed ? inflate_gzip(file, path.string(), limit) : file;
  return {reinterpret_cast<const char*>(content.data()), content.size()};
}

std::string set_name(const fs::path& path) {
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(path, ignored);
  if (fs::is_directory(whole, ignored)) return whole.filename().string();
  const std::string name = whole.filename().string();
  return name.substr(0, name.find('.', 1));
}

std::string read_beginning(const fs::path& path, std::size_t most) try {
  const Buffer file = map_file(path);
  std::string text;
  if (is_gzip(file)) {
    text.resize(most);
    text.resize(GzipReader(file, path.string()).read(std::as_writable_bytes(std::span(text))));
  } else {
    text.assign(reinterpret_cast<const char*>(file.data()), std::min(most, file.size()));
  }
  const std::size_t line_end = text.rfind('\n');
  if (text.size() == most && line_end != std::string::npos) text.resize(line_end + 1);
  return text;
} catch (const Error&) {
  return "";
}

std::string read_text_file(const fs::path& path, std::size_t limit) {
  std::string text = read_bytes(path, limit);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  require_utf8(text, path.string());
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

std::string_view part_named(const fs::path& path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> words{{{"train", "train"},
                                                                                {"valid", "validation"},
                                                                                {"validation", "validation"},
                                                                                {"val", "validation"},
                                                                                {"dev", "validation"},
                                                                                {"test", "test"}}};
  const std::string name = plain_name(path);
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find_first_of("._- ", begin), name.size());
    for (const auto& [word, part] : words)
      if (std::string_view(name).substr(begin, end - begin) == word) return part;
    begin = end + 1;
  }
  return "";
}

std::vector<fs::path> text_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;  // a folder that can't be read holds nothing for us
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored) && is_text_file(entry.path()) && !speaks_about_data(entry.path())) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool holds_corpus(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return is_text_file(path);
  const std::vector<fs::path> files = text_files(path);
  const auto is_part = [](const fs::path& file) { return !part_named(file).empty(); };
  const auto is_train = [](const fs::path& file) { return part_named(file) == "train"; };
  return !files.empty() &&
         (std::none_of(files.begin(), files.end(), is_part) || std::any_of(files.begin(), files.end(), is_train));
}

Corpus read_corpus(const fs::path& path, const CorpusOptions& options) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const std::vector<fs::path> files = is_folder ? text_files(path) : std::vector{path};
  if (files.empty()) {
    throw Error("corpus " + path.string() + ": no text in this folder; expected are .txt files, plain or .gz");
  }
  if (is_folder) {
    if (const auto parts = named_parts(files); !parts.empty()) {
      Corpus corpus = read_parts(path, parts, options.max_bytes);
      if (corpus.train.empty()) throw Error(parts.at("train").string() + ": the file is empty");
      return corpus;
    }
  }
  std::string text;
  for (const fs::path& file : files) text += read_text_file(file, options.max_bytes - text.size());
  if (text.empty()) throw Error("corpus " + path.string() + ": the text is empty");
  return cut_corpus(set_name(path), text, options);
}

Corpus cut_corpus(std::string name, std::string_view text, const CorpusOptions& options) {
  if (!(options.validation >= 0) || !(options.test >= 0) || !(options.validation + options.test < 1)) {
    throw Error("corpus " + name + ": shares of " + std::to_string(options.validation) + " and " +
                std::to_string(options.test) + " for validation and test; they are at least 0 and below 1 together");
  }
  const auto share = [&](double part) { return static_cast<std::size_t>(part * static_cast<double>(text.size())); };
  const std::size_t test_bytes = share(options.test);
  const std::size_t validation_bytes = share(options.validation);
  const std::size_t test_target = text.size() - test_bytes;
  const std::size_t test = test_bytes == 0 ? text.size() : cut_near(text, test_target, text.size() - 1);
  const std::size_t validation =
      validation_bytes == 0 ? test : std::min(test, cut_near(text, test_target - validation_bytes, test));
  Corpus corpus{std::move(name), std::string(text.substr(0, validation)),
                std::string(text.substr(validation, test - validation)), std::string(text.substr(test))};
  if (corpus.train.empty()) throw Error("corpus " + corpus.name + ": nothing of the text is left to train with");
  return corpus;
}

Tokenizer corpus_tokenizer(const Corpus& corpus, const Tokenization& rule, std::int64_t min_count,
                           std::int64_t max_size) {
  const std::span<const std::string> train(&corpus.train, 1);
  VocabularyOptions options{.specials = {}, .min_count = min_count, .max_size = max_size};
  if (rule.kind == TokenKind::byte_pair) return learn_tokenizer(train, rule, options);
  if (rule.kind == TokenKind::character) {
    Tokenizer tokenizer = learn_tokenizer(train, rule, options);
    bool lacks = min_count > 1 || max_size > 0;
    if (lacks) lacks = lacks_token(tokenizer.vocabulary, corpus.train, rule);
    for (const std::string* part : {&corpus.validation, &corpus.test}) {
      lacks = lacks || lacks_token(tokenizer.vocabulary, *part, rule);
    }
    if (!lacks) return tokenizer;
  }
  options.specials = {Special::unknown};
  return learn_tokenizer(train, rule, options);
}

}  // namespace narae::text
