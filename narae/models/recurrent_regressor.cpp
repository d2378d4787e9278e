#include "narae/models/recurrent_regressor.h"

#include <algorithm>
#include <vector>

#include "narae/core/error.h"
#include "narae/models/recurrent_layers.h"
#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

nn::RecurrentStart start_of(const std::string& first_weights) {
  if (first_weights == "identity") return nn::RecurrentStart::identity;
  return first_weights == "orthogonal" ? nn::RecurrentStart::orthogonal : nn::RecurrentStart::uniform;
}

std::int64_t season_of(std::int64_t window, const RecurrentRegressorOptions& options) {
  if (options.residual == "none") return 0;
  if (options.residual == "last") return 1;
  if (options.season >= 1 && options.season <= window) return options.season;
  throw UsageError("rnn-regressor: residual = \"season\" needs a season from 1 to the " + std::to_string(window) +
                   " steps of the window, not " + std::to_string(options.season));
}

}  // namespace

RecurrentRegressor::RecurrentRegressor(std::int64_t window, std::int64_t features, std::int64_t outputs,
                                       const RecurrentRegressorOptions& options)
    : outputs_(outputs),
      season_(season_of(window, options)),
      rnn_(register_module("rnn", make_layers(options.cell, features, options.hidden,
                                              {.layers = options.layers,
                                               .dropout = options.dropout,
                                               .recurrent_start = start_of(options.first_weights)}))),
      fc_(register_module("fc", nn::Linear(options.hidden, outputs))) {
  if (options.input_range == 0) return;
  for (const auto& [name, parameter] : rnn_.named_parameters()) {
    if (name.starts_with("weight_ih")) nn::init::normal(parameter, 0, options.input_range);
  }
}

// The season before, as often as the outputs need it: (batch, outputs).
Tensor RecurrentRegressor::known_before(const Tensor& x) const {
  const Tensor values = squeeze(narrow(x, 2, x.size(2) - 1, 1), 2);
  std::vector<Tensor> parts;
  for (std::int64_t done = 0; done < outputs_; done += season_) {
    parts.push_back(narrow(values, 1, values.size(1) - season_, std::min(season_, outputs_ - done)));
  }
  return concat(parts, 1);
}

nn::SequenceOutput RecurrentRegressor::run(const nn::SequenceInput& input) const {
  const auto [y, state] = rnn_(input.x, {}, input.lengths);
  const Tensor found = fc_(final_features(state, 1));
  return {.logits = season_ == 0 ? found : found + known_before(input.x)};
}

}  // namespace narae::models
