#include "narae/train/task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"

namespace narae {
namespace {

constexpr Metric accuracy{
    .name = "accuracy", .column = "accuracy", .axis = "share of right answers", .higher_is_better = true};
constexpr Metric perplexity{
    .name = "perplexity", .column = "perplexity", .axis = "exp(loss)", .higher_is_better = false};
constexpr Metric absolute_error{
    .name = "absolute error", .column = "absolute_error", .axis = "mean absolute error", .higher_is_better = false};

}  // namespace

std::span<const Task> tasks() {
  static const std::vector<Task> list = {{.name = "classify",
                                          .answers = Answers::sample_classes,
                                          .metric = accuracy,
                                          .losses = {"cross_entropy", "hinge"},
                                          .data = "synth:digits",
                                          .doc = "a class for each picture or point"},
                                         {.name = "classify_text",
                                          .answers = Answers::sample_classes,
                                          .metric = accuracy,
                                          .losses = {"cross_entropy", "hinge"},
                                          .data = "synth:sentiment",
                                          .doc = "a class for each text"},
                                         {.name = "language_model",
                                          .answers = Answers::next_tokens,
                                          .metric = perplexity,
                                          .losses = {"cross_entropy"},
                                          .data = "synth:text",
                                          .doc = "the next character or word of a text"},
                                         {.name = "translate",
                                          .answers = Answers::next_tokens,
                                          .metric = perplexity,
                                          .losses = {"cross_entropy"},
                                          .data = "synth:reverse",
                                          .doc = "a text for each text"},
                                         {.name = "tag",
                                          .answers = Answers::position_classes,
                                          .metric = accuracy,
                                          .losses = {"cross_entropy"},
                                          .data = "synth:tags",
                                          .doc = "a class for each position of a sequence"},
                                         {.name = "regress",
                                          .answers = Answers::numbers,
                                          .metric = absolute_error,
                                          .losses = {"mse", "l1"},
                                          .data = "synth:adding",
                                          .doc = "numbers for a sequence"},
                                         {.name = "forecast",
                                          .answers = Answers::numbers,
                                          .metric = absolute_error,
                                          .losses = {"mse", "l1"},
                                          .data = "synth:series",
                                          .doc = "the values of a time series that come next"}};
  return list;
}

const Task& task_of(std::string_view name) {
  std::vector<std::string> known;
  for (const Task& task : tasks()) {
    if (task.name == name) return task;
    known.emplace_back(task.name);
  }
  throw UsageError(fmt::format("task '{}' is not known; there are {}{}", name, fmt::join(known, ", "),
                               did_you_mean(std::string(name), known)));
}

double metric_of(const Task& task, const Scores& scores) {
  switch (task.answers) {
    case Answers::next_tokens:
      return std::exp(scores.loss);
    case Answers::numbers:
      return scores.absolute_error;
    default:
      return scores.accuracy;
  }
}

bool is_better(const Task& task, const Scores& a, const Scores& b) {
  const double of_a = metric_of(task, a);
  const double of_b = metric_of(task, b);
  return task.metric.higher_is_better ? of_a > of_b : of_a < of_b;
}

std::string metric_value_text(const Task& task, double value) {
  if (task.metric.higher_is_better) return fmt::format("{:.2f} %", 100 * value);
  return value >= 1000 ? fmt::format("{:.3g}", value) : fmt::format("{:.4g}", value);
}

std::string metric_text(const Task& task, const Scores& scores) {
  return fmt::format("{} {}", task.metric.name, metric_value_text(task, metric_of(task, scores)));
}

std::string_view unit_of(const Task& task) {
  const bool positions = task.answers == Answers::position_classes || task.answers == Answers::next_tokens;
  return positions ? "tokens" : "samples";
}

std::int64_t counted_labels(const Task& task, const Array& labels) {
  switch (task.answers) {
    case Answers::position_classes:
    case Answers::next_tokens: {
      const auto values = labels.values<std::int64_t>();
      return std::count_if(values.begin(), values.end(), [](std::int64_t label) { return label >= 0; });
    }
    default:
      return labels.shape[0];
  }
}

void add_answers(Tally& tally, const Task& task, double mean_loss, const Array& answers, const Array& labels) {
  switch (task.answers) {
    case Answers::sample_classes:
      tally.add(mean_loss, answers, labels);
      break;
    case Answers::position_classes:
      tally.add_positions(mean_loss, answers, labels);
      break;
    case Answers::next_tokens:
      tally.add_loss(mean_loss, counted_labels(task, labels));
      break;
    case Answers::numbers:
      tally.add_numbers(mean_loss, answers, labels);
      break;
  }
}

}  // namespace narae
