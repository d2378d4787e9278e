#pragma once

#include <cstdint>

#include "narae/nn/recurrent.h"

namespace narae::nn {

struct RecurrentCellOptions {
  RecurrentBias bias = RecurrentBias::two;
  Nonlinearity nonlinearity = Nonlinearity::tanh;  ///< of an RNNCell
  GruForm form = GruForm::reset_after;             ///< of a GRUCell
  DType dtype = default_dtype();
};

/// One time step of a recurrent layer, for decoders whose next input depends on their last output. Parameters
/// weight_ih, weight_hh, bias_ih, bias_hh as those of Recurrent.
class NARAE_API RecurrentCell : public Module {
 public:
  RecurrentCell(RecurrentKind kind, std::int64_t inputs, std::int64_t units, const RecurrentCellOptions& options);
  [[nodiscard]] std::int64_t units() const { return units_; }

 protected:
  /// x: (batch, inputs), states (batch, units), zero when undefined. Throws Error for other shapes.
  [[nodiscard]] RecurrentState step(const Tensor& x, const RecurrentState& state) const;

 private:
  RecurrentKind kind_;
  std::int64_t inputs_, units_;
  RecurrentCellOptions options_;
  Tensor w_ih_, w_hh_, b_ih_, b_hh_;
};

class NARAE_API RNNCell : public RecurrentCell {
 public:
  RNNCell(std::int64_t inputs, std::int64_t units, const RecurrentCellOptions& options = {})
      : RecurrentCell(RecurrentKind::rnn, inputs, units, options) {}
  /// The next state; an undefined one counts as zero.
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& h = {}) const { return step(x, {h, {}}).h; }
};

class NARAE_API LSTMCell : public RecurrentCell {
 public:
  LSTMCell(std::int64_t inputs, std::int64_t units, const RecurrentCellOptions& options = {})
      : RecurrentCell(RecurrentKind::lstm, inputs, units, options) {}
  /// The next state; an undefined one counts as zero.
  [[nodiscard]] RecurrentState operator()(const Tensor& x, const RecurrentState& state = {}) const {
    return step(x, state);
  }
};

class NARAE_API GRUCell : public RecurrentCell {
 public:
  GRUCell(std::int64_t inputs, std::int64_t units, const RecurrentCellOptions& options = {})
      : RecurrentCell(RecurrentKind::gru, inputs, units, options) {}
  /// The next state; an undefined one counts as zero.
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& h = {}) const { return step(x, {h, {}}).h; }
};

}  // namespace narae::nn
