#include "apps/narae/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/narae/commands.h"
#include "apps/narae/table.h"
#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/train/pretrained.h"
#include "narae/train/recipe.h"
#include "narae/train/run_folder.h"
#include "narae/train/run_pictures.h"
#include "narae/train/table.h"
#include "narae/train/task.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool is_run(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path / "recipe.toml", ignored);
}

Table read_results(const fs::path& run) {
  const fs::path file = run / "results.csv";
  std::error_code ignored;
  return fs::exists(file, ignored) ? read_table(file) : Table{};
}

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Run {
  fs::path path;
  Recipe recipe;
  Table results;
};

// The task's metric on the samples that epochs are judged by.
std::optional<double> best_of(const Run& run) {
  const Metric& metric = task_of(run.recipe.task).metric;
  const auto& columns = run.results.columns;
  const auto column = std::find(columns.begin(), columns.end(), fmt::format("val_{}", metric.column));
  std::optional<double> best;
  if (column == columns.end()) return best;
  const auto i = static_cast<std::size_t>(column - columns.begin());
  for (const auto& row : run.results.rows) {
    const auto value = number_of(row[i]);
    if (value && (!best || (metric.higher_is_better ? *value > *best : *value < *best))) best = value;
  }
  return best;
}

// "accuracy 98.25 %".
std::string best_text(const Run& run) {
  const Task& task = task_of(run.recipe.task);
  const auto best = best_of(run);
  return fmt::format("{} {}", task.metric.name, best ? metric_value_text(task, *best) : "-");
}

Run read_run(const fs::path& path) {
  return {path, load_recipe(path.string()), read_results(path)};
}

// project/recipe/name, in order of name.
std::vector<fs::path> runs_in(const fs::path& project) {
  std::set<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& recipe : fs::directory_iterator(project, ignored)) {
    for (const fs::directory_entry& run : fs::directory_iterator(recipe.path(), ignored)) {
      if (is_run(run.path())) found.insert(run.path());
    }
  }
  return {found.begin(), found.end()};
}

Json to_json(const Run& run) {
  Json json;
  json["path"] = run.path.string();
  json["recipe"] = run.recipe.name;
  json["model"] = run.recipe.model.name;
  json["data"] = run.recipe.data.name;
  json["epochs"] = run.results.rows.size();
  const auto best = best_of(run);
  json[fmt::format("best_{}", task_of(run.recipe.task).metric.column)] = best ? Json(*best) : Json();
  return json;
}

void list_runs(const std::string& project, bool as_json) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const fs::path& path : runs_in(project)) {
    try {
      const Run run = read_run(path);
      list.push_back(to_json(run));
      rows.push_back({path.string(), best_text(run),
                      fmt::format("{}/{}", run.results.rows.size(), run.recipe.train.epochs), run.recipe.model.name,
                      run.recipe.data.name});
    } catch (const Error& error) {  // one damaged run doesn't hide the others
      list.push_back({{"path", path.string()}, {"error", error.what()}});
      rows.push_back({path.string(), "damaged", "-", "-", error.what()});
    }
  }
  if (as_json) {
    print_json(list);
  } else if (rows.empty()) {
    print("no runs in " + project + "\n");
  } else {
    print(table({"run", "best", "epochs", "model", "data"}, rows));
  }
}

Json results_json(const Table& results) {
  Json list = Json::array();
  for (const auto& row : results.rows) {
    Json entry;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto value = number_of(row[i]);
      entry[results.columns[i]] = value ? Json(*value) : Json(row[i]);
    }
    list.push_back(entry);
  }
  return list;
}

void show_run(const std::string& name, const std::string& project, bool as_json) {
  const Run run = read_run(find_run(name, project));
  std::set<std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(run.path)) {
    if (entry.is_regular_file()) files.insert(entry.path().lexically_relative(run.path).string());
  }
  if (as_json) {
    Json json = to_json(run);
    json["settings"] = Json::object();
    for (const auto& [key, value] : recipe_values(run.recipe)) json["settings"][key] = value;
    json["results"] = results_json(run.results);
    json["files"] = files;
    print_json(json);
    return;
  }
  std::string text = fmt::format("{}: best {}, {} of {} epochs\n\n", run.path.string(), best_text(run),
                                 run.results.rows.size(), run.recipe.train.epochs);
  text += to_toml(run.recipe) + "\n";
  if (!run.results.columns.empty()) text += table(run.results.columns, run.results.rows) + "\n";
  for (const std::string& file : files) text += file + "\n";
  print(text);
}

// The curves of the runs in one picture; a run is called by what its path does not share with the project's.
void draw_comparison(const std::vector<Run>& runs, const std::string& project, const std::string& path) {
  if (fs::path(path).extension() != ".svg") {
    throw UsageError("--save: '" + path + "' must end in .svg: curves are drawn as vectors");
  }
  const Task& task = task_of(runs.front().recipe.task);
  std::vector<ComparedRun> compared;
  for (const Run& run : runs) {
    if (run.recipe.task != task.name) {
      throw UsageError(fmt::format("--save: {} learned to {}, {} to {}: their curves show different things",
                                   runs.front().path.string(), task.name, run.path.string(), run.recipe.task));
    }
    const fs::path below = run.path.lexically_relative(project);
    const bool inside = !below.empty() && *below.begin() != "..";
    compared.push_back({.name = (inside ? below : run.path).string(), .folder = run.path});
  }
  write_file(path, comparison_of(compared, task.metric, ""));
}

// Every setting that is not the same in all runs, one column a run.
void compare_runs(const std::vector<std::string>& names, const std::string& project, const std::string& save,
                  bool as_json) {
  std::vector<Run> runs;
  for (const std::string& name : names) runs.push_back(read_run(find_run(name, project)));
  if (!save.empty()) draw_comparison(runs, project, save);
  std::vector<std::string> headline{"setting"};
  std::vector<std::string> best{"best"};
  std::vector<std::string> epochs{"epochs done"};
  std::vector<std::string> keys;
  std::vector<std::map<std::string, std::string>> settings;
  for (const Run& run : runs) {
    headline.push_back(run.path.string());
    best.push_back(best_text(run));
    epochs.push_back(std::to_string(run.results.rows.size()));
    const auto values = recipe_values(run.recipe);
    settings.emplace_back(values.begin(), values.end());
    for (const auto& [key, value] : values) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  std::vector<std::vector<std::string>> rows{best, epochs};
  Json different = Json::object();
  for (const std::string& key : keys) {
    std::vector<std::string> row{key};
    for (const auto& values : settings) row.push_back(values.contains(key) ? values.at(key) : "-");
    if (std::all_of(row.begin() + 2, row.end(), [&](const std::string& value) { return value == row[1]; })) continue;
    rows.push_back(row);
    different[key] = std::vector<std::string>(row.begin() + 1, row.end());
  }
  if (as_json) {
    Json json;
    json["runs"] = Json::array();
    for (const Run& run : runs) json["runs"].push_back(to_json(run));
    json["different"] = different;
    print_json(json);
  } else {
    print(table(headline, rows));
  }
}

void remove_runs(const std::vector<std::string>& names, const std::string& project) {
  std::set<fs::path> paths;
  for (const std::string& name : names) paths.insert(find_run(name, project));
  for (const fs::path& path : paths) {
    // A recipe.toml alone may lie beside anything.
    if (!fs::is_directory(path / "weights") || !fs::is_directory(path / "checkpoints")) {
      throw UsageError(path.string() + ": holds a recipe.toml, but no weights and checkpoints: it is no run folder");
    }
    const RunFolder held = RunFolder::open(path);  // refuses while somebody trains in it
    std::error_code error;
    fs::remove_all(path, error);
    if (error) throw Error(path.string() + ": can't be removed: " + error.message());
    print("removed " + path.string() + "\n");
  }
}

struct Arguments {
  std::string project = "runs";
  std::vector<std::string> names;
  std::string save;
  bool json = false;
};

CLI::Option* add_project_flag(CLI::App& command, Arguments& arguments) {
  return command.add_option("--project", arguments.project, "The folder that holds the runs")
      ->type_name("FOLDER")
      ->capture_default_str();
}

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& what,
                      const std::shared_ptr<Arguments>& arguments, const std::string& names) {
  CLI::App* command = parent.add_subcommand(name, what);
  if (!names.empty()) {
    command->add_option("runs", arguments->names, names)->required()->type_name("RUN");
  }
  add_project_flag(*command, *arguments);
  for (CLI::Option* own : parent.get_options([](const CLI::Option* o) { return o->get_group() == "List"; })) {
    command->excludes(own);  // flags of the list that `narae runs` alone prints
  }
  return command;
}

}  // namespace

fs::path find_run(const std::string& name, const fs::path& project) {
  for (const fs::path& path : {fs::path(name), project / name}) {
    if (is_run(path)) return (path / "recipe.toml").lexically_normal().parent_path();
  }
  std::vector<std::string> known;
  const auto runs = runs_in(project);
  for (const fs::path& run : runs) known.push_back(run.lexically_relative(project).string());
  throw UsageError("'" + name + "' is no run folder: no recipe.toml in " + name + " or " + (project / name).string() +
                   did_you_mean(name, known));
}

TrainedModel load_run(const std::string& name, const std::string& which) {
  if (!is_run(name) && is_pretrained_folder(name)) return load_pretrained(name);
  return load_trained(find_run(name), which);
}

void add_runs(CLI::App& app) {
  CLI::App* command = app.add_subcommand("runs", "Look at training runs: list, compare, show, rm");
  command->require_subcommand(0, 1);
  const auto all = std::make_shared<Arguments>();
  add_project_flag(*command, *all)->group("List");
  add_json_flag(*command, all->json)->group("List");
  const auto list = std::make_shared<Arguments>();
  const auto compare = std::make_shared<Arguments>();
  const auto show = std::make_shared<Arguments>();
  const auto remove = std::make_shared<Arguments>();
  constexpr const char* run_help = "Run folders, as paths or as recipe/name below the project";

  CLI::App* at = add_command(*command, "list", "List the runs with the best that they reached (the default)", list, "");
  add_json_flag(*at, list->json);
  at->callback([list] { list_runs(list->project, list->json); });

  at = add_command(*command, "compare", "Results, and the settings that differ", compare, run_help);
  add_json_flag(*at, compare->json);
  at->add_option("--save", compare->save, "Draw training loss and metric of all runs")->type_name("FILE.svg");
  at->callback([compare] { compare_runs(compare->names, compare->project, compare->save, compare->json); });

  at = add_command(*command, "show", "All settings, results and files of a run", show, run_help);
  at->get_option("runs")->expected(1);
  add_json_flag(*at, show->json);
  at->callback([show] { show_run(show->names.front(), show->project, show->json); });

  at = add_command(*command, "rm", "Remove run folders; refuses any other folder", remove, run_help);
  at->callback([remove] { remove_runs(remove->names, remove->project); });

  command->callback([command, all] {
    if (command->get_subcommands().empty()) list_runs(all->project, all->json);
  });
}

}  // namespace narae::cli
