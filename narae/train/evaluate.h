#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/loader.h"
#include "narae/nn/module.h"
#include "narae/train/metrics.h"
#include "narae/train/recipe.h"

namespace narae {

/// What a network makes of a dataset: scores, numbers where it answers with numbers, and the rest for classes of
/// samples.
struct Evaluation {
  Scores scores;
  Array confusion;                   ///< i64 (classes, classes): true class by predicted class
  std::vector<Answer> answers;       ///< one a sample, in the dataset's order
  std::vector<std::int64_t> labels;  ///< the truth
  std::vector<std::int64_t> ranks;   ///< place of the true class among all, from 0 for the likeliest
  std::vector<float> numbers;        ///< (samples, numbers of an answer)
};

/// Share of samples whose class is among the `k` that are held likeliest. Throws UsageError unless 1 <= k <= classes.
[[nodiscard]] NARAE_API double top_accuracy(const Evaluation& evaluation, std::int64_t k);

/// Goes once over the samples of a loader that stands at the beginning of an epoch, in evaluation mode and without
/// gradients. Afterwards the model is in the mode it was in.
[[nodiscard]] NARAE_API Evaluation evaluate(const nn::Module& model, Loader& loader, const Recipe& recipe);

/// One of several classifiers, with the samples as it takes them (its own normalisation).
struct Member {
  const nn::Module* model;
  Loader* loader;
};

/// What the mean of several classifiers' probabilities makes of a dataset; the loss is -log of the true class's mean
/// probability. Throws Error when the members don't have the same samples and classes, or there are none.
[[nodiscard]] NARAE_API Evaluation evaluate(std::span<const Member> members);

}  // namespace narae
