#include "narae/data/catalog.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/cifar.h"
#include "narae/data/idx_folder.h"
#include "narae/data/image_folder.h"
#include "narae/data/synth_catalog.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using detail::open_synth;
using detail::synth_prefix;

struct KnownFolder {
  std::string_view name;
  std::string_view description;
  DataKind kind = DataKind::samples;
};

constexpr std::array known_folders{
    KnownFolder{"mnist", "handwritten digits, 28x28 grey, 60,000 + 10,000, 10 classes"},
    KnownFolder{"fashion-mnist", "pictures of clothes, 28x28 grey, 60,000 + 10,000, 10 classes"},
    KnownFolder{"cifar10", "photographs, 32x32 colour, 50,000 + 10,000, 10 classes"},
    KnownFolder{"cifar100", "photographs, 32x32 colour, 50,000 + 10,000, 100 classes"},
    KnownFolder{"tinyshakespeare", "plays by Shakespeare, 1.1 million characters", DataKind::corpus},
    KnownFolder{"ptb", "Penn Treebank for language models, 929,589 words, 10,000 different", DataKind::corpus},
    KnownFolder{"rt-polarity", "sentences of film reviews, 10,662, 2 classes", DataKind::texts},
    KnownFolder{"sst2", "Stanford sentiment treebank, sentences, 6,920 + 872 + 1,821, 2 classes", DataKind::texts},
    KnownFolder{"trec", "questions, 5,452 + 500, 6 classes", DataKind::texts},
    KnownFolder{"subj", "subjective and objective sentences, 10,000, 2 classes", DataKind::texts},
    KnownFolder{"nsmc", "Korean film reviews, 2 classes", DataKind::texts},
    KnownFolder{"names", "surnames, 20,050, 18 classes", DataKind::texts},
    KnownFolder{"multi30k", "descriptions of pictures in English, German and French, 29,000 + 1,014 + 1,000",
                DataKind::pairs}};

// Sets that share a folder with others.
struct Alias {
  std::string_view name;
  std::string_view place;
};
constexpr std::array aliases{Alias{"trec", "trec-subj"}, Alias{"subj", "trec-subj/subj.all.gz"},
                             Alias{"subj", "trec-subj/subj.all"}};

constexpr std::int64_t most_in_memory = std::int64_t{1} << 28;  // bytes of resized pictures

// Sets that are read whole: pictures of one size in few files.
struct FolderFormat {
  std::string_view description;
  bool (*holds)(const std::string& folder);
  Dataset (*read)(const std::string& folder, Split split);
};

constexpr std::array formats{FolderFormat{"a folder of IDX files", holds_idx, read_idx_folder},
                             FolderFormat{"a folder of CIFAR batches", holds_cifar, read_cifar_folder}};

std::string layouts() {
  return "a folder with " + idx_layout() + "; or with " + cifar_layout() + "; or with " + image_folder_layout() +
         "; texts are " + text_set_layout() + ", pairs of texts are " + pair_set_layout() +
         ", a language is .txt files, a series is a CSV file";
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

// What lies at a place, in a few words.
struct Content {
  std::string_view description;
  DataKind kind;
};

std::optional<Content> content_of(const std::string& place) {
  for (const FolderFormat& format : formats)
    if (format.holds(place)) return Content{format.description, DataKind::samples};
  if (is_folder(place) && holds_pictures(place)) return Content{"a folder of pictures", DataKind::samples};
  if (holds_tag_set(place)) return Content{"sentences with a tag for each word", DataKind::tags};
  if (holds_text_set(place)) return Content{"texts with a class each", DataKind::texts};
  if (holds_pair_set(place)) return Content{"texts in pairs", DataKind::pairs};
  if (holds_series(place)) return Content{"numbers over time", DataKind::series};
  if (text::holds_corpus(place)) return Content{"a text", DataKind::corpus};
  return std::nullopt;
}

// The places that a name may lead to and that are there: below the roots (also under another name), then where the
// program runs.
std::vector<std::string> places_of(const std::string& name) {
  std::vector<std::string> names{name};
  for (const Alias& alias : aliases)
    if (alias.name == name) names.emplace_back(alias.place);
  if (is_bare_name(name)) {
    for (const char* ending : {".csv", ".csv.gz"}) names.push_back("time-series/" + name + ending);
  }
  std::vector<fs::path> candidates;
  if (fs::path(name).is_relative() && !name.empty() && name != "." && name != "..") {
    for (const fs::path& root : roots())
      for (const std::string& n : names) candidates.push_back(root / n);
  }
  candidates.emplace_back(name);
  std::vector<std::string> places;
  std::error_code ignored;
  for (const fs::path& candidate : candidates)
    if (fs::exists(candidate, ignored)) places.push_back(candidate.string());
  return places;
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
    throw Error("dataset '" + name + "' is a file; give the folder it lies in: " + layouts());
  }
  if (!is_bare_name(name)) {
    throw Error("dataset '" + name + "': there is no such folder; expected is " + layouts());
  }
  std::vector<std::string> names;
  for (const DatasetInfo& info : datasets())
    if (info.name != name) names.push_back(info.name);
  throw UsageError("dataset '" + name + "' not found: looked for the folders " + looked + ", ./" + name +
                   " (set NARAE_DATA to the folder that holds your datasets); expected is " + layouts() +
                   did_you_mean(name, names));
}

// Pictures of one size become those of the size that was asked for; few of them at once.
Dataset sized(const Dataset& dataset, const SplitOptions& options) {
  if (options.size == 0) return dataset;
  const Dataset result = with_size(dataset, {options.size, options.size}, options.fit);
  const auto sample_bytes = static_cast<std::int64_t>(result.fields[field_index(result, "image")].bytes());
  const bool changed = result.generate && !dataset.generate;
  return changed && options.prepare && result.size() <= most_in_memory / sample_bytes ? loaded(result) : result;
}

// A named or given set in all its splits, but for samples that are set aside at random.
class Source {
 public:
  Source(const std::string& name, const SplitOptions& options) : name_(name), options_(options) {
    check(options.fit);
    if (name.starts_with(synth_prefix)) return;
    folder_ = resolve(name).string();
    for (const FolderFormat& format : formats) {
      if (format.holds(folder_)) format_ = &format;
    }
    if (format_ != nullptr) return;
    if (holds_python_cifar(folder_)) {
      throw Error("dataset folder " + folder_ + ": this is the Python version of CIFAR; fetch the binary one, with " +
                  cifar_layout());
    }
    std::error_code ignored;  // a folder that can't be read holds nothing for us
    const bool has_folders = std::any_of(fs::directory_iterator(folder_, ignored), fs::directory_iterator(),
                                         [](const fs::directory_entry& entry) { return is_folder(entry.path()); });
    if (const auto content = content_of(folder_); content && content->kind != DataKind::samples) {
      detail::refuse_kind(name, content->kind, DataKind::samples);
    }
    if (!has_folders) {
      throw Error("dataset folder " + folder_ + ": nothing in it is known as a dataset; expected is " + layouts());
    }
    pictures_.emplace(folder_, ImageFolderOptions{.input = options.input,
                                                  .size = {options.size, options.size},
                                                  .usual_size = options.usual_size,
                                                  .fit = options.fit,
                                                  .strict = options.strict,
                                                  .max_pixels = options.max_pixels,
                                                  .prepare = options.prepare});
  }

  /// Only folders of pictures may have validation samples of their own, or lack test samples.
  [[nodiscard]] bool has(Split split) const { return pictures_ ? pictures_->has(split) : split != Split::validation; }

  /// With mean, deviation and classes of the training pictures.
  [[nodiscard]] Dataset open(Split split) {
    if (pictures_) return pictures_->open(split);
    if (format_ == nullptr) return sized(open_synth(name_, split), options_);
    if (!train_) train_ = format_->read(folder_, Split::train);
    if (split == Split::train) return sized(*train_, options_);
    Dataset test = format_->read(folder_, split);
    adopt_statistics(test, *train_);
    return sized(test, options_);
  }

 private:
  std::string name_;
  SplitOptions options_;
  std::string folder_;
  const FolderFormat* format_ = nullptr;
  std::optional<ImageFolder> pictures_;
  std::optional<Dataset> train_;
};

// The validation samples, and the training samples without them.
std::pair<Dataset, Dataset> train_and_validation(Source& source, const std::string& name, const SplitOptions& options) {
  Dataset train = source.open(Split::train);
  const bool own = source.has(Split::validation);
  if (options.validation_fraction != 0) {
    if (own) {
      throw UsageError("dataset '" + name +
                       "' has validation pictures of its own; leave the fraction of training pictures that are set "
                       "aside (--val-fraction) at 0");
    }
    return split_off(train, options.validation_fraction, options.seed);
  }
  Dataset validation = own ? source.open(Split::validation) : first(train, 0);
  return {std::move(train), std::move(validation)};
}

// Where a name leads. Throws UsageError or Error when nowhere.
std::string place_of(const std::string& name) {
  const std::vector<std::string> places = places_of(name);
  return places.empty() ? resolve(name).string() : places[0];
}

// What lies there. Throws Error for nothing known.
Content content_at(const std::string& place) {
  if (const auto content = content_of(place)) return *content;
  throw Error("dataset " + place + ": nothing in it is known as a dataset; expected is " + layouts());
}

}  // namespace

Splits open_splits(const std::string& name, const SplitOptions& options) {
  Source source(name, options);
  auto [train, validation] = train_and_validation(source, name, options);
  Dataset test = source.has(Split::test) ? source.open(Split::test) : first(train, 0);
  return {std::move(train), std::move(validation), std::move(test)};
}

Dataset open_dataset(const std::string& name, Split split, const SplitOptions& options) {
  Source source(name, options);
  if (split == Split::test) {
    if (source.has(split)) return source.open(split);
    throw Error("dataset '" + name + "' has no test samples; ask for another split (--split validation or train)");
  }
  if (split == Split::validation && options.validation_fraction == 0) {
    if (source.has(split)) return source.open(split);
    throw Error("dataset '" + name + "': no samples are set aside for validation; choose a fraction above 0");
  }
  auto [train, validation] = train_and_validation(source, name, options);
  return split == Split::train ? std::move(train) : std::move(validation);
}

std::string lasting_dataset_name(const std::string& name) {
  if (name.starts_with(synth_prefix)) return name;
  const char* root = std::getenv("NARAE_DATA");
  const bool named = is_bare_name(name) && root != nullptr && *root != '\0' && is_folder(fs::path(root) / name);
  if (named) return name;
  for (const fs::path& path : {is_bare_name(name) ? fs::path("data") / name : fs::path(), fs::path(name)}) {
    if (std::error_code ignored; !path.empty() && fs::exists(path, ignored))
      return fs::absolute(path).lexically_normal().string();
  }
  return name;
}

std::string_view name_of(DataKind kind) {
  constexpr std::string_view names[] = {"samples", "corpus", "texts", "tags", "series", "pairs"};
  return names[static_cast<std::size_t>(kind)];
}

DataKind data_kind(const std::string& name) {
  if (name.starts_with(synth_prefix)) return detail::synth_kind(name);
  return content_at(place_of(name)).kind;
}

text::Corpus open_corpus(const std::string& name, const text::CorpusOptions& options) {
  if (name.starts_with(synth_prefix)) return detail::open_synth_corpus(name);
  return text::read_corpus(place_of(name), options);
}

TextSplits open_texts(const std::string& name, const TextSetOptions& options) {
  if (name.starts_with(synth_prefix)) return detail::open_synth_texts(name);
  const std::string place = place_of(name);
  if (!holds_text_set(place)) {
    if (const Content content = content_at(place); content.kind != DataKind::texts) {
      detail::refuse_kind(name, content.kind, DataKind::texts);
    }
  }
  return read_text_set(place, options);
}

TagSplits open_tags(const std::string& name, const TextSetOptions& options) {
  return name.starts_with(synth_prefix) ? detail::open_synth_tags(name) : read_tag_set(place_of(name), options);
}

PairSplits open_pairs(const std::string& name, const PairSetOptions& options) {
  if (name.starts_with(synth_prefix)) {
    if (options.source.empty() && options.target.empty()) return detail::open_synth_pairs(name);
    throw UsageError("dataset '" + name + "' has one source and one target; there are no sides to choose from");
  }
  const std::string place = place_of(name);
  if (!holds_pair_set(place)) detail::refuse_kind(name, content_at(place).kind, DataKind::pairs);
  return read_pair_set(place, options);
}

Series open_series(const std::string& name) {
  if (name.starts_with(synth_prefix)) return detail::open_synth_series(name);
  const std::string place = place_of(name);
  if (!is_folder(place)) return read_series(place);
  std::vector<std::string> files;
  std::string list;
  for (const fs::directory_entry& entry : fs::directory_iterator(place)) {
    if (holds_series(entry.path().string()) && !is_folder(entry.path())) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  if (files.size() == 1) return read_series(files[0]);
  for (const std::string& file : files) list += (list.empty() ? "" : ", ") + fs::path(file).filename().string();
  if (files.empty()) throw Error("series " + place + ": no CSV file with numbers in this folder");
  throw UsageError("series " + place + ": the folder holds several series; name one of its files: " + list);
}

std::vector<DatasetInfo> datasets() {
  std::vector<DatasetInfo> result;
  for (const detail::SynthInfo& set : detail::synth_sets()) {
    result.push_back({std::string(set.name), std::string(set.description), "generated", set.kind});
  }
  for (const KnownFolder& known : known_folders) {
    DatasetInfo info{std::string(known.name), std::string(known.description), "", known.kind};
    for (const std::string& place : places_of(info.name)) {
      const auto content = content_of(place);
      if (info.location.empty() && content && content->kind == known.kind) info.location = place;
    }
    result.push_back(std::move(info));
  }
  const std::size_t listed = result.size();
  for (const fs::path& root : roots()) {
    std::error_code ignored;  // a folder that can't be read holds nothing for us
    for (const fs::directory_entry& entry : fs::directory_iterator(root, ignored)) {
      const std::string name = entry.path().filename().string();
      const std::string place = entry.path().string();
      const bool known = std::any_of(result.begin(), result.end(),
                                     [&](const DatasetInfo& d) { return d.name == name || d.location == place; });
      if (known || !is_folder(entry.path())) continue;
      if (const auto content = content_of(place)) {
        result.push_back({name, std::string(content->description), place, content->kind});
      }
    }
  }
  std::sort(result.begin() + static_cast<std::ptrdiff_t>(listed), result.end(),
            [](const DatasetInfo& a, const DatasetInfo& b) { return a.name < b.name; });
  return result;
}

}  // namespace narae
