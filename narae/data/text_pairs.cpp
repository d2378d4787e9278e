#include "narae/data/text_pairs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/text_set_files.h"
#include "narae/text/table.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using detail::is_file;
using detail::plain_name;
using text::TableFormat;
using Fields = std::vector<std::string>;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

void add_pair(TextPairs& pairs, std::string_view source, std::string_view target) {
  source = trimmed(source);
  target = trimmed(target);
  if (source.empty() || target.empty()) return;
  pairs.sources.emplace_back(source);
  pairs.targets.emplace_back(target);
}

// The two sides by their places in `names`. `what` names the set for messages.
std::pair<std::size_t, std::size_t> sides_of(const std::vector<std::string>& names, const PairSetOptions& options,
                                             const std::string& what) {
  const auto find = [&](const std::string& side) {
    const auto found = std::find(names.begin(), names.end(), side);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    for (std::size_t i = 0; i < names.size(); ++i)
      if (side == std::to_string(i + 1)) return i;
    throw UsageError(fmt::format("pairs {}: there is no side '{}' (there are {}){}; data.source and data.target choose",
                                 what, side, fmt::join(names, ", "), did_you_mean(side, names)));
  };
  const auto english = std::find(names.begin(), names.end(), "en");
  std::size_t target = options.target.empty() ? names.size() : find(options.target);
  std::size_t source = 0;
  if (!options.source.empty()) {
    source = find(options.source);
  } else if (english != names.end() && static_cast<std::size_t>(english - names.begin()) != target) {
    source = static_cast<std::size_t>(english - names.begin());
  } else if (target == 0) {
    source = 1;
  }
  if (target == names.size()) target = source == 0 ? 1 : 0;
  if (source == target) {
    throw UsageError(fmt::format("pairs {}: '{}' would be turned into itself; choose two sides of {}", what,
                                 names[source], fmt::join(names, ", ")));
  }
  return {source, target};
}

// ---- Files in parallel.

// "train" of "train.en.gz", with the language; nothing for a file that is no side of a pair.
struct Side {
  std::string stem;
  std::string language;
};
std::optional<Side> side_named(const fs::path& file) {
  const std::string name = plain_name(file);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0 || text::part_named(name.substr(0, dot)).empty()) return std::nullopt;
  const std::string language = name.substr(dot + 1);
  const bool short_word = (language.size() == 2 || language.size() == 3) &&
                          std::all_of(language.begin(), language.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  constexpr std::array<std::string_view, 22> formats{"txt", "tsv", "csv", "xml", "all", "md",  "bin", "idx",
                                                     "npy", "npz", "pos", "neg", "jpg", "png", "gif", "bmp",
                                                     "zip", "tar", "wav", "dat", "log", "sh"};
  if (!short_word || std::find(formats.begin(), formats.end(), language) != formats.end()) return std::nullopt;
  return Side{name.substr(0, dot), language};
}

// The files of a folder: of each part, of each name, by language.
using ParallelFiles = std::map<std::string_view, std::map<std::string, std::map<std::string, fs::path>>>;

ParallelFiles parallel_files(const fs::path& folder) {
  ParallelFiles files;
  std::error_code ignored;  // a folder that can't be read holds nothing for us
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (!is_file(entry.path())) continue;
    if (const auto side = side_named(entry.path())) {
      files[text::part_named(side->stem)][side->stem].emplace(side->language, entry.path());
    }
  }
  for (auto& [part, by_stem] : files) std::erase_if(by_stem, [](const auto& item) { return item.second.size() < 2; });
  std::erase_if(files, [](const auto& item) { return item.second.empty(); });
  return files;
}

TextPairs read_parallel(const fs::path& source, const fs::path& target, std::size_t max_bytes) {
  const std::string of_source = text::read_text_file(source, max_bytes);
  const std::string of_target = text::read_text_file(target, max_bytes);
  const auto sources = text::lines_of(of_source);
  const auto targets = text::lines_of(of_target);
  if (sources.size() != targets.size()) {
    throw Error(fmt::format("pairs: {} has {} lines and {} has {}; line n of one belongs to line n of the other",
                            source.string(), sources.size(), target.string(), targets.size()));
  }
  TextPairs pairs;
  for (std::size_t i = 0; i < sources.size(); ++i) add_pair(pairs, sources[i], targets[i]);
  return pairs;
}

PairSplits read_parallel_set(const fs::path& path, const ParallelFiles& files, const PairSetOptions& options) {
  std::vector<std::string> languages;
  for (const auto& [language, file] : files.at("train").begin()->second) languages.push_back(language);
  const auto sides = sides_of(languages, options, path.string());
  const std::string& source = languages[sides.first];
  const std::string& target = languages[sides.second];
  const auto read = [&](std::string_view part) {
    if (!files.contains(part)) return TextPairs{};
    for (const auto& [stem, by_language] : files.at(part)) {
      if (!by_language.contains(source) || !by_language.contains(target)) continue;
      return read_parallel(by_language.at(source), by_language.at(target), options.max_bytes);
    }
    return TextPairs{};
  };
  return {.name = text::set_name(path),
          .train = read("train"),
          .validation = read("validation"),
          .test = read("test"),
          .usual = {}};
}

// ---- One table.

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> known_headers{
    {{"source", "target"}, {"Q", "A"}, {"question", "answer"}, {"input", "output"}, {"prompt", "response"}}};

std::optional<TableFormat> format_of(const fs::path& file) {
  const std::string name = plain_name(file);
  if (name.ends_with(".csv")) return TableFormat::csv;
  if (name.ends_with(".tsv") || name.ends_with(".txt")) return TableFormat::tsv;
  return std::nullopt;
}

bool has(const Fields& fields, std::string_view name) {
  return std::find(fields.begin(), fields.end(), name) != fields.end();
}

bool is_header(const Fields& fields) {
  return std::any_of(known_headers.begin(), known_headers.end(),
                     [&](const auto& names) { return has(fields, names.first) && has(fields, names.second); });
}

// The sides that a header's known names stand for, as far as they are not chosen.
PairSetOptions with_known_names(const Fields& header, PairSetOptions options) {
  for (const auto& [source, target] : known_headers) {
    if (!has(header, source) || !has(header, target)) continue;
    if (options.source.empty()) options.source = options.target == source ? target : source;
    if (options.target.empty()) options.target = options.source == target ? source : target;
  }
  return options;
}

// Whether a file begins with pairs: a CSV file by its header, one with tabs by rows of two columns or more.
bool begins_with_pairs(const fs::path& file) {
  const auto format = format_of(file);
  if (!format) return false;
  std::string beginning = text::read_beginning(file, 4096);
  if (beginning.starts_with("\xEF\xBB\xBF")) beginning.erase(0, 3);
  std::optional<Fields> first;
  std::size_t fewest = 2;
  try {  // a row may be cut off at the end of what was read
    text::for_each_row(beginning, *format, file.string(), [&](const Fields& fields, std::size_t) {
      if (!first) first = fields;
      fewest = std::min(fewest, fields.size());
    });
  } catch (const Error&) {
    if (!first) return false;
  }
  if (!first) return false;
  return *format == TableFormat::csv ? is_header(*first) : fewest == 2;
}

// The tables of pairs at a place by the part that they are named after; one alone, whatever its name, is "train".
std::map<std::string_view, fs::path> tables_at(const fs::path& path) {
  std::map<std::string_view, fs::path> named;
  std::vector<fs::path> others;
  if (is_file(path)) {
    if (begins_with_pairs(path)) named.emplace("train", path);
    return named;
  }
  std::error_code ignored;  // a folder that can't be read holds nothing for us
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || name.starts_with('_') || !is_file(entry.path())) continue;
    if (!begins_with_pairs(entry.path())) continue;
    const std::string_view part = text::part_named(entry.path());
    if (part.empty() || !named.emplace(part, entry.path()).second) others.push_back(entry.path());
  }
  if (named.contains("train")) return named;
  for (const auto& [part, file] : named) others.push_back(file);
  named.clear();
  if (others.size() == 1) named.emplace("train", others[0]);
  return named;
}

TextPairs read_table(const fs::path& file, const PairSetOptions& options) {
  const std::string content = text::read_text_file(file, options.max_bytes);
  TextPairs pairs;
  std::optional<std::pair<std::size_t, std::size_t>> sides;
  text::for_each_row(content, *format_of(file), file.string(), [&](const Fields& fields, std::size_t line) {
    if (fields.size() < 2) throw Error(fmt::format("{}:{}: one column; a pair has two sides", file.string(), line));
    if (!sides) {
      Fields names = fields;
      const bool header = is_header(fields);
      for (std::size_t i = 0; !header && i < names.size(); ++i) names[i] = std::to_string(i + 1);
      sides = sides_of(names, header ? with_known_names(names, options) : options, file.string());
      if (header) return;
    }
    if (std::max(sides->first, sides->second) >= fields.size()) {
      throw Error(fmt::format("{}:{}: {} columns; column {} is wanted", file.string(), line, fields.size(),
                              std::max(sides->first, sides->second) + 1));
    }
    add_pair(pairs, fields[sides->first], fields[sides->second]);
  });
  return pairs;
}

// ---- Parts.

// Moves a random share of the sources out, each with all its targets: nothing that is judged was seen in training.
TextPairs take_share(TextPairs& pairs, double fraction, std::uint64_t seed, std::string_view purpose) {
  std::unordered_map<std::string_view, std::vector<std::size_t>> rows;
  std::vector<std::string_view> sources;  // different ones, in the order in which they come
  for (std::size_t i = 0; i < pairs.sources.size(); ++i) {
    auto& of_source = rows[pairs.sources[i]];
    if (of_source.empty()) sources.push_back(pairs.sources[i]);
    of_source.push_back(i);
  }
  const auto wanted = static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(pairs.size())));
  std::vector<bool> chosen(pairs.sources.size());
  std::int64_t count = 0;
  for (const std::int64_t k : permutation(std::ssize(sources), RandomStream(seed, hash_of(purpose)))) {
    if (count >= wanted) break;
    for (const std::size_t row : rows[sources[static_cast<std::size_t>(k)]]) {
      chosen[row] = true;
      ++count;
    }
  }
  TextPairs taken;
  TextPairs rest;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    TextPairs& to = chosen[i] ? taken : rest;
    to.sources.push_back(pairs.sources[i]);
    to.targets.push_back(pairs.targets[i]);
  }
  pairs = std::move(rest);
  return taken;
}

void check(const PairSetOptions& options) {
  for (const double share : {options.validation_fraction, options.test_fraction}) {
    if (!(share >= 0 && share < 1)) {
      throw UsageError(fmt::format("pairs: a share of {}; give 0 or more, below 1", share));
    }
  }
}

}  // namespace

std::string pair_set_layout() {
  return "files in parallel such as train.en and train.de (val, test likewise), or a table with two columns between "
         "tabs, or a CSV file with a header such as source,target or Q,A (one, or train, val and test); plain or .gz";
}

bool holds_pair_set(const std::string& path) {
  return parallel_files(path).contains("train") || tables_at(path).contains("train");
}

PairSplits read_pair_set(const std::string& path, const PairSetOptions& options) {
  check(options);
  PairSplits splits;
  const auto tables = tables_at(path);
  if (const ParallelFiles files = parallel_files(path); files.contains("train")) {
    splits = read_parallel_set(path, files, options);
  } else if (tables.contains("train")) {
    const auto read = [&](std::string_view part) {
      return tables.contains(part) ? read_table(tables.at(part), options) : TextPairs{};
    };
    splits = {.name = text::set_name(path),
              .train = read("train"),
              .validation = read("validation"),
              .test = read("test"),
              .usual = {}};
  } else {
    throw Error("pairs " + path + ": nothing there is known as pairs of texts to train with; expected are " +
                pair_set_layout());
  }
  double of_rest = options.validation_fraction;
  if (splits.test.size() == 0) {
    splits.test = take_share(splits.train, options.test_fraction, options.seed, "pairs/test");
    of_rest /= 1 - options.test_fraction;
  }
  if (splits.validation.size() == 0) {
    splits.validation = take_share(splits.train, std::min(1.0, of_rest), options.seed, "pairs/validation");
  }
  if (splits.train.size() == 0) throw Error("pairs " + path + ": nothing is left to train with");
  return splits;
}

}  // namespace narae
