// narae inspect filters: what fixed convolution kernels make of a picture.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/inspect.h"
#include "narae/data/picture.h"
#include "narae/draw/canvas.h"
#include "narae/draw/pictures.h"
#include "narae/graph/eval.h"
#include "narae/nn/filters.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string image;
  std::string save = "filters.png";
  bool json = false;
};

// Edges of all directions, fine lines, round forms, text and a slope of brightness: something for every filter.
Array own_picture() {
  constexpr int size = 192;
  draw::Canvas canvas(size, size);
  for (int y = 0; y < size; ++y) {
    const auto sky = static_cast<std::uint8_t>(120 + y * 100 / size);
    canvas.rectangle({0, y, size, 1}, {sky, static_cast<std::uint8_t>(sky + 20), 250});
  }
  canvas.circle({148, 44}, 24, {250, 210, 60});
  canvas.rectangle({0, 140, size, size - 140}, {70, 140, 80});
  canvas.rectangle({24, 78, 84, 74}, {196, 110, 80});
  canvas.line({18, 80}, {66, 36}, {90, 50, 50}, 7);
  canvas.line({66, 36}, {114, 80}, {90, 50, 50}, 7);
  canvas.rectangle({36, 94, 24, 24}, {245, 240, 220});
  canvas.frame({36, 94, 24, 24}, {60, 60, 70}, 2);
  canvas.line({48, 94}, {48, 118}, {60, 60, 70}, 2);
  canvas.rectangle({76, 108, 20, 44}, {80, 60, 50});
  for (int i = 0; i < 9; ++i) {
    canvas.line({124.0F + static_cast<float>(i) * 8, 112}, {124.0F + static_cast<float>(i) * 8, 152}, draw::white, 2);
  }
  canvas.line({118, 124}, {192, 124}, draw::white, 2);
  canvas.text(14, 164, "NARAE", draw::white, 2);
  canvas.text(112, 168, "filters", draw::ink);
  return canvas.array();
}

// (1, channels, height, width) -> u8 (channels, height, width). Answers to edges have either sign; what is drawn is how
// large they are.
Array to_picture(const Array& result, bool finds_edges) {
  Array picture = Array::empty(DType::u8, {result.shape[1], result.shape[2], result.shape[3]});
  const auto from = result.values<float>();
  const auto to = picture.mutable_values<std::uint8_t>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const float value = finds_edges ? std::abs(from[i]) : from[i];
    to[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
  }
  return picture;
}

// A whole fraction of the picture's longer side, so that shrinking it to the tile leaves no border.
int tile_size(const Array& picture) {
  constexpr std::int64_t most = 320;
  const std::int64_t longest = std::max(picture.shape[1], picture.shape[2]);
  const std::int64_t factor = (longest + most - 1) / most;
  return static_cast<int>(std::max<std::int64_t>((longest + factor - 1) / factor, 128));
}

std::string size_of(const Array& kernel) {
  return fmt::format("{} x {}", kernel.shape[0], kernel.shape[1]);
}

std::string to_text(const nn::ImageFilter& filter) {
  std::string text = fmt::format("{} ({}{})\n", filter.name, size_of(filter.kernel),
                                 filter.finds_edges ? ", drawn as absolute values" : "");
  const auto values = filter.kernel.values<float>();
  const auto width = static_cast<std::size_t>(filter.kernel.shape[1]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += fmt::format("{:8.4f}{}", values[i], (i + 1) % width == 0 ? "\n" : "");
  }
  return text;
}

Json to_json(const std::vector<nn::ImageFilter>& filters, const InspectionFiles& files) {
  Json json;
  json["picture"] = files.picture;
  json["numbers"] = files.numbers;
  for (const nn::ImageFilter& filter : filters) {
    Json rows = Json::array();
    const auto values = filter.kernel.values<float>();
    const auto width = static_cast<std::size_t>(filter.kernel.shape[1]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i % width == 0) rows.push_back(Json::array());
      rows.back().push_back(values[i]);
    }
    json["kernels"][filter.name] = rows;
  }
  return json;
}

void run(const Arguments& arguments) {
  const InspectionFiles files = inspection_files(arguments.save);
  refuse_overwriting("--save", arguments.save, {arguments.image});
  const Array picture = arguments.image.empty() ? own_picture() : read_picture(arguments.image);
  const std::string name = arguments.image.empty() ? "a drawn picture" : arguments.image;
  const Tensor x = cast(unsqueeze(Tensor(picture), 0), DType::f32);
  const std::vector<nn::ImageFilter> filters = nn::image_filters();
  std::vector<draw::LabelledPicture> pictures = {
      {.image = picture, .label = "picture", .note = fmt::format("{} x {}", picture.shape[1], picture.shape[2])}};
  std::map<std::string, Array> kernels;
  const NoGrad no_grad;
  for (const nn::ImageFilter& filter : filters) {
    const Array result = nn::apply_filter(x, filter).array();
    std::string note = size_of(filter.kernel);
    if (filter.finds_edges) note += ", absolute values";
    pictures.push_back({.image = to_picture(result, filter.finds_edges), .label = filter.name, .note = note});
    kernels[filter.name] = filter.kernel;
  }
  const Array sheet = draw::picture_sheet(
      pictures, {.title = "Image filters", .line = name, .columns = 4, .tile_size = tile_size(picture)});
  write_inspection(files, sheet, kernels);
  if (arguments.json) return print_json(to_json(filters, files));
  std::string text;
  for (const nn::ImageFilter& filter : filters) text += to_text(filter);
  print(text + "Picture: " + files.picture + ", kernels: " + files.numbers + "\n");
}

}  // namespace

void add_inspect_filters(CLI::App& inspect) {
  CLI::App* command = inspect.add_subcommand(
      "filters", "Fixed convolution kernels on a picture: box, gaussian, sharpen, edges of both directions, motion");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("--image", arguments->image, "The picture to filter; one that is drawn for this unless given")
      ->type_name("FILE");
  command->add_option("--save", arguments->save, "Where the sheet goes; the kernels go beside it as .npz")
      ->type_name("FILE.png")
      ->capture_default_str();
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace narae::cli
