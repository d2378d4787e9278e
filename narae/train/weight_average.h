#pragma once

#include <cstdint>
#include <memory>

#include "narae/core/export.h"
#include "narae/nn/module.h"

namespace narae {

/// An exponential moving average of a network's weights (Polyak and Juditsky 1992; with decay as in Tarvainen and
/// Valpola 2017): after update n, counted from 1,
///
///     average = d average + (1 - d) weights,  d = min(decay, (1 + n) / (10 + n)),
///
/// so that the first weights, which are random, are soon forgotten. Running statistics are averaged like weights;
/// integers and frozen parameters are taken over as they are.
class NARAE_API WeightAverage {
 public:
  /// `copy` is another network of the same architecture; it takes over the weights of `of` and holds the average from
  /// then on. Throws Error when the two don't fit.
  WeightAverage(const nn::Module& of, std::shared_ptr<nn::Module> copy, double decay);

  /// Update `step` (from 1) has been made.
  void update(std::int64_t step) const;

  /// The network with the average weights. A checkpoint keeps its state.
  [[nodiscard]] const nn::Module& model() const { return *copy_; }

 private:
  nn::NamedTensors sources_;
  nn::NamedTensors averages_;
  std::shared_ptr<nn::Module> copy_;
  double decay_;
};

}  // namespace narae
