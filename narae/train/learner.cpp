#include "narae/train/learner.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/fine_tune.h"
#include "narae/nn/init.h"
#include "narae/nn/recompute.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/train/optimization.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

std::shared_ptr<nn::Module> make_network(const Recipe& recipe, const models::ModelConfig& config, bool begun) {
  manual_seed(static_cast<std::uint64_t>(recipe.train.seed));
  std::shared_ptr<nn::Module> network = models::make_model(config.model);
  const TrainRecipe& train = recipe.train;
  if (train.weights.empty() && !train.fresh.empty()) {
    throw UsageError("train.fresh = '" + train.fresh +
                     "' says what is not taken from train.weights, but there are none");
  }
  if (!train.weights.empty() && !begun) load_weights(train.weights, *network, nn::patterns_of(train.fresh));
  freeze(*network, train);
  return network;
}

// Building the copy draws random numbers; training goes on with those that it would have had without.
std::optional<WeightAverage> make_average(const Recipe& recipe, const models::ModelConfig& config,
                                          const nn::Module& network) {
  if (recipe.train.ema == 0) return std::nullopt;
  const RandomState random = random_state();
  const nn::init::Skip skip;  // it takes the network's weights
  std::shared_ptr<nn::Module> copy = models::make_model(config.model);
  set_random_state(random);
  return WeightAverage(network, std::move(copy), recipe.train.ema);
}

}  // namespace

void freeze(const nn::Module& network, const TrainRecipe& recipe) {
  try {
    for (const std::string& pattern : nn::patterns_of(recipe.freeze)) network.freeze(pattern);
  } catch (const UsageError& error) {
    throw UsageError("train.freeze = '" + recipe.freeze + "': " + error.what());
  }
  if (network.parameters().empty()) {
    throw UsageError("train.freeze = '" + recipe.freeze + "' leaves no parameter to be trained");
  }
}

Learner::Learner(const Recipe& recipe, const models::ModelConfig& config, bool begun)
    : recipe_(recipe.train),
      task_(&task_of(recipe.task)),
      network_(make_network(recipe, config, begun)),
      parameters_(network_->parameters()),
      optimizer_(make_optimizer(recipe.train, parameters_)),
      average_(make_average(recipe, config, *network_)),
      runner_(*network_, *task_) {
  if (recipe_.checkpoint_activations) recomputed_modules_ = nn::checkpoint_activations(*network_);
}

std::int64_t Learner::steps(std::int64_t batches) const {
  return (batches + recipe_.accumulate - 1) / recipe_.accumulate;
}

void Learner::begin_training() const {
  network_->train();
  nn::keep_frozen_statistics(*network_);
}

nn::StateDict Learner::carried_state() const {
  nn::StateDict state;
  for (const Tensor& part : runner_.state()) state.emplace_back(std::to_string(state.size()), part.array());
  return state;
}

void Learner::load_carried_state(const nn::StateDict& state) {
  std::vector<Tensor> parts;
  for (const auto& [name, array] : state) parts.emplace_back(array);
  runner_.set_state(std::move(parts));
}

std::optional<LearnerStep> Learner::step(Loader& loader, double lr, Tally& tally) {
  optimizer_->set_lr(lr);
  std::int64_t left = std::clamp<std::int64_t>(loader.batches() - loader.state().batch, 1, recipe_.accumulate);
  LearnerStep step;
  double samples = 0;
  optim::StepResult result;
  for (; left > 0; --left) {
    if (loader.state().batch == 0) runner_.reset();
    const std::optional<Batch> batch = loader.next();
    if (!batch) return std::nullopt;
    std::vector<nn::TrainingOutput> outputs = runner_.answers(*batch);
    const Tensor loss = training_loss(*task_, recipe_, outputs, batch->label);
    // Values that nobody holds are not kept: those of a language model have a number for each token and word.
    const Tensor answers = looks_at_answers(*task_) ? outputs.front().logits : loss;
    outputs.clear();
    const Tensor penalty = loss_penalty(recipe_, parameters_);
    Gradients gradients = grad(penalty.defined() ? loss + penalty : loss, parameters_);
    const auto weight = static_cast<double>(counted_labels(*task_, batch->label));
    result = left > 1 ? optimizer_->accumulate(std::move(gradients), weight)
                      : optimizer_->step(std::move(gradients), weight);
    if (!result.applied) return LearnerStep{.applied = false, .first_non_finite = result.first_non_finite};
    // The update has computed what is carried on, but for what lies below frozen layers.
    if (!runner_.state().empty()) eval(runner_.state());
    add_answers(tally, *task_, loss.item(), answers.array(), batch->label);
    step.loss += weight * loss.item();
    samples += weight;
  }
  step.loss /= samples;
  step.gradient_norm = result.gradient_norm();
  if (average_) average_->update(optimizer_->steps());
  return step;
}

}  // namespace narae
