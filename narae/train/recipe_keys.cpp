#include "narae/train/recipe_keys.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "narae/train/task.h"

namespace narae::detail {
namespace {

constexpr NumberRange any_share{.low = 0, .high = 1, .without_high = true};
constexpr NumberRange not_negative{.low = 0};
constexpr NumberRange positive{.low = 0, .without_low = true};
constexpr NumberRange at_least_one{.low = 1};
constexpr NumberRange epochs{.low = 1, .high = 1e6};

constexpr std::string_view optimizer_name = "train.optimizer.name";
constexpr std::string_view schedule_name = "train.schedule.name";

std::vector<std::string_view> task_names() {
  std::vector<std::string_view> names;
  for (const Task& task : tasks()) names.push_back(task.name);
  return names;
}

std::vector<RecipeRow> model_rows() {
  return {{.key = "name",
           .field = [](Recipe& r) -> RecipeField { return &r.name; },
           .doc = "names the folder of its runs; the file's name unless given"},
          {.key = "description",
           .field = [](Recipe& r) -> RecipeField { return &r.description; },
           .doc = "one line for `narae recipes`"},
          {.key = "task",
           .field = [](Recipe& r) -> RecipeField { return &r.task; },
           .choices = task_names(),
           .doc = "what is learned: decides loss, metrics and pictures"},
          {.key = "model.name",
           .field = [](Recipe& r) -> RecipeField { return &r.model.name; },
           .doc = "the network (`narae models`); its options are further keys of [model]"}};
}

std::vector<RecipeRow> train_rows() {
  return {
      {.key = "train.epochs",
       .field = [](Recipe& r) -> RecipeField { return &r.train.epochs; },
       .range = epochs,
       .doc = "times that every sample is seen"},
      {.key = "train.batch_size",
       .field = [](Recipe& r) -> RecipeField { return &r.train.batch_size; },
       .range = {.low = 1, .high = 1 << 20},
       .doc = "samples of a batch"},
      {.key = "train.accumulate",
       .field = [](Recipe& r) -> RecipeField { return &r.train.accumulate; },
       .range = {.low = 1, .high = 1 << 16},
       .doc = "batches whose gradients make one update: as one batch of all their samples, in the memory of one"},
      {.key = "train.ema",
       .field = [](Recipe& r) -> RecipeField { return &r.train.ema; },
       .range = any_share,
       .doc = "decay (reached over the first steps) of a moving average of the weights, which is judged and saved in "
              "their place; 0: no average"},
      {.key = "train.seed",
       .field = [](Recipe& r) -> RecipeField { return &r.train.seed; },
       .range = not_negative,
       .doc = "of first weights, order of samples, dropout and augmentation"},
      {.key = "train.loss",
       .field = [](Recipe& r) -> RecipeField { return &r.train.loss; },
       .choices = {"cross_entropy", "hinge", "mse", "l1"},
       .doc = "what is made small: cross entropy or hinge loss of classes, squared or absolute error of numbers; the "
              "task's usual one unless given"},
      {.key = "train.label_smoothing",
       .field = [](Recipe& r) -> RecipeField { return &r.train.label_smoothing; },
       .range = any_share,
       .decided_by = "train.loss",
       .values = {"cross_entropy"},
       .doc = "share of the target that is spread over all classes"},
      {.key = "train.l1",
       .field = [](Recipe& r) -> RecipeField { return &r.train.l1; },
       .range = not_negative,
       .doc = "penalty l1 |w|, added to the gradient as l1 sign(w)"},
      {.key = "train.l2",
       .field = [](Recipe& r) -> RecipeField { return &r.train.l2; },
       .range = not_negative,
       .doc = "penalty l2 w^2 / 2, added to the gradient as l2 w"},
      {.key = "train.clip_norm",
       .field = [](Recipe& r) -> RecipeField { return &r.train.clip_norm; },
       .range = not_negative,
       .doc = "largest norm of all gradients together; 0: any"},
      {.key = "train.clip_value",
       .field = [](Recipe& r) -> RecipeField { return &r.train.clip_value; },
       .range = not_negative,
       .doc = "largest absolute value in a gradient; 0: any"},
      {.key = "train.patience",
       .field = [](Recipe& r) -> RecipeField { return &r.train.patience; },
       .range = not_negative,
       .doc = "epochs without progress before training stops; 0: it never does"},
      {.key = "train.min_delta",
       .field = [](Recipe& r) -> RecipeField { return &r.train.min_delta; },
       .range = not_negative,
       .doc = "smaller progress does not count for patience"},
      {.key = "train.save_every",
       .field = [](Recipe& r) -> RecipeField { return &r.train.save_every; },
       .range = not_negative,
       .doc = "steps between checkpoints within an epoch; 0: only at its end"},
      {.key = "train.keep_checkpoints",
       .field = [](Recipe& r) -> RecipeField { return &r.train.keep_checkpoints; },
       .range = at_least_one,
       .doc = "newest checkpoints that are kept"},
      {.key = "train.checkpoint_activations",
       .field = [](Recipe& r) -> RecipeField { return &r.train.checkpoint_activations; },
       .doc = "compute values inside the network's blocks again for the gradient: less memory, longer steps"},
      {.key = "train.winograd",
       .field = [](Recipe& r) -> RecipeField { return &r.train.winograd; },
       .doc =
           "whether 3 x 3 convolutions may use Winograd's algorithm where it is faster; errors are up to ten times as "
           "large"},
      {.key = "train.tile_units",
       .field = [](Recipe& r) -> RecipeField { return &r.train.tile_units; },
       .doc = "whether products may run on the processor's tile units (AMX), where it has them: as exact or more, with "
              "other bits"},
      {.key = "train.weights",
       .field = [](Recipe& r) -> RecipeField { return &r.train.weights; },
       .doc = "safetensors file that the weights start from; empty: fresh ones"},
      {.key = "train.fresh",
       .field = [](Recipe& r) -> RecipeField { return &r.train.fresh; },
       .doc = "what is not taken from train.weights (a head for other classes): modules or patterns, with commas "
              "between them"},
      {.key = "train.freeze",
       .field = [](Recipe& r) -> RecipeField { return &r.train.freeze; },
       .doc = "parameters that are not trained: modules or patterns, with commas between them; batch norm of a frozen "
              "module keeps its statistics"},

      {.key = "train.optimizer.name",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.name; },
       .choices = {"sgd", "adagrad", "rmsprop", "adam", "adamw"},
       .doc = "rule of the updates"},
      {.key = "train.optimizer.lr",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.lr; },
       .range = not_negative,
       .doc = "learning rate (the highest of the schedule)"},
      {.key = "train.optimizer.momentum",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.momentum; },
       .range = any_share,
       .decided_by = optimizer_name,
       .values = {"sgd", "rmsprop"},
       .doc = "share of the last update that is made again"},
      {.key = "train.optimizer.dampening",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.dampening; },
       .range = any_share,
       .decided_by = optimizer_name,
       .values = {"sgd"},
       .doc = "share of the gradient that does not enter the momentum"},
      {.key = "train.optimizer.nesterov",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.nesterov; },
       .decided_by = optimizer_name,
       .values = {"sgd"},
       .doc = "Nesterov's form of momentum"},
      {.key = "train.optimizer.weight_decay",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.weight_decay; },
       .range = not_negative,
       .doc = "added to the gradient as weight_decay w; for adamw w *= 1 - lr weight_decay"},
      {.key = "train.optimizer.decay_norms",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.decay_norms; },
       .doc = "weight decay on biases and normalisation as well; false: on tensors of two or more axes only"},
      {.key = "train.optimizer.alpha",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.alpha; },
       .range = any_share,
       .decided_by = optimizer_name,
       .values = {"rmsprop"},
       .doc = "decay of the mean square of the gradient"},
      {.key = "train.optimizer.centered",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.centered; },
       .decided_by = optimizer_name,
       .values = {"rmsprop"},
       .doc = "divide by the gradient's deviation instead of its root mean square"},
      {.key = "train.optimizer.lr_decay",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.lr_decay; },
       .range = not_negative,
       .decided_by = optimizer_name,
       .values = {"adagrad"},
       .doc = "the rate of step n is lr / (1 + (n - 1) lr_decay)"},
      {.key = "train.optimizer.initial_accumulator",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.initial_accumulator; },
       .range = not_negative,
       .decided_by = optimizer_name,
       .values = {"adagrad"},
       .doc = "first value of the sum of squares"},
      {.key = "train.optimizer.beta1",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.beta1; },
       .range = any_share,
       .decided_by = optimizer_name,
       .values = {"adam", "adamw"},
       .doc = "decay of the mean gradient"},
      {.key = "train.optimizer.beta2",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.beta2; },
       .range = any_share,
       .decided_by = optimizer_name,
       .values = {"adam", "adamw"},
       .doc = "decay of the mean square of the gradient"},
      {.key = "train.optimizer.eps",
       .field = [](Recipe& r) -> RecipeField { return &r.train.optimizer.eps; },
       .range = positive,
       .decided_by = optimizer_name,
       .values = {"adagrad", "rmsprop", "adam", "adamw"},
       .doc = "added to the divisor"},

      {.key = "train.schedule.name",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.name; },
       .choices = {"constant", "step", "multi_step", "exponential", "cosine", "inverse_sqrt", "one_cycle", "plateau"},
       .doc = "how the learning rate changes"},
      {.key = "train.schedule.warmup_steps",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.warmup_steps; },
       .range = not_negative,
       .decided_by = schedule_name,
       .values = {"constant", "step", "multi_step", "exponential", "cosine", "inverse_sqrt"},
       .doc = "steps in which the rate rises linearly at first"},
      {.key = "train.schedule.minimum",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.minimum; },
       .range = not_negative,
       .decided_by = schedule_name,
       .values = {"cosine", "plateau"},
       .doc = "the rate at the end; of plateau: the lowest"},
      {.key = "train.schedule.every",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.every; },
       .range = epochs,
       .decided_by = schedule_name,
       .values = {"step"},
       .doc = "epochs between two decays"},
      {.key = "train.schedule.milestones",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.milestones; },
       .range = epochs,
       .decided_by = schedule_name,
       .values = {"multi_step"},
       .doc = "epochs after which the rate decays"},
      {.key = "train.schedule.gamma",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.gamma; },
       .range = {.low = 0, .high = 1, .without_low = true},
       .decided_by = schedule_name,
       .values = {"step", "multi_step", "exponential"},
       .doc = "factor of a decay; of exponential: of an epoch"},
      {.key = "train.schedule.warm_fraction",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.warm_fraction; },
       .range = {.low = 0, .high = 1, .without_low = true, .without_high = true},
       .decided_by = schedule_name,
       .values = {"one_cycle"},
       .doc = "share of the steps in which the rate rises"},
      {.key = "train.schedule.div_factor",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.div_factor; },
       .range = at_least_one,
       .decided_by = schedule_name,
       .values = {"one_cycle"},
       .doc = "the first rate is lr over this"},
      {.key = "train.schedule.final_div_factor",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.final_div_factor; },
       .range = at_least_one,
       .decided_by = schedule_name,
       .values = {"one_cycle"},
       .doc = "the last rate is the first over this"},
      {.key = "train.schedule.factor",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.factor; },
       .range = {.low = 0, .high = 1, .without_low = true, .without_high = true},
       .decided_by = schedule_name,
       .values = {"plateau"},
       .doc = "of the rate when there is no progress"},
      {.key = "train.schedule.patience",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.patience; },
       .range = not_negative,
       .decided_by = schedule_name,
       .values = {"plateau"},
       .doc = "epochs without progress that are let pass"},
      {.key = "train.schedule.threshold",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.threshold; },
       .range = not_negative,
       .decided_by = schedule_name,
       .values = {"plateau"},
       .doc = "relative progress below this does not count"},
      {.key = "train.schedule.cooldown",
       .field = [](Recipe& r) -> RecipeField { return &r.train.schedule.cooldown; },
       .range = not_negative,
       .decided_by = schedule_name,
       .values = {"plateau"},
       .doc = "epochs after a reduction that are not counted"},
  };
}

// 1000000 rather than 1e+06 for what a reader takes for a whole number.
std::string number_text(double value) {
  char text[32];
  const bool whole = std::abs(value) < 1e15 && value == std::trunc(value);
  const auto end = whole ? std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(value)).ptr
                         : std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string with_point(const std::string& text) {
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

// 0.1F is written as 0.1, not as the double next to it.
std::string real_text(double value) {
  return with_point(number_text(value));
}

std::string real_text(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return with_point({text, end});
}

std::string joined(const std::vector<std::string_view>& words, std::string_view last) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? last : ", ";
    result += words[i];
  }
  return result;
}

// "task = tag or forecast", "train.optimizer.name = sgd"; "" for any.
std::string task_condition(const RecipeRow& row) {
  return row.tasks.empty() ? "" : "task = " + joined(row.tasks, " or ");
}
std::string value_condition(const RecipeRow& row) {
  return row.decided_by.empty() ? "" : std::string(row.decided_by) + " = " + joined(row.values, " or ");
}

}  // namespace

std::string range_text(const NumberRange& range) {
  const bool low = std::isfinite(range.low);
  const bool high = std::isfinite(range.high);
  if (low && high) {
    return (range.without_low ? "above " : "from ") + number_text(range.low) +
           (range.without_high ? " to below " : " to ") + number_text(range.high);
  }
  if (low) return (range.without_low ? "above " : "of at least ") + number_text(range.low);
  return high ? (range.without_high ? "below " : "of at most ") + number_text(range.high) : "";
}

std::string_view type_of(const RecipeField& field) {
  constexpr std::string_view names[] = {"true or false", "integer", "number", "number", "text", "list of integers"};
  return names[field.index()];
}

std::span<const RecipeRow> recipe_rows() {
  static const std::vector<RecipeRow> rows = [] {
    std::vector<RecipeRow> all;
    for (const auto& part : {model_rows(), data_rows(), sequence_rows(), augment_rows(), train_rows()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return rows;
}

const RecipeRow* find_recipe_row(std::string_view key) {
  const auto rows = recipe_rows();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const RecipeRow& row) { return row.key == key; });
  return found == rows.end() ? nullptr : &*found;
}

bool applies(const RecipeRow& row, const Recipe& recipe) {
  return unmet_condition(row, recipe).empty();
}

std::string condition(const RecipeRow& row) {
  const std::string task = task_condition(row);
  const std::string value = value_condition(row);
  return task + (task.empty() || value.empty() ? "" : " and ") + value;
}

std::string unmet_condition(const RecipeRow& row, const Recipe& recipe) {
  if (!row.tasks.empty() && std::find(row.tasks.begin(), row.tasks.end(), recipe.task) == row.tasks.end()) {
    return task_condition(row);
  }
  if (row.decided_by.empty()) return "";
  Recipe names = recipe;  // fields are handed out for writing
  const RecipeField decider = find_recipe_row(row.decided_by)->field(names);
  const std::string& value = *std::get<std::string*>(decider);
  return std::find(row.values.begin(), row.values.end(), value) == row.values.end() ? value_condition(row) : "";
}

std::string expectation(const RecipeRow& row) {
  if (!row.choices.empty()) {
    return row.choices.size() == 1 ? toml_text(row.choices[0]) : "one of: " + joined(row.choices, ", ");
  }
  Recipe recipe;
  const std::string_view type = type_of(row.field(recipe));
  if (type == "true or false" || type == "text") return std::string(type);
  const std::string range = range_text(row.range);
  return (type == "integer" ? "an " : "a ") + std::string(type) + (range.empty() ? "" : " " + range);
}

bool contains(const NumberRange& range, double value) {
  if (!std::isfinite(value)) return false;
  return (range.without_low ? value > range.low : value >= range.low) &&
         (range.without_high ? value < range.high : value <= range.high);
}

std::string toml_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04X", static_cast<unsigned>(c));
      result += code;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string toml_value(const OptionValue& value) {
  struct Writer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return real_text(v); }
    std::string operator()(const std::string& v) const { return toml_text(v); }
    std::string operator()(const std::vector<std::int64_t>& v) const {
      std::string list = "[";
      for (std::size_t i = 0; i < v.size(); ++i) list += (i > 0 ? ", " : "") + std::to_string(v[i]);
      return list + "]";
    }
  };
  return std::visit(Writer{}, value);
}

std::string toml_value(const RecipeField& field) {
  return std::visit(
      [](const auto* value) {
        if constexpr (std::is_same_v<decltype(value), const float*>) {
          return real_text(*value);
        } else {
          return toml_value(OptionValue(*value));
        }
      },
      field);
}

}  // namespace narae::detail
