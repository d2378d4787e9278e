#include "narae/data/idx_folder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "narae/core/error.h"
#include "narae/data/idx.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::array<std::string_view, 10> fashion_classes{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

// "train-images-idx3-ubyte" and the spellings that unpacking programs and mirrors make of it.
std::optional<fs::path> find_file(const fs::path& folder, Split split, std::string_view what) {
  const std::vector<std::string> prefixes =
      split == Split::train ? std::vector<std::string>{"train"} : std::vector<std::string>{"t10k", "test"};
  const std::string_view rank = what == "images" ? "idx3" : "idx1";
  for (const char* subfolder : {"", "raw", "MNIST/raw", "FashionMNIST/raw"}) {
    for (const std::string& prefix : prefixes) {
      for (const char* separator : {"-", "."}) {
        for (const char* ending : {"", ".gz"}) {
          fs::path path = folder / subfolder / prefix;
          for (const std::string_view part : {"-"sv, what, std::string_view(separator), rank, "-ubyte"sv}) path += part;
          path += ending;
          std::error_code ignored;
          if (fs::is_regular_file(path, ignored)) return path;
        }
      }
    }
  }
  return std::nullopt;
}

std::string file_or_throw(const std::string& folder, Split split, std::string_view what) {
  if (const auto path = find_file(folder, split, what)) return path->string();
  throw Error("dataset folder " + folder + ": no file with the " + std::string(what) + " of split '" +
              std::string(name_of(split)) + "'; expected are " + idx_layout());
}

// The folder that gave the set its name, whichever way the path was written.
std::string set_name(const std::string& image_path) {
  std::error_code ignored;
  fs::path folder = fs::weakly_canonical(image_path, ignored).parent_path();
  if (folder.filename() == "raw") folder = folder.parent_path();
  return folder.filename().string();
}

void require_finite(const Array& pictures, const std::string& path) {
  const std::span<const float> values = pictures.values<float>();
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return;
  const std::int64_t values_each = pictures.shape.count() / pictures.shape[0];
  throw Error(path + ": sample " + std::to_string((bad - values.begin()) / values_each) +
              " holds a value that is not finite");
}

// (n, height, width) becomes (n, 1, height, width).
Array read_pictures(const std::string& path) {
  Array pictures = read_idx(path);
  if (pictures.shape.rank() == 3) {
    pictures.shape = {pictures.shape[0], 1, pictures.shape[1], pictures.shape[2]};
  }
  if (pictures.shape.rank() != 4 || (pictures.dtype != DType::u8 && pictures.dtype != DType::f32)) {
    throw Error(path + ": holds " + std::string(name_of(pictures.dtype)) + " " + to_string(pictures.shape) +
                "; pictures are u8 or f32 (number, height, width) or (number, channels, height, width)");
  }
  if (pictures.dtype == DType::f32) require_finite(pictures, path);
  return pictures;
}

// More classes than this are believed only when there is a sample for each: confusion is counted for all pairs.
constexpr std::int64_t usual_classes = 1000;

Array read_labels(const std::string& path) {
  const Array stored = read_idx(path);
  if (stored.shape.rank() != 1 || (stored.dtype != DType::u8 && stored.dtype != DType::i32)) {
    throw Error(path + ": holds " + std::string(name_of(stored.dtype)) + " " + to_string(stored.shape) +
                "; labels are whole numbers (number,)");
  }
  Array labels = Array::empty(DType::i64, stored.shape);
  const std::span<std::int64_t> out = labels.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = stored.dtype == DType::u8 ? stored.values<std::uint8_t>()[i] : stored.values<std::int32_t>()[i];
    const std::int64_t end = std::min<std::int64_t>(65536, std::max<std::int64_t>(usual_classes, std::ssize(out)));
    if (out[i] < 0 || out[i] >= end) {
      throw Error(path + ": label " + std::to_string(out[i]) + " of sample " + std::to_string(i) + "; for " +
                  std::to_string(out.size()) + " samples classes are numbered from 0 to " + std::to_string(end - 1) +
                  " at most");
    }
  }
  return labels;
}

std::int64_t classes_needed(const Dataset& dataset) {
  const auto labels = dataset.arrays[field_index(dataset, "label")].values<std::int64_t>();
  return labels.empty() ? 0 : 1 + *std::max_element(labels.begin(), labels.end());
}

}  // namespace

std::string idx_layout() {
  return "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each "
         "plain or .gz";
}

bool holds_idx(const std::string& folder) {
  return find_file(folder, Split::train, "images").has_value();
}

Dataset read_idx_folder(const std::string& folder, Split split) {
  const std::string image_path = file_or_throw(folder, split, "images");
  const std::string label_path = file_or_throw(folder, split, "labels");
  Array pictures = read_pictures(image_path);
  Array labels = read_labels(label_path);
  if (pictures.shape[0] != labels.shape[0]) {
    throw Error(image_path + " has " + std::to_string(pictures.shape[0]) + " pictures, but " + label_path + " has " +
                std::to_string(labels.shape[0]) + " labels; they don't belong together");
  }
  const std::string name = set_name(image_path);
  Dataset dataset = in_memory(name, {{"image", std::move(pictures)}, {"label", std::move(labels)}});
  measure(dataset, dataset.size());

  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::int64_t needed = classes_needed(dataset);
  if (lower.find("fashion") != std::string::npos && needed <= std::ssize(fashion_classes)) {
    dataset.classes.assign(fashion_classes.begin(), fashion_classes.end());
  } else {
    for (std::int64_t c = 0; c < needed; ++c) dataset.classes.push_back(std::to_string(c));
  }
  return dataset;
}

void adopt_statistics(Dataset& test, const Dataset& train) {
  const Field& a = train.fields[field_index(train, "image")];
  const Field& b = test.fields[field_index(test, "image")];
  if (a.shape != b.shape || a.dtype != b.dtype) {
    throw Error("dataset " + train.name + ": training pictures are " + std::string(name_of(a.dtype)) + " " +
                to_string(a.shape) + ", test pictures " + std::string(name_of(b.dtype)) + " " + to_string(b.shape));
  }
  if (const std::int64_t needed = classes_needed(test); needed > std::ssize(train.classes)) {
    throw Error("dataset " + train.name + ": a test label is " + std::to_string(needed - 1) + ", but there are only " +
                std::to_string(train.classes.size()) + " classes in the training labels");
  }
  test.mean = train.mean;
  test.stddev = train.stddev;
  test.classes = train.classes;
}

}  // namespace narae
