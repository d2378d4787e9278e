#include "narae/nn/recurrent_cell.h"

#include "narae/nn/recurrent_start.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/lstm.h"

namespace narae::nn {
namespace {

const char* name_of(RecurrentKind kind) {
  return kind == RecurrentKind::rnn ? "RNNCell" : kind == RecurrentKind::lstm ? "LSTMCell" : "GRUCell";
}

std::string details_of(std::int64_t inputs, std::int64_t units, RecurrentBias bias) {
  return std::to_string(inputs) + ", " + std::to_string(units) +
         (bias == RecurrentBias::none  ? ", no bias"
          : bias == RecurrentBias::one ? ", one bias"
                                       : ", two biases");
}

}  // namespace

RecurrentCell::RecurrentCell(RecurrentKind kind, std::int64_t inputs, std::int64_t units,
                             const RecurrentCellOptions& options)
    : Module(name_of(kind), details_of(inputs, units, options.bias)),
      kind_(kind),
      inputs_(inputs),
      units_(units),
      options_(options) {
  if (inputs < 1 || units < 1) throw Error(this->kind() + ": " + details() + ": inputs and units must be at least 1");
  if (options.nonlinearity != Nonlinearity::tanh && kind != RecurrentKind::rnn) {
    throw Error(this->kind() + ": an RNNCell alone has a choice of nonlinearity");
  }
  if (options.form != GruForm::reset_after && kind != RecurrentKind::gru) {
    throw Error(this->kind() + ": a GRUCell alone has two forms");
  }
  const FirstWeights first({.kind = kind, .inputs = inputs, .units = units, .outputs = units, .bias = options.bias},
                           RecurrentStart::uniform, {}, options.dtype);
  w_ih_ = register_parameter("weight_ih", first.weight_ih());
  w_hh_ = register_parameter("weight_hh", first.weight_hh());
  if (options.bias != RecurrentBias::none) b_ih_ = register_parameter("bias_ih", first.bias(true));
  if (options.bias == RecurrentBias::two) b_hh_ = register_parameter("bias_hh", first.bias(false));
}

RecurrentState RecurrentCell::step(const Tensor& x, const RecurrentState& state) const {
  const auto inside = scope();
  if (!x.defined() || x.rank() != 2 || x.size(1) != inputs_) {
    throw Error(kind() + ": x has shape " + (x.defined() ? to_string(x.shape()) : "(undefined)") + "; (batch, " +
                std::to_string(inputs_) + ") is needed");
  }
  const Shape shape{x.size(0), units_};
  const auto given = [&](const char* name, const Tensor& part) {
    if (!part.defined()) return zeros(shape, x.dtype());
    if (part.shape() == shape) return part;
    throw Error(kind() + ": the state " + name + " has shape " + to_string(part.shape()) + ", x " +
                to_string(x.shape()) + "; " + to_string(shape) + " is needed");
  };
  const Tensor h = given("h", state.h);
  const InputProduct product = input_product(kind_, options_.form, x, w_ih_, b_ih_, b_hh_);
  if (kind_ == RecurrentKind::lstm) {
    const LstmState next = lstm_cell(product.p, {h, given("c", state.c)}, w_hh_);
    return {next.h, next.c};
  }
  if (kind_ == RecurrentKind::gru) return {gru_cell(product.p, h, w_hh_, product.b_hn, options_.form), {}};
  return {rnn_cell(product.p, h, w_hh_, options_.nonlinearity), {}};
}

}  // namespace narae::nn
