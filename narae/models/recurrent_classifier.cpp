#include "narae/models/recurrent_classifier.h"

#include "narae/models/recurrent_layers.h"

namespace narae::models {
namespace {

nn::Recurrent layers_of(const RecurrentClassifierOptions& options) {
  return make_layers(options.cell, options.embedding, options.hidden,
                     {.layers = options.layers, .dropout = options.dropout, .bidirectional = options.bidirectional});
}

std::int64_t width_of(const RecurrentClassifierOptions& options) {
  return options.hidden * (options.bidirectional ? 2 : 1);
}

}  // namespace

RecurrentClassifier::RecurrentClassifier(std::int64_t vocabulary, std::int64_t classes,
                                         const RecurrentClassifierOptions& options)
    : pooling_(options.pooling),
      bidirectional_(options.bidirectional),
      embedding_(register_module("embedding",
                                 nn::Embedding(vocabulary, options.embedding, {.stddev = options.embedding_std}))),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))),
      rnn_(register_module("rnn", layers_of(options))),
      fc_(register_module("fc", nn::Linear(width_of(options), classes))) {}

nn::SequenceOutput RecurrentClassifier::run(const nn::SequenceInput& input) const {
  const auto [y, state] = rnn_(dropout_(embedding_(input.x)), {}, input.lengths);
  Tensor summary;
  if (pooling_ == "max") {
    summary = nn::max_over_time(y, input.lengths);
  } else if (pooling_ == "mean") {
    summary = nn::mean_over_time(y, input.lengths);
  } else {
    summary = final_features(state, bidirectional_ ? 2 : 1);
  }
  return {.logits = fc_(dropout_(summary))};
}

RecurrentTagger::RecurrentTagger(std::int64_t vocabulary, std::int64_t classes,
                                 const RecurrentClassifierOptions& options)
    : embedding_(register_module("embedding",
                                 nn::Embedding(vocabulary, options.embedding, {.stddev = options.embedding_std}))),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))),
      rnn_(register_module("rnn", layers_of(options))),
      fc_(register_module("fc", nn::Linear(width_of(options), classes))) {}

nn::SequenceOutput RecurrentTagger::run(const nn::SequenceInput& input) const {
  const auto [y, state] = rnn_(dropout_(embedding_(input.x)), {}, input.lengths);
  return {.logits = fc_(dropout_(y))};
}

}  // namespace narae::models
