#include "narae/ops/activation.h"

#include <numbers>

#include "narae/ops/elementwise.h"
#include "narae/ops/rules.h"

namespace narae {
namespace {

using rules::define_unary;
using rules::Types;

void relu_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = where(greater(at.results[0], 0), at.cotangents[0], 0);
}

void sigmoid_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& y = at.results[0];
  if (at.needs[0]) out[0] = at.cotangents[0] * (y * (1 - y));
}

void tanh_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] * (1 - square(at.results[0]));
}

void softplus_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] * sigmoid(at.inputs[0]);
}

// exp(-x^2 / 2) / sqrt(2 pi), the density of the normal distribution.
Tensor normal_density(const Tensor& x) {
  constexpr double scale = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  return scale * exp(-0.5 * square(x));
}

// Of the slopes below, the derivatives: what the second one of each function is made of.

void gelu_slope_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& x = at.inputs[0];
  if (at.needs[0]) out[0] = at.cotangents[0] * normal_density(x) * (2 - square(x));
}

// Of the slope of x sigmoid(z(x)), where z has the derivatives `first` and `second`.
Tensor gated_curvature(const Tensor& x, const Tensor& gate, const Tensor& first, const Tensor& second) {
  const Tensor slope = gate * (1 - gate) * first;  // of the gate
  const Tensor curvature = slope * (1 - 2 * gate) * first + gate * (1 - gate) * second;
  return 2 * slope + x * curvature;
}

// gelu_tanh is x sigmoid(tanh_gate (x + cubic x^3)): 0.5 (1 + tanh u) = sigmoid(2 u).
constexpr double tanh_gate = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double cubic = 0.044715;

void gelu_tanh_slope_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& x = at.inputs[0];
  if (!at.needs[0]) return;
  const Tensor gate = sigmoid(tanh_gate * (x + cubic * (x * square(x))));
  out[0] =
      at.cotangents[0] * gated_curvature(x, gate, tanh_gate * (1 + 3 * cubic * square(x)), 6 * tanh_gate * cubic * x);
}

void silu_slope_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& x = at.inputs[0];
  if (at.needs[0]) out[0] = at.cotangents[0] * gated_curvature(x, sigmoid(x), ones_like(x), zeros_like(x));
}

const Op& gelu_slope_op = define_unary<"gelu_slope", Types::floating>(gelu_slope_gradient);
const Op& gelu_tanh_slope_op = define_unary<"gelu_tanh_slope", Types::floating>(gelu_tanh_slope_gradient);
const Op& silu_slope_op = define_unary<"silu_slope", Types::floating>(silu_slope_gradient);

void gelu_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] * apply(gelu_slope_op, {at.inputs[0]});
}

void gelu_tanh_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] * apply(gelu_tanh_slope_op, {at.inputs[0]});
}

void silu_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] * apply(silu_slope_op, {at.inputs[0]});
}

const Op& gelu_op = define_unary<"gelu", Types::floating>(gelu_gradient);
const Op& gelu_tanh_op = define_unary<"gelu_tanh", Types::floating>(gelu_tanh_gradient);
const Op& silu_op = define_unary<"silu", Types::floating>(silu_gradient);
const Op& relu_op = define_unary<"relu", Types::floating>(relu_gradient);
const Op& sigmoid_op = define_unary<"sigmoid", Types::floating>(sigmoid_gradient);
const Op& tanh_op = define_unary<"tanh", Types::floating>(tanh_gradient);
const Op& softplus_op = define_unary<"softplus", Types::floating>(softplus_gradient);

}  // namespace

Tensor relu(const Tensor& x) {
  return apply(relu_op, {x});
}
Tensor sigmoid(const Tensor& x) {
  return apply(sigmoid_op, {x});
}
Tensor tanh(const Tensor& x) {
  return apply(tanh_op, {x});
}
Tensor softplus(const Tensor& x) {
  return apply(softplus_op, {x});
}

Tensor leaky_relu(const Tensor& x, double slope) {
  return where(greater(x, 0), x, x * slope);
}

// The exponential sees no positive number: it would overflow to an infinity that poisons the gradient.
Tensor elu(const Tensor& x, double alpha) {
  const Tensor positive = greater(x, 0);
  return where(positive, x, alpha * expm1(where(positive, zeros_like(x), x)));
}

Tensor gelu(const Tensor& x) {
  return apply(gelu_op, {x});
}

Tensor gelu_tanh(const Tensor& x) {
  return apply(gelu_tanh_op, {x});
}

Tensor silu(const Tensor& x) {
  return apply(silu_op, {x});
}

}  // namespace narae
