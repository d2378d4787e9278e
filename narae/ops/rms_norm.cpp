#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/norm.h"
#include "narae/ops/norm_rules.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using namespace normalisation;
using Inputs = std::span<const Node* const>;

std::int64_t axes_of(Attributes attributes) {
  return attributes_as<LayerNormAttributes>(attributes).axes;
}

// (x, gamma, eps) -> (y, rstd)
Signature infer_rms_norm(Inputs inputs, Attributes attributes, int k) {
  constexpr const char* op = "rms_norm";
  require_floating(op, inputs);
  const std::int64_t axes = axes_of(attributes);
  const Shape& x = inputs[0]->shape;
  require_rows(op, x, axes);
  require_shape(op, "gamma", inputs[1]->shape, trailing(x, axes), x);
  require_shape(op, "eps", inputs[2]->shape, {}, x);
  return {inputs[0]->dtype, k == 0 ? x : leading(x, axes)};
}

// (x, gamma, rstd, dy) -> (dx, dgamma)
Signature infer_rms_norm_gradient(Inputs inputs, Attributes attributes, int k) {
  constexpr const char* op = "rms_norm_gradient";
  require_floating(op, inputs);
  const std::int64_t axes = axes_of(attributes);
  const Shape& x = inputs[0]->shape;
  require_rows(op, x, axes);
  require_shape(op, "gamma", inputs[1]->shape, trailing(x, axes), x);
  require_shape(op, "rstd", inputs[2]->shape, leading(x, axes), x);
  require_shape(op, "dy", inputs[3]->shape, x, x);
  return {inputs[0]->dtype, k == 0 ? x : trailing(x, axes)};
}

std::vector<Tensor> compose_rms_norm(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const RowAxes at(x, axes_of(attributes));
  const Tensor rstd = rsqrt(mean(square(x), at.elements) + inputs[2]);
  return {x * at.over_rows(rstd) * broadcast_to(inputs[1], x.shape()), rstd};
}

// With h = x rstd and g = gamma dy: dx = rstd (g - h mean(g h)), dgamma = sum(dy h).
std::vector<Tensor> compose_rms_norm_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const Tensor& dy = inputs[3];
  const RowAxes at(x, axes_of(attributes));
  const Tensor rstd = at.over_rows(inputs[2]);
  const Tensor h = x * rstd;
  const Tensor g = dy * broadcast_to(inputs[1], x.shape());
  return {rstd * (g - h * at.over_rows(mean(g * h, at.elements))), sum(dy * h, at.rows)};
}

void rms_norm_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& rms_norm_op = define_op({.name = "rms_norm",
                                   .kind = OpClass::fused,
                                   .arity = 3,
                                   .results = 2,
                                   .infer = infer_rms_norm,
                                   .gradient = rms_norm_gradient,
                                   .compose = compose_rms_norm});
const Op& rms_norm_gradient_op = define_op({.name = "rms_norm_gradient",
                                            .kind = OpClass::fused,
                                            .arity = 4,
                                            .results = 2,
                                            .infer = infer_rms_norm_gradient,
                                            .compose = compose_rms_norm_gradient});

void rms_norm_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto& x = at.inputs[0];
  const auto& gamma = at.inputs[1];
  const auto& rstd = at.results[1];
  const RowAxes axes(x, axes_of(at.attributes));
  const Tensor cubed = square(rstd) * rstd;  // drstd / dmean(x^2) = drstd / deps = -rstd^3 / 2
  if (at.cotangents[0].defined()) {
    const Tensor& dy = at.cotangents[0];
    const Tensor all = apply(rms_norm_gradient_op, {x, gamma, rstd, dy}, at.attributes);
    if (at.needs[0]) out[0] = output(all, 0);
    if (at.needs[1]) out[1] = output(all, 1);
    if (at.needs[2]) {
      const Tensor g = dy * broadcast_to(gamma, x.shape());
      out[2] = -0.5 * sum(g * x * axes.over_rows(cubed));
    }
  }
  if (!at.cotangents[1].defined()) return;
  const Tensor slope = at.cotangents[1] * cubed;
  if (at.needs[0]) add_to(out[0], -(axes.over_rows(slope / axes.length) * x));
  if (at.needs[2]) add_to(out[2], -0.5 * sum(slope));
}

}  // namespace

RMSNormResult rms_norm_with_statistics(const Tensor& x, const Tensor& gamma, const Tensor& eps) {
  const std::int64_t axes = gamma.defined() ? gamma.rank() : 0;
  const Tensor all = apply(rms_norm_op, {x, gamma, eps}, {axes});
  return {output(all, 0), output(all, 1)};
}

Tensor rms_norm(const Tensor& x, const Tensor& gamma, double eps) {
  return rms_norm_with_statistics(x, gamma, eps_of("rms_norm", x, eps)).y;
}

}  // namespace narae
