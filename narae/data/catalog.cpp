#include "narae/data/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

#include "narae/core/error.h"
#include "narae/data/idx_folder.h"
#include "narae/data/synth.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

struct SynthSet {
  std::string_view name;
  std::string_view description;
  std::optional<PointSet> points;  ///< none: digits
  std::int64_t train;
  std::int64_t test;
};

constexpr std::array synth_sets{
    SynthSet{"synth:digits", "digits drawn by the program, 28x28 grey, 10 classes", std::nullopt, 10000, 2000},
    SynthSet{"synth:xor", "points in opposite quadrants, 2 classes", PointSet::exclusive_or, 2000, 1000},
    SynthSet{"synth:moons", "points on two interleaved half circles, 2 classes", PointSet::moons, 2000, 1000},
    SynthSet{"synth:circles", "points on a ring around a ring, 2 classes", PointSet::circles, 2000, 1000}};

struct KnownFolder {
  std::string_view name;
  std::string_view description;
};

constexpr std::array known_folders{
    KnownFolder{"mnist", "handwritten digits, 28x28 grey, 60,000 + 10,000, 10 classes"},
    KnownFolder{"fashion-mnist", "pictures of clothes, 28x28 grey, 60,000 + 10,000, 10 classes"}};

// Generated sets up to this size are drawn once and kept; larger ones are drawn anew in every epoch.
constexpr std::int64_t most_in_memory = std::int64_t{1} << 28;  // bytes

constexpr std::string_view synth_prefix = "synth:";

struct SynthSettings {
  std::int64_t train = 0;
  std::int64_t test = 0;
  std::int64_t seed = 0;
  double noise = 0.1;
};

template <class T>
T number_from(const std::string& text, const std::string& key, const std::string& name,
              T most = std::numeric_limits<T>::max()) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= 0 && value <= most) return value;
  throw UsageError("dataset '" + name + "': " + key + "='" + text + "' is not a number of at least 0" +
                   (most < std::numeric_limits<T>::max() ? fmt::format(" and at most {}", most) : ""));
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
  if (set.points) known.emplace_back("noise");
  while (!query.empty()) {
    const std::string part(query.substr(0, query.find('&')));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      refuse_setting(name, key, known);
    }
    if (key == "train") settings.train = number_from<std::int64_t>(value, key, name);
    if (key == "test") settings.test = number_from<std::int64_t>(value, key, name);
    if (key == "seed") settings.seed = number_from<std::int64_t>(value, key, name);
    if (key == "noise") settings.noise = number_from<double>(value, key, name, 1000);
  }
  return settings;
}

Dataset open_synth(const std::string& name, Split split) {
  const std::size_t question = name.find('?');
  const std::string base = name.substr(0, question);
  const auto* const set =
      std::find_if(synth_sets.begin(), synth_sets.end(), [&](const SynthSet& s) { return s.name == base; });
  if (set == synth_sets.end()) {
    std::vector<std::string> names;
    std::string list;
    for (const SynthSet& s : synth_sets) {
      names.emplace_back(s.name);
      list += (list.empty() ? "" : ", ") + names.back();
    }
    throw UsageError("dataset '" + base + "' is not one that can be generated (there are: " + list + ")" +
                     did_you_mean(base, names));
  }
  const std::string_view query =
      question == std::string::npos ? std::string_view{} : std::string_view(name).substr(question + 1);
  const SynthSettings settings = parse_settings(*set, query, name);
  const auto seed = static_cast<std::uint64_t>(settings.seed);
  const std::int64_t size = split == Split::train ? settings.train : settings.test;
  const Dataset dataset = set->points
                              ? synth_points(*set->points, split, size, seed, static_cast<float>(settings.noise))
                              : synth_digits(split, size, seed);
  std::size_t sample_bytes = 0;
  for (const Field& field : dataset.fields) sample_bytes += field.bytes();
  return size <= most_in_memory / static_cast<std::int64_t>(sample_bytes) ? loaded(dataset) : dataset;
}

// Where bare names are looked for, in this order.
std::vector<fs::path> roots() {
  std::vector<fs::path> result;
  if (const char* variable = std::getenv("NARAE_DATA"); variable != nullptr && *variable != '\0') {
    result.emplace_back(variable);
  }
  result.emplace_back("data");
  return result;
}

bool is_bare_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name != "." && name != "..";
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

fs::path resolve(const std::string& name) {
  std::string looked;
  if (is_bare_name(name)) {
    for (const fs::path& root : roots()) {
      if (is_folder(root / name)) return root / name;
      looked += (looked.empty() ? "" : ", ") + (root / name).string();
    }
  }
  if (is_folder(name)) return name;
  std::error_code ignored;
  if (fs::exists(name, ignored)) {
    throw Error("dataset '" + name + "' is a file; give the folder it lies in, with " + idx_layout());
  }
  if (!is_bare_name(name)) {
    throw Error("dataset '" + name + "': there is no such folder; expected is a folder with " + idx_layout());
  }
  std::vector<std::string> names;
  for (const DatasetInfo& info : datasets()) names.push_back(info.name);
  throw UsageError("dataset '" + name + "' not found: looked for the folders " + looked + ", ./" + name +
                   " (set NARAE_DATA to the folder that holds your datasets); expected is a folder with " +
                   idx_layout() + did_you_mean(name, names));
}

// Train and validation come from the training samples of the source.
Splits with_validation(Splits splits, const SplitOptions& options) {
  if (options.validation_fraction == 0) {
    splits.validation = first(splits.train, 0);
  } else {
    std::tie(splits.train, splits.validation) = split_off(splits.train, options.validation_fraction, options.seed);
  }
  return splits;
}

}  // namespace

Splits open_splits(const std::string& name, const SplitOptions& options) {
  if (name.starts_with(synth_prefix)) {
    return with_validation({open_synth(name, Split::train), {}, open_synth(name, Split::test)}, options);
  }
  const fs::path folder = resolve(name);
  Splits splits{read_idx_folder(folder.string(), Split::train), {}, read_idx_folder(folder.string(), Split::test)};
  adopt_statistics(splits.test, splits.train);
  return with_validation(std::move(splits), options);
}

std::string lasting_dataset_name(const std::string& name) {
  if (name.starts_with(synth_prefix)) return name;
  const char* root = std::getenv("NARAE_DATA");
  const bool named = is_bare_name(name) && root != nullptr && *root != '\0' && is_folder(fs::path(root) / name);
  if (named) return name;
  for (const fs::path& path : {is_bare_name(name) ? fs::path("data") / name : fs::path(), fs::path(name)}) {
    if (!path.empty() && is_folder(path)) return fs::absolute(path).lexically_normal().string();
  }
  return name;
}

Dataset open_dataset(const std::string& name, Split split, const SplitOptions& options) {
  if (split == Split::test && name.starts_with(synth_prefix)) return open_synth(name, Split::test);
  if (split == Split::test) return open_splits(name).test;
  if (split == Split::validation && options.validation_fraction == 0) {
    throw Error("dataset '" + name + "': no samples are set aside for validation; choose a fraction above 0");
  }
  Dataset train = name.starts_with(synth_prefix) ? open_synth(name, Split::train)
                                                 : read_idx_folder(resolve(name).string(), Split::train);
  Splits splits = with_validation({std::move(train), {}, {}}, options);
  return split == Split::train ? std::move(splits.train) : std::move(splits.validation);
}

std::vector<DatasetInfo> datasets() {
  std::vector<DatasetInfo> result;
  for (const SynthSet& set : synth_sets) {
    result.push_back({std::string(set.name), std::string(set.description), "generated"});
  }
  for (const KnownFolder& known : known_folders) {
    std::string location;
    for (const fs::path& root : roots()) {
      if (location.empty() && holds_idx((root / known.name).string())) location = (root / known.name).string();
    }
    result.push_back({std::string(known.name), std::string(known.description), location});
  }
  const std::size_t listed = result.size();
  for (const fs::path& root : roots()) {
    std::error_code ignored;  // a folder that can't be read holds nothing for us
    for (const fs::directory_entry& entry : fs::directory_iterator(root, ignored)) {
      const std::string name = entry.path().filename().string();
      const bool known =
          std::any_of(result.begin(), result.end(), [&](const DatasetInfo& d) { return d.name == name; });
      if (!known && holds_idx(entry.path().string())) {
        result.push_back({name, "a folder of IDX files", entry.path().string()});
      }
    }
  }
  std::sort(result.begin() + static_cast<std::ptrdiff_t>(listed), result.end(),
            [](const DatasetInfo& a, const DatasetInfo& b) { return a.name < b.name; });
  return result;
}

}  // namespace narae
