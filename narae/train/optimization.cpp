#include "narae/train/optimization.h"

#include <algorithm>
#include <type_traits>

#include "narae/core/error.h"
#include "narae/nn/loss.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"
#include "narae/optim/adagrad.h"
#include "narae/optim/adam.h"
#include "narae/optim/rmsprop.h"
#include "narae/optim/sgd.h"

namespace narae {

namespace {

// Biases and the parameters of normalisation, which have one axis, are decayed with the rest or in a group of their
// own, to which the L2 penalty alone applies.
optim::ParameterGroups groups_of(const TrainRecipe& recipe, std::vector<Tensor> parameters) {
  if (recipe.optimizer.decay_norms) return parameters;
  const auto others = std::stable_partition(parameters.begin(), parameters.end(),
                                            [](const Tensor& parameter) { return parameter.rank() >= 2; });
  const double penalty = recipe.optimizer.name == "adamw" ? 0 : recipe.l2;
  return std::vector<optim::ParameterGroup>{{.parameters = {parameters.begin(), others}},
                                            {.parameters = {others, parameters.end()}, .weight_decay = penalty}};
}

}  // namespace

std::unique_ptr<optim::Optimizer> make_optimizer(const TrainRecipe& recipe, std::vector<Tensor> parameters) {
  const OptimizerRecipe& o = recipe.optimizer;
  const optim::ParameterGroups groups = groups_of(recipe, std::move(parameters));
  const auto make = [&]<class Optimizer, class Options>(std::type_identity<Optimizer>, Options options) {
    // An L2 penalty l2/2 w^2 adds l2 w to the gradient, as weight decay does (but for AdamW, see loss_penalty).
    options.weight_decay = o.name == "adamw" ? o.weight_decay : o.weight_decay + recipe.l2;
    options.l1 = recipe.l1;
    options.clip_norm = recipe.clip_norm;
    options.clip_value = recipe.clip_value;
    return std::make_unique<Optimizer>(groups, options);
  };
  if (o.name == "sgd") {
    return make(
        std::type_identity<optim::SGD>(),
        optim::SGDOptions{.lr = o.lr, .momentum = o.momentum, .dampening = o.dampening, .nesterov = o.nesterov});
  }
  if (o.name == "adagrad") {
    return make(
        std::type_identity<optim::Adagrad>(),
        optim::AdagradOptions{
            .lr = o.lr, .lr_decay = o.lr_decay, .eps = o.eps, .initial_accumulator_value = o.initial_accumulator});
  }
  if (o.name == "rmsprop") {
    return make(std::type_identity<optim::RMSprop>(),
                optim::RMSpropOptions{
                    .lr = o.lr, .alpha = o.alpha, .eps = o.eps, .momentum = o.momentum, .centered = o.centered});
  }
  if (o.name == "adam") {
    return make(std::type_identity<optim::Adam>(),
                optim::AdamOptions{.lr = o.lr, .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps});
  }
  if (o.name == "adamw") {
    return make(std::type_identity<optim::AdamW>(),
                optim::AdamWOptions{.lr = o.lr, .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps});
  }
  throw UsageError("optimizer '" + o.name + "' is not known");
}

Tensor task_loss(const Task& task, const TrainRecipe& recipe, const Tensor& answers, const Tensor& labels,
                 bool training) {
  if (task.answers == Answers::numbers) {
    const Tensor numbers = reshape(answers, labels.shape());
    return recipe.loss == "l1" ? nn::l1_loss(numbers, labels) : nn::mse_loss(numbers, labels);
  }
  if (recipe.loss == "hinge") return nn::hinge_loss(answers, labels);
  const nn::CrossEntropyOptions options{.label_smoothing = training ? recipe.label_smoothing : 0, .ignore_index = -1};
  if (task.answers == Answers::sample_classes) return nn::cross_entropy(answers, labels, options);
  if (answers.rank() != 3) {
    throw Error("the network answers " + to_string(answers.shape()) + " where (batch, steps, classes) is needed");
  }
  return nn::cross_entropy(reshape(answers, {-1, answers.size(2)}), reshape(labels, {-1}), options);
}

Tensor training_loss(const Task& task, const TrainRecipe& recipe, const std::vector<nn::TrainingOutput>& outputs,
                     const Tensor& labels) {
  Tensor total;
  for (const nn::TrainingOutput& output : outputs) {
    const Tensor loss = task_loss(task, recipe, output.logits, labels, true);
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

RateSchedule::RateSchedule(const TrainRecipe& recipe, std::int64_t steps_per_epoch)
    : recipe_(recipe), steps_per_epoch_(steps_per_epoch), planned_epochs_(recipe.epochs) {
  plan(std::min(recipe.schedule.warmup_steps, recipe.epochs * steps_per_epoch / 2));
}

void RateSchedule::plan(std::int64_t warmup) {
  using optim::Schedule;
  const ScheduleRecipe& s = recipe_.schedule;
  const double lr = recipe_.optimizer.lr;
  const std::int64_t steps_per_epoch = steps_per_epoch_;
  const std::int64_t steps = recipe_.epochs * steps_per_epoch;
  warmup_ = warmup;
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
  optim::NamedNumbers result = {{"epochs", static_cast<double>(recipe_.epochs)},
                                {"warmup", static_cast<double>(warmup_)},
                                {"highest", recipe_.optimizer.lr}};
  if (plateau_) {
    const optim::NamedNumbers own = plateau_->state();
    result.insert(result.end(), own.begin(), own.end());
  }
  return result;
}

// The finished steps' warm-up stays as it was when the run has other epochs now. A rate that plateaus have lowered is
// lowered as much when the highest is another now.
void RateSchedule::load_state(const optim::NamedNumbers& state) {
  const auto number = [&](const char* name, double otherwise) {
    const auto found = std::find_if(state.begin(), state.end(), [&](const auto& s) { return s.first == name; });
    return found == state.end() ? otherwise : found->second;
  };
  planned_epochs_ = static_cast<std::int64_t>(number("epochs", static_cast<double>(recipe_.epochs)));
  plan(static_cast<std::int64_t>(number("warmup", static_cast<double>(warmup_))));
  if (!plateau_) return;
  const double highest = number("highest", recipe_.optimizer.lr);
  optim::NamedNumbers own = state;
  for (auto& [name, value] : own)
    if (name == "lr" && highest > 0) value *= recipe_.optimizer.lr / highest;
  plateau_->load_state(own);
}

}  // namespace narae
