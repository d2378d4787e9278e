#include "apps/narae/dataset_show.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/narae/commands.h"
#include "apps/narae/dataset_show_text.h"
#include "narae/core/error.h"
#include "narae/data/catalog.h"
#include "narae/data/loader.h"
#include "narae/draw/canvas.h"
#include "narae/draw/pictures.h"
#include "narae/train/recipe.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string name;
  std::string split = "train";
  std::string save;
  std::int64_t count = 64;
  std::int64_t size = 0;
  std::int64_t max_pixels = max_image_pixels;
  std::int64_t seed = 0;
  bool augments = false;
  std::string recipe;
  bool strict = false;
  bool json = false;
};

std::string class_name(const Dataset& dataset, std::int64_t label) {
  if (label < 0 || label >= std::ssize(dataset.classes)) return std::to_string(label);
  return dataset.classes[static_cast<std::size_t>(label)];
}

bool holds_pictures(const Field& field) {
  return field.shape.rank() == 3 && (field.shape[0] == 1 || field.shape[0] == 3) &&
         (field.dtype == DType::u8 || field.dtype == DType::f32);
}

// Sample i of floats (n, shape...) as a u8 picture; `low` becomes black and `high` white.
Array picture_between(const Array& images, std::int64_t i, float low, float high) {
  const Shape shape(images.shape.dims().subspan(1));
  Array result = Array::empty(DType::u8, shape);
  const auto count = static_cast<std::size_t>(shape.count());
  const auto values = images.values<float>().subspan(static_cast<std::size_t>(i) * count, count);
  const float scale = high > low ? 255.0F / (high - low) : 0.0F;
  std::transform(values.begin(), values.end(), result.mutable_values<std::uint8_t>().begin(), [&](float v) {
    return static_cast<std::uint8_t>(std::lround(std::clamp((v - low) * scale, 0.0F, 255.0F)));
  });
  return result;
}

// As it is stored; floats are scaled to their own range.
Array stored_picture(const Dataset& dataset, std::int64_t i) {
  const Array sample = read_field(dataset, "image", i, i + 1);
  if (sample.dtype == DType::u8) return {DType::u8, Shape(sample.shape.dims().subspan(1)), sample.buffer};
  const auto values = sample.values<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return picture_between(sample, 0, *low, *high);
}

std::string stored_class(const Dataset& dataset, std::int64_t i) {
  return class_name(dataset, read_field(dataset, "label", i, i + 1).values<std::int64_t>()[0]);
}

std::string line_of(std::int64_t pictures) {
  return fmt::format("{} picture{}", pictures, pictures == 1 ? "" : "s");
}

Array sheet_of_samples(const Dataset& dataset, const std::string& title, std::int64_t count) {
  std::vector<draw::LabelledPicture> pictures;
  for (std::int64_t i = 0; i < count; ++i) {
    pictures.push_back({.image = stored_picture(dataset, i), .label = stored_class(dataset, i)});
  }
  return draw::picture_sheet(pictures, {.title = title, .line = line_of(count), .tile_size = 72});
}

// A random crop and a flip, when no recipe says otherwise.
AugmentOptions usual_augmentation(const Field& image) {
  return {.crop_padding = std::max<std::int64_t>(1, std::min(image.shape[1], image.shape[2]) / 8), .flip = 0.5F};
}

// "cat", or "cat 70 %, dog" of mixed samples.
std::string caption_of(const Dataset& dataset, const Array& labels, std::int64_t i) {
  if (labels.dtype != DType::f32)
    return class_name(dataset, labels.values<std::int64_t>()[static_cast<std::size_t>(i)]);
  const std::int64_t classes = labels.shape[1];
  const auto shares =
      labels.values<float>().subspan(static_cast<std::size_t>(i * classes), static_cast<std::size_t>(classes));
  const auto most = std::max_element(shares.begin(), shares.end());
  std::string text = fmt::format("{} {:.0f} %", class_name(dataset, most - shares.begin()), 100 * *most);
  for (auto it = shares.begin(); it != shares.end(); ++it) {
    if (it != most && *it > 0) text += ", " + class_name(dataset, it - shares.begin());
  }
  return text;
}

// A row a sample: as it is stored, then as the first epochs of training would see it.
Array sheet_of_augmented(const Dataset& dataset, const std::string& title, std::int64_t count,
                         const AugmentOptions& augment, std::int64_t seed) {
  constexpr int columns = 8;
  const std::int64_t rows = std::clamp<std::int64_t>(count / columns, 1, dataset.size());
  Loader loader(first(dataset, rows), {.batch_size = rows,
                                       .seed = static_cast<std::uint64_t>(seed),
                                       .workers = 0,
                                       .normalize = false,
                                       .augment = augment});
  std::vector<draw::LabelledPicture> pictures(static_cast<std::size_t>(rows * columns));
  const auto at = [&](std::int64_t row, std::int64_t column) -> draw::LabelledPicture& {
    return pictures[static_cast<std::size_t>(row * columns + column)];
  };
  for (std::int64_t row = 0; row < rows; ++row) {
    at(row, 0) = {.image = stored_picture(dataset, row), .label = stored_class(dataset, row)};
  }
  for (std::int64_t column = 1; column < columns; ++column) {
    loader.set_epoch(column - 1);
    const Batch batch = *loader.next();
    for (std::int64_t row = 0; row < rows; ++row) {
      at(row, column) = {.image = picture_between(batch.image, row, 0, 1),
                         .label = caption_of(dataset, batch.label, row)};
    }
  }
  return draw::picture_sheet(pictures,
                             {.title = title, .line = line_of(rows * columns), .columns = columns, .tile_size = 96});
}

constexpr int margin = 16;
constexpr int heading_height = 28;

// Points in the plane, a colour a class.
Array scatter(const Dataset& dataset, const std::string& title, std::int64_t count) {
  constexpr int side = 480;
  const Array points = read_field(dataset, "image", 0, count);
  const Array labels = read_field(dataset, "label", 0, count);
  const auto values = points.values<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const float scale = *high > *low ? side / (*high - *low) : 1.0F;
  const float base = *low;
  draw::Canvas canvas(side + 2 * margin, side + heading_height + 2 * margin);
  canvas.text(margin, margin, draw::fitted(title, side));
  canvas.frame({margin - 4, margin + heading_height - 4, side + 8, side + 8}, draw::hairline);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const draw::Point at{margin + (values[2 * i] - base) * scale,
                         margin + heading_height + side - (values[2 * i + 1] - base) * scale};
    canvas.circle(at, 3, draw::category_color(labels.values<std::int64_t>()[i]));
  }
  return canvas.array();
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string numbers(const std::vector<float>& values) {
  std::vector<std::string> words;
  for (const float v : values) words.push_back(fmt::format("{:.4f}", v));
  return joined(words);
}

// Heights and widths of the pictures in the files: the least, the one in the middle, the most.
struct SizeRange {
  PictureSize least;
  PictureSize median;
  PictureSize most;
};

std::optional<SizeRange> size_range(const Dataset& dataset) {
  if (!dataset.files || dataset.files->sizes.empty()) return std::nullopt;
  const auto sorted = [&](std::int64_t PictureSize::*side) {
    std::vector<std::int64_t> values;
    for (const PictureSize& size : dataset.files->sizes) values.push_back(size.*side);
    std::sort(values.begin(), values.end());
    return values;
  };
  const auto heights = sorted(&PictureSize::height);
  const auto widths = sorted(&PictureSize::width);
  const std::size_t middle = heights.size() / 2;
  return SizeRange{
      {heights.front(), widths.front()}, {heights[middle], widths[middle]}, {heights.back(), widths.back()}};
}

struct NamedSplit {
  std::string_view name;
  const Dataset& dataset;
};

// Those that have samples.
std::vector<NamedSplit> splits_of(const Splits& splits) {
  std::vector<NamedSplit> result;
  if (splits.train.size() > 0) result.push_back({"train", splits.train});
  if (splits.validation.size() > 0) result.push_back({"validation", splits.validation});
  if (splits.test.size() > 0) result.push_back({"test", splits.test});
  return result;
}

std::vector<std::string> skipped_files(const Splits& splits) {
  std::vector<std::string> result;
  for (const NamedSplit& split : splits_of(splits)) {
    if (!split.dataset.files) continue;
    const std::vector<std::string> messages = split.dataset.files->skipped.messages();
    result.insert(result.end(), messages.begin(), messages.end());
  }
  return result;
}

Json to_json(const Splits& splits, const Dataset& shown) {
  Json json;
  json["name"] = shown.name;
  json["samples"] = {{"train", splits.train.size()}, {"test", splits.test.size()}};
  if (splits.validation.size() > 0) json["samples"]["validation"] = splits.validation.size();
  json["fields"] = Json::array();
  for (const Field& field : shown.fields) {
    json["fields"].push_back({{"name", field.name},
                              {"type", name_of(field.dtype)},
                              {"shape", std::vector<std::int64_t>(field.shape.begin(), field.shape.end())}});
  }
  json["classes"] = shown.classes;
  json["class_counts"] = Json::object();
  for (const NamedSplit& split : splits_of(splits)) json["class_counts"][split.name] = class_counts(split.dataset);
  json["mean"] = shown.mean;
  json["std"] = shown.stddev;
  if (const auto range = size_range(shown)) {
    const auto pair = [](const PictureSize& size) { return std::vector<std::int64_t>{size.height, size.width}; };
    json["file_sizes"] = {{"least", pair(range->least)}, {"median", pair(range->median)}, {"most", pair(range->most)}};
  }
  json["skipped"] = skipped_files(splits);
  return json;
}

std::string counts_text(const Splits& splits, const std::vector<std::string>& classes) {
  constexpr std::size_t shown = 24;
  std::string text;
  for (const NamedSplit& split : splits_of(splits)) {
    const std::vector<std::int64_t> counts = class_counts(split.dataset);
    std::vector<std::string> words;
    for (std::size_t c = 0; c < std::min(shown, counts.size()); ++c) {
      words.push_back(fmt::format("{} {}", classes[c], counts[c]));
    }
    if (counts.size() > shown) words.push_back(fmt::format("... ({} more)", counts.size() - shown));
    text += fmt::format("{}: {}\n", split.name, joined(words));
  }
  return text;
}

void print_facts(const Splits& splits, const Dataset& shown) {
  std::string text =
      fmt::format("{}: {} samples to train with, {} to test with", shown.name, splits.train.size(), splits.test.size());
  if (splits.validation.size() > 0) text += fmt::format(", {} to validate with", splits.validation.size());
  text += "\n";
  for (const Field& field : shown.fields) {
    text += fmt::format("{}: {} {}\n", field.name, name_of(field.dtype), to_string(field.shape));
  }
  if (const auto range = size_range(shown)) {
    text += fmt::format("files: height {} to {} (median {}), width {} to {} (median {})\n", range->least.height,
                        range->most.height, range->median.height, range->least.width, range->most.width,
                        range->median.width);
  }
  if (!shown.classes.empty()) {
    text += fmt::format("{} classes: {}\n", shown.classes.size(), joined(shown.classes));
    text += counts_text(splits, shown.classes);
  }
  if (!shown.mean.empty()) {
    text += fmt::format("mean {}, standard deviation {} (of 0..1)\n", numbers(shown.mean), numbers(shown.stddev));
  }
  const std::vector<std::string> skipped = skipped_files(splits);
  constexpr std::size_t listed = 10;
  if (!skipped.empty()) text += fmt::format("{} files are no sound pictures and were left out:\n", skipped.size());
  for (std::size_t i = 0; i < std::min(listed, skipped.size()); ++i) text += "  " + skipped[i] + "\n";
  if (skipped.size() > listed) text += fmt::format("  ... and {} more\n", skipped.size() - listed);
  print(text);
}

void save_picture(const Arguments& arguments, const Dataset& shown) {
  const std::int64_t count = std::min(arguments.count, shown.size());
  const Field& image = shown.fields[field_index(shown, "image")];
  const std::string title = fmt::format("{}, {}: {} of {}", shown.name, arguments.split, count, shown.size());
  if (holds_pictures(image) && arguments.augments) {
    const AugmentOptions augment =
        arguments.recipe.empty() ? usual_augmentation(image) : load_recipe(arguments.recipe).data.augment;
    if (!augment.enabled() && !augment.mixes()) {
      throw UsageError("--augment: recipe '" + arguments.recipe + "' changes nothing; it has no [data.augment]");
    }
    const std::string heading = fmt::format("{}, {}: stored, then augmented", shown.name, arguments.split);
    write_png(arguments.save, sheet_of_augmented(shown, heading, count, augment, arguments.seed));
  } else if (arguments.augments) {
    throw UsageError("--augment: '" + arguments.name + "' holds no pictures");
  } else if (holds_pictures(image)) {
    write_png(arguments.save, sheet_of_samples(shown, title, count));
  } else if (image.shape == Shape{2} && image.dtype == DType::f32) {
    write_png(arguments.save, scatter(shown, title, count));
  } else {
    throw Error("dataset '" + arguments.name + "': samples of shape " + to_string(image.shape) + " can't be drawn");
  }
}

// The splits that can be shown: "train or test".
std::string choices_of(const Splits& splits) {
  std::string text;
  for (const NamedSplit& split : splits_of(splits)) text += (text.empty() ? "" : " or ") + std::string(split.name);
  return text.empty() ? "another number of samples: there are none" : text;
}

void show_dataset(const Arguments& arguments) {
  if (!arguments.save.empty() && std::filesystem::path(arguments.save).extension() != ".png") {
    throw UsageError("--save: '" + arguments.save + "' must end in .png: samples are drawn as a picture");
  }
  const Split split = split_from(arguments.split);
  if (const DataKind kind = data_kind(arguments.name); kind != DataKind::samples) {
    if (!arguments.save.empty()) throw UsageError("--save: '" + arguments.name + "' holds nothing that could be drawn");
    if (arguments.size != 0) throw UsageError("--size: '" + arguments.name + "' holds no pictures");
    return show_text_dataset(arguments.name, kind, split, arguments.json);
  }
  const Splits splits = open_splits(
      arguments.name, {.size = arguments.size, .strict = arguments.strict, .max_pixels = arguments.max_pixels});
  const Dataset& shown = split == Split::train ? splits.train : split == Split::test ? splits.test : splits.validation;
  if (shown.size() == 0) {
    throw UsageError("--split: '" + arguments.name + "' has no " + std::string(name_of(split)) + " samples" +
                     (split == Split::validation ? " of its own, a run chooses them" : "") + "; give " +
                     choices_of(splits));
  }
  if (!arguments.save.empty()) save_picture(arguments, shown);
  if (arguments.json) {
    print_json(to_json(splits, shown));
  } else {
    print_facts(splits, shown);
  }
}

}  // namespace

CLI::App* add_dataset_show(CLI::App& datasets) {
  CLI::App* show = datasets.add_subcommand("show", "Say what a dataset holds; draw its first samples");
  const auto arguments = std::make_shared<Arguments>();
  show->add_option("name", arguments->name, "A name or the path of a folder")->required();
  show->add_option("--split", arguments->split, "train, test, or validation where a folder has it")
      ->type_name("NAME")
      ->capture_default_str();
  CLI::Option* save =
      show->add_option("--save", arguments->save, "Draw samples of the split into a PNG file")->type_name("FILE.png");
  show->add_option("--count", arguments->count, "Pictures to draw at most")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1024}))
      ->needs(save)
      ->capture_default_str();
  CLI::Option* augment = show->add_option_function<std::vector<std::string>>(
                                 "--augment",
                                 [arguments](const std::vector<std::string>& recipe) {
                                   arguments->augments = true;
                                   if (!recipe.empty()) arguments->recipe = recipe.front();
                                 },
                                 "Draw samples as training sees them: as RECIPE says, or with a random crop and a flip")
                             ->type_name("[RECIPE]")
                             ->expected(0, 1)
                             ->needs(save);
  show->add_option("--seed", arguments->seed, "Of the augmentation")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()))
      ->needs(augment)
      ->capture_default_str();
  show->add_option("--size", arguments->size,
                   "Pictures become N x N; 0: they stay as they are, or become 224 x 224 where they differ")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
  show->add_option("--max-pixels", arguments->max_pixels, "Larger pictures in a folder are not decoded")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000000}))
      ->capture_default_str();
  show->add_flag("--strict", arguments->strict, "A damaged picture in a folder is an error, not left out");
  add_json_flag(*show, arguments->json);
  show->callback([arguments] { show_dataset(*arguments); });
  return show;
}

}  // namespace narae::cli
