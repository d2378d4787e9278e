#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "narae/train/recipe.h"

namespace narae::detail {

/// The field of a recipe behind a key.
using RecipeField = std::variant<bool*, std::int64_t*, double*, float*, std::string*, std::vector<std::int64_t>*>;

/// Which numbers a key takes (of a list: its elements).
struct NumberRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool without_low = false;   ///< `low` itself is not allowed
  bool without_high = false;  ///< `high` itself is not allowed
};

/// A row of the table from which reading, printing, overrides and documentation come.
struct RecipeRow {
  std::string_view key;
  RecipeField (*field)(Recipe& recipe);
  NumberRange range = {};
  std::vector<std::string_view> choices = {};  ///< for text; empty: any
  /// The key has an effect only when the text behind `decided_by` is one of `values`; always when it is empty.
  std::string_view decided_by = {};
  std::vector<std::string_view> values = {};
  std::string_view doc;
  std::vector<std::string_view> tasks = {};  ///< in which the key has an effect; empty: in all
};

/// The keys of [data] for all tasks and for pictures.
[[nodiscard]] std::vector<RecipeRow> data_rows();
/// The keys of [data] for texts and series.
[[nodiscard]] std::vector<RecipeRow> sequence_rows();
/// The keys of [data.augment].
[[nodiscard]] std::vector<RecipeRow> augment_rows();

/// All keys but the options of models, section by section.
[[nodiscard]] std::span<const RecipeRow> recipe_rows();
/// Null when there is none of that name.
[[nodiscard]] const RecipeRow* find_recipe_row(std::string_view key);

/// True when the key has an effect with the names that the recipe holds.
[[nodiscard]] bool applies(const RecipeRow& row, const Recipe& recipe);
/// "train.optimizer.name = sgd or rmsprop"; "" when the key always has an effect.
[[nodiscard]] std::string condition(const RecipeRow& row);
/// The part of the condition that the recipe doesn't meet.
[[nodiscard]] std::string unmet_condition(const RecipeRow& row, const Recipe& recipe);

/// "an integer of at least 1", "one of: sgd, adam".
[[nodiscard]] std::string expectation(const RecipeRow& row);
/// "of at least 1", "from 0 to below 1", "" for any number.
[[nodiscard]] std::string range_text(const NumberRange& range);
/// "integer", "number", "text", "true or false", "list of integers".
[[nodiscard]] std::string_view type_of(const RecipeField& field);
[[nodiscard]] bool contains(const NumberRange& range, double value);

/// Values as TOML writes them.
[[nodiscard]] std::string toml_text(std::string_view text);
[[nodiscard]] std::string toml_value(const OptionValue& value);
[[nodiscard]] std::string toml_value(const RecipeField& field);

}  // namespace narae::detail
