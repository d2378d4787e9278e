#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/narae/commands.h"
#include "apps/narae/table.h"
#include "narae/core/error.h"
#include "narae/data/catalog.h"
#include "narae/data/image.h"
#include "narae/draw/canvas.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ShowArguments {
  std::string name;
  std::string split = "train";
  std::string save;
  std::int64_t count = 64;
  bool json = false;
};

void list_datasets(bool as_json) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const DatasetInfo& info : datasets()) {
    list.push_back({{"name", info.name}, {"description", info.description}, {"location", info.location}});
    rows.push_back({info.name, info.location.empty() ? "not found" : info.location, info.description});
  }
  if (as_json) {
    print_json(list);
  } else {
    print(table({"dataset", "where", "what it is"}, rows));
  }
}

std::string class_name(const Dataset& dataset, std::int64_t label) {
  if (label < 0 || label >= static_cast<std::int64_t>(dataset.classes.size())) return std::to_string(label);
  return dataset.classes[static_cast<std::size_t>(label)];
}

bool holds_pictures(const Field& field) {
  return field.shape.rank() == 3 && (field.shape[0] == 1 || field.shape[0] == 3);
}

// Sample i of a field (n, shape...) as a u8 picture; floats are scaled to their own range.
Array picture(const Array& images, std::int64_t i) {
  const Shape shape(images.shape.dims().subspan(1));
  Array result = Array::empty(DType::u8, shape);
  const auto count = static_cast<std::size_t>(shape.count());
  const std::size_t offset = static_cast<std::size_t>(i) * count;
  if (images.dtype == DType::u8) {
    std::copy_n(images.values<std::uint8_t>().begin() + static_cast<std::ptrdiff_t>(offset), count,
                result.mutable_values<std::uint8_t>().begin());
    return result;
  }
  if (images.dtype != DType::f32)
    throw Error("pictures of type " + std::string(name_of(images.dtype)) + " can't be drawn");
  const auto values = images.values<float>().subspan(offset, count);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const float scale = *high > *low ? 255.0F / (*high - *low) : 0.0F;
  const float base = *low;
  std::transform(values.begin(), values.end(), result.mutable_values<std::uint8_t>().begin(),
                 [&](float v) { return static_cast<std::uint8_t>(std::clamp((v - base) * scale, 0.0F, 255.0F)); });
  return result;
}

constexpr int margin = 16;
constexpr int heading_height = 28;

// Pictures side by side with their class below.
Array contact_sheet(const Dataset& dataset, const std::string& title, std::int64_t count) {
  const Array images = read_field(dataset, "image", 0, count);
  const Array labels = read_field(dataset, "label", 0, count);
  const auto width = static_cast<int>(images.shape[3]);
  const auto height = static_cast<int>(images.shape[2]);
  const int scale = std::max(1, 56 / std::max(width, height));
  const int tile_width = width * scale + 8;
  const int tile_height = height * scale + draw::line_height + 6;
  const auto columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
  const auto rows = (static_cast<int>(count) + columns - 1) / columns;
  draw::Canvas canvas(std::max(columns * tile_width, draw::width_of(title)) + 2 * margin,
                      rows * tile_height + heading_height + 2 * margin);
  canvas.text(margin, margin, title);
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const int x = margin + i % columns * tile_width;
    const int y = margin + heading_height + i / columns * tile_height;
    canvas.blit(x, y, picture(images, i), scale);
    const std::string name = class_name(dataset, labels.values<std::int64_t>()[static_cast<std::size_t>(i)]);
    canvas.text(x, y + height * scale + 2, draw::fitted(name, width * scale), draw::muted);
  }
  return canvas.array();
}

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

Json to_json(const Splits& splits, const Dataset& shown) {
  Json json;
  json["name"] = shown.name;
  json["samples"] = {{"train", splits.train.size()}, {"test", splits.test.size()}};
  json["fields"] = Json::array();
  for (const Field& field : shown.fields) {
    json["fields"].push_back({{"name", field.name},
                              {"type", name_of(field.dtype)},
                              {"shape", std::vector<std::int64_t>(field.shape.begin(), field.shape.end())}});
  }
  json["classes"] = shown.classes;
  json["mean"] = shown.mean;
  json["std"] = shown.stddev;
  return json;
}

void print_facts(const Splits& splits, const Dataset& shown) {
  std::string text = fmt::format("{}: {} samples to train with, {} to test with\n", shown.name, splits.train.size(),
                                 splits.test.size());
  for (const Field& field : shown.fields) {
    text += fmt::format("{}: {} {}\n", field.name, name_of(field.dtype), to_string(field.shape));
  }
  if (!shown.classes.empty()) text += fmt::format("{} classes: {}\n", shown.classes.size(), joined(shown.classes));
  if (!shown.mean.empty()) {
    text += fmt::format("mean {}, standard deviation {} (of 0..1)\n", numbers(shown.mean), numbers(shown.stddev));
  }
  print(text);
}

void save_picture(const ShowArguments& arguments, const Dataset& shown) {
  const std::int64_t count = std::min(arguments.count, shown.size());
  if (count == 0) throw Error("dataset '" + arguments.name + "' has no samples in its split " + arguments.split);
  const Field& image = shown.fields[field_index(shown, "image")];
  const std::string title = fmt::format("{}, {}: {} of {}", shown.name, arguments.split, count, shown.size());
  if (holds_pictures(image)) {
    write_png(arguments.save, contact_sheet(shown, title, count));
  } else if (image.shape == Shape{2} && image.dtype == DType::f32) {
    write_png(arguments.save, scatter(shown, title, count));
  } else {
    throw Error("dataset '" + arguments.name + "': samples of shape " + to_string(image.shape) + " can't be drawn");
  }
}

void show_dataset(const ShowArguments& arguments) {
  const Split split = split_from(arguments.split);
  if (split == Split::validation)
    throw UsageError("--split: validation samples are chosen by a run; give train or test");
  const Splits splits = open_splits(arguments.name);
  const Dataset& shown = split == Split::train ? splits.train : splits.test;
  if (!arguments.save.empty()) save_picture(arguments, shown);
  if (arguments.json) {
    print_json(to_json(splits, shown));
  } else {
    print_facts(splits, shown);
  }
}

}  // namespace

void add_datasets(CLI::App& app) {
  CLI::App* command = app.add_subcommand("datasets", "List the data that can be named, and where it lies");
  command->require_subcommand(0, 1);
  const auto json = std::make_shared<bool>(false);
  CLI::Option* list_json = add_json_flag(*command, *json);

  CLI::App* show = command->add_subcommand("show", "Say what a dataset holds; draw its first samples");
  const auto arguments = std::make_shared<ShowArguments>();
  show->add_option("name", arguments->name, "A name or the path of a folder")->required();
  show->add_option("--split", arguments->split, "train or test")->type_name("NAME")->capture_default_str();
  CLI::Option* save =
      show->add_option("--save", arguments->save, "Draw samples of the split into a PNG file")->type_name("FILE.png");
  show->add_option("--count", arguments->count, "Samples to draw at most")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1024}))
      ->needs(save)
      ->capture_default_str();
  add_json_flag(*show, arguments->json);
  show->excludes(list_json);
  show->callback([arguments] { show_dataset(*arguments); });

  command->callback([command, json] {
    if (command->get_subcommands().empty()) list_datasets(*json);
  });
}

}  // namespace narae::cli
