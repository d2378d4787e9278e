#include "narae/train/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "narae/core/error.h"
#include "narae/data/loader.h"
#include "narae/graph/attributes.h"
#include "narae/graph/grad.h"
#include "narae/graph/leaves.h"
#include "narae/nn/sequence.h"
#include "narae/ops/elementwise.h"
#include "narae/train/learner.h"
#include "narae/train/optimization.h"
#include "narae/train/recipe.h"
#include "narae/train/task.h"

namespace narae {
namespace detail {

Tensor placeholder(DType dtype, const Shape& shape) {
  return Tensor(NodeRef::adopt(create_node(data_op, {dtype, shape}, {}, {})));
}

Untouched::Untouched(const nn::Module& model) : random_(random_state()) {
  note_modes(model);
  for (const auto& [name, buffer] : model.named_buffers()) buffers_.emplace_back(buffer, copy(buffer).eval());
}

Untouched::~Untouched() {
  for (const auto& [module, training] : modes_) module.train(training);
  for (const auto& [buffer, value] : buffers_) buffer.assign(value);
  set_random_state(random_);
}

// Parents first: setting a module's mode sets that of all below.
void Untouched::note_modes(const nn::Module& module) {
  modes_.emplace_back(module, module.is_training());
  for (const auto& [name, child] : module.children()) note_modes(child);
}

}  // namespace detail

namespace {

using detail::placeholder;

// What Learner::step writes down for a batch of so many samples.
void trace_step(const Recipe& recipe, const nn::Module& network, const Dataset& dataset, std::int64_t samples) {
  const Task& task = task_of(recipe.task);
  const Field& input = dataset.fields[field_index(dataset, "image")];
  const Field& label = dataset.fields[field_index(dataset, "label")];
  const Tensor x = placeholder(input.dtype == DType::i64 ? DType::i64 : DType::f32, batched(samples, input.shape));
  const Tensor labels = recipe.data.augment.mixes() ? placeholder(DType::f32, {samples, std::ssize(dataset.classes)})
                                                    : placeholder(label.dtype, batched(samples, label.shape));
  std::vector<nn::TrainingOutput> outputs;
  if (const auto* sequences = dynamic_cast<const nn::SequenceModule*>(&network)) {
    nn::SequenceInput sequence{.x = x};
    if (dataset.lengths) sequence.lengths = placeholder(DType::i64, {samples});
    if (dataset.label_lengths) sequence.target = labels;
    outputs = {{.logits = (*sequences)(sequence).logits}};
  } else {
    outputs = network.training_outputs(x);
  }
  static_cast<void>(grad(training_loss(task, recipe.train, outputs, labels), network.parameters()));
}

}  // namespace

void require_steps(const Recipe& recipe, const Learner& learner, const Loader& loader) {
  const detail::Untouched untouched(learner.network());
  learner.begin_training();
  const Dataset& dataset = loader.dataset();
  const std::int64_t full = std::min(recipe.train.batch_size, dataset.size());
  trace_step(recipe, learner.network(), dataset, full);
  const std::int64_t rest = dataset.size() % full;
  if (rest == 0) return;
  try {
    trace_step(recipe, learner.network(), dataset, rest);
  } catch (const Error& error) {
    throw UsageError(
        fmt::format("train.batch_size = {}: of {} training samples, the last batch of an epoch has {}, too few for the "
                    "network ({}); "
                    "choose a batch size that leaves more, or another data.limit_train",
                    recipe.train.batch_size, dataset.size(), rest, error.what()));
  }
}

}  // namespace narae
