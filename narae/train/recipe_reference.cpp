#include <algorithm>
#include <utility>

#include "narae/models/registry.h"
#include "narae/train/recipe.h"
#include "narae/train/recipe_keys.h"

namespace narae {
namespace {

// "at least 1" without the "of" that it has in a sentence.
std::string allowed_numbers(const detail::NumberRange& range) {
  const std::string text = detail::range_text(range);
  return text.starts_with("of ") ? text.substr(3) : text;
}

// A cell of a Markdown table ends at a bar.
std::string escaped(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, "\\");
  return text;
}

RecipeKey key_of(const detail::RecipeRow& row) {
  Recipe recipe;
  const detail::RecipeField field = row.field(recipe);
  return {.name = std::string(row.key),
          .type = std::string(detail::type_of(field)),
          .allowed = row.choices.empty() ? allowed_numbers(row.range) : detail::expectation(row),
          .initial = detail::toml_value(field),
          .applies = detail::condition(row),
          .doc = std::string(row.doc)};
}

RecipeKey key_of(const models::ModelOption& option) {
  constexpr std::string_view types[] = {"true or false", "integer", "number", "text", "list of integers"};
  std::string allowed;
  for (const std::string& choice : option.choices) allowed += (allowed.empty() ? "one of: " : ", ") + choice;
  const bool numbers =
      !std::holds_alternative<bool>(option.initial) && !std::holds_alternative<std::string>(option.initial);
  if (numbers) {
    detail::NumberRange range{.low = option.low};
    if (option.high > option.low) range.high = option.high;
    allowed = allowed_numbers(range);
  }
  return {.name = "model." + option.name,
          .type = std::string(types[option.initial.index()]),
          .allowed = allowed,
          .initial = detail::toml_value(option.initial),
          .applies = "",
          .doc = option.doc};
}

// The options of all models; those that models have in common stand there once.
std::vector<RecipeKey> model_keys() {
  std::vector<RecipeKey> keys;
  std::vector<std::vector<std::string>> owners;
  for (const models::ModelInfo& model : models::models()) {
    for (const models::ModelOption& option : model.options) {
      const RecipeKey key = key_of(option);
      const auto same = std::find(keys.begin(), keys.end(), key);
      const auto at = static_cast<std::size_t>(same - keys.begin());
      if (same == keys.end()) {
        keys.push_back(key);
        owners.emplace_back();
      }
      owners[at].push_back(model.name);
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i].applies = "model.name = ";
    for (std::size_t k = 0; k < owners[i].size(); ++k) {
      if (k > 0) keys[i].applies += k + 1 == owners[i].size() ? " or " : ", ";
      keys[i].applies += owners[i][k];
    }
  }
  return keys;
}

}  // namespace

std::vector<RecipeKey> recipe_keys() {
  std::vector<RecipeKey> keys;
  for (const detail::RecipeRow& row : detail::recipe_rows()) {
    keys.push_back(key_of(row));
    if (row.key != "model.name") continue;
    for (RecipeKey& key : model_keys()) keys.push_back(std::move(key));
  }
  return keys;
}

std::string recipe_reference() {
  std::string text =
      "# Keys of a recipe\n\n"
      "A recipe is a TOML file. On the command line `section.key=value` wins over it:\n"
      "`narae train lenet5 train.optimizer.lr=0.01`. A key with a condition has an effect only where that holds, and "
      "is\n"
      "an error elsewhere. `narae recipes keys` prints this page from the table that recipes are read with.\n";
  std::string section = "-";
  for (const RecipeKey& key : recipe_keys()) {
    const std::size_t dot = key.name.rfind('.');
    const std::string own = dot == std::string::npos ? "" : key.name.substr(0, dot);
    if (own != section) {
      text += own.empty() ? "\n## Top level\n\n" : "\n## [" + own + "]\n\n";
      text += "| key | type | allowed | default | meaning |\n|---|---|---|---|---|\n";
      section = own;
    }
    text += "| `" + key.name.substr(dot == std::string::npos ? 0 : dot + 1) + "` | " + key.type + " | " + key.allowed +
            " | `" + key.initial + "` | " + escaped(key.doc) +
            (key.applies.empty() ? "" : "; with `" + key.applies + "`") + " |\n";
  }
  return text;
}

}  // namespace narae
