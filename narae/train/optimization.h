#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "narae/core/export.h"
#include "narae/nn/module.h"
#include "narae/optim/optimizer.h"
#include "narae/optim/schedule.h"
#include "narae/train/recipe.h"
#include "narae/train/task.h"

namespace narae {

/// The recipe's optimiser over these parameters, clipping and penalties included.
[[nodiscard]] NARAE_API std::unique_ptr<optim::Optimizer> make_optimizer(const TrainRecipe& recipe,
                                                                         std::vector<Tensor> parameters);

/// The recipe's loss of a network's answers to one batch, the mean over the labels that count, without penalties.
/// Labels may be shares of classes (batch, classes) where each sample has a class; they are smoothed for training only.
/// Throws Error for shares with another loss than cross entropy.
[[nodiscard]] NARAE_API Tensor task_loss(const Task& task, const TrainRecipe& recipe, const Tensor& answers,
                                         const Tensor& labels, bool training);

/// What a training step makes small: the losses of all answers of the network (Module::training_outputs) by their
/// weights, without penalties.
[[nodiscard]] NARAE_API Tensor training_loss(const Task& task, const TrainRecipe& recipe,
                                             const std::vector<nn::TrainingOutput>& outputs, const Tensor& labels);

/// What is added to the loss: the L2 penalty where the optimiser's weight decay is no such penalty (AdamW). Undefined
/// when there is nothing to add.
[[nodiscard]] NARAE_API Tensor loss_penalty(const TrainRecipe& recipe, const std::vector<Tensor>& parameters);

/// The learning rate of every step. Epochs of the recipe are turned into steps.
class NARAE_API RateSchedule {
 public:
  RateSchedule(const TrainRecipe& recipe, std::int64_t steps_per_epoch);

  /// The rate of a step, counted from 0.
  [[nodiscard]] double operator()(std::int64_t step) const;
  /// Tells a schedule that watches progress the loss by which an epoch is judged.
  void report(double loss);
  /// What a checkpoint keeps.
  [[nodiscard]] optim::NamedNumbers state() const;
  void load_state(const optim::NamedNumbers& state);
  /// Steps of warm-up: the recipe's, at most half of the run's.
  [[nodiscard]] std::int64_t warmup_steps() const { return warmup_; }
  /// The run's epochs when the checkpoint was saved that `load_state` was given.
  [[nodiscard]] std::int64_t planned_epochs() const { return planned_epochs_; }

 private:
  void plan(std::int64_t warmup);

  TrainRecipe recipe_;
  std::int64_t steps_per_epoch_;
  std::int64_t planned_epochs_;
  std::int64_t warmup_ = 0;
  std::function<double(std::int64_t)> rate_;
  std::optional<optim::ReduceOnPlateau> plateau_;
};

}  // namespace narae
