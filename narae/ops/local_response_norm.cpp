#include "narae/ops/local_response_norm.h"

#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

std::int64_t size_of(Attributes attributes) {
  return attributes_as<LocalResponseNormAttributes>(attributes).size;
}

// (x, alpha, beta, k), and dy for the gradient
Signature infer(const char* op, std::span<const Node* const> inputs, Attributes attributes) {
  const Node& x = *inputs[0];
  rules::require_types(op, rules::Types::floating, x, 1);
  if (x.shape.rank() < 2) {
    throw Error(std::string(op) + ": x has shape " + to_string(x.shape) + "; (batch, channels, ...) is needed");
  }
  if (size_of(attributes) < 1) {
    throw Error(std::string(op) + ": a window of " + std::to_string(size_of(attributes)) +
                " channels; at least 1 is needed");
  }
  for (int i = 1; i < 4; ++i) rules::require_scalar(op, *inputs[static_cast<std::size_t>(i)], x.dtype, i + 1);
  return {x.dtype, x.shape};
}

Signature infer_forward(std::span<const Node* const> inputs, Attributes attributes, int) {
  return infer("local_response_norm", inputs, attributes);
}

Signature infer_gradient(std::span<const Node* const> inputs, Attributes attributes, int) {
  constexpr const char* op = "local_response_norm_gradient";
  const Node* const both[] = {inputs[0], inputs[4]};
  rules::require_one_type(op, both);
  rules::require_one_shape(op, both);
  return infer(op, inputs, attributes);
}

// For each channel the sum over the `size` channels that begin `before` channels in front of it.
Tensor window_sums(const Tensor& x, std::int64_t size, std::int64_t before) {
  std::vector<std::int64_t> margins(static_cast<std::size_t>(2 * x.rank()), 0);
  margins[2] = before;
  margins[3] = size - 1 - before;
  const Tensor padded = pad(x, margins);
  Tensor total = narrow(padded, 1, 0, x.size(1));
  for (std::int64_t i = 1; i < size; ++i) total = total + narrow(padded, 1, i, x.size(1));
  return total;
}

// What x is divided by, to the power beta.
Tensor base_of(const Tensor& x, const Tensor& alpha, const Tensor& k, std::int64_t size) {
  return k + alpha / static_cast<double>(size) * window_sums(square(x), size, size / 2);
}

std::vector<Tensor> compose(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  return {x * pow(base_of(x, inputs[1], inputs[3], size_of(attributes)), -inputs[2])};
}

// With s the base: dx[c] = dy[c] s[c]^-beta - 2 alpha beta / size x[c] sum(dy[i] x[i] s[i]^(-beta - 1)) over the i
// whose windows hold c.
std::vector<Tensor> compose_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const Tensor& beta = inputs[2];
  const Tensor& dy = inputs[4];
  const std::int64_t size = size_of(attributes);
  const Tensor base = base_of(x, inputs[1], inputs[3], size);
  const Tensor direct = dy * pow(base, -beta);
  const Tensor through_windows = window_sums(direct * x / base, size, (size - 1) / 2);
  return {direct - inputs[1] * beta * (2.0 / static_cast<double>(size)) * (x * through_windows)};
}

void gradient(const GradientCase& at, std::span<Tensor> out);

const Op& forward_op = define_op({.name = "local_response_norm",
                                  .kind = OpClass::fused,
                                  .arity = 4,
                                  .infer = infer_forward,
                                  .gradient = gradient,
                                  .compose = compose});
const Op& gradient_op = define_op({.name = "local_response_norm_gradient",
                                   .kind = OpClass::fused,
                                   .arity = 5,
                                   .infer = infer_gradient,
                                   .compose = compose_gradient});

void gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& x = at.inputs[0];
  const Tensor& alpha = at.inputs[1];
  const Tensor& beta = at.inputs[2];
  const Tensor& k = at.inputs[3];
  const Tensor& dy = at.cotangents[0];
  if (at.needs[0]) out[0] = apply(gradient_op, {x, alpha, beta, k, dy}, at.attributes);
  if (!at.needs[1] && !at.needs[2] && !at.needs[3]) return;
  const std::int64_t size = size_of(at.attributes);
  const Tensor base = base_of(x, alpha, k, size);
  const Tensor product = dy * at.results[0];
  const Tensor of_base = -beta * (product / base);
  if (at.needs[1]) out[1] = sum(of_base * window_sums(square(x), size, size / 2)) / static_cast<double>(size);
  if (at.needs[2]) out[2] = -sum(product * log(base));
  if (at.needs[3]) out[3] = sum(of_base);
}

}  // namespace

Tensor local_response_norm(const Tensor& x, std::int64_t size, const Tensor& alpha, const Tensor& beta,
                           const Tensor& k) {
  return apply(forward_op, {x, alpha, beta, k}, {size});
}

Tensor local_response_norm(const Tensor& x, std::int64_t size, const LocalResponseNormOptions& options) {
  rules::require_defined("local_response_norm", x, 1);
  const auto number = [&](double value) { return scalar(value, x.dtype()); };
  return local_response_norm(x, size, number(options.alpha), number(options.beta), number(options.k));
}

}  // namespace narae
