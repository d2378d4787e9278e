#include <unistd.h>

#include <fmt/format.h>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "apps/narae/runs.h"
#include "narae/core/error.h"
#include "narae/core/log.h"
#include "narae/data/catalog.h"
#include "narae/train/range_test.h"
#include "narae/train/run_folder.h"
#include "narae/train/task.h"
#include "narae/train/trainer.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Arguments {
  std::vector<std::string> words;  // the recipe, then key=value
  std::vector<std::string> flags;  // as key=value
  std::vector<std::string> fresh;
  std::vector<std::string> freeze;
  std::string project = "runs";
  std::string name = "run";
  bool named = false;  // --name was given
  bool exist_ok = false;
  bool resume = false;
  std::string resumed_run;
  bool quiet = false;
  bool json = false;
  bool dry_run = false;
  bool find_lr = false;
  std::int64_t find_lr_steps = RangeTestOptions{}.steps;
};

volatile std::sig_atomic_t asked_to_stop = 0;

// The first signal lets the step end and the run be saved; the second one ends the process at once.
void on_signal(int) {
  if (asked_to_stop != 0) ::_exit(interrupted);
  asked_to_stop = 1;
}

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_override(const std::string& word) {
  std::error_code ignored;
  return word.find('=') != std::string::npos && !fs::exists(word, ignored);
}

// A path that still leads there when a later command runs in another folder.
std::string lasting_path(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? fs::absolute(path).lexically_normal().string() : path;
}

struct Request {
  std::optional<std::string> recipe;
  std::vector<std::string> overrides;
};

// Flags first, so that a key=value wins over them.
Request request_of(Arguments& arguments) {
  // "--resume" takes a word that follows it; one that is no run belongs to the others.
  if (!arguments.resumed_run.empty() && !is_folder(arguments.resumed_run)) {
    const bool is_recipe = arguments.words.empty() || is_override(arguments.words.front());
    if (is_override(arguments.resumed_run) || (is_recipe && arguments.resumed_run.find('/') == std::string::npos)) {
      arguments.words.insert(arguments.words.begin(), std::exchange(arguments.resumed_run, ""));
    }
  }
  Request request{.recipe = {}, .overrides = arguments.flags};
  if (!arguments.fresh.empty()) {
    request.overrides.push_back(fmt::format("train.fresh={}", fmt::join(arguments.fresh, ",")));
  }
  if (!arguments.freeze.empty()) {
    request.overrides.push_back(fmt::format("train.freeze={}", fmt::join(arguments.freeze, ",")));
  }
  for (const std::string& word : arguments.words) {
    if (is_override(word)) {
      request.overrides.push_back(word);
    } else if (!request.recipe) {
      request.recipe = word;
    } else {
      throw UsageError("one recipe at a time: '" + *request.recipe + "' and '" + word +
                       "'; settings are written section.key=value");
    }
  }
  return request;
}

Recipe fresh_recipe(const Request& request) {
  Recipe recipe = load_recipe(*request.recipe);
  apply_overrides(recipe, request.overrides);
  recipe.data.name = lasting_dataset_name(recipe.data.name);
  return recipe;
}

// A run goes on with its own settings: those that the file gives otherwise are named.
void warn_of_edits(const Recipe& file, const Recipe& run, const fs::path& folder) {
  const auto values = recipe_values(run);
  const std::map<std::string, std::string> own(values.begin(), values.end());
  std::string keys;
  for (const auto& [key, value] : recipe_values(file)) {
    const auto found = own.find(key);
    if (key != "data.name" && (found == own.end() || found->second != value)) keys += (keys.empty() ? "" : ", ") + key;
  }
  if (keys.empty()) return;
  log_line("--resume: " + (folder / "recipe.toml").string() + " decides, where the file says otherwise about " + keys);
}

// The run to go on with, if there is one.
std::optional<fs::path> run_to_resume(const Arguments& arguments, const Request& request) {
  if (!arguments.resume) return std::nullopt;
  if (!arguments.resumed_run.empty()) {
    if (arguments.named) {
      throw UsageError("--name: '" + arguments.resumed_run +
                       "' goes on under its own name; leave --name out, or give " +
                       "the recipe instead of the run: narae train RECIPE --resume --name " + arguments.name);
    }
    if (is_folder(arguments.resumed_run)) return fs::path(arguments.resumed_run);
    return find_run(arguments.resumed_run, arguments.project);
  }
  if (!request.recipe) {
    throw UsageError("--resume: which run? Give its folder (narae train --resume runs/...) or its recipe");
  }
  const std::string recipe = load_recipe(*request.recipe).name;
  if (!arguments.named) {
    if (auto run = latest_run(arguments.project, recipe)) return run;
  }
  return newest_run(arguments.project, recipe, arguments.name);
}

Recipe recipe_of(const Request& request, const std::optional<fs::path>& run) {
  if (!run) {
    if (!request.recipe) throw UsageError("which recipe? Give a name (`narae recipes` lists them) or a TOML file");
    return fresh_recipe(request);
  }
  const bool begun = !checkpoints_in(*run / "checkpoints").empty();
  std::error_code ignored;
  if (!begun && request.recipe && !fs::exists(*run / "recipe.toml", ignored)) return fresh_recipe(request);
  Recipe recipe = resumed_recipe(*run, request.overrides);
  if (request.recipe && load_recipe(*request.recipe).name != recipe.name) {
    throw UsageError("--resume: " + run->string() + " is a run of recipe '" + recipe.name + "', not of '" +
                     *request.recipe + "'");
  }
  if (!begun && request.recipe) return fresh_recipe(request);
  if (request.recipe && fs::exists(*request.recipe, ignored)) warn_of_edits(load_recipe(*request.recipe), recipe, *run);
  recipe.data.name = lasting_dataset_name(recipe.data.name);
  return recipe;
}

Json scores_json(const Task& task, const Scores& scores) {
  Json json = {
      {std::string(task.metric.column), metric_of(task, scores)}, {"loss", scores.loss}, {"samples", scores.samples}};
  if (scores.top5) json["top5"] = *scores.top5;
  return json;
}

Json result_json(const Recipe& recipe, const TrainResult& result) {
  Json json;
  json["run"] = result.run.string();
  json["recipe"] = recipe.name;
  json["epochs"] = result.epochs;
  json["steps"] = result.steps;
  json["interrupted"] = result.interrupted;
  json["stopped_early"] = result.stopped_early;
  json["judged"] = result.judged;
  const Task& task = task_of(result.task);
  json["last"] = scores_json(task, result.last);
  json["best"] = scores_json(task, result.best.scores);
  json["best"]["epoch"] = result.best.epoch;
  if (result.test) json["test"] = scores_json(task, *result.test);
  json["weights"] = result.weights;
  json["seconds"] = result.seconds;
  return json;
}

// What a network answers with: "10 classes", "44 tokens", "1 number".
std::string answers_text(const Task& task, std::int64_t count) {
  const char* what = task.answers == Answers::next_tokens ? "token" : task.answers == Answers::numbers ? "number" : "";
  if (*what == '\0') return fmt::format("{} classes", count);
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

void show_plan(const Arguments& arguments, const Recipe& recipe) {
  const TrainPlan plan = plan_training(recipe);
  if (arguments.json) {
    print_json({{"recipe", recipe.name},
                {"settings", to_toml(recipe)},
                {"parameters", plan.parameters},
                {"train_samples", plan.train_samples},
                {"judged", plan.judged},
                {"judged_samples", plan.judged_samples},
                {"classes", plan.classes},
                {"steps", plan.steps}});
    return;
  }
  print(to_toml(recipe) + "\n" + plan.network +
        fmt::format("\n{} parameters; {} training and {} {} samples of {}; {} steps. Nothing was written.\n",
                    plan.parameters, plan.train_samples, plan.judged_samples, plan.judged,
                    answers_text(task_of(recipe.task), plan.classes), plan.steps));
}

Json to_json(const RangeTest& test, const std::string& folder) {
  Json json;
  json["folder"] = folder;
  json["learning_rate"] = test.suggestion > 0 ? Json(test.suggestion) : Json();
  json["lowest_loss_at"] = test.lowest_loss_at;
  json["diverged"] = test.diverged;
  json["points"] = Json::array();
  for (const RangePoint& p : test.points) {
    json["points"].push_back({{"lr", p.lr}, {"loss", p.loss}, {"smoothed_loss", p.smoothed}});
  }
  return json;
}

std::string to_text(const RangeTest& test, const std::string& folder) {
  if (test.suggestion == 0) {
    return folder +
           "  no learning rate to suggest: the loss never fell by more than it differs from batch to batch; more "
           "--find-lr-steps or a larger --batch-size may show a fall\n";
  }
  return fmt::format("{}  learning rate {:.2g} (the loss falls fastest there; it is lowest at {:.2g}{})\n", folder,
                     test.suggestion, test.lowest_loss_at,
                     test.diverged ? fmt::format(" and explodes from {:.2g}", test.points.back().lr) : "");
}

void find_lr(const Arguments& arguments, const Recipe& recipe, const ProgressOptions& progress, Outcome& outcome) {
  const RangeTestFolder target{.project = arguments.project,
                               .name = arguments.named ? arguments.name : RangeTestFolder{}.name,
                               .exist_ok = arguments.exist_ok};
  check(target, recipe);
  const RangeTest test = find_learning_rate(
      recipe,
      {.steps = arguments.find_lr_steps, .progress = progress, .interrupted = [] { return asked_to_stop != 0; }});
  if (test.interrupted) {
    outcome.exit_code = interrupted;
    return arguments.json ? print_json({{"interrupted", true}}) : print("interrupted: nothing was written\n");
  }
  const std::string folder = save_range_test(test, recipe, target).string();
  if (arguments.json) {
    print_json(to_json(test, folder));
  } else {
    print(to_text(test, folder));
  }
}

void run_train(Arguments& arguments, Outcome& outcome) {
  const Request request = request_of(arguments);
  const std::optional<fs::path> run = run_to_resume(arguments, request);
  const Recipe recipe = recipe_of(request, run);
  if (arguments.dry_run) return show_plan(arguments, recipe);

  watch_signals();
  const ProgressOptions progress{.stream = arguments.json ? STDERR_FILENO : STDOUT_FILENO, .quiet = arguments.quiet};
  if (arguments.find_lr) return find_lr(arguments, recipe, progress, outcome);
  const TrainResult result = train(recipe, {.project = arguments.project,
                                            .name = arguments.name,
                                            .exist_ok = arguments.exist_ok,
                                            .resume = run.value_or(fs::path()),
                                            .progress = progress,
                                            .interrupted = [] { return asked_to_stop != 0; }});
  if (arguments.json) {
    print_json(result_json(recipe, result));
  } else {
    print(headline(result) + "\n");
  }
  if (result.interrupted) outcome.exit_code = interrupted;
}

void require_cpu(const std::string& device) {
  if (device != "cpu") throw UsageError("--device: '" + device + "' is not supported; there is cpu");
}

}  // namespace

void add_train(CLI::App& app, Outcome& outcome) {
  CLI::App* command = app.add_subcommand("train", "Train a recipe");
  const auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("recipe", arguments->words,
                   "A built-in recipe's name or a TOML file, then settings as section.key=value")
      ->type_name("RECIPE [KEY=VALUE ...]");
  // A flag that stands for a key of the recipe.
  const auto setting = [&](const std::string& flag, const std::string& key, const std::string& value,
                           const std::string& help) {
    command
        ->add_option_function<std::string>(
            flag, [arguments, key](const std::string& text) { arguments->flags.push_back(key + "=" + text); }, help)
        ->type_name(value)
        ->take_last();
  };
  const auto path_setting = [&](const std::string& flag, const std::string& key, const std::string& value,
                                const std::string& help) {
    command
        ->add_option_function<std::string>(
            flag,
            [arguments, key](const std::string& path) { arguments->flags.push_back(key + "=" + lasting_path(path)); },
            help)
        ->type_name(value)
        ->take_last();
  };
  setting("--data", "data.name", "NAME|PATH", "Dataset: a name (`narae datasets`) or a folder");
  setting("--epochs", "train.epochs", "N", "Times that every sample is seen");
  setting("--batch-size", "train.batch_size", "N", "Samples of a step");
  setting("--lr", "train.optimizer.lr", "RATE", "Learning rate");
  setting("--seed", "train.seed", "N", "Of first weights, order of samples, dropout and augmentation");
  add_threads_flag(*command);
  add_profile_flag(*command);
  command->add_option_function<std::string>("--device", require_cpu, "Where to compute: cpu")
      ->type_name("DEVICE")
      ->default_str("cpu");
  setting("--workers", "data.workers", "N", "Threads that prepare batches; 0: none");
  command->add_option("--project", arguments->project, "Where runs go: PROJECT/RECIPE/NAME")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--name", arguments->name,
                   "Name of the run (with --find-lr of its folder); -2, -3, ... is appended when it is taken")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_flag("--exist-ok", arguments->exist_ok, "Replace a run of that name");
  CLI::Option* const resume = command
                                  ->add_option_function<std::vector<std::string>>(
                                      "--resume",
                                      [arguments](const std::vector<std::string>& run) {
                                        arguments->resume = true;
                                        if (!run.empty()) arguments->resumed_run = run.front();
                                      },
                                      "Go on with RUN, or with the recipe's last run (with --name: of that name)")
                                  ->type_name("[RUN]")
                                  ->expected(0, 1);
  path_setting("--weights", "train.weights", "FILE", "Weights to start from: .safetensors or .safetensors.index.json");
  command->add_option("--fresh", arguments->fresh, "Tensors that are not taken from --weights: a module or a pattern")
      ->type_name("PATTERN")
      ->check(not_empty())
      ->expected(1)
      ->take_all();
  command->add_option("--freeze", arguments->freeze, "Parameters that stay as they are: a module or a pattern")
      ->type_name("PATTERN")
      ->check(not_empty())
      ->expected(1)
      ->take_all();
  setting("--patience", "train.patience", "N", "Stop after so many epochs without progress");
  setting("--val-fraction", "data.val_fraction", "X", "Share of the training samples that epochs are judged by");
  command->add_flag_callback(
      "--strict", [arguments] { arguments->flags.emplace_back("data.strict=true"); },
      "A damaged picture in a folder is an error, not left out");
  setting("--limit-train", "data.limit_train", "N", "Train on so many samples only");
  setting("--limit-val", "data.limit_val", "N", "Judge epochs by so many samples only");
  setting("--save-every", "train.save_every", "N", "Steps between checkpoints; every epoch ends with one anyway");
  command->add_flag("--quiet,-q", arguments->quiet, "Print the result only");
  add_json_flag(*command, arguments->json);
  CLI::Option* const dry_run =
      command->add_flag("--dry-run", arguments->dry_run, "Show what would be trained, write nothing");
  CLI::Option* const range_test =
      command
          ->add_flag("--find-lr", arguments->find_lr,
                     "Try growing learning rates instead of training; leaves PROJECT/RECIPE/find-lr with the curve")
          ->excludes(resume)
          ->excludes(dry_run);
  command->add_option("--find-lr-steps", arguments->find_lr_steps, "Steps of --find-lr")
      ->type_name("N")
      ->capture_default_str()
      ->needs(range_test);
  command->footer(
      "Leaves PROJECT/RECIPE/NAME with weights, checkpoints, tables and pictures; the last line names it.\n"
      "Ctrl-C ends the step, saves and exits with 130; --resume goes on to the same bits.");
  command->callback([arguments, command, &outcome] {
    arguments->named = command->count("--name") > 0;
    run_train(*arguments, outcome);
  });
}

}  // namespace narae::cli
