#include "narae/data/synth_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "narae/core/error.h"
#include "narae/data/synth.h"
#include "narae/data/synth_text.h"
#include "narae/text/words.h"

namespace narae::detail {
namespace {

constexpr std::int64_t most_in_memory = std::int64_t{1} << 28;  // bytes
constexpr std::int64_t most_samples = 10'000'000;               // of a split; whatever goes through all of them ends

struct SynthSettings {
  std::int64_t train = 0;
  std::int64_t test = 0;
  std::int64_t seed = 0;
  double noise = 0.1;
  std::int64_t size = 32;
  std::int64_t length = 0;  ///< 0: the set's usual one
  std::int64_t characters = 400000;
  std::int64_t rows = 2000;
  std::int64_t period = 24;
};

std::uint64_t seed_of(const SynthSettings& settings) {
  return static_cast<std::uint64_t>(settings.seed);
}

// How a set is made; in the order of DataKind.
using MakeSamples = Dataset (*)(Split split, std::int64_t size, const SynthSettings& settings);
using MakeCorpus = text::Corpus (*)(const SynthSettings& settings);
using MakeTexts = TextSplits (*)(const SynthSettings& settings);
using MakeTags = TagSplits (*)(const SynthSettings& settings);
using MakeSeries = Series (*)(const SynthSettings& settings);
using MakePairs = PairSplits (*)(const SynthSettings& settings);
using Make = std::variant<MakeSamples, MakeCorpus, MakeTexts, MakeTags, MakeSeries, MakePairs>;

// One set; `settings` are those that it has besides seed, with blanks between them.
struct SynthSet {
  std::string_view name;
  std::string_view description;
  std::int64_t train;
  std::int64_t test;
  std::string_view settings;
  Make make;
  std::int64_t shortest = 2;  ///< of the setting `length`
  std::int64_t longest = 1 << 20;

  [[nodiscard]] DataKind kind() const { return static_cast<DataKind>(make.index()); }
};

template <PointSet set>
Dataset open_points(Split split, std::int64_t size, const SynthSettings& settings) {
  return synth_points(set, split, size, seed_of(settings), static_cast<float>(settings.noise));
}

Dataset open_digits(Split split, std::int64_t size, const SynthSettings& settings) {
  return synth_digits(split, size, seed_of(settings));
}

Dataset open_shapes(Split split, std::int64_t size, const SynthSettings& settings) {
  return synth_shapes(split, size, settings.size, seed_of(settings));
}

Dataset open_adding(Split split, std::int64_t size, const SynthSettings& settings) {
  return synth_adding(split, size, settings.length == 0 ? 100 : settings.length, seed_of(settings));
}

text::Corpus open_story(const SynthSettings& settings) {
  return synth_text(settings.characters, seed_of(settings));
}

TextSplits open_sentiment(const SynthSettings& settings) {
  return synth_sentiment(settings.train, settings.test, seed_of(settings));
}

TextSplits open_names(const SynthSettings& settings) {
  return synth_names(settings.train, settings.test, seed_of(settings));
}

TagSplits open_tagged(const SynthSettings& settings) {
  return synth_tags(settings.train, settings.test, seed_of(settings));
}

Series open_numbers(const SynthSettings& settings) {
  return synth_series({.rows = settings.rows, .period = settings.period, .noise = settings.noise}, seed_of(settings));
}

template <PairRule rule, std::int64_t usual_length>
PairSplits open_rule(const SynthSettings& settings) {
  return synth_pairs(rule, settings.train, settings.test, settings.length == 0 ? usual_length : settings.length,
                     seed_of(settings));
}

PairSplits open_named_numbers(const SynthSettings& settings) {
  return synth_numbers(settings.train, settings.test, settings.length == 0 ? 6 : settings.length, seed_of(settings));
}

constexpr std::array sets{
    SynthSet{"synth:digits", "digits drawn by the program, 28x28 grey, 10 classes", 10000, 2000, "train test",
             open_digits},
    SynthSet{"synth:shapes", "coloured shapes in scenes drawn by the program, 32x32 (size=N), 10 classes", 10000, 2000,
             "train test size", open_shapes},
    SynthSet{"synth:xor", "points in opposite quadrants, 2 classes", 2000, 1000, "train test noise",
             open_points<PointSet::exclusive_or>},
    SynthSet{"synth:moons", "points on two interleaved half circles, 2 classes", 2000, 1000, "train test noise",
             open_points<PointSet::moons>},
    SynthSet{"synth:circles", "points on a ring around a ring, 2 classes", 2000, 1000, "train test noise",
             open_points<PointSet::circles>},
    SynthSet{"synth:adding", "the adding problem: a hundred (length=N) numbers, two of them marked; their sum", 10000,
             2000, "train test length", open_adding},
    SynthSet{"synth:text", "a story made by the program, 400,000 characters (characters=N)", 0, 0, "characters",
             open_story},
    SynthSet{"synth:sentiment", "short reviews made by the program, in which the order of words decides, 2 classes",
             4000, 1000, "train test", open_sentiment},
    SynthSet{"synth:names", "names of made-up peoples, 8 classes", 4000, 1000, "train test", open_names},
    SynthSet{"synth:tags", "sentences made by the program, with 10 parts of speech", 4000, 1000, "train test",
             open_tagged},
    SynthSet{"synth:series", "trend, season and noise, 2,000 rows (rows=N, period=N, noise=X)", 0, 0,
             "rows period noise", open_numbers},
    SynthSet{"synth:copy", "up to 12 letters (length=N) and the same again", 20000, 1000, "train test length",
             open_rule<PairRule::copy, 12>, 1, 1 << 16},
    SynthSet{"synth:reverse", "up to 12 letters (length=N) and the same backwards", 20000, 1000, "train test length",
             open_rule<PairRule::reverse, 12>, 1, 1 << 16},
    SynthSet{"synth:sort", "up to 12 letters (length=N) and the same by the alphabet", 20000, 1000, "train test length",
             open_rule<PairRule::sort, 12>, 1, 1 << 16},
    SynthSet{"synth:add", "sums of numbers of up to 3 digits (length=N), 27+5 and 32", 50000, 1000, "train test length",
             open_rule<PairRule::add, 3>, 1, 18},
    SynthSet{"synth:numbers", "numbers of up to 6 digits (length=N) in English words and in Korean", 20000, 1000,
             "train test length", open_named_numbers, 1, 9}};

std::string_view in_words(DataKind kind) {
  constexpr std::string_view words[] = {"arrays of one shape, as pictures",
                                        "a text",
                                        "texts with a class each",
                                        "sentences with a tag for each word",
                                        "numbers over time",
                                        "texts in pairs"};
  return words[static_cast<std::size_t>(kind)];
}

template <class T>
T number_from(const std::string& text, const std::string& key, const std::string& name, T least, T most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= least && value <= most) return value;
  throw UsageError(
      fmt::format("dataset '{}': {}='{}' is not a number of at least {} and at most {}", name, key, text, least, most));
}

[[noreturn]] void refuse_setting(const std::string& name, const std::string& key,
                                 const std::vector<std::string>& known) {
  std::string list;
  for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
  throw UsageError("dataset '" + name + "': unknown setting '" + key + "' (there are: " + list + ")" +
                   did_you_mean(key, known));
}

std::vector<std::string> settings_of(const SynthSet& set) {
  std::vector<std::string> known = text::words_of(set.settings, text::WordRule::blanks);
  known.emplace_back("seed");
  return known;
}

SynthSettings parse_settings(const SynthSet& set, std::string_view query, const std::string& name) {
  SynthSettings settings{.train = set.train, .test = set.test};
  const std::vector<std::string> known = settings_of(set);
  while (!query.empty()) {
    const std::string part(query.substr(0, query.find('&')));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (std::find(known.begin(), known.end(), key) == known.end()) refuse_setting(name, key, known);
    const auto integer = [&](std::int64_t least, std::int64_t most) {
      return number_from(value, key, name, least, most);
    };
    if (key == "train") settings.train = integer(0, most_samples);
    if (key == "test") settings.test = integer(0, most_samples);
    if (key == "seed") settings.seed = integer(0, std::numeric_limits<std::int64_t>::max());
    if (key == "noise") settings.noise = number_from<double>(value, key, name, 0, 1000);
    if (key == "size") settings.size = integer(least_shapes_side, most_shapes_side);
    if (key == "length") settings.length = integer(set.shortest, set.longest);
    if (key == "characters") settings.characters = integer(1000, 1 << 28);
    if (key == "rows") settings.rows = integer(10, most_samples);
    if (key == "period") settings.period = integer(2, most_samples);
  }
  return settings;
}

const SynthSet& find_set(const std::string& name) {
  const auto* const set = std::find_if(sets.begin(), sets.end(), [&](const SynthSet& s) { return s.name == name; });
  if (set != sets.end()) return *set;
  std::vector<std::string> names;
  std::string list;
  for (const SynthSet& s : sets) {
    names.emplace_back(s.name);
    list += (list.empty() ? "" : ", ") + names.back();
  }
  throw UsageError("dataset '" + name + "' is not one that can be generated (there are: " + list + ")" +
                   did_you_mean(name, names));
}

// Sample i of every set is of class i modulo their number: known without drawing it.
std::shared_ptr<const std::vector<std::int64_t>> labels_of(const Dataset& dataset) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(dataset.size()));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % dataset.classes.size());
  return std::make_shared<const std::vector<std::int64_t>>(std::move(labels));
}

// The set and the settings that a name such as synth:digits?train=100 stands for.
std::pair<const SynthSet*, SynthSettings> parsed(const std::string& name, DataKind wanted) {
  const std::size_t question = name.find('?');
  const SynthSet& set = find_set(name.substr(0, question));
  if (set.kind() != wanted) refuse_kind(name, set.kind(), wanted);
  const std::string_view query =
      question == std::string::npos ? std::string_view{} : std::string_view(name).substr(question + 1);
  return {&set, parse_settings(set, query, name)};
}

template <class MakeIt>
auto made(const std::string& name, DataKind kind) {
  const auto [set, settings] = parsed(name, kind);
  return std::get<MakeIt>(set->make)(settings);
}

}  // namespace

std::vector<SynthInfo> synth_sets() {
  std::vector<SynthInfo> result;
  for (const SynthSet& set : sets) result.push_back({set.name, set.description, set.kind()});
  return result;
}

DataKind synth_kind(const std::string& name) {
  return find_set(name.substr(0, name.find('?'))).kind();
}

Dataset open_synth(const std::string& name, Split split) {
  const auto [set, settings] = parsed(name, DataKind::samples);
  const std::int64_t size = split == Split::train ? settings.train : settings.test;
  Dataset dataset = std::get<MakeSamples>(set->make)(split, size, settings);
  std::size_t sample_bytes = 0;
  for (const Field& field : dataset.fields) sample_bytes += field.bytes();
  if (size <= most_in_memory / static_cast<std::int64_t>(sample_bytes)) return loaded(dataset);
  if (!dataset.classes.empty()) dataset.labels = labels_of(dataset);
  return dataset;
}

text::Corpus open_synth_corpus(const std::string& name) {
  return made<MakeCorpus>(name, DataKind::corpus);
}

TextSplits open_synth_texts(const std::string& name) {
  return made<MakeTexts>(name, DataKind::texts);
}

TagSplits open_synth_tags(const std::string& name) {
  return made<MakeTags>(name, DataKind::tags);
}

Series open_synth_series(const std::string& name) {
  return made<MakeSeries>(name, DataKind::series);
}

PairSplits open_synth_pairs(const std::string& name) {
  return made<MakePairs>(name, DataKind::pairs);
}

void refuse_kind(const std::string& name, DataKind kind, DataKind wanted) {
  throw UsageError(fmt::format("dataset '{}' holds {}, but what is wanted here is {}; choose another dataset or task",
                               name, in_words(kind), in_words(wanted)));
}

}  // namespace narae::detail
