#pragma once

#include <vector>

#include "narae/core/export.h"
#include "narae/data/loader.h"
#include "narae/nn/module.h"
#include "narae/nn/sequence.h"
#include "narae/train/task.h"

namespace narae {

/// Asks a network about the batches of a loader, one after the other. In language modelling of a running text, the
/// state in which a network for sequences ends a batch is where it begins the next one, without a gradient between
/// them: truncated backpropagation through time.
class NARAE_API BatchRunner {
 public:
  BatchRunner(const nn::Module& network, const Task& task);

  /// The network's answers, with auxiliary ones in training. Throws Error for sequences and a network that takes none.
  [[nodiscard]] std::vector<nn::TrainingOutput> answers(const Batch& batch);

  /// A text begins.
  void reset() { state_.clear(); }
  /// What is carried to the next batch; empty at the beginning.
  [[nodiscard]] const std::vector<Tensor>& state() const { return state_; }
  void set_state(std::vector<Tensor> state) { state_ = std::move(state); }

 private:
  const nn::Module& network_;
  const nn::SequenceModule* sequences_;  // the same, or null
  bool carries_;
  std::vector<Tensor> state_;
};

}  // namespace narae
