#include "narae/models/recurrent_language_model.h"

#include "narae/core/error.h"
#include "narae/models/recurrent_layers.h"
#include "narae/nn/init.h"
#include "narae/ops/dropout.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"

namespace narae::models {
namespace {

nn::Linear decoder_of(std::int64_t vocabulary, const nn::Embedding& encoder,
                      const RecurrentLanguageModelOptions& options) {
  if (!options.tied) return {options.hidden, vocabulary};
  if (options.embedding != options.hidden) {
    throw UsageError("tied weights need as many hidden units (" + std::to_string(options.hidden) +
                     ") as embedding features (" + std::to_string(options.embedding) + ")");
  }
  return nn::Linear(encoder.weight());
}

}  // namespace

RecurrentLanguageModel::RecurrentLanguageModel(std::int64_t vocabulary, const RecurrentLanguageModelOptions& options)
    : dropout_(options.dropout),
      drop_embedded_(options.drop_embedded),
      variational_(options.variational),
      encoder_(register_module("encoder", nn::Embedding(vocabulary, options.embedding))),
      rnn_(register_module(
          "rnn",
          make_layers(options.cell, options.embedding, options.hidden,
                      {.layers = options.layers, .dropout = options.dropout, .variational = options.variational}))),
      decoder_(register_module("decoder", decoder_of(vocabulary, encoder_, options))) {
  if (options.range > 0) {
    for (const Tensor& parameter : parameters()) nn::init::uniform(parameter, -options.range, options.range);
  }
}

Tensor RecurrentLanguageModel::dropped(const Tensor& x) const {
  if (dropout_ == 0 || !is_training()) return x;
  return variational_ ? dropout_along(x, dropout_, 1) : dropout(x, dropout_);
}

nn::SequenceOutput RecurrentLanguageModel::run(const nn::SequenceInput& input) const {
  const Tensor x = encoder_(input.x);
  const auto [y, state] = rnn_(drop_embedded_ ? dropped(x) : x, state_of(input.state), input.lengths);
  return {.logits = decoder_(dropped(y)), .state = parts_of(state)};
}

}  // namespace narae::models
