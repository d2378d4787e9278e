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
  return x * 0.5 * (1 + erf(x * (1 / std::numbers::sqrt2)));
}

Tensor gelu_tanh(const Tensor& x) {
  constexpr double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // sqrt(2 / pi)
  return x * 0.5 * (1 + tanh(scale * (x + 0.044715 * (x * square(x)))));
}

Tensor silu(const Tensor& x) {
  return x * sigmoid(x);
}

}  // namespace narae
