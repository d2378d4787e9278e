#pragma once

#include <vector>

#include "narae/core/export.h"
#include "narae/data/loader.h"
#include "narae/nn/module.h"
#include "narae/train/metrics.h"
#include "narae/train/recipe.h"

namespace narae {

/// What a classifier makes of a dataset.
struct Evaluation {
  Scores scores;
  Array confusion;                   ///< i64 (classes, classes): true class by predicted class
  std::vector<Answer> answers;       ///< one a sample, in the dataset's order
  std::vector<std::int64_t> labels;  ///< the truth
};

/// Goes once over the samples of a loader that stands at the beginning of an epoch, in evaluation mode and without
/// gradients. Afterwards the model is in the mode it was in.
[[nodiscard]] NARAE_API Evaluation evaluate(const nn::Module& model, Loader& loader, const TrainRecipe& recipe);

}  // namespace narae
