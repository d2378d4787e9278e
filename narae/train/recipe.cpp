#include "narae/train/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/models/registry.h"
#include "narae/train/recipe_keys.h"
#include "narae/train/task.h"
#include "narae/train/toml.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using detail::RecipeField;
using detail::RecipeRow;

constexpr std::size_t most_bytes = std::size_t{1} << 20;
constexpr std::string_view model_prefix = "model.";
constexpr std::string_view see_keys = " (narae recipes keys lists all)";

// Where a value came from: "mine.toml:7:3", or "train.epochs=0" of a command line.
[[noreturn]] void complain(const std::string& where, const std::string& what) {
  throw UsageError(where + ": " + what);
}

// Text out of a file, made fit for a terminal.
std::string shown(std::string_view text) {
  return detail::toml_text(text.substr(0, 200));
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const RecipeRow& row : detail::recipe_rows()) names.emplace_back(row.key);
  for (const models::ModelInfo& model : models::models()) {
    for (const models::ModelOption& option : model.options) names.push_back(std::string(model_prefix) + option.name);
  }
  return names;
}

// The nearest key, also for one written without its section ("lr").
std::string nearest_key(const std::string& key) {
  if (key.size() > 100) return "";
  const std::vector<std::string> names = key_names();
  if (detail::find_recipe_row(key + ".name") != nullptr) return "; did you mean '" + key + ".name'?";
  // Keys that end alike: in the same section first ("train.lr" is train.optimizer.lr, not train.l1).
  const std::string last = key.substr(key.rfind('.') + 1);
  const std::string section = key.substr(0, key.find('.')) + ".";
  std::string alike;
  for (const std::string& name : names) {
    if (name.ends_with("." + last) && (alike.empty() || (name.starts_with(section) && !alike.starts_with(section)))) {
      alike = name;
    } else if (name.ends_with("." + key + ".name")) {
      return "; did you mean '" + name + "'?";
    }
  }
  return alike.empty() ? did_you_mean(key, names) : "; did you mean '" + alike + "'?";
}

// What a complaint about a name's characters says; "" for a good one.
std::string name_complaint(const std::string& name) {
  if (name.empty()) return "must not be empty";
  if (name.size() > 100) return "must not be longer than 100 bytes";
  const bool bad = std::any_of(name.begin(), name.end(),
                               [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (bad || name[0] == '.') return "must be fit for a folder's name: no '/', no control characters, no '.' in front";
  return "";
}

void set_text(const RecipeRow& row, std::string& field, const std::string& value, const std::string& where) {
  const std::string key(row.key);
  if (!row.choices.empty() && std::find(row.choices.begin(), row.choices.end(), value) == row.choices.end()) {
    complain(where,
             key + " = " + shown(value) + " must be " + detail::expectation(row) + did_you_mean(value, row.choices));
  }
  if (key == "name") {
    if (const std::string bad = name_complaint(value); !bad.empty()) complain(where, "name " + bad);
  } else if (Recipe defaults; value.empty() && !std::get<std::string*>(row.field(defaults))->empty()) {
    complain(where, key + " must not be empty");
  }
  field = value;
}

// Writes one value into the recipe, or says what would have been right.
struct Setter {
  const RecipeRow& row;
  const OptionValue& value;
  const std::string& where;

  [[noreturn]] void wrong() const { complain(where, std::string(row.key) + " must be " + detail::expectation(row)); }
  template <class T>
  [[nodiscard]] const T& as() const {
    const T* const given = std::get_if<T>(&value);
    if (given == nullptr) wrong();
    return *given;
  }
  void require_in_range(double number) const {
    if (!detail::contains(row.range, number)) wrong();
  }
  void operator()(bool* field) const { *field = as<bool>(); }
  void operator()(std::int64_t* field) const {
    require_in_range(static_cast<double>(as<std::int64_t>()));
    *field = as<std::int64_t>();
  }
  template <class T>
  requires std::is_floating_point_v<T>
  void operator()(T* field) const {
    const auto* integer = std::get_if<std::int64_t>(&value);
    const double number = integer != nullptr ? static_cast<double>(*integer) : as<double>();
    require_in_range(number);
    const T stored = static_cast<T>(number);  // 1 - 1e-12 is 1 as a float
    require_in_range(static_cast<double>(stored));
    *field = stored;
  }
  void operator()(std::string* field) const { set_text(row, *field, as<std::string>(), where); }
  void operator()(std::vector<std::int64_t>* field) const {
    for (const std::int64_t number : as<std::vector<std::int64_t>>()) require_in_range(static_cast<double>(number));
    *field = as<std::vector<std::int64_t>>();
  }
};

void set_option(Options& options, const std::string& name, OptionValue value) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.first == name; });
  if (found != options.end()) {
    found->second = std::move(value);
  } else {
    options.emplace_back(name, std::move(value));
  }
}

bool is_model_option(const std::string& key) {
  if (!key.starts_with(model_prefix) || key.size() == model_prefix.size() || key.size() > 100) return false;
  return std::all_of(key.begin() + static_cast<std::ptrdiff_t>(model_prefix.size()), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void set_value(Recipe& recipe, const std::string& key, const OptionValue& value, const std::string& where) {
  if (const RecipeRow* row = detail::find_recipe_row(key)) {
    std::visit(Setter{*row, value, where}, row->field(recipe));
  } else if (is_model_option(key)) {
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && !detail::contains({}, *number)) complain(where, key + " must be finite");
    set_option(recipe.model.options, key.substr(model_prefix.size()), value);
  } else {
    complain(where, "unknown key " + shown(key) + nearest_key(key) + std::string(see_keys));
  }
}

// Which keys were given, and where.
using Given = std::vector<std::pair<std::string, std::string>>;

const std::string* place_of(const Given& given, const std::string& key) {
  const auto found = std::find_if(given.begin(), given.end(), [&](const auto& g) { return g.first == key; });
  return found == given.end() ? nullptr : &found->second;
}

// Completes the model's options by its defaults. Those that were not asked for now and don't fit the model go.
void resolve_model(Recipe& recipe, const Given& given) {
  const auto attempt = [&](const Options& options, const std::string* where) {
    try {
      return models::resolved({.name = recipe.model.name, .options = options}).options;
    } catch (const UsageError& error) {
      if (where == nullptr) throw;
      complain(*where, error.what());
    }
  };
  const Options defaults = attempt({}, place_of(given, "model.name"));
  Options accepted;
  for (auto& [name, value] : recipe.model.options) {
    const auto same = [&key = name](const auto& o) { return o.first == key; };
    const auto known = std::find_if(defaults.begin(), defaults.end(), same);
    if (known != defaults.end() && std::holds_alternative<std::vector<std::int64_t>>(known->second)) {
      if (const auto* one = std::get_if<std::int64_t>(&value)) value = std::vector<std::int64_t>{*one};
    }
    const std::string* where = place_of(given, "model." + name);
    try {
      static_cast<void>(attempt({{name, value}}, where));
    } catch (const UsageError&) {
      if (where != nullptr) throw;
      continue;
    }
    accepted.emplace_back(name, value);
  }
  recipe.model.options = attempt(accepted, nullptr);
}

// What a task's networks usually make small and learn from, where nothing else is asked for.
void resolve_task(Recipe& recipe, const Given& given) {
  const Task& task = task_of(recipe.task);
  const bool fits = std::find(task.losses.begin(), task.losses.end(), recipe.train.loss) != task.losses.end();
  if (!fits) {
    if (const std::string* where = place_of(given, "train.loss")) {
      complain(*where, fmt::format("train.loss = {} is no loss of the task {}, which has {}", shown(recipe.train.loss),
                                   task.name, fmt::join(task.losses, ", ")));
    }
    recipe.train.loss = task.losses.front();
  }
  const bool others_data = std::any_of(tasks().begin(), tasks().end(), [&](const Task& other) {
    return other.name != task.name && other.data == recipe.data.name;
  });
  if (others_data && place_of(given, "data.name") == nullptr) recipe.data.name = task.data;
}

void require_model_of_task(const Recipe& recipe, const Given& given) {
  const models::ModelInfo& info = models::model_info(recipe.model.name);
  if (std::find(info.tasks.begin(), info.tasks.end(), recipe.task) != info.tasks.end()) return;
  constexpr std::size_t most_named = 8;
  std::vector<std::string> fitting;
  for (const models::ModelInfo& other : models::models()) {
    if (std::find(other.tasks.begin(), other.tasks.end(), recipe.task) != other.tasks.end())
      fitting.push_back(other.name);
  }
  if (fitting.size() > most_named) {
    fitting.resize(most_named);
    fitting.emplace_back("... (narae models)");
  }
  const std::string* where = place_of(given, "model.name");
  if (where == nullptr) where = place_of(given, "task");
  const std::string key = "model.name";
  complain(where == nullptr ? key : *where,
           fmt::format("the model {} is made for the task {}; for the task {} there are {}", info.name,
                       fmt::join(info.tasks, ", "), recipe.task, fmt::join(fitting, ", ")));
}

void check(const Recipe& recipe, const Given& given) {
  for (const auto& [key, where] : given) {
    const RecipeRow* row = detail::find_recipe_row(key);
    if (row != nullptr && !detail::applies(*row, recipe)) {
      complain(where, key + " has no effect here: it belongs to " + detail::unmet_condition(*row, recipe));
    }
  }
  const OptimizerRecipe& o = recipe.train.optimizer;
  if (o.name == "sgd" && o.nesterov && (o.momentum == 0 || o.dampening != 0)) {
    const std::string key = "train.optimizer.nesterov";
    const std::string* where = place_of(given, key);
    complain(where == nullptr ? key : *where, "Nesterov's form needs a momentum above 0 and no dampening");
  }
}

bool is_section(const std::string& key) {
  const auto rows = detail::recipe_rows();
  return std::any_of(rows.begin(), rows.end(), [&](const RecipeRow& row) { return row.key.starts_with(key + "."); });
}

// "train.schedule.name" of the section "train.schedule".
std::string first_key_of(const std::string& section) {
  const auto rows = detail::recipe_rows();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const RecipeRow& r) {
    return r.key.starts_with(section + ".") && r.key.find('.', section.size() + 1) == std::string_view::npos;
  });
  return row == rows.end() ? section : std::string(row->key);
}

void read_file(const detail::TomlFile& file, const std::string& name, Recipe& recipe, Given& given) {
  for (const detail::TomlSection& section : file.sections) {
    if (is_section(section.key)) continue;
    std::set<std::string> known;
    for (const RecipeRow& row : detail::recipe_rows())
      if (const std::size_t dot = row.key.rfind('.'); dot != std::string_view::npos)
        known.emplace(row.key.substr(0, dot));
    const std::string short_key = section.key.substr(0, 100);
    complain(detail::place(name, section.at),
             "unknown section " + shown(section.key) + did_you_mean(short_key, known) + std::string(see_keys));
  }
  for (const detail::TomlEntry& entry : file.entries) {
    const std::string where = detail::place(name, entry.at);
    if (is_section(entry.key))
      complain(where, entry.key + " is a section: write [" + entry.key + "] and its keys below");
    set_value(recipe, entry.key, entry.value, where);
    given.emplace_back(entry.key, where);
  }
}

std::string names_of_builtin() {
  std::string list;
  for (const BuiltinRecipe& r : builtin_recipes()) list += (list.empty() ? "" : ", ") + std::string(r.name);
  return list;
}

// "lr=0.1": the right side is TOML, but text needs no quotes and a list no brackets.
OptionValue parse_value(const RecipeRow* row, const std::string& text, const std::string& where) {
  Recipe scratch;
  const bool is_text = row != nullptr && std::holds_alternative<std::string*>(row->field(scratch));
  const bool is_list = row != nullptr && std::holds_alternative<std::vector<std::int64_t>*>(row->field(scratch));
  const bool quoted = !text.empty() && (text[0] == '"' || text[0] == '\'');
  const bool bracketed = !text.empty() && text[0] == '[';
  std::vector<std::string> readings;
  if (is_list && !bracketed) readings.push_back("[" + text + "]");
  if (!is_text || quoted) readings.push_back(text);
  if (row == nullptr && text.find(',') != std::string::npos) readings.push_back("[" + text + "]");
  if (is_text || row == nullptr) readings.push_back(detail::toml_text(text));
  for (const std::string& reading : readings) {
    if (auto value = detail::parse_toml_value(reading)) return *value;
  }
  if (row == nullptr) complain(where, "the value is not UTF-8 text");
  complain(where, std::string(row->key) + " must be " + detail::expectation(*row));
}

Recipe with_override(Recipe recipe, const std::string& text, Given& given) {
  const std::size_t equals = text.find('=');
  const std::string where = shown(text);
  if (equals == std::string::npos || equals == 0) complain(where, "expected section.key=value");
  const std::string key = text.substr(0, equals);
  const RecipeRow* row = detail::find_recipe_row(key);
  if (row == nullptr && is_section(key)) {
    complain(where, key + " is a section; give one of its keys, as in " + first_key_of(key) + "=...");
  }
  if (row == nullptr && !is_model_option(key)) {
    complain(where, "unknown key " + shown(key) + nearest_key(key) + std::string(see_keys));
  }
  set_value(recipe, key, parse_value(row, text.substr(equals + 1), where), where);
  given.emplace_back(key, where);
  return recipe;
}

// Settings that belonged to another optimiser, schedule or loss go back to their defaults.
void reset_without_effect(Recipe& recipe) {
  Recipe defaults;
  for (const RecipeRow& row : detail::recipe_rows()) {
    if (detail::applies(row, recipe)) continue;
    std::visit([&](auto* field) { *field = *std::get<decltype(field)>(row.field(defaults)); }, row.field(recipe));
  }
}

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& file) {
  Recipe recipe;
  Given given;
  read_file(detail::parse_toml(text, file), file, recipe, given);
  resolve_task(recipe, given);
  check(recipe, given);
  resolve_model(recipe, given);
  require_model_of_task(recipe, given);
  if (recipe.name.empty()) {
    const std::string stem = fs::path(file).stem().string();
    recipe.name = name_complaint(stem).empty() ? stem : "recipe";
  }
  return recipe;
}

Recipe load_recipe(const std::string& name_or_path) {
  for (const BuiltinRecipe& builtin : builtin_recipes()) {
    if (builtin.name == name_or_path) return parse_recipe(builtin.text, name_or_path + ".toml");
  }
  std::error_code ignored;
  if (fs::is_directory(name_or_path, ignored)) {
    const fs::path inside = fs::path(name_or_path) / "recipe.toml";
    if (fs::exists(inside, ignored)) return parse_recipe(read_text(inside, most_bytes), inside.string());
    throw UsageError("'" + name_or_path + "' is a folder without a recipe.toml, so not a run folder");
  }
  if (fs::exists(name_or_path, ignored)) return parse_recipe(read_text(name_or_path, most_bytes), name_or_path);
  if (name_or_path.ends_with(".toml") || name_or_path.find('/') != std::string::npos) {
    throw UsageError("recipe '" + name_or_path + "': there is no such file");
  }
  std::vector<std::string_view> names;
  for (const BuiltinRecipe& builtin : builtin_recipes()) names.push_back(builtin.name);
  throw UsageError("unknown recipe '" + name_or_path + "'" + did_you_mean(name_or_path, names) +
                   " (there are: " + names_of_builtin() + "; or the path of a TOML file)");
}

void apply_overrides(Recipe& recipe, std::span<const std::string> overrides) {
  Recipe changed = recipe;
  Given given;
  for (const std::string& text : overrides) changed = with_override(std::move(changed), text, given);
  resolve_task(changed, given);
  check(changed, given);
  reset_without_effect(changed);
  resolve_model(changed, given);
  require_model_of_task(changed, given);
  recipe = std::move(changed);
}

void apply_override(Recipe& recipe, const std::string& override_text) {
  apply_overrides(recipe, std::span(&override_text, 1));
}

std::vector<std::pair<std::string, std::string>> recipe_values(const Recipe& recipe) {
  Recipe source = recipe;  // fields are handed out for writing
  std::vector<std::pair<std::string, std::string>> values;
  for (const RecipeRow& row : detail::recipe_rows()) {
    if (!detail::applies(row, recipe)) continue;
    values.emplace_back(row.key, detail::toml_value(row.field(source)));
    if (row.key != "model.name") continue;
    for (const auto& [name, value] : recipe.model.options) {
      values.emplace_back(std::string(model_prefix) + name, detail::toml_value(value));
    }
  }
  return values;
}

std::string to_toml(const Recipe& recipe) {
  std::string text;
  std::string section;
  for (const auto& [key, value] : recipe_values(recipe)) {
    const std::size_t dot = key.rfind('.');
    const std::string own = dot == std::string::npos ? "" : key.substr(0, dot);
    if (own != section) text += "\n[" + own + "]\n";
    section = own;
    text += key.substr(dot == std::string::npos ? 0 : dot + 1) + " = " + value + "\n";
  }
  return text;
}

}  // namespace narae
