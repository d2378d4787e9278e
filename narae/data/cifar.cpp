#include "narae/data/cifar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/gzip.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view batch_name = "data_batch_";
constexpr int most_batches = 1000;  // that a gap is looked for in; the real set has five
constexpr std::size_t picture_bytes = 3 * 32 * 32;
constexpr std::size_t largest_file = std::size_t{1} << 30;  // bytes, unpacked; the largest real one has 154 MB

constexpr std::array<std::string_view, 10> names_of_10{"airplane", "automobile", "bird",  "cat",  "deer",
                                                       "dog",      "frog",       "horse", "ship", "truck"};
constexpr std::array<std::string_view, 100> names_of_100{
    "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
    "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
    "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
    "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
    "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
    "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
    "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
    "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
    "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
    "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
    "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
    "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
    "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
    "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
    "woman",      "worm"};

struct Layout {
  CifarKind kind;
  std::vector<fs::path> train;
  std::vector<fs::path> test;
  fs::path folder;
};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// "data_batch_1.bin" or "data_batch_1.bin.gz", sorted.
std::vector<fs::path> batches_in(const fs::path& folder, std::string_view beginning) {
  std::vector<fs::path> result;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool packed = name.ends_with(".bin.gz");
    if (!name.starts_with(beginning) || (!packed && !name.ends_with(".bin")) || !is_file(entry.path())) continue;
    if (packed && is_file(fs::path(entry.path()).replace_extension())) continue;  // its content lies beside it
    result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

// The first of the names that is a file.
std::vector<fs::path> single_file(const fs::path& folder, std::string_view name) {
  for (const char* ending : {"", ".gz"}) {
    if (const fs::path path = folder / (std::string(name) + ending); is_file(path)) return {path};
  }
  return {};
}

std::optional<Layout> layout_of(const std::string& folder) {
  for (const char* sub_folder : {"", "cifar-10-batches-bin"}) {
    const fs::path path = fs::path(folder) / sub_folder;
    Layout layout{CifarKind::cifar10, batches_in(path, batch_name), batches_in(path, "test_batch"), path};
    if (!layout.train.empty()) return layout;
  }
  for (const char* sub_folder : {"", "cifar-100-binary"}) {
    const fs::path path = fs::path(folder) / sub_folder;
    Layout layout{CifarKind::cifar100, single_file(path, "train.bin"), single_file(path, "test.bin"), path};
    if (!layout.train.empty()) return layout;
  }
  return std::nullopt;
}

// 3 of ".../data_batch_3.bin"; 0 for other names.
int batch_number(const fs::path& path) {
  const std::string name = path.filename().string().substr(batch_name.size());
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc{} && *end == '.' ? number : 0;
}

// The first batches alone make a smaller set; one that lacks others was not copied whole.
void require_no_gap(const Layout& layout) {
  if (layout.kind != CifarKind::cifar10) return;
  std::set<int> numbers;
  for (const fs::path& path : layout.train) numbers.insert(batch_number(path));
  const int last = std::min(*numbers.rbegin(), most_batches);
  std::string missing;
  for (int i = 1; i < last; ++i) {
    if (!numbers.contains(i)) missing += fmt::format("{}{}{}.bin", missing.empty() ? "" : ", ", batch_name, i);
  }
  if (missing.empty()) return;
  throw Error(
      fmt::format("dataset folder {}: batches are missing ({}), though {}{}.bin is there; fetch the set again, or "
                  "take the later ones away to learn from fewer",
                  layout.folder.string(), missing, batch_name, last));
}

std::size_t label_bytes(CifarKind kind) {
  return kind == CifarKind::cifar10 ? 1 : 2;
}

std::size_t class_count(CifarKind kind) {
  return kind == CifarKind::cifar10 ? names_of_10.size() : names_of_100.size();
}

std::string set_name(CifarKind kind) {
  return kind == CifarKind::cifar10 ? "cifar10" : "cifar100";
}

// One name a line; the published ones when there is no such file.
std::vector<std::string> classes_of(const Layout& layout) {
  const bool ten = layout.kind == CifarKind::cifar10;
  const fs::path path = layout.folder / (ten ? "batches.meta.txt" : "fine_label_names.txt");
  if (!is_file(path)) {
    return ten ? std::vector<std::string>(names_of_10.begin(), names_of_10.end())
               : std::vector<std::string>(names_of_100.begin(), names_of_100.end());
  }
  std::vector<std::string> names;
  std::istringstream lines(read_text(path, std::size_t{1} << 16));
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != class_count(layout.kind)) {
    throw Error(path.string() + ": " + std::to_string(names.size()) + " names of classes, one a line; there are " +
                std::to_string(class_count(layout.kind)));
  }
  return names;
}

// The pictures of several files one after the other.
Dataset joined(const std::vector<Dataset>& parts) {
  if (parts.size() == 1) return parts.front();
  std::int64_t total = 0;
  for (const Dataset& part : parts) total += part.size();
  Array images = Array::empty(DType::u8, {total, 3, 32, 32});
  Array labels = Array::empty(DType::i64, {total});
  std::byte* image = images.buffer.data();
  std::byte* label = labels.buffer.data();
  for (const Dataset& part : parts) {
    std::memcpy(image, part.arrays[0].buffer.data(), part.arrays[0].bytes());
    std::memcpy(label, part.arrays[1].buffer.data(), part.arrays[1].bytes());
    image += part.arrays[0].bytes();
    label += part.arrays[1].bytes();
  }
  return in_memory(parts.front().name, {{"image", images}, {"label", labels}});
}

}  // namespace

Dataset parse_cifar(const Buffer& file, const std::string& name, CifarKind kind) {
  const Buffer content = is_gzip(file) ? inflate_gzip(file, name, largest_file) : file;
  const std::size_t record = label_bytes(kind) + picture_bytes;
  const std::size_t count = content.size() / record;
  if (content.size() == 0) throw Error(name + ": the file is empty; fetch it again");
  if (count == 0 || content.size() % record != 0) {
    throw Error(name + ": " + std::to_string(content.size()) + " bytes are not a whole number of records of " +
                std::to_string(record) + " bytes (" + std::to_string(content.size() % record) + " are left after " +
                std::to_string(count) + "); the file is truncated or no batch of " + set_name(kind));
  }
  const auto n = static_cast<std::int64_t>(count);
  Array images = Array::empty(DType::u8, {n, 3, 32, 32});
  Array labels = Array::empty(DType::i64, {n});
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* from = content.data() + i * record;
    const auto label = std::to_integer<std::int64_t>(from[label_bytes(kind) - 1]);
    if (label >= static_cast<std::int64_t>(class_count(kind))) {
      throw Error(name + ": label " + std::to_string(label) + " of record " + std::to_string(i) + " at byte " +
                  std::to_string(i * record) + "; " + set_name(kind) + " has " + std::to_string(class_count(kind)) +
                  " classes, numbered from 0. The file is damaged");
    }
    labels.mutable_values<std::int64_t>()[i] = label;
    std::memcpy(images.buffer.data() + i * picture_bytes, from + label_bytes(kind), picture_bytes);
  }
  return in_memory(set_name(kind), {{"image", images}, {"label", labels}});
}

std::string cifar_layout() {
  return "data_batch_1.bin ... and test_batch.bin (CIFAR-10) or train.bin and test.bin (CIFAR-100), each plain or .gz";
}

bool holds_cifar(const std::string& folder) {
  return layout_of(folder).has_value();
}

bool holds_python_cifar(const std::string& folder) {
  const auto holds = [&](const char* sub_folder, std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(),
                       [&](const char* name) { return is_file(fs::path(folder) / sub_folder / name); });
  };
  for (const char* sub_folder : {"", "cifar-10-batches-py"}) {
    if (holds(sub_folder, {"data_batch_1"})) return true;
  }
  for (const char* sub_folder : {"", "cifar-100-python"}) {
    if (holds(sub_folder, {"train", "test", "meta"})) return true;
  }
  return false;
}

Dataset read_cifar_folder(const std::string& folder, Split split) {
  const std::optional<Layout> layout = layout_of(folder);
  const bool training = split == Split::train;
  if (!layout || (training ? layout->train : layout->test).empty()) {
    throw Error("dataset folder " + folder + ": no batches of split '" + std::string(name_of(split)) +
                "'; expected are " + cifar_layout());
  }
  if (training) require_no_gap(*layout);
  std::vector<Dataset> parts;
  for (const fs::path& path : training ? layout->train : layout->test) {
    parts.push_back(parse_cifar(map_file(path), path.string(), layout->kind));
  }
  Dataset dataset = joined(parts);
  dataset.classes = classes_of(*layout);
  measure(dataset, dataset.size());
  return dataset;
}

}  // namespace narae
