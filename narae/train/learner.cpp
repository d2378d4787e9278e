#include "narae/train/learner.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/grad.h"
#include "narae/nn/fine_tune.h"
#include "narae/nn/recompute.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/train/optimization.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

void freeze(const nn::Module& network, const std::string& pattern) {
  try {
    network.freeze(pattern);
  } catch (const Error& error) {
    throw UsageError(std::string("train.freeze: ") + error.what());
  }
}

// "features,fc.weight" taken apart at the commas.
std::vector<std::string> patterns_of(std::string_view list) {
  std::vector<std::string> patterns;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) patterns.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return patterns;
}

std::shared_ptr<nn::Module> make_network(const Recipe& recipe, const models::ModelConfig& config, bool begun) {
  manual_seed(static_cast<std::uint64_t>(recipe.train.seed));
  std::shared_ptr<nn::Module> network = models::make_model(config.model);
  const TrainRecipe& train = recipe.train;
  if (train.weights.empty() && !train.fresh.empty()) {
    throw UsageError("train.fresh = '" + train.fresh +
                     "' says what is not taken from train.weights, but there are none");
  }
  if (!train.weights.empty() && !begun) load_weights(train.weights, *network, patterns_of(train.fresh));
  for (const std::string& pattern : patterns_of(train.freeze)) freeze(*network, pattern);
  if (network->parameters().empty()) {
    throw UsageError("train.freeze = '" + recipe.train.freeze + "' leaves no parameter to be trained");
  }
  return network;
}

// Building the copy draws random numbers; training goes on with those that it would have had without.
std::optional<WeightAverage> make_average(const Recipe& recipe, const models::ModelConfig& config,
                                          const nn::Module& network) {
  if (recipe.train.ema == 0) return std::nullopt;
  const RandomState random = random_state();
  std::shared_ptr<nn::Module> copy = models::make_model(config.model);
  set_random_state(random);
  return WeightAverage(network, std::move(copy), recipe.train.ema);
}

}  // namespace

Learner::Learner(const Recipe& recipe, const models::ModelConfig& config, bool begun)
    : recipe_(recipe.train),
      network_(make_network(recipe, config, begun)),
      parameters_(network_->parameters()),
      optimizer_(make_optimizer(recipe.train, parameters_)),
      average_(make_average(recipe, config, *network_)) {
  if (recipe_.checkpoint_activations) recomputed_modules_ = nn::checkpoint_activations(*network_);
}

std::int64_t Learner::steps(std::int64_t batches) const {
  return (batches + recipe_.accumulate - 1) / recipe_.accumulate;
}

void Learner::begin_training() const {
  network_->train();
  nn::keep_frozen_statistics(*network_);
}

std::optional<LearnerStep> Learner::step(Loader& loader, double lr, Tally& tally) {
  optimizer_->set_lr(lr);
  std::int64_t left = std::clamp<std::int64_t>(loader.batches() - loader.state().batch, 1, recipe_.accumulate);
  LearnerStep step;
  double samples = 0;
  optim::StepResult result;
  for (; left > 0; --left) {
    const std::optional<Batch> batch = loader.next();
    if (!batch) return std::nullopt;
    const std::vector<nn::TrainingOutput> outputs = network_->training_outputs(batch->image);
    const Tensor loss = training_loss(recipe_, outputs, batch->label);
    const Tensor penalty = loss_penalty(recipe_, parameters_);
    Gradients gradients = grad(penalty.defined() ? loss + penalty : loss, parameters_);
    const auto weight = static_cast<double>(batch->image.shape[0]);
    result = left > 1 ? optimizer_->accumulate(std::move(gradients), weight)
                      : optimizer_->step(std::move(gradients), weight);
    if (!result.applied) return LearnerStep{.applied = false, .first_non_finite = result.first_non_finite};
    tally.add(loss.item(), outputs.front().logits.array(), batch->label);
    step.loss += weight * loss.item();
    samples += weight;
  }
  step.loss /= samples;
  step.gradient_norm = result.gradient_norm();
  if (average_) average_->update(optimizer_->steps());
  return step;
}

}  // namespace narae
