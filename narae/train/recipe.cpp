#include "narae/train/recipe.h"

#include <toml++/toml.h>
#include <algorithm>
#include <filesystem>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/models/registry.h"
#include "narae/train/recipe_keys.h"

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
  for (const std::string& name : names) {
    if (name.ends_with("." + key)) return "; did you mean '" + name + "'?";
  }
  return did_you_mean(key, names);
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

std::vector<std::int64_t> integers_of(const toml::array& list, const std::string& key, const std::string& where) {
  std::vector<std::int64_t> result;
  for (const toml::node& item : list) {
    const auto* number = item.as_integer();
    if (number == nullptr) complain(where, key + " must be a list of integers");
    result.push_back(number->get());
  }
  return result;
}

// Writes one value into the recipe, or says what would have been right.
struct Setter {
  const RecipeRow& row;
  const toml::node& value;
  const std::string& where;

  [[noreturn]] void wrong() const { complain(where, std::string(row.key) + " must be " + detail::expectation(row)); }
  void operator()(bool* field) const {
    if (!value.is_boolean()) wrong();
    *field = value.as_boolean()->get();
  }
  void operator()(std::int64_t* field) const {
    if (!value.is_integer()) wrong();
    const std::int64_t number = value.as_integer()->get();
    if (!detail::contains(row.range, static_cast<double>(number))) wrong();
    *field = number;
  }
  template <class T>
  requires std::is_floating_point_v<T>
  void operator()(T* field) const {
    if (!value.is_number()) wrong();
    const double number =
        value.is_integer() ? static_cast<double>(value.as_integer()->get()) : value.as_floating_point()->get();
    if (!detail::contains(row.range, number)) wrong();
    const T stored = static_cast<T>(number);  // 1 - 1e-12 is 1 as a float
    if (!detail::contains(row.range, static_cast<double>(stored))) wrong();
    *field = stored;
  }
  void operator()(std::string* field) const {
    if (!value.is_string()) wrong();
    set_text(row, *field, value.as_string()->get(), where);
  }
  void operator()(std::vector<std::int64_t>* field) const {
    if (!value.is_array()) wrong();
    const auto numbers = integers_of(*value.as_array(), std::string(row.key), where);
    for (const std::int64_t number : numbers) {
      if (!detail::contains(row.range, static_cast<double>(number))) wrong();
    }
    *field = numbers;
  }
};

OptionValue option_of(const toml::node& value, const std::string& key, const std::string& where) {
  if (const auto* v = value.as_boolean()) return v->get();
  if (const auto* v = value.as_integer()) return v->get();
  if (const auto* v = value.as_string()) return v->get();
  if (const auto* v = value.as_array()) return integers_of(*v, key, where);
  const auto* number = value.as_floating_point();
  if (number == nullptr || !detail::contains({}, number->get())) {
    complain(where, key + " must be a number, a text, true or false, or a list of integers");
  }
  return number->get();
}

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

void set_value(Recipe& recipe, const std::string& key, const toml::node& value, const std::string& where) {
  if (const RecipeRow* row = detail::find_recipe_row(key)) {
    std::visit(Setter{*row, value, where}, row->field(recipe));
  } else if (is_model_option(key)) {
    set_option(recipe.model.options, key.substr(model_prefix.size()), option_of(value, key, where));
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
    const auto same = [&](const auto& o) { return o.first == name; };
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

void check(const Recipe& recipe, const Given& given) {
  for (const auto& [key, where] : given) {
    const RecipeRow* row = detail::find_recipe_row(key);
    if (row != nullptr && !detail::applies(*row, recipe)) {
      complain(where, key + " has no effect here: it belongs to " + detail::condition(*row));
    }
  }
}

bool is_section(const std::string& key) {
  const auto rows = detail::recipe_rows();
  return std::any_of(rows.begin(), rows.end(), [&](const RecipeRow& row) { return row.key.starts_with(key + "."); });
}

std::string place(const std::string& file, const toml::source_region& region) {
  return file + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column);
}

void read_table(const toml::table& table, const std::string& prefix, const std::string& file, Recipe& recipe,
                Given& given) {
  for (auto&& [name, value] : table) {
    const std::string key = prefix + std::string(name.str());
    const std::string where = place(file, name.source());
    if (value.is_table() && is_section(key)) {
      read_table(*value.as_table(), key + ".", file, recipe, given);
      continue;
    }
    if (is_section(key)) complain(where, key + " is a section: write [" + key + "] and its keys below");
    set_value(recipe, key, value, where);
    given.emplace_back(key, where);
  }
}

std::string names_of_builtin() {
  std::string list;
  for (const BuiltinRecipe& r : builtin_recipes()) list += (list.empty() ? "" : ", ") + std::string(r.name);
  return list;
}

// "lr=0.1": the right side is TOML, but text needs no quotes and a list no brackets.
toml::table parse_value(const RecipeRow* row, const std::string& text, const std::string& where) {
  const auto attempt = [](const std::string& value) -> toml::table {
    toml::table table = toml::parse("value = " + value);
    if (table.size() != 1) throw toml::parse_error("more than one value", toml::source_region{});
    return table;
  };
  Recipe scratch;
  const bool is_text = row != nullptr && std::holds_alternative<std::string*>(row->field(scratch));
  const bool quoted = !text.empty() && (text[0] == '"' || text[0] == '\'');
  std::vector<std::string> attempts;
  if (!is_text || quoted) attempts.push_back(text);
  const bool is_list = row != nullptr && std::holds_alternative<std::vector<std::int64_t>*>(row->field(scratch));
  if (is_list || (row == nullptr && text.find(',') != std::string::npos)) attempts.push_back("[" + text + "]");
  if (is_text || row == nullptr) attempts.push_back(detail::toml_text(text));
  for (const std::string& candidate : attempts) {
    try {
      toml::table table = attempt(candidate);
      const bool wraps = is_list && !table.begin()->second.is_array();
      if (!wraps) return table;
    } catch (const toml::parse_error&) {  // the next reading may fit
      continue;
    }
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
    complain(where, key + " is a section; give one of its keys, as in " + key + ".name=...");
  }
  if (row == nullptr && !is_model_option(key)) {
    complain(where, "unknown key " + shown(key) + nearest_key(key) + std::string(see_keys));
  }
  const toml::table value = parse_value(row, text.substr(equals + 1), where);
  set_value(recipe, key, value.begin()->second, where);
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
  try {
    const toml::table table = toml::parse(text, file);
    read_table(table, "", file, recipe, given);
  } catch (const toml::parse_error& error) {
    std::string reason(error.description());
    complain(place(file, error.source()), "not a TOML file: " + reason);
  }
  check(recipe, given);
  resolve_model(recipe, given);
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
  check(changed, given);
  reset_without_effect(changed);
  resolve_model(changed, given);
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
