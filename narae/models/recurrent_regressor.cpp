#include "narae/models/recurrent_regressor.h"

#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

void initialize(const nn::Recurrent& rnn, const RecurrentRegressorOptions& options) {
  for (const auto& [name, parameter] : rnn.named_parameters()) {
    if (name.starts_with("weight_hh")) {
      if (options.first_weights == "identity") nn::init::identity(parameter);
      if (options.first_weights == "orthogonal") nn::init::orthogonal(parameter);
    }
    if (options.input_range > 0 && name.starts_with("weight_ih")) {
      nn::init::normal(parameter, 0, options.input_range);
    }
    if (options.first_weights == "identity" && name.starts_with("bias")) nn::init::zeros(parameter);
  }
}

}  // namespace

RecurrentRegressor::RecurrentRegressor(std::int64_t features, std::int64_t outputs,
                                       const RecurrentRegressorOptions& options)
    : residual_(options.residual),
      rnn_(register_module("rnn", nn::make_recurrent(options.cell, features, options.hidden,
                                                     {.layers = options.layers, .dropout = options.dropout}))),
      fc_(register_module("fc", nn::Linear(options.hidden, outputs))) {
  initialize(rnn_, options);
}

nn::SequenceOutput RecurrentRegressor::run(const nn::SequenceInput& input) const {
  const auto [y, state] = rnn_(input.x, {}, input.lengths);
  const Tensor found = fc_(nn::final_features(rnn_, state));
  if (!residual_) return {.logits = found};
  const Tensor last = narrow(narrow(input.x, 1, input.x.size(1) - 1, 1), 2, input.x.size(2) - 1, 1);
  return {.logits = found + flatten(last, 1)};
}

}  // namespace narae::models
