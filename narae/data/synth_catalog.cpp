#include "narae/data/synth_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/data/synth.h"

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
};

// One set; `setting` is what it has besides train, test and seed.
struct SynthSet {
  std::string_view name;
  std::string_view description;
  std::int64_t train;
  std::int64_t test;
  std::string_view setting;
  Dataset (*open)(Split split, std::int64_t size, const SynthSettings& settings);
};

std::uint64_t seed_of(const SynthSettings& settings) {
  return static_cast<std::uint64_t>(settings.seed);
}

template <PointSet set>
Dataset open_points(Split split, std::int64_t size, const SynthSettings& settings) {
  return synth_points(set, split, size, seed_of(settings), static_cast<float>(settings.noise));
}

constexpr std::array sets{
    SynthSet{
        "synth:digits", "digits drawn by the program, 28x28 grey, 10 classes", 10000, 2000, "",
        [](Split split, std::int64_t size, const SynthSettings& s) { return synth_digits(split, size, seed_of(s)); }},
    SynthSet{"synth:shapes", "coloured shapes in scenes drawn by the program, 32x32 (size=N), 10 classes", 10000, 2000,
             "size",
             [](Split split, std::int64_t size, const SynthSettings& s) {
               return synth_shapes(split, size, s.size, seed_of(s));
             }},
    SynthSet{"synth:xor", "points in opposite quadrants, 2 classes", 2000, 1000, "noise",
             open_points<PointSet::exclusive_or>},
    SynthSet{"synth:moons", "points on two interleaved half circles, 2 classes", 2000, 1000, "noise",
             open_points<PointSet::moons>},
    SynthSet{"synth:circles", "points on a ring around a ring, 2 classes", 2000, 1000, "noise",
             open_points<PointSet::circles>}};

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

SynthSettings parse_settings(const SynthSet& set, std::string_view query, const std::string& name) {
  SynthSettings settings{.train = set.train, .test = set.test};
  std::vector<std::string> known{"train", "test", "seed"};
  if (!set.setting.empty()) known.emplace_back(set.setting);
  while (!query.empty()) {
    const std::string part(query.substr(0, query.find('&')));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      refuse_setting(name, key, known);
    }
    const auto integer = [&](std::int64_t least, std::int64_t most) {
      return number_from(value, key, name, least, most);
    };
    if (key == "train") settings.train = integer(0, most_samples);
    if (key == "test") settings.test = integer(0, most_samples);
    if (key == "seed") settings.seed = integer(0, std::numeric_limits<std::int64_t>::max());
    if (key == "noise") settings.noise = number_from<double>(value, key, name, 0, 1000);
    if (key == "size") settings.size = integer(least_shapes_side, most_shapes_side);
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

}  // namespace

std::vector<SynthInfo> synth_sets() {
  std::vector<SynthInfo> result;
  for (const SynthSet& set : sets) result.push_back({set.name, set.description});
  return result;
}

Dataset open_synth(const std::string& name, Split split) {
  const std::size_t question = name.find('?');
  const SynthSet& set = find_set(name.substr(0, question));
  const std::string_view query =
      question == std::string::npos ? std::string_view{} : std::string_view(name).substr(question + 1);
  const SynthSettings settings = parse_settings(set, query, name);
  const std::int64_t size = split == Split::train ? settings.train : settings.test;
  Dataset dataset = set.open(split, size, settings);
  std::size_t sample_bytes = 0;
  for (const Field& field : dataset.fields) sample_bytes += field.bytes();
  if (size <= most_in_memory / static_cast<std::int64_t>(sample_bytes)) return loaded(dataset);
  dataset.labels = labels_of(dataset);
  return dataset;
}

}  // namespace narae::detail
