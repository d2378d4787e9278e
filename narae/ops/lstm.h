#pragma once

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Output and cell state of an LSTM: after each step, or of one.
struct LstmState {
  Tensor h;
  Tensor c;
};

struct LstmOptions {
  Tensor w_hr = {};      ///< (outputs, units): h = w_hr (o tanh(c)) (Sak, Senior and Beaufays 2014); undefined: none
  bool reverse = false;  ///< from the last time step to the first
  Tensor lengths = {};   ///< (batch) i64, see rnn.h; undefined: all sequences are as long as p
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000): with
/// (i, f, g, o) = p_t + W_hh h_{t-1}, c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g), h_t = sigmoid(o) tanh(c_t).
/// p: (time, batch, 4 units), in this order of gates; h0: (batch, outputs), c0: (batch, units),
/// w_hh: (4 units, outputs), where outputs are units without w_hr. Returns h: (time, batch, outputs) and
/// c: (time, batch, units).
[[nodiscard]] NARAE_API LstmState lstm(const Tensor& p, const LstmState& first, const Tensor& w_hh,
                                       const LstmOptions& options = {});
/// One step: p is (batch, 4 units), h (batch, outputs), c (batch, units).
[[nodiscard]] NARAE_API LstmState lstm_cell(const Tensor& p, const LstmState& state, const Tensor& w_hh,
                                            const Tensor& w_hr = {});

}  // namespace narae
