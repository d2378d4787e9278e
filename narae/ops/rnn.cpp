#include "narae/ops/rnn.h"

#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/recurrent_rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using namespace recurrent;
using Inputs = std::span<const Node* const>;

// (p, h0, w_hh, [lengths]) -> h
Signature infer_rnn(Inputs inputs, Attributes attributes, int) {
  const RnnArguments at(attributes_as<RecurrentAttributes>(attributes));
  const Rule rule("rnn", inputs, at.count, at.lengths);
  rule.require_sequence(at.p, "p", 1);
  const Shape& p = rule.shape(at.p);
  rule.require_shape(at.h0, "h0", {p[1], p[2]});
  rule.require_shape(at.w_hh, "w_hh", {p[2], p[2]});
  rule.require_lengths(at.lengths, p[1]);
  return {rule.dtype(), p};
}

// (h, w_hh, dh, [lengths]) -> (dp, dh0)
Signature infer_rnn_gradient(Inputs inputs, Attributes attributes, int k) {
  const RnnGradientArguments at(attributes_as<RecurrentAttributes>(attributes));
  const Rule rule("rnn_gradient", inputs, at.count, at.lengths);
  rule.require_sequence(at.h, "h", 1);
  const Shape& h = rule.shape(at.h);
  rule.require_shape(at.w_hh, "w_hh", {h[2], h[2]});
  rule.require_shape(at.dh, "dh", h);
  rule.require_lengths(at.lengths, h[1]);
  return {rule.dtype(), k == 0 ? h : Shape{h[1], h[2]}};
}

Nonlinearity nonlinearity_of(const RecurrentAttributes& a) {
  return a.variant == 0 ? Nonlinearity::tanh : Nonlinearity::relu;
}

std::vector<Tensor> compose_rnn(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const RnnArguments at(a);
  const Tensor& p = inputs[index_of(at.p)];
  const Steps steps(p.size(0), a, argument(inputs, at.lengths));
  Tensor h = inputs[index_of(at.h0)];
  std::vector<Tensor> states(steps.order().size());
  for (const std::int64_t t : steps.order()) {
    h = steps.choose(t, rnn_cell(at_time(p, t), h, inputs[index_of(at.w_hh)], nonlinearity_of(a)), h);
    states[static_cast<std::size_t>(t)] = h;
  }
  return {stack(states)};
}

// Backpropagation through time: the cotangent of a state is what its own use gives and what the next step hands back.
std::vector<Tensor> compose_rnn_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<RecurrentAttributes>(attributes);
  const RnnGradientArguments at(a);
  const Tensor& dh = inputs[index_of(at.dh)];
  const Steps steps(dh.size(0), a, argument(inputs, at.lengths));
  std::vector<Tensor> dp(steps.order().size());
  Tensor handed_back;
  for (const std::int64_t t : steps.backwards()) {
    Tensor d = at_time(dh, t);
    if (handed_back.defined()) d = d + handed_back;
    const Tensor h = at_time(inputs[index_of(at.h)], t);
    const Tensor slope = a.variant == 0 ? d * (1.0 - square(h)) : where(greater(h, 0.0), d, 0.0);
    Tensor& of_p = dp[static_cast<std::size_t>(t)];
    of_p = steps.or_zero(t, slope);
    handed_back = steps.choose(t, matmul(of_p, inputs[index_of(at.w_hh)]), d);
  }
  return {stack(dp), handed_back};
}

void rnn_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& rnn_op = define_op({.name = "rnn",
                              .kind = OpClass::fused,
                              .arity = -1,
                              .infer = infer_rnn,
                              .gradient = rnn_gradient,
                              .compose = compose_rnn});
const Op& rnn_gradient_op = define_op({.name = "rnn_gradient",
                                       .kind = OpClass::fused,
                                       .arity = -1,
                                       .results = 2,
                                       .infer = infer_rnn_gradient,
                                       .compose = compose_rnn_gradient});

void rnn_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<RecurrentAttributes>(at.attributes);
  const RnnArguments in(a);
  const Tensor& h = at.results[0];
  std::vector<Tensor> inputs = {h, at.inputs[index_of(in.w_hh)], at.cotangents[0]};
  if (in.lengths >= 0) inputs.push_back(argument(at.inputs, in.lengths));
  const Tensor all = apply(rnn_gradient_op, inputs, at.attributes);
  const Tensor dp = output(all, 0);
  if (at.needs[index_of(in.p)]) out[index_of(in.p)] = dp;
  if (at.needs[index_of(in.h0)]) out[index_of(in.h0)] = output(all, 1);
  if (at.needs[index_of(in.w_hh)])
    out[index_of(in.w_hh)] = summed_products(dp, states_before(h, at.inputs[index_of(in.h0)], a.reverse != 0));
}

}  // namespace

Tensor rnn(const Tensor& p, const Tensor& h0, const Tensor& w_hh, const RnnOptions& options) {
  const RecurrentAttributes a{.variant = options.nonlinearity == Nonlinearity::tanh ? 0 : 1,
                              .reverse = options.reverse ? 1 : 0,
                              .projected = 0,
                              .packed = options.lengths.defined() ? 1 : 0,
                              .cotangents = 0};
  require_defined("rnn", "p", p);
  require_defined("rnn", "h0", h0);
  require_defined("rnn", "w_hh", w_hh);
  std::vector<Tensor> inputs = {p, h0, w_hh};
  if (options.lengths.defined()) inputs.push_back(options.lengths);
  return apply(rnn_op, inputs, words_of(a));
}

Tensor rnn_cell(const Tensor& p, const Tensor& h, const Tensor& w_hh, Nonlinearity nonlinearity) {
  const Tensor z = p + times(h, w_hh);
  return nonlinearity == Nonlinearity::tanh ? tanh(z) : relu(z);
}

}  // namespace narae
