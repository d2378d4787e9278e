#include "narae/nn/recurrent.h"

#include <array>
#include <cmath>

#include "narae/nn/recurrent_start.h"
#include "narae/ops/dropout.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/lstm.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

std::string details_of(RecurrentKind kind, std::int64_t inputs, std::int64_t units, const RecurrentOptions& o) {
  std::string text = std::to_string(inputs) + ", " + std::to_string(units);
  if (o.layers != 1) text += ", " + std::to_string(o.layers) + " layers";
  if (o.bidirectional) text += ", bidirectional";
  if (kind == RecurrentKind::rnn && o.nonlinearity == Nonlinearity::relu) text += ", relu";
  if (kind == RecurrentKind::gru && o.form == GruForm::reset_before) text += ", reset before the product";
  if (o.projection != 0) text += ", projection " + std::to_string(o.projection);
  if (o.dropout != 0) {
    const std::string rate = std::to_string(o.dropout);
    text += ", dropout " + rate.substr(0, rate.find_last_not_of('0') + 1);
  }
  text += o.bias == RecurrentBias::none ? ", no bias" : o.bias == RecurrentBias::one ? ", one bias" : ", two biases";
  return text;
}

// Element i of the first axis as (batch, width); zeros when there is no such state.
Tensor state_of(const Tensor& states, std::int64_t i, const Shape& shape, DType dtype) {
  if (!states.defined()) return zeros(shape, dtype);
  return reshape(narrow(states, 0, i, 1), shape);
}

// Of states after each step: (1, batch, width) after the last one that the direction took.
Tensor last_of(const Tensor& states, bool reverse) {
  return narrow(states, 0, reverse ? 0 : states.size(0) - 1, 1);
}

Tensor joined(const std::vector<Tensor>& parts, std::int64_t axis) {
  return parts.size() == 1 ? parts[0] : concat(parts, axis);
}

// y, (time, batch, width), with zeros behind the end of each sequence.
Tensor cut(const Tensor& y, const Tensor& lengths) {
  const Tensor times = reshape(arange(0, static_cast<double>(y.size(0)), 1, DType::i64), {y.size(0), 1, 1});
  return where(less(times, reshape(lengths, {1, lengths.size(0), 1})), y, 0.0);
}

void require_in_range(const std::string& kind, const Tensor& lengths, std::int64_t steps) {
  if (!lengths.read()->computed()) return;
  std::int64_t n = 0;
  for (const std::int64_t length : lengths.to_vector<std::int64_t>()) {
    if (length < 1 || length > steps) {
      throw Error(kind + ": sequence " + std::to_string(n) + " has length " + std::to_string(length) + "; 1 to " +
                  std::to_string(steps) + " is possible with " + std::to_string(steps) + " time steps");
    }
    ++n;
  }
}

}  // namespace

RecurrentState detached(const RecurrentState& state) {
  return {state.h.defined() ? detach(state.h) : Tensor(), state.c.defined() ? detach(state.c) : Tensor()};
}

Recurrent::Recurrent(RecurrentKind kind, std::int64_t inputs, std::int64_t units, const RecurrentOptions& options)
    : Module(kind == RecurrentKind::rnn    ? "RNN"
             : kind == RecurrentKind::lstm ? "LSTM"
                                           : "GRU",
             details_of(kind, inputs, units, options)),
      kind_(kind),
      inputs_(inputs),
      units_(units),
      options_(options) {
  require_options();
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    for (std::int64_t direction = 0; direction < directions(); ++direction) {
      const std::string suffix = "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : "");
      weights_.push_back(register_layer(layer == 0 ? inputs : directions() * outputs(), suffix));
    }
  }
}

void Recurrent::require_options() const {
  const auto fail = [&](const std::string& why) { throw Error(kind() + ": " + details() + ": " + why); };
  if (inputs_ < 1 || units_ < 1 || options_.layers < 1) fail("inputs, units and layers must be at least 1");
  if (!(options_.dropout >= 0 && options_.dropout <= 1)) fail("the dropout must be between 0 and 1");
  const bool lstm = kind_ == RecurrentKind::lstm;
  if (options_.projection != 0 && !lstm) fail("an LSTM alone has a projection");
  if (options_.projection < 0 || options_.projection > units_) fail("the projection must be between 1 and the units");
  if (options_.nonlinearity != Nonlinearity::tanh && kind_ != RecurrentKind::rnn) {
    fail("an RNN alone has a choice of nonlinearity");
  }
  if (options_.form != GruForm::reset_after && kind_ != RecurrentKind::gru) fail("a GRU alone has two forms");
  if (options_.forget_bias && !lstm) fail("an LSTM alone has a forget gate");
  if (options_.forget_bias && options_.bias == RecurrentBias::none) fail("there is no bias for the forget gate");
  if (options_.recurrent_start == RecurrentStart::identity && outputs() != units_) {
    fail("recurrent weights with a projection are not square: there is no identity");
  }
}

Recurrent::Weights Recurrent::register_layer(std::int64_t inputs, const std::string& suffix) const {
  const RecurrentSizes sizes{
      .kind = kind_, .inputs = inputs, .units = units_, .outputs = outputs(), .bias = options_.bias};
  FirstWeights first(sizes, options_.recurrent_start, options_.forget_bias, options_.dtype);
  Weights w;
  w.ih = register_parameter("weight_ih" + suffix, first.weight_ih());
  w.hh = register_parameter("weight_hh" + suffix, first.weight_hh());
  if (options_.bias != RecurrentBias::none) w.b_ih = register_parameter("bias_ih" + suffix, first.bias(true));
  if (options_.bias == RecurrentBias::two) w.b_hh = register_parameter("bias_hh" + suffix, first.bias(false));
  if (options_.projection > 0) w.hr = register_parameter("weight_hr" + suffix, first.weight_hr());
  return w;
}

RecurrentOutput Recurrent::operator()(const Tensor& x, const RecurrentState& state, const Tensor& lengths) const {
  const auto inside = scope();
  return run(x, state, lengths);
}

Tensor Recurrent::forward(const Tensor& x) const {
  return run(x, {}, {}).y;
}

void Recurrent::require_shapes(const Tensor& x, const RecurrentState& state, const Tensor& lengths) const {
  const char* order = options_.batch_first ? "(batch, time, " : "(time, batch, ";
  if (!x.defined() || x.rank() != 3 || x.size(2) != inputs_ || x.count() == 0) {
    throw Error(kind() + ": x has shape " + (x.defined() ? to_string(x.shape()) : "(undefined)") + "; " + order +
                std::to_string(inputs_) + ") with at least one element is needed");
  }
  const std::int64_t batch = x.size(options_.batch_first ? 0 : 1);
  const auto require_state = [&](const char* name, const Tensor& given, std::int64_t width) {
    const Shape wanted{options_.layers * directions(), batch, width};
    if (!given.defined() || given.shape() == wanted) return;
    throw Error(kind() + ": the state " + name + " has shape " + to_string(given.shape()) + ", x " +
                to_string(x.shape()) + "; (layers * directions, batch, width) = " + to_string(wanted) + " is needed");
  };
  require_state("h", state.h, outputs());
  require_state("c", state.c, units_);
  if (state.c.defined() && kind_ != RecurrentKind::lstm) throw Error(kind() + ": an LSTM alone has a state c");
  if (!lengths.defined()) return;
  if (lengths.dtype() != DType::i64 || !(lengths.shape() == Shape{batch})) {
    throw Error(kind() + ": the lengths are " + std::string(name_of(lengths.dtype())) + " " +
                to_string(lengths.shape()) + ", x " + to_string(x.shape()) + "; i64 " + to_string(Shape{batch}) +
                " is needed");
  }
  require_in_range(kind(), lengths, x.size(options_.batch_first ? 1 : 0));
}

RecurrentOutput Recurrent::run(const Tensor& x, const RecurrentState& state, const Tensor& lengths) const {
  require_shapes(x, state, lengths);
  Tensor y = options_.batch_first ? transpose(x, 0, 1) : x;
  const std::int64_t batch = y.size(1);
  std::vector<Tensor> h;
  std::vector<Tensor> c;
  for (std::int64_t layer = 0; layer < options_.layers; ++layer) {
    if (layer > 0 && options_.dropout > 0 && is_training()) {
      y = options_.variational ? dropout_along(y, options_.dropout, 0) : dropout(y, options_.dropout);
    }
    std::vector<Tensor> both;
    for (std::int64_t direction = 0; direction < directions(); ++direction) {
      const std::int64_t i = layer * directions() + direction;
      RecurrentState first{state_of(state.h, i, {batch, outputs()}, y.dtype()), {}};
      if (kind_ == RecurrentKind::lstm) first.c = state_of(state.c, i, {batch, units_}, y.dtype());
      const RecurrentOutput one = run_layer(y, first, weights_[static_cast<std::size_t>(i)], direction == 1, lengths);
      both.push_back(one.y);
      h.push_back(one.state.h);
      if (one.state.c.defined()) c.push_back(one.state.c);
    }
    y = joined(both, 2);
  }
  if (lengths.defined()) y = cut(y, lengths);
  return {options_.batch_first ? transpose(y, 0, 1) : y, {joined(h, 0), c.empty() ? Tensor() : joined(c, 0)}};
}

RecurrentOutput Recurrent::run_layer(const Tensor& x, const RecurrentState& first, const Weights& w, bool reverse,
                                     const Tensor& lengths) const {
  const InputProduct product = input_product(kind_, options_.form, x, w.ih, w.b_ih, w.b_hh);
  switch (kind_) {
    case RecurrentKind::lstm: {
      const LstmState all =
          lstm(product.p, {first.h, first.c}, w.hh, {.w_hr = w.hr, .reverse = reverse, .lengths = lengths});
      return {all.h, {last_of(all.h, reverse), last_of(all.c, reverse)}};
    }
    case RecurrentKind::gru: {
      const Tensor h = gru(product.p, first.h, w.hh,
                           {.form = options_.form, .b_hn = product.b_hn, .reverse = reverse, .lengths = lengths});
      return {h, {last_of(h, reverse), {}}};
    }
    case RecurrentKind::rnn:
      break;
  }
  const Tensor h =
      rnn(product.p, first.h, w.hh, {.nonlinearity = options_.nonlinearity, .reverse = reverse, .lengths = lengths});
  return {h, {last_of(h, reverse), {}}};
}

RecurrentKind recurrent_kind(std::string_view name) {
  constexpr std::array<const char*, 3> known = {"rnn", "lstm", "gru"};
  for (std::size_t i = 0; i < known.size(); ++i)
    if (name == known[i]) return static_cast<RecurrentKind>(i);
  const std::string wrong(name);
  throw UsageError("there is no recurrent layer '" + wrong + "'" + did_you_mean(wrong, known));
}

Recurrent make_recurrent(std::string_view name, std::int64_t inputs, std::int64_t units,
                         const RecurrentOptions& options) {
  return {recurrent_kind(name), inputs, units, options};
}

}  // namespace narae::nn
