#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/train/metrics.h"

namespace narae {

/// What a network says, and about what.
enum class Answers {
  sample_classes,    ///< logits (batch, classes) for labels (batch)
  position_classes,  ///< logits (batch, steps, classes) for labels (batch, steps), -1 where there is nothing to say
  next_tokens,       ///< the same, the label of a position being the token that comes next
  numbers,           ///< (batch, ...) for labels of the same shape
};

/// The number by which networks are compared, besides the loss.
struct Metric {
  std::string_view name;    ///< "accuracy"
  std::string_view column;  ///< of a table, after "train_" or "val_"
  std::string_view axis;    ///< of a chart: "share of right answers"
  bool higher_is_better;
};

/// A task of a recipe: what is learned.
struct Task {
  std::string_view name;  ///< "classify"
  Answers answers;
  Metric metric;
  std::vector<std::string_view> losses;  ///< that fit; the first is the usual one
  std::string_view data;                 ///< what is learned from unless told otherwise
  std::string_view doc;
};

[[nodiscard]] NARAE_API std::span<const Task> tasks();
/// Throws UsageError for an unknown name.
[[nodiscard]] NARAE_API const Task& task_of(std::string_view name);

/// The task's metric: accuracy from 0 to 1, perplexity exp(loss), or mean absolute error.
[[nodiscard]] NARAE_API double metric_of(const Task& task, const Scores& scores);
/// Whether `a` is better than `b`.
[[nodiscard]] NARAE_API bool is_better(const Task& task, const Scores& a, const Scores& b);
/// "accuracy 98.25 %", "perplexity 115.2", "absolute error 0.0134".
[[nodiscard]] NARAE_API std::string metric_text(const Task& task, const Scores& scores);
/// The number alone: "98.25 %", "115.2".
[[nodiscard]] NARAE_API std::string metric_value_text(const Task& task, double value);

/// Whether `add_answers` wants the answers themselves: a language model's loss says it all.
[[nodiscard]] inline bool looks_at_answers(const Task& task) {
  return task.answers != Answers::next_tokens;
}
/// What is counted by `counted_labels`: "tokens" or "samples".
[[nodiscard]] NARAE_API std::string_view unit_of(const Task& task);
/// Labels of a batch that count: all, but for -1 in sequences of classes.
[[nodiscard]] NARAE_API std::int64_t counted_labels(const Task& task, const Array& labels);
/// Adds a batch's answers (anything where they are not looked at); `mean_loss` is the mean over the labels that count.
NARAE_API void add_answers(Tally& tally, const Task& task, double mean_loss, const Array& answers, const Array& labels);

}  // namespace narae
