#include "narae/train/optimization.h"

#include <algorithm>

#include "narae/core/error.h"
#include "narae/nn/loss.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/optim/adagrad.h"
#include "narae/optim/adam.h"
#include "narae/optim/rmsprop.h"
#include "narae/optim/sgd.h"

namespace narae {

std::unique_ptr<optim::Optimizer> make_optimizer(const TrainRecipe& recipe, std::vector<Tensor> parameters) {
  const OptimizerRecipe& o = recipe.optimizer;
  // An L2 penalty l2/2 w^2 adds l2 w to the gradient, as weight decay does (but for AdamW, see loss_penalty).
  const double decay = o.weight_decay + recipe.l2;
  if (o.name == "sgd") {
    return std::make_unique<optim::SGD>(std::move(parameters), optim::SGDOptions{.lr = o.lr,
                                                                                 .momentum = o.momentum,
                                                                                 .dampening = o.dampening,
                                                                                 .nesterov = o.nesterov,
                                                                                 .weight_decay = decay,
                                                                                 .l1 = recipe.l1,
                                                                                 .clip_norm = recipe.clip_norm,
                                                                                 .clip_value = recipe.clip_value});
  }
  if (o.name == "adagrad") {
    return std::make_unique<optim::Adagrad>(std::move(parameters),
                                            optim::AdagradOptions{.lr = o.lr,
                                                                  .lr_decay = o.lr_decay,
                                                                  .eps = o.eps,
                                                                  .initial_accumulator_value = o.initial_accumulator,
                                                                  .weight_decay = decay,
                                                                  .l1 = recipe.l1,
                                                                  .clip_norm = recipe.clip_norm,
                                                                  .clip_value = recipe.clip_value});
  }
  if (o.name == "rmsprop") {
    return std::make_unique<optim::RMSprop>(std::move(parameters),
                                            optim::RMSpropOptions{.lr = o.lr,
                                                                  .alpha = o.alpha,
                                                                  .eps = o.eps,
                                                                  .momentum = o.momentum,
                                                                  .centered = o.centered,
                                                                  .weight_decay = decay,
                                                                  .l1 = recipe.l1,
                                                                  .clip_norm = recipe.clip_norm,
                                                                  .clip_value = recipe.clip_value});
  }
  if (o.name == "adam") {
    return std::make_unique<optim::Adam>(std::move(parameters), optim::AdamOptions{.lr = o.lr,
                                                                                   .beta1 = o.beta1,
                                                                                   .beta2 = o.beta2,
                                                                                   .eps = o.eps,
                                                                                   .weight_decay = decay,
                                                                                   .l1 = recipe.l1,
                                                                                   .clip_norm = recipe.clip_norm,
                                                                                   .clip_value = recipe.clip_value});
  }
  if (o.name == "adamw") {
    return std::make_unique<optim::AdamW>(std::move(parameters), optim::AdamWOptions{.lr = o.lr,
                                                                                     .beta1 = o.beta1,
                                                                                     .beta2 = o.beta2,
                                                                                     .eps = o.eps,
                                                                                     .weight_decay = o.weight_decay,
                                                                                     .l1 = recipe.l1,
                                                                                     .clip_norm = recipe.clip_norm,
                                                                                     .clip_value = recipe.clip_value});
  }
  throw UsageError("optimizer '" + o.name + "' is not known");
}

Tensor classification_loss(const TrainRecipe& recipe, const Tensor& logits, const Tensor& labels, bool training) {
  if (recipe.loss == "hinge") return nn::hinge_loss(logits, labels);
  return nn::cross_entropy(logits, labels, {.label_smoothing = training ? recipe.label_smoothing : 0});
}

Tensor training_loss(const TrainRecipe& recipe, const std::vector<nn::TrainingOutput>& outputs, const Tensor& labels) {
  Tensor total;
  for (const nn::TrainingOutput& output : outputs) {
    const Tensor loss = classification_loss(recipe, output.logits, labels, true);
    const Tensor weighted = output.weight == 1 ? loss : loss * output.weight;
    total = total.defined() ? total + weighted : weighted;
  }
  return total;
}

Tensor loss_penalty(const TrainRecipe& recipe, const std::vector<Tensor>& parameters) {
  if (recipe.l2 == 0 || recipe.optimizer.name != "adamw") return {};
  Tensor squares;
  for (const Tensor& p : parameters) squares = squares.defined() ? squares + sum(p * p) : sum(p * p);
  return squares * (recipe.l2 / 2);
}

RateSchedule::RateSchedule(const TrainRecipe& recipe, std::int64_t steps_per_epoch) {
  using optim::Schedule;
  const ScheduleRecipe& s = recipe.schedule;
  const double lr = recipe.optimizer.lr;
  const std::int64_t steps = recipe.epochs * steps_per_epoch;
  warmup_ = std::min(s.warmup_steps, steps / 2);
  const auto warmed = [warmup = warmup_](const Schedule& schedule) {
    return [=](std::int64_t step) {
      const double share = static_cast<double>(step + 1) / static_cast<double>(std::max<std::int64_t>(warmup, 1));
      return schedule(step) * std::min(1.0, share);
    };
  };
  if (s.name == "constant") {
    rate_ = warmed(Schedule::constant(lr));
  } else if (s.name == "step") {
    rate_ = warmed(Schedule::step(lr, {.every = s.every * steps_per_epoch, .gamma = s.gamma}));
  } else if (s.name == "multi_step") {
    std::vector<std::int64_t> milestones = s.milestones;
    for (std::int64_t& epoch : milestones) epoch *= steps_per_epoch;
    rate_ = warmed(Schedule::multi_step(lr, {.milestones = std::move(milestones), .gamma = s.gamma}));
  } else if (s.name == "exponential") {
    rate_ = warmed(Schedule::step(lr, {.every = steps_per_epoch, .gamma = s.gamma}));
  } else if (s.name == "cosine") {
    rate_ = Schedule::warmup_cosine(lr, {.warmup = warmup_, .steps = steps, .minimum = s.minimum});
  } else if (s.name == "inverse_sqrt") {
    rate_ = Schedule::inverse_sqrt(lr, std::max<std::int64_t>(warmup_, 1));
  } else if (s.name == "one_cycle") {
    rate_ = Schedule::one_cycle(lr, {.steps = std::max<std::int64_t>(steps, 2),
                                     .warm_fraction = s.warm_fraction,
                                     .div_factor = s.div_factor,
                                     .final_div_factor = s.final_div_factor});
  } else if (s.name == "plateau") {
    plateau_.emplace(lr, optim::PlateauOptions{.factor = s.factor,
                                               .patience = s.patience,
                                               .threshold = s.threshold,
                                               .cooldown = s.cooldown,
                                               .minimum = s.minimum});
  } else {
    throw UsageError("schedule '" + s.name + "' is not known");
  }
}

double RateSchedule::operator()(std::int64_t step) const {
  return plateau_ ? plateau_->lr() : rate_(step);
}

void RateSchedule::report(double loss) {
  if (plateau_) plateau_->report(loss);
}

optim::NamedNumbers RateSchedule::state() const {
  return plateau_ ? plateau_->state() : optim::NamedNumbers{};
}

void RateSchedule::load_state(const optim::NamedNumbers& state) {
  if (plateau_) plateau_->load_state(state);
}

}  // namespace narae
