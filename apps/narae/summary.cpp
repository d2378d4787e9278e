#include "narae/train/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "apps/narae/commands.h"
#include "narae/models/config.h"
#include "narae/models/registry.h"
#include "narae/nn/init.h"
#include "narae/nn/recompute.h"
#include "narae/train/learner.h"
#include "narae/train/optimization.h"
#include "narae/train/recipe.h"
#include "narae/train/task_data.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Arguments {
  std::string what;
  std::vector<std::string> overrides;
  std::string input;
  std::int64_t classes = 0;
  std::int64_t batch_size = 0;
  bool json = false;
};

// What is counted, and for which batch.
struct Subject {
  models::ModelSpec spec;
  Recipe recipe;
  std::string note;  ///< where the input's shape came from, when that is not what was asked for
};

// "1x28x28"
Shape parse_shape(const std::string& text) {
  std::vector<std::int64_t> extents;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end && extents.size() < Shape::max_rank - 1) {
    std::int64_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error != std::errc{} || extent < 1 || extent > (1 << 20)) break;
    extents.push_back(extent);
    at = next;
    if (at == end) return Shape(std::span<const std::int64_t>(extents));
    if (*at != 'x') break;
    ++at;
  }
  throw UsageError("--input: '" + text + "' is not a shape; write extents without the batch, as in 3x224x224");
}

bool is_model(const std::string& name) {
  const auto& known = models::models();
  return std::any_of(known.begin(), known.end(), [&](const models::ModelInfo& info) { return info.name == name; });
}

bool is_recipe(const std::string& name) {
  std::error_code ignored;
  if (fs::exists(name, ignored)) return true;
  if (is_model(name)) return false;
  for (const BuiltinRecipe& builtin : builtin_recipes())
    if (builtin.name == name) return true;
  return name.ends_with(".toml") || name.find('/') != std::string::npos;
}

Recipe recipe_of(const std::string& name) {
  if (is_recipe(name)) return load_recipe(name);
  if (is_model(name)) {
    const std::string& task = models::model_info(name).tasks.front();
    return parse_recipe("task = \"" + task + "\"\n[model]\nname = \"" + name + "\"\n", name);
  }
  std::vector<std::string> known;
  for (const BuiltinRecipe& builtin : builtin_recipes()) known.emplace_back(builtin.name);
  for (const models::ModelInfo& info : models::models()) known.push_back(info.name);
  throw UsageError("'" + name + "' is neither a model, a recipe nor a run folder" + did_you_mean(name, known) +
                   " (narae models and narae recipes list them)");
}

// The sample's shape and the number of classes are those of the recipe's data, if that is at hand.
void follow_data(Subject& subject) {
  Recipe recipe = subject.recipe;
  std::string& name = recipe.data.name;
  if (recipe.task == "classify" && name.starts_with("synth:"))
    name += std::string(name.find('?') == std::string::npos ? "?" : "&") + "train=1";
  try {
    subject.spec = model_config(recipe, describe_data(recipe)).model;
  } catch (const Error& error) {
    subject.note = std::string("the input is the model's usual one, as the data can't be read: ") + error.what();
  }
}

bool names_data(const std::vector<std::string>& overrides) {
  return std::any_of(overrides.begin(), overrides.end(), [](const auto& o) { return o.starts_with("data."); });
}

Subject subject_of(const Arguments& arguments) {
  Subject subject;
  subject.recipe = recipe_of(arguments.what);
  apply_overrides(subject.recipe, arguments.overrides);
  const models::ModelInfo& info = models::model_info(subject.recipe.model.name);
  subject.spec = {.name = info.name,
                  .options = subject.recipe.model.options,
                  .input = info.input,
                  .num_classes = info.num_classes,
                  .vocabulary = info.vocabulary};
  const fs::path config = fs::path(arguments.what) / "config.json";
  std::error_code ignored;
  if (fs::exists(config, ignored) && arguments.overrides.empty()) {
    subject.spec = models::read_config(config).model;
  } else if (arguments.input.empty() && (is_recipe(arguments.what) || names_data(arguments.overrides))) {
    follow_data(subject);
  }
  if (!arguments.input.empty()) subject.spec.input = parse_shape(arguments.input);
  if (arguments.classes > 0) subject.spec.num_classes = arguments.classes;
  if (arguments.batch_size > 0) subject.recipe.train.batch_size = arguments.batch_size;
  return subject;
}

std::vector<std::int64_t> extents_of(const Shape& shape) {
  return {shape.begin(), shape.end()};
}

// What training keeps besides the weights: the optimiser's state, sums of gradients, the average of the weights.
std::int64_t state_bytes(const TrainRecipe& recipe, const nn::Module& model) {
  std::int64_t bytes = 0;
  const auto add = [&](const Tensor& t) { bytes += t.count() * static_cast<std::int64_t>(size_of(t.dtype())); };
  if (recipe.accumulate > 1)
    for (const Tensor& parameter : model.parameters()) add(parameter);
  if (recipe.ema > 0) {
    std::set<const Node*> seen;  // shared ones count once
    for (const auto& [name, tensor] : model.named_parameters())
      if (seen.insert(tensor.node()).second) add(tensor);
    for (const auto& [name, tensor] : model.named_buffers()) add(tensor);
  }
  for (const auto& [name, array] : make_optimizer(recipe, model.parameters())->state_dict()) {
    bytes += static_cast<std::int64_t>(array.bytes());
  }
  return bytes;
}

// What a training step needs at its peak, or why there can be none.
struct Training {
  std::optional<TrainingMemory> memory;
  std::string impossible;
};

Training training_of(const Subject& subject, const nn::Module& model) {
  const TrainRecipe& recipe = subject.recipe.train;
  try {
    return {training_memory(model, batched(recipe.batch_size, subject.spec.input), state_bytes(recipe, model),
                            models::input_dtype(subject.spec)),
            ""};
  } catch (const Error& error) {
    return {std::nullopt, error.what()};
  }
}

Json to_json(const Subject& subject, const Training& training) {
  const TrainRecipe& recipe = subject.recipe.train;
  Json json = {{"batch_size", recipe.batch_size}, {"optimizer", recipe.optimizer.name}};
  if (!training.memory) {
    json["impossible"] = training.impossible;
    return json;
  }
  json["parameter_bytes"] = training.memory->parameters;
  json["optimizer_bytes"] = training.memory->optimizer;
  json["batch_bytes"] = training.memory->batch;
  json["arena_bytes"] = training.memory->arena;
  json["peak_bytes"] = training.memory->total();
  return json;
}

Json to_json(const Subject& subject, const ModelSummary& summary, const Training& training) {
  Json json;
  json["model"] = subject.spec.name;
  json["options"] = Json::object();
  for (const auto& [name, value] : subject.spec.options)
    std::visit([&, &key = name](const auto& v) { json["options"][key] = v; }, value);
  json["input"] = extents_of(summary.input);
  json["layers"] = Json::array();
  for (const LayerSummary& layer : summary.layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"type", layer.type},
                              {"details", layer.details},
                              {"output", extents_of(layer.output)},
                              {"receptive_field", {layer.receptive_height, layer.receptive_width}},
                              {"parameters", layer.parameters},
                              {"multiply_adds", layer.multiply_adds},
                              {"activation_bytes", layer.activation_bytes},
                              {"note", layer.note}});
  }
  json["parameters"] = summary.parameters;
  json["trainable_parameters"] = summary.trainable_parameters;
  json["parameter_bytes"] = summary.parameter_bytes;
  json["multiply_adds"] = summary.multiply_adds;
  json["input_bytes"] = summary.input_bytes;
  json["activation_bytes"] = summary.activation_bytes;
  json["training"] = to_json(subject, training);
  return json;
}

std::string to_text(const Subject& subject, const Training& training) {
  const TrainRecipe& recipe = subject.recipe.train;
  const std::string what = fmt::format("training with batch {} and {}: ", recipe.batch_size, recipe.optimizer.name);
  if (!training.memory) return what + "impossible, " + training.impossible + "\n";
  const TrainingMemory& memory = *training.memory;
  return what +
         fmt::format("{} at the peak (parameters {}, optimiser {}, batch {}, activations, gradients and scratch {})\n",
                     readable_bytes(memory.total()), readable_bytes(memory.parameters),
                     readable_bytes(memory.optimizer), readable_bytes(memory.batch), readable_bytes(memory.arena));
}

void summarize_model(const Arguments& arguments) {
  const Subject subject = subject_of(arguments);
  const auto model = [&] {
    const nn::init::Skip skip;  // nothing is computed
    return models::make_model(subject.spec);
  }();
  freeze(*model, subject.recipe.train);
  if (subject.recipe.train.checkpoint_activations) nn::checkpoint_activations(*model);
  const ModelSummary summary = summarize(*model, batched(1, subject.spec.input), models::input_dtype(subject.spec));
  const Training training = training_of(subject, *model);
  if (arguments.json) {
    print_json(to_json(subject, summary, training));
    return;
  }
  std::string text = to_text(summary) + to_text(subject, training);
  if (!subject.note.empty()) text += "note: " + subject.note + "\n";
  print(text);
}

}  // namespace

void add_summary(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("summary", "Count a network: shapes, parameters, multiply-adds and memory, layer by layer");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("what", arguments->what, "A model, a recipe or a run folder")->required();
  command->add_option("overrides", arguments->overrides, "Keys of the recipe to change, as in model.activation=relu")
      ->type_name("KEY=VALUE");
  command->add_option("--input", arguments->input, "Shape of one sample; that of the recipe's data unless given")
      ->type_name("CxHxW");
  command->add_option("--classes", arguments->classes, "Number of classes; that of the data unless given")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
  command->add_option("--batch-size", arguments->batch_size, "Batch of the training memory; the recipe's unless given")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { summarize_model(*arguments); });
}

}  // namespace narae::cli
