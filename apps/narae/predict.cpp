#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "apps/narae/runs.h"
#include "apps/narae/search_flags.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/data/picture.h"
#include "narae/draw/pictures.h"
#include "narae/text/corpus.h"
#include "narae/train/run_pictures.h"
#include "narae/train/task.h"
#include "narae/train/task_data.h"
#include "narae/train/trained_model.h"
#include "narae/train/translation.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t shown_classes = 3;

struct Arguments {
  std::string run;
  std::vector<std::string> inputs;
  std::string save;
  bool last = false;
  bool json = false;
  TranslationOptions search;
  bool searches = false;  // --beams or --length-penalty was given
};

// What is asked about, and the answer.
struct Item {
  std::string input;  // the file's name, or the point
  Array picture;      // u8 (1 or 3, height, width); none for points
  std::vector<float> point;
  std::vector<float> probabilities;  // one a class
  [[nodiscard]] std::vector<std::size_t> ranking() const {
    std::vector<std::size_t> order(probabilities.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return probabilities[a] > probabilities[b]; });
    return order;
  }
};

bool takes_pictures(const models::ModelConfig& config) {
  return config.model.input.rank() == 3;
}

std::string read_input(const std::string& input) {
  return read_text(input == "-" ? "/dev/stdin" : input);
}

void ask_about_picture(const TrainedModel& model, const DataRecipe& recipe, const std::string& input,
                       std::vector<Item>& items) {
  const std::string bytes = read_input(input);
  const Array picture = parse_picture(Buffer::adopt(bytes.data(), bytes.size(), [] {}), input, recipe.max_pixels);
  const Array sample = fitted_picture(model.config, picture, fit_options(recipe));
  const Array probabilities = predict(model, {sample.dtype, batched(1, sample.shape), sample.buffer});
  const auto values = probabilities.values<float>();
  items.push_back({.input = input, .picture = picture, .point = {}, .probabilities = {values.begin(), values.end()}});
}

bool takes_texts(const models::ModelConfig& config) {
  return config.model.vocabulary > 0;
}

// One word with a folder before it or .txt behind it: a file's name rather than a text.
bool looks_like_file(const std::string& input) {
  if (input.empty() || input.find_first_of(" \t\n") != std::string::npos) return false;
  return input.find('/') != std::string::npos || fs::path(input).extension() == ".txt";
}

// A text is given itself, or as a file with a text a line.
std::vector<std::string> texts_of(const std::string& input, bool with_empty_lines = false) {
  std::error_code ignored;
  std::vector<std::string> texts{input};
  if (looks_like_file(input) && !fs::exists(input, ignored)) throw Error(input + ": there is no such file");
  if (input == "-" || fs::is_regular_file(input, ignored)) {
    const std::string content = read_input(input);
    texts.clear();
    for (const std::string_view line : text::lines_of(content))
      if (with_empty_lines || line.find_first_not_of(" \t") != std::string_view::npos) texts.emplace_back(line);
    if (texts.empty()) throw Error(input + ": there is no text in it");
  }
  return texts;
}

void ask_about_texts(const TrainedModel& model, const std::string& input, std::vector<Item>& items) {
  const std::vector<std::string> texts = texts_of(input);
  const Array probabilities = predict_texts(model, texts);
  const auto classes = static_cast<std::size_t>(probabilities.shape[1]);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto values = probabilities.values<float>().subspan(i * classes, classes);
    items.push_back({.input = texts[i], .picture = {}, .point = {}, .probabilities = {values.begin(), values.end()}});
  }
}

// A point is given itself ("0.5,-1.2") or as a file of points.
void ask_about_points(const TrainedModel& model, const std::string& input, std::vector<Item>& items) {
  std::error_code ignored;
  const bool is_file = input == "-" || fs::exists(input, ignored);
  const bool is_point = input.find_first_not_of("0123456789+-.eE,; ") == std::string::npos;
  if (!is_file && !is_point) throw Error(input + ": there is no such file, and it is no point as 0.5,-1.2");
  const auto dimensions = model.config.model.input.count();
  const Array points = parse_points(is_file ? read_input(input) : input, dimensions, input);
  const Array probabilities = predict(model, points);
  const auto classes = static_cast<std::size_t>(probabilities.shape[1]);
  const auto width = static_cast<std::size_t>(dimensions);
  for (std::size_t i = 0; i < static_cast<std::size_t>(points.shape[0]); ++i) {
    const auto point = points.values<float>().subspan(i * width, width);
    const auto values = probabilities.values<float>().subspan(i * classes, classes);
    items.push_back({.input = fmt::format("{}", fmt::join(point, ",")),
                     .picture = {},
                     .point = {point.begin(), point.end()},
                     .probabilities = {values.begin(), values.end()}});
  }
}

void save_drawing(const std::string& path, const std::string& title, const TrainedModel& model,
                  const std::vector<Item>& items) {
  if (takes_pictures(model.config)) {
    std::vector<draw::Prediction> predictions;
    for (const Item& item : items) {
      const std::size_t best = item.ranking().front();
      predictions.push_back(
          {.image = item.picture, .predicted = model.config.classes[best], .probability = item.probabilities[best]});
    }
    write_png(path, draw::prediction_grid(predictions, {.title = title}));
    return;
  }
  if (takes_texts(model.config) || model.config.model.input != Shape{2} || model.config.model.num_classes != 2) {
    throw UsageError("--save draws pictures, or points of two classes in the plane");
  }
  Array points = Array::empty(DType::f32, {static_cast<std::int64_t>(items.size()), 2});
  Array labels = Array::empty(DType::i64, {points.shape[0]});
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::copy(items[i].point.begin(), items[i].point.end(),
              points.mutable_values<float>().begin() + static_cast<std::ptrdiff_t>(2 * i));
    labels.mutable_values<std::int64_t>()[i] = static_cast<std::int64_t>(items[i].ranking().front());
  }
  write_png(path, boundary_picture(title, *model.network, model.config, points, labels));
}

Json to_json(const Item& item, const std::vector<std::string>& classes) {
  const std::size_t best = item.ranking().front();
  Json json;
  json["input"] = item.input;
  json["predicted"] = classes[best];
  json["probability"] = item.probabilities[best];
  json["probabilities"] = Json::object();
  for (std::size_t c = 0; c < classes.size(); ++c) json["probabilities"][classes[c]] = item.probabilities[c];
  return json;
}

std::string to_text(const Item& item, const std::vector<std::string>& classes, std::size_t width) {
  const std::vector<std::size_t> ranking = item.ranking();
  std::string text = fmt::format("{:<{}}", item.input, width);
  for (std::size_t i = 0; i < std::min(shown_classes, ranking.size()); ++i) {
    text += fmt::format("  {} {:.1f} %", classes[ranking[i]], 100 * item.probabilities[ranking[i]]);
  }
  return text + "\n";
}

// The answer to each text, a line each.
void run_translations(const Arguments& arguments, const TrainedModel& model) {
  if (!arguments.save.empty()) throw UsageError("--save draws answers; those to texts are printed");
  std::vector<std::string> texts;
  for (const std::string& input : arguments.inputs) {
    for (std::string& text : texts_of(input, true)) texts.push_back(std::move(text));
  }
  const std::vector<std::string> answers = translate(translator_of(model), *model.tokenizer, texts, arguments.search);
  Json json = Json::array();
  std::string lines;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    json.push_back({{"input", texts[i]}, {"answer", answers[i]}});
    std::string line = answers[i];
    std::replace(line.begin(), line.end(), '\n', ' ');
    lines += line + "\n";
  }
  if (arguments.json) {
    print_json(json);
  } else {
    print(lines);
  }
}

void run_predict(const Arguments& arguments) {
  const fs::path run = find_run(arguments.run);
  const TrainedModel model = load_trained(run, arguments.last ? "last" : "best");
  const Recipe whole = load_recipe(run.string());
  if (whole.task == "translate") return run_translations(arguments, model);
  if (arguments.searches) throw UsageError("--beams: " + run.string() + " learned no translations");
  const DataRecipe& recipe = whole.data;
  const Answers answers = task_of(whole.task).answers;
  if (answers == Answers::next_tokens) throw UsageError(run.string() + " is a language model: narae generate asks it");
  if (answers != Answers::sample_classes) {
    throw UsageError(run.string() + " learned to " + whole.task + ": predict asks classifiers and translators");
  }
  std::vector<Item> items;
  for (const std::string& input : arguments.inputs) {
    if (takes_texts(model.config)) {
      ask_about_texts(model, input, items);
    } else if (takes_pictures(model.config)) {
      ask_about_picture(model, recipe, input, items);
    } else {
      ask_about_points(model, input, items);
    }
  }
  if (!arguments.save.empty()) save_drawing(arguments.save, run.string(), model, items);
  if (arguments.json) {
    Json json = Json::array();
    for (const Item& item : items) json.push_back(to_json(item, model.config.classes));
    print_json(json);
    return;
  }
  std::size_t width = 0;
  for (const Item& item : items) width = std::max(width, item.input.size());
  std::string text;
  for (const Item& item : items) text += to_text(item, model.config.classes, width);
  print(text);
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* command = app.add_subcommand("predict", "Ask a trained network about pictures, texts or points");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("run", arguments->run, "The run's folder, or recipe/name below runs/")
      ->type_name("RUN")
      ->required();
  command
      ->add_option(
          "input", arguments->inputs,
          "PNG or JPEG pictures (brought to the network's size as for evaluation), or points: 0.5,1.2 or files "
          "with a point a line, or texts: 'so good' or files with a text a line (translators answer with a line "
          "each); - reads standard input")
      ->type_name("INPUT ...")
      ->required();
  command->add_option("--save", arguments->save, "Draw inputs and answers")->type_name("FILE.png");
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  add_threads_flag(*command);
  add_profile_flag(*command);
  add_json_flag(*command, arguments->json);
  command->footer("A point that begins with a minus sign comes after --: narae predict RUN -- -0.5,1.2");
  const auto search = add_search_flags(*command, arguments->search);
  command->callback([arguments, search] {
    arguments->searches = search.given();
    run_predict(*arguments);
  });
}

}  // namespace narae::cli
