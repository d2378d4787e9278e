#include "narae/train/weight_average.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/ops/elementwise.h"

namespace narae {
namespace {

// Everything that moves in training: trainable parameters, each once, and buffers.
nn::NamedTensors moving(const nn::Module& module, const nn::Module& like) {
  nn::NamedTensors result;
  const nn::NamedTensors parameters = module.named_parameters();
  const nn::NamedTensors originals = like.named_parameters();
  std::set<const Node*> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& original = originals[i].second;
    if (original.is_trainable() && seen.insert(original.node()).second) result.push_back(parameters[i]);
  }
  for (const auto& buffer : module.named_buffers()) result.push_back(buffer);
  return result;
}

}  // namespace

WeightAverage::WeightAverage(const nn::Module& of, std::shared_ptr<nn::Module> copy, double decay)
    : copy_(std::move(copy)), decay_(decay) {
  if (!(decay >= 0 && decay < 1)) {
    throw Error("average of weights: the decay must be from 0 to below 1, but is " + std::to_string(decay));
  }
  copy_->load_state_dict(of.state_dict());
  sources_ = moving(of, of);
  averages_ = moving(*copy_, of);
}

void WeightAverage::update(std::int64_t step) const {
  const auto n = static_cast<double>(step);
  const double decay = std::min(decay_, (1 + n) / (10 + n));
  std::vector<Assignment> assignments;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Tensor& weights = sources_[i].second;
    const Tensor& average = averages_[i].second;
    assignments.push_back({average, is_floating(weights.dtype()) ? decay * average + (1 - decay) * weights : weights});
  }
  narae::update(assignments);
}

}  // namespace narae
