#include "narae/train/batch_runner.h"

#include <utility>

#include "narae/core/error.h"
#include "narae/graph/grad.h"

namespace narae {

BatchRunner::BatchRunner(const nn::Module& network, const Task& task)
    : network_(network),
      sequences_(dynamic_cast<const nn::SequenceModule*>(&network)),
      carries_(task.answers == Answers::next_tokens) {}

std::vector<nn::TrainingOutput> BatchRunner::answers(const Batch& batch) {
  const bool padded = batch.lengths.shape.count() > 0;
  if (sequences_ == nullptr) {
    if (padded) throw Error(network_.kind() + " takes no sequences of different lengths");
    return network_.training_outputs(batch.image);
  }
  nn::SequenceInput input{.x = batch.image, .lengths = {}};
  if (batch.goes_on) input.state = std::move(state_);
  state_.clear();
  if (padded) input.lengths = batch.lengths;
  if (batch.target.shape.count() > 0) input.target = batch.target;
  nn::SequenceOutput output = (*sequences_)(input);
  // Sentences stand each for itself; a running text goes on.
  if (carries_ && batch.goes_on) {
    for (const Tensor& part : output.state) state_.push_back(detach(part));
  }
  return {{.logits = output.logits}};
}

}  // namespace narae
