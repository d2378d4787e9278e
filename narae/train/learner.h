#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/loader.h"
#include "narae/models/config.h"
#include "narae/nn/module.h"
#include "narae/optim/optimizer.h"
#include "narae/train/batch_runner.h"
#include "narae/train/metrics.h"
#include "narae/train/recipe.h"
#include "narae/train/task.h"
#include "narae/train/weight_average.h"

namespace narae {

/// What became of one update.
struct LearnerStep {
  double loss = 0;           ///< mean over the samples, without penalties
  double gradient_norm = 0;  ///< before clipping
  bool applied = true;
  std::string first_non_finite = {};  ///< when not applied: where the first NaN or infinity appeared
};

/// Makes what `train.freeze` names untrainable. Throws UsageError for a pattern that matches nothing, and when nothing
/// is left to be trained.
NARAE_API void freeze(const nn::Module& network, const TrainRecipe& recipe);

/// What a recipe trains: a network, its optimiser and, when the recipe wants one, the average of its weights.
class NARAE_API Learner {
 public:
  /// Builds the network from the recipe's seed, loads the weights that it starts from (not for a run that has `begun`
  /// and goes on from a checkpoint) and freezes what is to be frozen. Throws UsageError when nothing is left to be
  /// trained.
  Learner(const Recipe& recipe, const models::ModelConfig& config, bool begun = false);

  /// Updates in an epoch of so many batches.
  [[nodiscard]] std::int64_t steps(std::int64_t batches) const;

  /// Everything trains from here on, but for statistics of frozen modules. To be called before steps after an
  /// evaluation.
  void begin_training() const;

  /// One update with learning rate `lr` from the next `train.accumulate` batches of the loader, or from those that the
  /// epoch still has; their scores are added to `tally`. Nothing at the end of the epoch, when the loader moves on to
  /// the next one. An update that is not finite changes no weights.
  [[nodiscard]] std::optional<LearnerStep> step(Loader& loader, double lr, Tally& tally);

  [[nodiscard]] const nn::Module& network() const { return *network_; }
  [[nodiscard]] optim::Optimizer& optimizer() const { return *optimizer_; }
  /// The network with average weights; null when the recipe wants none.
  [[nodiscard]] const nn::Module* average() const { return average_ ? &average_->model() : nullptr; }
  /// What epochs are judged by and what is saved: the average if there is one.
  [[nodiscard]] const nn::Module& judged() const { return average_ ? average_->model() : *network_; }
  /// What a running text hands on to the next batch (see BatchRunner); empty at its beginning.
  [[nodiscard]] nn::StateDict carried_state() const;
  void load_carried_state(const nn::StateDict& state);
  /// Modules that compute their values a second time for the gradient.
  [[nodiscard]] std::int64_t recomputed_modules() const { return recomputed_modules_; }

 private:
  TrainRecipe recipe_;
  const Task* task_;
  std::shared_ptr<nn::Module> network_;
  std::vector<Tensor> parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  BatchRunner runner_;
  std::int64_t recomputed_modules_ = 0;
};

}  // namespace narae
