#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Where the reset gate acts on the candidate n.
enum class GruForm : std::uint8_t {
  reset_after,   ///< n = tanh(p_n + r (W_hn h + b_hn)): cuDNN's and PyTorch's form, one product a step
  reset_before,  ///< n = tanh(p_n + W_hn (r h)): the first form of Cho et al. 2014, two products a step
};

struct GruOptions {
  GruForm form = GruForm::reset_after;
  Tensor b_hn = {};      ///< (units), for reset_after alone; undefined: zero
  bool reverse = false;  ///< from the last time step to the first
  Tensor lengths = {};   ///< (batch) i64, see rnn.h; undefined: all sequences are as long as p
};

/// Gated recurrent unit (Cho et al. 2014): with r = sigmoid(p_r + W_hr h), z = sigmoid(p_z + W_hz h) and the candidate
/// n (see GruForm), h_t = (1 - z) n + z h_{t-1}. p: (time, batch, 3 units) in the order r, z, n; h0: (batch, units),
/// w_hh: (3 units, units). Returns the states after each step, (time, batch, units).
[[nodiscard]] NARAE_API Tensor gru(const Tensor& p, const Tensor& h0, const Tensor& w_hh,
                                   const GruOptions& options = {});
/// One step: p is (batch, 3 units), h (batch, units).
[[nodiscard]] NARAE_API Tensor gru_cell(const Tensor& p, const Tensor& h, const Tensor& w_hh, const Tensor& b_hn = {},
                                        GruForm form = GruForm::reset_after);

}  // namespace narae
