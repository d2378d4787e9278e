#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/narae/commands.h"
#include "apps/narae/runs.h"
#include "narae/train/evaluate.h"
#include "narae/train/task_data.h"
#include "narae/train/trained_model.h"
#include "narae/train/weights.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string run;
  std::string data;
  std::string split = "test";
  bool last = false;
  bool strict = false;
  bool json = false;
};

// Share of each class's samples that were recognised; null for a class without samples.
Json recalls(const Evaluation& evaluation, const std::vector<std::string>& classes) {
  Json json = Json::object();
  const auto counts = evaluation.confusion.values<std::int64_t>();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::int64_t samples = 0;
    for (std::size_t k = 0; k < classes.size(); ++k) samples += counts[c * classes.size() + k];
    const std::int64_t right = counts[c * classes.size() + c];
    json[classes[c]] = samples == 0 ? Json() : Json(static_cast<double>(right) / static_cast<double>(samples));
  }
  return json;
}

std::int64_t skipped_files(const Dataset& dataset) {
  return dataset.files ? dataset.files->skipped.count() : 0;
}

void run_eval(const Arguments& arguments) {
  const std::filesystem::path run = find_run(arguments.run);
  const Split split = split_from(arguments.split);
  const std::string which = arguments.last ? "last" : "best";
  Recipe recipe = load_recipe(run.string());
  if (!arguments.data.empty()) recipe.data.name = arguments.data;
  if (arguments.strict) recipe.data.strict = true;
  const TrainedModel model = load_trained(run, which);
  const Dataset dataset = open_split(recipe, split, model.config.model.input);
  Loader loader = evaluation_loader(model.config, dataset, recipe.data.workers);
  const Evaluation evaluation = evaluate(*model.network, loader, recipe.train);
  const Scores& scores = evaluation.scores;
  if (arguments.json) {
    Json json;
    json["run"] = run.string();
    json["weights"] = which;
    json["hash"] = weights_hash(*model.network);
    json["data"] = recipe.data.name;
    json["split"] = name_of(split);
    json["samples"] = scores.samples;
    json["skipped"] = skipped_files(dataset);
    json["accuracy"] = scores.accuracy;
    json["loss"] = scores.loss;
    json["recall"] = recalls(evaluation, model.config.classes);
    print_json(json);
    return;
  }
  print(fmt::format("{}  accuracy {:.2f} %  loss {:.4f}  ({} {} samples of {}, {} weights)\n", run.string(),
                    100 * scores.accuracy, scores.loss, scores.samples, name_of(split), recipe.data.name, which));
  if (const std::int64_t skipped = skipped_files(dataset); skipped > 0) {
    print(fmt::format("{} files are no sound pictures and were left out (--strict names the first)\n", skipped));
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Judge a run's weights by a dataset");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("run", arguments->run, "The run's folder, or recipe/name below runs/")
      ->type_name("RUN")
      ->required();
  command->add_option("--data", arguments->data, "Another dataset than the run's: a name or a folder")
      ->type_name("NAME|PATH");
  command->add_option("--split", arguments->split, "train, validation or test")
      ->type_name("SPLIT")
      ->capture_default_str();
  command->add_flag("--strict", arguments->strict, "A damaged picture in a folder is an error, not left out");
  command->add_flag("--last", arguments->last, "The last weights instead of the best");
  add_threads_flag(*command);
  add_json_flag(*command, arguments->json);
  command->callback([arguments] { run_eval(*arguments); });
}

}  // namespace narae::cli
