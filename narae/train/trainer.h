#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/train/checkpoint.h"
#include "narae/train/metrics.h"
#include "narae/train/progress.h"
#include "narae/train/recipe.h"

namespace narae {

struct TrainOptions {
  std::filesystem::path project = "runs";  ///< runs go to project/recipe/name
  std::string name = "run";
  bool exist_ok = false;              ///< take an existing folder of that name, its run is replaced
  std::filesystem::path resume = {};  ///< a run's folder to go on in; anew when it has no checkpoint yet
  ProgressOptions progress = {};
  /// Asked after every step; true makes the run save a checkpoint and stop.
  std::function<bool()> interrupted = {};
};

/// How a run ended.
struct TrainResult {
  std::filesystem::path run = {};
  std::string task = "classify";
  bool interrupted = false;    ///< there is more to do: resume it
  bool stopped_early = false;  ///< for lack of progress
  std::int64_t epochs = 0;     ///< finished
  std::int64_t steps = 0;
  std::string judged;  ///< "test" or "validation": which samples epochs are judged by
  Scores last;         ///< of the last finished epoch on them
  BestEpoch best = {};
  std::optional<Scores> test = {};  ///< of the best weights on the test samples, when there is a validation set
  std::string weights = {};         ///< hash of the last weights
  double seconds = 0;               ///< spent training
};

/// Trains a classifier as the recipe says, in a run folder: recipe.toml, config.json, results.csv, steps.csv,
/// curves.svg, log.txt, summary.txt, weights/, checkpoints/ and the task's pictures. A resumed run ends with the same
/// bits as one that was never interrupted. Throws UsageError for a recipe that can't be, and Error when the loss or a
/// gradient stops being finite (naming the step and the layer; the weights before that step are saved) or something
/// can't be read or written.
[[nodiscard]] NARAE_API TrainResult train(const Recipe& recipe, const TrainOptions& options = {});

/// What a training run would be, without writing anything.
struct TrainPlan {
  std::string network;  ///< layers, one a line
  std::int64_t parameters = 0;
  std::int64_t train_samples = 0;
  std::int64_t judged_samples = 0;
  std::string judged;
  std::int64_t classes = 0;
  std::int64_t steps = 0;
};
/// Opens the data and builds the network; throws what `train` would throw for the recipe.
[[nodiscard]] NARAE_API TrainPlan plan_training(const Recipe& recipe);

/// The recipe of a run that is to be resumed, with the overrides applied. Throws UsageError for an override that
/// changes something on which the finished steps depend, once there is a checkpoint.
[[nodiscard]] NARAE_API Recipe resumed_recipe(const std::filesystem::path& run, std::span<const std::string> overrides);

/// The result in one line: folder, headline metric, hash of the weights.
[[nodiscard]] NARAE_API std::string headline(const TrainResult& result);

}  // namespace narae
