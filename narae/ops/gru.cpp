#include "narae/ops/gru.h"

#include <tuple>

#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/recurrent_rules.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using namespace recurrent;
using Inputs = std::span<const Node* const>;

// Gates that are kept for the gradient: r, z, n and, when the reset gate acts after the product, q = W_hn h + b_hn.
std::int64_t kept_gates(const RecurrentAttributes& a) {
  return a.variant == 0 ? 4 : 3;
}

// (p, h0, w_hh, [b_hn], [lengths]) -> (h, gates)
Signature infer_gru(Inputs inputs, Attributes attributes, int k) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const GruArguments at(a);
  const Rule rule("gru", inputs, at.count, at.lengths);
  rule.require_sequence(at.p, "p", 3);
  const Shape& p = rule.shape(at.p);
  const std::int64_t units = p[2] / 3;
  rule.require_shape(at.h0, "h0", {p[1], units});
  rule.require_shape(at.w_hh, "w_hh", {3 * units, units});
  if (at.b_hn >= 0) rule.require_shape(at.b_hn, "b_hn", {units});
  rule.require_lengths(at.lengths, p[1]);
  return {rule.dtype(), {p[0], p[1], k == 0 ? units : kept_gates(a) * units}};
}

// (gates, h, h0, w_hh, dh, [dgates], [lengths]) -> (dp, the cotangent of W_hh h + b, dh0). When the reset gate acts
// before the product, the second is dp itself and left empty.
Signature infer_gru_gradient(Inputs inputs, Attributes attributes, int k) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const GruGradientArguments at(a);
  const Rule rule("gru_gradient", inputs, at.count, at.lengths);
  rule.require_sequence(at.gates, "the gates", kept_gates(a));
  const Shape& gates = rule.shape(at.gates);
  const std::int64_t units = gates[2] / kept_gates(a);
  const Shape states{gates[0], gates[1], units};
  rule.require_shape(at.h, "h", states);
  rule.require_shape(at.h0, "h0", {gates[1], units});
  rule.require_shape(at.w_hh, "w_hh", {3 * units, units});
  rule.require_shape(at.dh, "dh", states);
  if (at.dgates >= 0) rule.require_shape(at.dgates, "dgates", gates);
  rule.require_lengths(at.lengths, gates[1]);
  if (k == 2) return {rule.dtype(), {gates[1], units}};
  if (k == 1 && a.variant != 0) return {rule.dtype(), {0}};
  return {rule.dtype(), {gates[0], gates[1], 3 * units}};
}

struct Step {
  Tensor h;
  Tensor gates;
};

// The rows of w_hh for r and z, and those for n.
std::vector<Tensor> weight_parts(const Tensor& w_hh) {
  const std::int64_t units = w_hh.size(1);
  return split(w_hh, {2 * units, units}, 0);
}

Tensor mixed(const Tensor& z, const Tensor& n, const Tensor& h) {
  return (1.0 - z) * n + z * h;
}

Step reset_after_step(const Tensor& p, const Tensor& h, const Tensor& w_hh, const Tensor& b_hn) {
  const std::vector<Tensor> x = split(p, 3, 1);
  const std::vector<Tensor> y = split(times(h, w_hh), 3, 1);
  const Tensor r = sigmoid(x[0] + y[0]);
  const Tensor z = sigmoid(x[1] + y[1]);
  const Tensor q = b_hn.defined() ? y[2] + b_hn : y[2];
  const Tensor n = tanh(x[2] + r * q);
  return {mixed(z, n, h), concat({r, z, n, q}, 1)};
}

Step reset_before_step(const Tensor& p, const Tensor& h, const Tensor& w_hh) {
  const std::vector<Tensor> w = weight_parts(w_hh);
  const std::vector<Tensor> x = split(p, 3, 1);
  const std::vector<Tensor> y = split(times(h, w[0]), 2, 1);
  const Tensor r = sigmoid(x[0] + y[0]);
  const Tensor z = sigmoid(x[1] + y[1]);
  const Tensor n = tanh(x[2] + times(r * h, w[1]));
  return {mixed(z, n, h), concat({r, z, n}, 1)};
}

std::vector<Tensor> compose_gru(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const GruArguments at(a);
  const Tensor& p = inputs[index_of(at.p)];
  const Steps steps(p.size(0), a, argument(inputs, at.lengths));
  Tensor h = inputs[index_of(at.h0)];
  std::vector<Tensor> states(steps.order().size());
  std::vector<Tensor> gates(states.size());
  for (const std::int64_t t : steps.order()) {
    const Step step = a.variant == 0
                          ? reset_after_step(at_time(p, t), h, inputs[index_of(at.w_hh)], argument(inputs, at.b_hn))
                          : reset_before_step(at_time(p, t), h, inputs[index_of(at.w_hh)]);
    h = steps.choose(t, step.h, h);
    states[static_cast<std::size_t>(t)] = h;
    gates[static_cast<std::size_t>(t)] = steps.or_zero(t, step.gates);
  }
  return {stack(states), stack(gates)};
}

// What one step hands back, given the cotangent of its new state.
struct StepGradient {
  Tensor dp;       // (batch, 3 units)
  Tensor product;  // of W_hh h + b, when that is not dp
  Tensor h;        // of the state before
};

StepGradient reset_after_gradient(const std::vector<Tensor>& gate, const Tensor& h, const Tensor& w_hh,
                                  const Tensor& dh, const std::vector<Tensor>& dgate) {
  const auto& [r, z, n, q] = std::tie(gate[0], gate[1], gate[2], gate[3]);
  const auto with = [&](std::size_t i, const Tensor& d) { return dgate.empty() ? d : d + dgate[i]; };
  const Tensor of_z = with(1, dh * (h - n)) * z * (1.0 - z);
  const Tensor of_n = with(2, dh * (1.0 - z)) * (1.0 - square(n));
  const Tensor of_q = with(3, of_n * r);
  const Tensor of_r = with(0, of_n * q) * r * (1.0 - r);
  const Tensor product = concat({of_r, of_z, of_q}, 1);
  return {concat({of_r, of_z, of_n}, 1), product, dh * z + matmul(product, w_hh)};
}

StepGradient reset_before_gradient(const std::vector<Tensor>& gate, const Tensor& h, const Tensor& w_hh,
                                   const Tensor& dh, const std::vector<Tensor>& dgate) {
  const auto& [r, z, n] = std::tie(gate[0], gate[1], gate[2]);
  const std::vector<Tensor> w = weight_parts(w_hh);
  const auto with = [&](std::size_t i, const Tensor& d) { return dgate.empty() ? d : d + dgate[i]; };
  const Tensor of_z = with(1, dh * (h - n)) * z * (1.0 - z);
  const Tensor of_n = with(2, dh * (1.0 - z)) * (1.0 - square(n));
  const Tensor of_rh = matmul(of_n, w[1]);
  const Tensor of_r = with(0, of_rh * h) * r * (1.0 - r);
  const Tensor back = dh * z + of_rh * r + matmul(concat({of_r, of_z}, 1), w[0]);
  return {concat({of_r, of_z, of_n}, 1), {}, back};
}

std::vector<Tensor> compose_gru_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const GruGradientArguments at(a);
  const Tensor& all_dh = inputs[index_of(at.dh)];
  const Steps steps(all_dh.size(0), a, argument(inputs, at.lengths));
  const Tensor before = states_before(inputs[index_of(at.h)], inputs[index_of(at.h0)], a.reverse != 0);
  const auto step_gradient = a.variant == 0 ? reset_after_gradient : reset_before_gradient;
  std::vector<Tensor> dp(steps.order().size());
  std::vector<Tensor> products(dp.size());
  Tensor handed_back;
  for (const std::int64_t t : steps.backwards()) {
    const auto place = static_cast<std::size_t>(t);
    Tensor dh = at_time(all_dh, t);
    if (handed_back.defined()) dh = dh + handed_back;
    std::vector<Tensor> dgate;
    if (at.dgates >= 0) dgate = split(at_time(argument(inputs, at.dgates), t), kept_gates(a), 1);
    const std::vector<Tensor> gate = split(at_time(inputs[index_of(at.gates)], t), kept_gates(a), 1);
    const StepGradient step = step_gradient(gate, at_time(before, t), inputs[index_of(at.w_hh)], dh, dgate);
    dp[place] = steps.or_zero(t, step.dp);
    if (a.variant == 0) products[place] = steps.or_zero(t, step.product);
    handed_back = steps.choose(t, step.h, dh);
  }
  return {stack(dp), a.variant == 0 ? stack(products) : zeros({0}, all_dh.dtype()), handed_back};
}

void gru_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& gru_op = define_op({.name = "gru",
                              .kind = OpClass::fused,
                              .arity = -1,
                              .results = 2,
                              .infer = infer_gru,
                              .gradient = gru_gradient,
                              .compose = compose_gru});
const Op& gru_gradient_op = define_op({.name = "gru_gradient",
                                       .kind = OpClass::fused,
                                       .arity = -1,
                                       .results = 3,
                                       .infer = infer_gru_gradient,
                                       .compose = compose_gru_gradient});

// The gradient of w_hh from those of the products and what they were made with.
Tensor weight_gradient(const Tensor& dp, const Tensor& product, const Tensor& gates, const Tensor& before) {
  if (product.defined()) return summed_products(product, before);
  const std::int64_t units = before.size(2);
  const Tensor r = narrow(gates, 2, 0, units);
  return concat({summed_products(narrow(dp, 2, 0, 2 * units), before),
                 summed_products(narrow(dp, 2, 2 * units, units), r * before)},
                0);
}

void gru_gradient(const GradientCase& at, std::span<Tensor> out) {
  auto a = attributes_as<RecurrentAttributes>(at.attributes);
  const GruArguments in(a);
  const Tensor& h = at.results[0];
  const Tensor& gates = at.results[1];
  const Tensor& h0 = at.inputs[index_of(in.h0)];
  const Tensor& dgates = at.cotangents[1];
  std::vector<Tensor> inputs = {gates, h, h0, at.inputs[index_of(in.w_hh)],
                                at.cotangents[0].defined() ? at.cotangents[0] : zeros_like(h)};
  if (dgates.defined()) inputs.push_back(dgates);
  if (in.lengths >= 0) inputs.push_back(argument(at.inputs, in.lengths));
  a.cotangents = dgates.defined() ? 2 : 0;
  const Tensor all = apply(gru_gradient_op, inputs, words_of(a));
  const Tensor dp = output(all, 0);
  const Tensor product = a.variant == 0 ? output(all, 1) : Tensor();
  if (at.needs[index_of(in.p)]) out[index_of(in.p)] = dp;
  if (at.needs[index_of(in.h0)]) out[index_of(in.h0)] = output(all, 2);
  if (at.needs[index_of(in.w_hh)])
    out[index_of(in.w_hh)] = weight_gradient(dp, product, gates, states_before(h, h0, a.reverse != 0));
  if (in.b_hn < 0 || !at.needs[static_cast<std::size_t>(in.b_hn)]) return;
  const std::int64_t units = h.size(2);
  out[static_cast<std::size_t>(in.b_hn)] = sum(narrow(product, 2, 2 * units, units), {0, 1});
}

void require_no_bias(const Tensor& b_hn, GruForm form) {
  if (form == GruForm::reset_before && b_hn.defined()) {
    throw Error("gru: b_hn stands inside the reset gate; with the gate before the product, add it to p");
  }
}

}  // namespace

Tensor gru(const Tensor& p, const Tensor& h0, const Tensor& w_hh, const GruOptions& options) {
  require_no_bias(options.b_hn, options.form);
  const bool after = options.form == GruForm::reset_after;
  const RecurrentAttributes a{.variant = after ? 0 : 1,
                              .reverse = options.reverse ? 1 : 0,
                              .projected = 0,
                              .packed = options.lengths.defined() ? 1 : 0,
                              .cotangents = 0};
  require_defined("gru", "p", p);
  require_defined("gru", "h0", h0);
  require_defined("gru", "w_hh", w_hh);
  std::vector<Tensor> inputs = {p, h0, w_hh};
  if (after) inputs.push_back(options.b_hn.defined() ? options.b_hn : zeros({w_hh.size(-1)}, w_hh.dtype()));
  if (options.lengths.defined()) inputs.push_back(options.lengths);
  return output(apply(gru_op, inputs, words_of(a)), 0);
}

Tensor gru_cell(const Tensor& p, const Tensor& h, const Tensor& w_hh, const Tensor& b_hn, GruForm form) {
  require_no_bias(b_hn, form);
  return form == GruForm::reset_after ? reset_after_step(p, h, w_hh, b_hn).h : reset_before_step(p, h, w_hh).h;
}

}  // namespace narae
