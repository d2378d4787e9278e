#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/nn/recurrent.h"
#include "narae/ops/view.h"

// Recurrent layers as the models of this folder use them: by the name of their cell, with a state that a sequence
// network hands on (nn::SequenceOutput).
namespace narae::models {

[[nodiscard]] inline std::vector<Tensor> parts_of(const nn::RecurrentState& state) {
  if (!state.c.defined()) return {state.h};
  return {state.h, state.c};
}
[[nodiscard]] inline nn::RecurrentState state_of(const std::vector<Tensor>& parts) {
  return {.h = parts.empty() ? Tensor() : parts[0], .c = parts.size() < 2 ? Tensor() : parts[1]};
}

/// The layers that a model's option `cell` names: "rnn" (tanh), "relu-rnn", "lstm", "gru" or "gru-before", whose reset
/// gate works before the matrix. Throws UsageError for another name.
[[nodiscard]] nn::Recurrent make_layers(const std::string& cell, std::int64_t inputs, std::int64_t units,
                                        nn::RecurrentOptions options);

/// The last layer's state of each direction, side by side: (batch, directions * units).
[[nodiscard]] inline Tensor final_features(const nn::RecurrentState& state, std::int64_t directions) {
  std::vector<Tensor> parts;
  for (std::int64_t k = directions; k > 0; --k) parts.push_back(squeeze(narrow(state.h, 0, state.h.size(0) - k, 1), 0));
  return parts.size() == 1 ? parts[0] : concat(parts, 1);
}

}  // namespace narae::models
