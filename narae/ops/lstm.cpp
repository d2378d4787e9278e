#include "narae/ops/lstm.h"

#include <tuple>

#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/recurrent_rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using namespace recurrent;
using Inputs = std::span<const Node* const>;

// (p, h0, c0, w_hh, [w_hr], [lengths]) -> (h, c, gates after their activation)
Signature infer_lstm(Inputs inputs, Attributes attributes, int k) {
  const LstmArguments at(attributes_as<RecurrentAttributes>(attributes));
  const Rule rule("lstm", inputs, at.count, at.lengths);
  rule.require_sequence(at.p, "p", 4);
  const Shape& p = rule.shape(at.p);
  const std::int64_t units = p[2] / 4;
  std::int64_t outputs = units;
  if (at.w_hr >= 0) {
    const Shape& w_hr = rule.shape(at.w_hr);
    outputs = w_hr.rank() == 2 ? w_hr[0] : 0;
    rule.require_shape(at.w_hr, "w_hr", {outputs, units});
  }
  rule.require_shape(at.h0, "h0", {p[1], outputs});
  rule.require_shape(at.c0, "c0", {p[1], units});
  rule.require_shape(at.w_hh, "w_hh", {4 * units, outputs});
  rule.require_lengths(at.lengths, p[1]);
  if (k == 2) return {rule.dtype(), p};
  return {rule.dtype(), {p[0], p[1], k == 0 ? outputs : units}};
}

// (gates, c, c0, w_hh, dh, [w_hr], [dc], [dgates], [lengths]) -> (dp, dh0, dc0, the whole cotangent of h); the last is
// needed for w_hr alone and has no element without it.
Signature infer_lstm_gradient(Inputs inputs, Attributes attributes, int k) {
  const LstmGradientArguments at(attributes_as<RecurrentAttributes>(attributes));
  const Rule rule("lstm_gradient", inputs, at.count, at.lengths);
  rule.require_sequence(at.gates, "the gates", 4);
  rule.require_sequence(at.dh, "dh", 1);
  const Shape& gates = rule.shape(at.gates);
  const std::int64_t units = gates[2] / 4;
  const std::int64_t outputs = at.w_hr >= 0 ? rule.shape(at.dh)[2] : units;
  const Shape cells{gates[0], gates[1], units};
  rule.require_shape(at.c, "c", cells);
  rule.require_shape(at.c0, "c0", {gates[1], units});
  rule.require_shape(at.w_hh, "w_hh", {4 * units, outputs});
  rule.require_shape(at.dh, "dh", {gates[0], gates[1], outputs});
  if (at.w_hr >= 0) rule.require_shape(at.w_hr, "w_hr", {outputs, units});
  if (at.dc >= 0) rule.require_shape(at.dc, "dc", cells);
  if (at.dgates >= 0) rule.require_shape(at.dgates, "dgates", gates);
  rule.require_lengths(at.lengths, gates[1]);
  switch (k) {
    case 0:
      return {rule.dtype(), gates};
    case 1:
      return {rule.dtype(), {gates[1], outputs}};
    case 2:
      return {rule.dtype(), {gates[1], units}};
    default:
      return {rule.dtype(), at.w_hr >= 0 ? rule.shape(at.dh) : Shape{0}};
  }
}

struct Step {
  LstmState state;
  Tensor gates;
};

Step lstm_step(const Tensor& p, const LstmState& state, const Tensor& w_hh, const Tensor& w_hr) {
  const std::vector<Tensor> z = split(p + times(state.h, w_hh), 4, 1);
  const Tensor i = sigmoid(z[0]);
  const Tensor f = sigmoid(z[1]);
  const Tensor g = tanh(z[2]);
  const Tensor o = sigmoid(z[3]);
  const Tensor c = f * state.c + i * g;
  const Tensor h = o * tanh(c);
  return {{w_hr.defined() ? times(h, w_hr) : h, c}, concat({i, f, g, o}, 1)};
}

std::vector<Tensor> compose_lstm(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const LstmArguments at(a);
  const Tensor& p = inputs[index_of(at.p)];
  const Steps steps(p.size(0), a, argument(inputs, at.lengths));
  LstmState state{inputs[index_of(at.h0)], inputs[index_of(at.c0)]};
  std::vector<Tensor> h(steps.order().size());
  std::vector<Tensor> c(h.size());
  std::vector<Tensor> gates(h.size());
  for (const std::int64_t t : steps.order()) {
    const Step step = lstm_step(at_time(p, t), state, inputs[index_of(at.w_hh)], argument(inputs, at.w_hr));
    state = {steps.choose(t, step.state.h, state.h), steps.choose(t, step.state.c, state.c)};
    const auto place = static_cast<std::size_t>(t);
    h[place] = state.h;
    c[place] = state.c;
    gates[place] = steps.or_zero(t, step.gates);
  }
  return {stack(h), stack(c), stack(gates)};
}

// Backpropagation through time. dh and dc of a step are what their own uses give and what the next step hands back.
std::vector<Tensor> compose_lstm_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const LstmGradientArguments at(a);
  const Tensor& all_dh = inputs[index_of(at.dh)];
  const Tensor w_hr = argument(inputs, at.w_hr);
  const Steps steps(all_dh.size(0), a, argument(inputs, at.lengths));
  const Tensor cells_before = states_before(inputs[index_of(at.c)], inputs[index_of(at.c0)], a.reverse != 0);
  std::vector<Tensor> dp(steps.order().size());
  std::vector<Tensor> of_h(dp.size());
  Tensor dh_back;
  Tensor dc_back;
  for (const std::int64_t t : steps.backwards()) {
    const auto place = static_cast<std::size_t>(t);
    const std::vector<Tensor> gate = split(at_time(inputs[index_of(at.gates)], t), 4, 1);
    const auto& [i, f, g, o] = std::tie(gate[0], gate[1], gate[2], gate[3]);
    const Tensor tanh_c = tanh(at_time(inputs[index_of(at.c)], t));

    Tensor dh = at_time(all_dh, t);
    if (dh_back.defined()) dh = dh + dh_back;
    of_h[place] = steps.or_zero(t, dh);
    const Tensor dm = w_hr.defined() ? matmul(dh, w_hr) : dh;  // of o tanh(c)

    Tensor dc = dc_back;
    if (at.dc >= 0) dc = dc.defined() ? dc + at_time(argument(inputs, at.dc), t) : at_time(argument(inputs, at.dc), t);
    const Tensor dc_outside = dc;
    const Tensor through_h = dm * o * (1.0 - square(tanh_c));
    dc = dc.defined() ? dc + through_h : through_h;

    Tensor dgates = concat({dc * g, dc * at_time(cells_before, t), dc * i, dm * tanh_c}, 1);
    if (at.dgates >= 0) dgates = dgates + at_time(argument(inputs, at.dgates), t);
    const Tensor slopes = concat({i * (1.0 - i), f * (1.0 - f), 1.0 - square(g), o * (1.0 - o)}, 1);
    dp[place] = steps.or_zero(t, dgates * slopes);

    dh_back = steps.choose(t, matmul(dp[place], inputs[index_of(at.w_hh)]), dh);
    dc_back = steps.choose(t, dc * f, dc_outside.defined() ? dc_outside : zeros_like(dc));
  }
  return {stack(dp), dh_back, dc_back, w_hr.defined() ? stack(of_h) : zeros({0}, all_dh.dtype())};
}

void lstm_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& lstm_op = define_op({.name = "lstm",
                               .kind = OpClass::fused,
                               .arity = -1,
                               .results = 3,
                               .infer = infer_lstm,
                               .gradient = lstm_gradient,
                               .compose = compose_lstm});
const Op& lstm_gradient_op = define_op({.name = "lstm_gradient",
                                        .kind = OpClass::fused,
                                        .arity = -1,
                                        .results = 4,
                                        .infer = infer_lstm_gradient,
                                        .compose = compose_lstm_gradient});

// The inputs of lstm_gradient; says in `a` which cotangents there are.
std::vector<Tensor> gradient_inputs(const GradientCase& at, RecurrentAttributes& a) {
  const LstmArguments in(a);
  const auto& [dh, dc, dgates] = std::tie(at.cotangents[0], at.cotangents[1], at.cotangents[2]);
  std::vector<Tensor> inputs = {at.results[2], at.results[1], at.inputs[index_of(in.c0)], at.inputs[index_of(in.w_hh)],
                                dh.defined() ? dh : zeros_like(at.results[0])};
  if (in.w_hr >= 0) inputs.push_back(argument(at.inputs, in.w_hr));
  if (dc.defined()) inputs.push_back(dc);
  if (dgates.defined()) inputs.push_back(dgates);
  if (in.lengths >= 0) inputs.push_back(argument(at.inputs, in.lengths));
  a.cotangents = (dc.defined() ? 1 : 0) + (dgates.defined() ? 2 : 0);
  return inputs;
}

void lstm_gradient(const GradientCase& at, std::span<Tensor> out) {
  auto a = attributes_as<RecurrentAttributes>(at.attributes);
  const LstmArguments in(a);
  const std::vector<Tensor> inputs = gradient_inputs(at, a);
  const Tensor all = apply(lstm_gradient_op, inputs, words_of(a));
  const Tensor dp = output(all, 0);
  if (at.needs[index_of(in.p)]) out[index_of(in.p)] = dp;
  if (at.needs[index_of(in.h0)]) out[index_of(in.h0)] = output(all, 1);
  if (at.needs[index_of(in.c0)]) out[index_of(in.c0)] = output(all, 2);
  if (at.needs[index_of(in.w_hh)]) {
    out[index_of(in.w_hh)] =
        summed_products(dp, states_before(at.results[0], at.inputs[index_of(in.h0)], a.reverse != 0));
  }
  if (in.w_hr < 0 || !at.needs[static_cast<std::size_t>(in.w_hr)]) return;
  const std::int64_t units = at.results[1].size(2);
  const Tensor o = narrow(at.results[2], 2, 3 * units, units);
  out[static_cast<std::size_t>(in.w_hr)] = summed_products(output(all, 3), o * tanh(at.results[1]));
}

}  // namespace

LstmState lstm(const Tensor& p, const LstmState& first, const Tensor& w_hh, const LstmOptions& options) {
  const RecurrentAttributes a{.variant = 0,
                              .reverse = options.reverse ? 1 : 0,
                              .projected = options.w_hr.defined() ? 1 : 0,
                              .packed = options.lengths.defined() ? 1 : 0,
                              .cotangents = 0};
  require_defined("lstm", "p", p);
  require_defined("lstm", "h0", first.h);
  require_defined("lstm", "c0", first.c);
  require_defined("lstm", "w_hh", w_hh);
  std::vector<Tensor> inputs = {p, first.h, first.c, w_hh};
  if (options.w_hr.defined()) inputs.push_back(options.w_hr);
  if (options.lengths.defined()) inputs.push_back(options.lengths);
  const Tensor all = apply(lstm_op, inputs, words_of(a));
  return {output(all, 0), output(all, 1)};
}

LstmState lstm_cell(const Tensor& p, const LstmState& state, const Tensor& w_hh, const Tensor& w_hr) {
  return lstm_step(p, state, w_hh, w_hr).state;
}

}  // namespace narae
