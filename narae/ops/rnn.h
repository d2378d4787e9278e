#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

// One recurrent layer in one direction over all time steps. The products with the inputs of all steps are made before,
// as one: p_t = W_ih x_t + biases. What depends on the state is left to the layer. Sequences may have lengths (batch)
// of type i64, an input at run time: beyond its length a sequence keeps its state; read backwards it starts at its own
// last step. A length of 0 or less leaves the first state as it is. Wrong shapes and types throw Error.

enum class Nonlinearity : std::uint8_t { tanh, relu };

struct RnnOptions {
  Nonlinearity nonlinearity = Nonlinearity::tanh;
  bool reverse = false;  ///< from the last time step to the first
  Tensor lengths = {};   ///< (batch) i64; undefined: all sequences are as long as p
};

/// h_t = f(p_t + W_hh h_{t-1}) (Elman 1990). p: (time, batch, units), h0: (batch, units), w_hh: (units, units).
/// Returns the states after each step, (time, batch, units).
[[nodiscard]] NARAE_API Tensor rnn(const Tensor& p, const Tensor& h0, const Tensor& w_hh,
                                   const RnnOptions& options = {});
/// One step: p and h are (batch, units).
[[nodiscard]] NARAE_API Tensor rnn_cell(const Tensor& p, const Tensor& h, const Tensor& w_hh,
                                        Nonlinearity nonlinearity = Nonlinearity::tanh);

}  // namespace narae
