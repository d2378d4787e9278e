#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narae/nn/module.h"
#include "narae/ops/gru.h"
#include "narae/ops/rnn.h"

namespace narae::nn {

enum class RecurrentKind : std::uint8_t { rnn, lstm, gru };

enum class RecurrentBias : std::uint8_t {
  none,
  one,  ///< bias_ih alone, as in the textbooks
  two,  ///< bias_ih and bias_hh, as in PyTorch
};

/// First values of the weights between one step and the next, gate by gate; everything else is uniform in
/// +- 1 / sqrt(units).
enum class RecurrentStart : std::uint8_t {
  uniform,     ///< as everything else: PyTorch's choice
  orthogonal,  ///< Saxe et al. 2013
  identity,    ///< with biases of zero: for a ReLU network (Le, Jaitly and Hinton 2015)
};

struct RecurrentOptions {
  std::int64_t layers = 1;
  RecurrentBias bias = RecurrentBias::two;
  double dropout = 0;           ///< of what one layer hands to the next, while training
  bool variational = false;     ///< that dropout takes the same mask at all time steps (Gal and Ghahramani 2016)
  bool bidirectional = false;   ///< a second direction reads from the end
  bool batch_first = true;      ///< x is (batch, time, inputs), else (time, batch, inputs)
  std::int64_t projection = 0;  ///< of an LSTM: width of its output; 0: as many as units
  Nonlinearity nonlinearity = Nonlinearity::tanh;  ///< of an RNN
  GruForm form = GruForm::reset_after;             ///< of a GRU
  RecurrentStart recurrent_start = RecurrentStart::uniform;
  /// Of an LSTM: the first value of the forget gate's bias (Jozefowicz et al. 2015: 1); not given: as the others.
  std::optional<double> forget_bias = {};
  DType dtype = default_dtype();
};

/// The states of all layers between two time steps, (layers * directions, batch, outputs) and, of an LSTM, the cells
/// (layers * directions, batch, units); both directions of a layer follow each other.
struct RecurrentState {
  Tensor h;
  Tensor c;
};
/// The same values without their recipes: what truncated backpropagation through time carries to the next step.
[[nodiscard]] NARAE_API RecurrentState detached(const RecurrentState& state);

struct RecurrentOutput {
  Tensor y;  ///< of the last layer: (batch, time, directions * outputs), or with time in front
  RecurrentState state;
};

/// Recurrent layers, one on top of the other (Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014; Schuster
/// and Paliwal 1997 for two directions). Parameters have PyTorch's names, shapes and order of gates: weight_ih_l0
/// (gates * units, inputs), weight_hh_l0 (gates * units, outputs), bias_ih_l0, bias_hh_l0, weight_hr_l0 (projection,
/// units); _l1, ... for further layers, ..._reverse for the second direction. Gates: i, f, g, o; r, z, n.
class NARAE_API Recurrent : public Module {
 public:
  /// Throws Error for sizes below 1, a dropout outside [0, 1] and options that belong to another kind.
  Recurrent(RecurrentKind kind, std::int64_t inputs, std::int64_t units, const RecurrentOptions& options = {});

  /// Without a state, all states are zero at first. `lengths`, (batch) i64, says how long each sequence is: what lies
  /// behind has no influence, y is zero there, and the final state is that after the last step of each sequence.
  /// Lengths are an input at run time: a plan serves all of them. Throws Error for wrong shapes, and for a length
  /// outside 1 ... time when the lengths have been computed; otherwise a length below 1 leaves the state as it is.
  [[nodiscard]] RecurrentOutput operator()(const Tensor& x, const RecurrentState& state = {},
                                           const Tensor& lengths = {}) const;
  /// y alone, from states of zero.
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

  [[nodiscard]] RecurrentKind recurrent_kind() const { return kind_; }
  [[nodiscard]] std::int64_t inputs() const { return inputs_; }
  [[nodiscard]] std::int64_t units() const { return units_; }
  /// Width of the output of one direction.
  [[nodiscard]] std::int64_t outputs() const { return options_.projection > 0 ? options_.projection : units_; }
  [[nodiscard]] std::int64_t directions() const { return options_.bidirectional ? 2 : 1; }
  [[nodiscard]] const RecurrentOptions& options() const { return options_; }

 private:
  // The parameters of one layer in one direction; undefined: there is none.
  struct Weights {
    Tensor ih, hh, b_ih, b_hh, hr;
  };
  void require_options() const;
  Weights register_layer(std::int64_t inputs, const std::string& suffix) const;
  [[nodiscard]] RecurrentOutput run(const Tensor& x, const RecurrentState& state, const Tensor& lengths) const;
  void require_shapes(const Tensor& x, const RecurrentState& state, const Tensor& lengths) const;
  // One layer in one direction: states after each step, and the final state of the layer.
  [[nodiscard]] RecurrentOutput run_layer(const Tensor& x, const RecurrentState& first, const Weights& weights,
                                          bool reverse, const Tensor& lengths) const;

  RecurrentKind kind_;
  std::int64_t inputs_, units_;
  RecurrentOptions options_;
  std::vector<Weights> weights_;  // layers, and the directions of each
};

/// h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh); see narae::rnn.
class NARAE_API RNN : public Recurrent {
 public:
  RNN(std::int64_t inputs, std::int64_t units, const RecurrentOptions& options = {})
      : Recurrent(RecurrentKind::rnn, inputs, units, options) {}
};
/// See narae::lstm.
class NARAE_API LSTM : public Recurrent {
 public:
  LSTM(std::int64_t inputs, std::int64_t units, const RecurrentOptions& options = {})
      : Recurrent(RecurrentKind::lstm, inputs, units, options) {}
};
/// See narae::gru.
class NARAE_API GRU : public Recurrent {
 public:
  GRU(std::int64_t inputs, std::int64_t units, const RecurrentOptions& options = {})
      : Recurrent(RecurrentKind::gru, inputs, units, options) {}
};

/// "rnn", "lstm" or "gru"; throws UsageError for another name.
[[nodiscard]] NARAE_API RecurrentKind recurrent_kind(std::string_view name);
[[nodiscard]] NARAE_API Recurrent make_recurrent(std::string_view name, std::int64_t inputs, std::int64_t units,
                                                 const RecurrentOptions& options = {});

}  // namespace narae::nn
