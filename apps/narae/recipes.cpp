#include "narae/train/recipe.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/narae/commands.h"
#include "apps/narae/table.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

void list_recipes(bool as_json) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const BuiltinRecipe& builtin : builtin_recipes()) {
    const Recipe recipe = parse_recipe(builtin.text, std::string(builtin.name) + ".toml");
    list.push_back({{"name", builtin.name},
                    {"description", recipe.description},
                    {"task", recipe.task},
                    {"model", recipe.model.name},
                    {"data", recipe.data.name},
                    {"epochs", recipe.train.epochs}});
    rows.push_back({std::string(builtin.name), recipe.model.name, recipe.data.name, recipe.description});
  }
  if (as_json) {
    print_json(list);
  } else {
    print(table({"recipe", "model", "data", "what it learns"}, rows));
  }
}

void list_keys(bool as_json) {
  if (!as_json) {
    print(recipe_reference());
    return;
  }
  Json list = Json::array();
  for (const RecipeKey& key : recipe_keys()) {
    list.push_back({{"name", key.name},
                    {"type", key.type},
                    {"allowed", key.allowed},
                    {"default", key.initial},
                    {"applies", key.applies},
                    {"description", key.doc}});
  }
  print_json(list);
}

struct ShowOptions {
  std::string name;
  std::vector<std::string> overrides;
};

void show_recipe(const ShowOptions& options) {
  Recipe recipe = load_recipe(options.name);
  apply_overrides(recipe, options.overrides);
  print(to_toml(recipe));
}

}  // namespace

void add_recipes(CLI::App& app) {
  CLI::App* command = app.add_subcommand("recipes", "List what can be trained by name");
  command->require_subcommand(0, 1);
  const auto json = std::make_shared<bool>(false);
  CLI::Option* list_json = add_json_flag(*command, *json);

  CLI::App* show = command->add_subcommand("show", "Print a recipe with everything resolved, as TOML");
  const auto options = std::make_shared<ShowOptions>();
  show->add_option("recipe", options->name, "A built-in name, a TOML file or a run folder")->required();
  show->add_option("overrides", options->overrides, "Keys to change, as in train.optimizer.lr=0.01")
      ->type_name("KEY=VALUE");
  show->excludes(list_json);
  show->callback([options] { show_recipe(*options); });

  CLI::App* keys = command->add_subcommand("keys", "Print every key, what it takes and what it means (Markdown)");
  const auto keys_json = std::make_shared<bool>(false);
  add_json_flag(*keys, *keys_json);
  keys->excludes(list_json);
  keys->callback([keys_json] { list_keys(*keys_json); });

  command->callback([command, json] {
    if (command->get_subcommands().empty()) list_recipes(*json);
  });
}

}  // namespace narae::cli
