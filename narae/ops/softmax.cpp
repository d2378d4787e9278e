#include "narae/ops/softmax.h"

#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using Inputs = std::span<const Node* const>;

Signature same_as_inputs(const char* name, Inputs inputs, Attributes attributes) {
  for (const Node* input : inputs) {
    if (!is_floating(input->dtype) || input->dtype != inputs[0]->dtype || !(input->shape == inputs[0]->shape)) {
      throw Error(std::string(name) + ": arguments are " + std::string(name_of(inputs[0]->dtype)) + " " +
                  to_string(inputs[0]->shape) + " and " + std::string(name_of(input->dtype)) + " " +
                  to_string(input->shape) + "; one floating type and one shape are needed");
    }
  }
  const std::int64_t axis = attributes_as<AxisAttributes>(attributes).axis;
  if (axis < 0 || axis >= inputs[0]->shape.rank()) {
    throw Error(std::string(name) + ": shape " + to_string(inputs[0]->shape) + " has no axis " + std::to_string(axis));
  }
  return {inputs[0]->dtype, inputs[0]->shape};
}

Tensor sum_along(const Tensor& x, std::int64_t axis) {
  return broadcast_to(sum(x, axis, {.keep = true}), x.shape());
}

// x less its maximum along the axis, which changes no quotient and keeps exp from overflowing.
Tensor shifted(const Tensor& x, std::int64_t axis) {
  return x - broadcast_to(max(detach(x), axis, {.keep = true}), x.shape());
}

std::int64_t axis_of(Attributes attributes) {
  return attributes_as<AxisAttributes>(attributes).axis;
}

std::vector<Tensor> compose_softmax(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor e = exp(shifted(inputs[0], axis_of(attributes)));
  return {e / sum_along(e, axis_of(attributes))};
}

std::vector<Tensor> compose_log_softmax(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor z = shifted(inputs[0], axis_of(attributes));
  const Tensor total = sum(exp(z), axis_of(attributes), {.keep = true});
  return {z - broadcast_to(log(total), z.shape())};
}

// (y, dy) -> y (dy - sum(y dy))
std::vector<Tensor> compose_softmax_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const auto& y = inputs[0];
  const auto& dy = inputs[1];
  return {y * (dy - sum_along(y * dy, axis_of(attributes)))};
}

// (y, dy) -> dy - exp(y) sum(dy)
std::vector<Tensor> compose_log_softmax_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const auto& y = inputs[0];
  const auto& dy = inputs[1];
  return {dy - exp(y) * sum_along(dy, axis_of(attributes))};
}

void softmax_gradient(const GradientCase& at, std::span<Tensor> out);
void log_softmax_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& softmax_op =
    define_op({.name = "softmax",
               .kind = OpClass::fused,
               .infer = [](Inputs in, Attributes a, int) { return same_as_inputs("softmax", in, a); },
               .gradient = softmax_gradient,
               .compose = compose_softmax});
const Op& log_softmax_op =
    define_op({.name = "log_softmax",
               .kind = OpClass::fused,
               .infer = [](Inputs in, Attributes a, int) { return same_as_inputs("log_softmax", in, a); },
               .gradient = log_softmax_gradient,
               .compose = compose_log_softmax});
const Op& softmax_gradient_op =
    define_op({.name = "softmax_gradient",
               .kind = OpClass::fused,
               .arity = 2,
               .infer = [](Inputs in, Attributes a, int) { return same_as_inputs("softmax_gradient", in, a); },
               .compose = compose_softmax_gradient});
const Op& log_softmax_gradient_op =
    define_op({.name = "log_softmax_gradient",
               .kind = OpClass::fused,
               .arity = 2,
               .infer = [](Inputs in, Attributes a, int) { return same_as_inputs("log_softmax_gradient", in, a); },
               .compose = compose_log_softmax_gradient});

void softmax_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = apply(softmax_gradient_op, {at.results[0], at.cotangents[0]}, at.attributes);
}
void log_softmax_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = apply(log_softmax_gradient_op, {at.results[0], at.cotangents[0]}, at.attributes);
}

Signature infer_logsumexp(std::span<const Node* const> inputs, Attributes attributes, int) {
  if (!is_floating(inputs[0]->dtype)) {
    throw Error("logsumexp: x is " + std::string(name_of(inputs[0]->dtype)) + "; cast it to f32 or f64");
  }
  return {inputs[0]->dtype, reduced_shape(inputs[0]->shape, attributes_as<ReduceAttributes>(attributes))};
}

Axes axes_of(std::int64_t mask, int rank) {
  Shape axes;
  for (int i = 0; i < rank; ++i)
    if ((mask >> i & 1) != 0) axes.push_back(i);
  return {axes.dims()};
}

// An infinite maximum is left where it is: subtracting it would make NaN of -inf.
std::vector<Tensor> compose_logsumexp(std::span<const Tensor> inputs, Attributes attributes) {
  const auto a = attributes_as<ReduceAttributes>(attributes);
  const Tensor& x = inputs[0];
  const Axes axes = axes_of(a.axes, x.rank());
  const Tensor highest = detach(max(x, axes, {.keep = true}));
  const Tensor shift = where(is_finite(highest), highest, 0.0);
  const Tensor total = sum(exp(x - broadcast_to(shift, x.shape())), axes, {.keep = true});
  return {reshape(log(total) + shift, reduced_shape(x.shape(), a))};
}

void logsumexp_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  const auto a = attributes_as<ReduceAttributes>(at.attributes);
  const Tensor& x = at.inputs[0];
  const auto spread = [&](const Tensor& reduced) {
    return broadcast_to(reshape(reduced, reduced_shape(x.shape(), {a.axes, 1})), x.shape());
  };
  out[0] = spread(at.cotangents[0]) * exp(x - spread(at.results[0]));
}

const Op& logsumexp_op = define_op({.name = "logsumexp",
                                    .kind = OpClass::fused,
                                    .infer = infer_logsumexp,
                                    .gradient = logsumexp_gradient,
                                    .compose = compose_logsumexp});

Tensor along(const Op& op, const Tensor& x, std::int64_t axis) {
  if (!x.defined()) throw Error(std::string(op.name) + ": the argument is undefined");
  return apply(op, {x}, {normalize_axis(axis, x.rank(), op.name.data())});
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  return along(softmax_op, x, axis);
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  return along(log_softmax_op, x, axis);
}

Tensor logsumexp(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  if (!x.defined()) throw Error("logsumexp: the argument is undefined");
  return apply(logsumexp_op, {x}, {axes.mask(x.rank(), "logsumexp"), options.keep ? 1 : 0});
}

}  // namespace narae
