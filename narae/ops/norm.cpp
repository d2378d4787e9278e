#include "narae/ops/norm.h"

#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/norm_rules.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using namespace normalisation;
using Inputs = std::span<const Node* const>;

// --- batch norm: statistics of each channel of (batch, channels, ...)

Signature infer_batch_norm(Inputs inputs, Attributes, int k) {
  constexpr const char* op = "batch_norm";
  require_floating(op, inputs);
  const Shape& x = inputs[0]->shape;
  if (x.rank() < 2) throw Error("batch_norm: x has shape " + to_string(x) + "; (batch, channels, ...) is needed");
  const Shape channels{x[1]};
  if (x.count() == 0) throw Error("batch_norm: x has shape " + to_string(x) + "; there is nothing to normalise");
  require_shape(op, "gamma", inputs[1]->shape, channels, x);
  require_shape(op, "beta", inputs[2]->shape, channels, x);
  require_shape(op, "eps", inputs[3]->shape, {}, x);
  return {inputs[0]->dtype, k == 0 ? x : channels};
}

// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta)
Signature infer_batch_norm_gradient(Inputs inputs, Attributes, int k) {
  constexpr const char* op = "batch_norm_gradient";
  require_floating(op, inputs);
  const Shape& x = inputs[0]->shape;
  if (x.rank() < 2) throw Error("batch_norm_gradient: x has shape " + to_string(x));
  const Shape channels{x[1]};
  require_shape(op, "gamma", inputs[1]->shape, channels, x);
  require_shape(op, "the mean", inputs[2]->shape, channels, x);
  require_shape(op, "the variance", inputs[3]->shape, channels, x);
  require_shape(op, "eps", inputs[4]->shape, {}, x);
  require_shape(op, "dy", inputs[5]->shape, x, x);
  return {inputs[0]->dtype, k == 0 ? x : channels};
}

std::vector<Tensor> compose_batch_norm(std::span<const Tensor> inputs, Attributes) {
  const Tensor& x = inputs[0];
  const Axes axes = all_but_channels(x);
  const Tensor mean = narae::mean(x, axes);
  const Tensor centred = x - over_channels(mean, x);
  const Tensor variance = narae::mean(square(centred), axes);
  const Tensor scale = rsqrt(variance + inputs[3]) * inputs[1];
  return {centred * over_channels(scale, x) + over_channels(inputs[2], x), mean, variance};
}

// With h = (x - mean) / sqrt(variance + eps) and m elements a channel:
// dx = gamma / sqrt(variance + eps) (dy - dbeta / m - h dgamma / m), dgamma = sum(dy h), dbeta = sum(dy).
std::vector<Tensor> compose_batch_norm_gradient(std::span<const Tensor> inputs, Attributes) {
  const Tensor& x = inputs[0];
  const Tensor& dy = inputs[5];
  const Axes axes = all_but_channels(x);
  const double m = per_channel(x);
  const Tensor rstd = rsqrt(inputs[3] + inputs[4]);
  const Tensor h = (x - over_channels(inputs[2], x)) * over_channels(rstd, x);
  const Tensor dgamma = sum(dy * h, axes);
  const Tensor dbeta = sum(dy, axes);
  const Tensor inner = dy - over_channels(dbeta / m, x) - h * over_channels(dgamma / m, x);
  return {over_channels(inputs[1] * rstd, x) * inner, dgamma, dbeta};
}

void batch_norm_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& batch_norm_op = define_op({.name = "batch_norm",
                                     .kind = OpClass::fused,
                                     .arity = 4,
                                     .results = 3,
                                     .infer = infer_batch_norm,
                                     .gradient = batch_norm_gradient,
                                     .compose = compose_batch_norm});
const Op& batch_norm_gradient_op = define_op({.name = "batch_norm_gradient",
                                              .kind = OpClass::fused,
                                              .arity = 6,
                                              .results = 3,
                                              .infer = infer_batch_norm_gradient,
                                              .compose = compose_batch_norm_gradient});

void batch_norm_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto& x = at.inputs[0];
  const auto& gamma = at.inputs[1];
  const auto& eps = at.inputs[3];
  const auto& mean = at.results[1];
  const auto& variance = at.results[2];
  if (at.cotangents[0].defined()) {
    const Tensor all = apply(batch_norm_gradient_op, {x, gamma, mean, variance, eps, at.cotangents[0]});
    if (at.needs[0]) out[0] = output(all, 0);
    if (at.needs[1]) out[1] = output(all, 1);
    if (at.needs[2]) out[2] = output(all, 2);
    // y depends on eps through h alone: dh / deps = -h / (2 (variance + eps)).
    if (at.needs[3]) out[3] = -0.5 * sum(gamma * output(all, 1) / (variance + eps));
  }
  if (!at.needs[0]) return;
  // The statistics' own cotangents: dmean / dx = 1 / m, dvariance / dx = 2 (x - mean) / m.
  const double m = per_channel(x);
  if (at.cotangents[1].defined()) add_to(out[0], over_channels(at.cotangents[1] / m, x));
  if (at.cotangents[2].defined()) {
    add_to(out[0], over_channels(at.cotangents[2] * (2.0 / m), x) * (x - over_channels(mean, x)));
  }
}

// --- layer norm: statistics of each row, the last axes

std::int64_t axes_of(Attributes attributes) {
  return attributes_as<LayerNormAttributes>(attributes).axes;
}

Signature infer_layer_norm(Inputs inputs, Attributes attributes, int k) {
  constexpr const char* op = "layer_norm";
  require_floating(op, inputs);
  const std::int64_t axes = axes_of(attributes);
  const Shape& x = inputs[0]->shape;
  require_rows(op, x, axes);
  require_shape(op, "gamma", inputs[1]->shape, trailing(x, axes), x);
  require_shape(op, "beta", inputs[2]->shape, trailing(x, axes), x);
  require_shape(op, "eps", inputs[3]->shape, {}, x);
  return {inputs[0]->dtype, k == 0 ? x : leading(x, axes)};
}

// (x, gamma, mean, rstd, dy) -> (dx, dgamma, dbeta)
Signature infer_layer_norm_gradient(Inputs inputs, Attributes attributes, int k) {
  constexpr const char* op = "layer_norm_gradient";
  require_floating(op, inputs);
  const std::int64_t axes = axes_of(attributes);
  const Shape& x = inputs[0]->shape;
  require_rows(op, x, axes);
  require_shape(op, "gamma", inputs[1]->shape, trailing(x, axes), x);
  require_shape(op, "the mean", inputs[2]->shape, leading(x, axes), x);
  require_shape(op, "rstd", inputs[3]->shape, leading(x, axes), x);
  require_shape(op, "dy", inputs[4]->shape, x, x);
  return {inputs[0]->dtype, k == 0 ? x : trailing(x, axes)};
}

std::vector<Tensor> compose_layer_norm(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const RowAxes at(x, axes_of(attributes));
  const Tensor mean = narae::mean(x, at.elements);
  const Tensor centred = x - at.over_rows(mean);
  const Tensor rstd = rsqrt(narae::mean(square(centred), at.elements) + inputs[3]);
  const Tensor y = centred * at.over_rows(rstd) * broadcast_to(inputs[1], x.shape());
  return {y + broadcast_to(inputs[2], x.shape()), mean, rstd};
}

// With h = (x - mean) rstd and g = gamma dy: dx = rstd (g - mean(g) - h mean(g h)), dgamma = sum(dy h), dbeta =
// sum(dy).
std::vector<Tensor> compose_layer_norm_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const Tensor& dy = inputs[4];
  const RowAxes at(x, axes_of(attributes));
  const Tensor rstd = at.over_rows(inputs[3]);
  const Tensor h = (x - at.over_rows(inputs[2])) * rstd;
  const Tensor g = dy * broadcast_to(inputs[1], x.shape());
  const Tensor mean_g = at.over_rows(mean(g, at.elements));
  const Tensor mean_gh = at.over_rows(mean(g * h, at.elements));
  return {rstd * (g - mean_g - h * mean_gh), sum(dy * h, at.rows), sum(dy, at.rows)};
}

void layer_norm_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& layer_norm_op = define_op({.name = "layer_norm",
                                     .kind = OpClass::fused,
                                     .arity = 4,
                                     .results = 3,
                                     .infer = infer_layer_norm,
                                     .gradient = layer_norm_gradient,
                                     .compose = compose_layer_norm});
const Op& layer_norm_gradient_op = define_op({.name = "layer_norm_gradient",
                                              .kind = OpClass::fused,
                                              .arity = 5,
                                              .results = 3,
                                              .infer = infer_layer_norm_gradient,
                                              .compose = compose_layer_norm_gradient});

void layer_norm_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto& x = at.inputs[0];
  const auto& gamma = at.inputs[1];
  const auto& mean = at.results[1];
  const auto& rstd = at.results[2];
  const RowAxes axes(x, axes_of(at.attributes));
  const Tensor centred = x - axes.over_rows(mean);
  const Tensor cubed = square(rstd) * rstd;  // drstd / dvariance = drstd / deps = -rstd^3 / 2
  if (at.cotangents[0].defined()) {
    const Tensor& dy = at.cotangents[0];
    const Tensor all = apply(layer_norm_gradient_op, {x, gamma, mean, rstd, dy}, at.attributes);
    for (int k = 0; k < 3; ++k)
      if (at.needs[static_cast<std::size_t>(k)]) out[static_cast<std::size_t>(k)] = output(all, k);
    if (at.needs[3]) {
      const Tensor g = dy * broadcast_to(gamma, x.shape());
      out[3] = -0.5 * sum(g * centred * axes.over_rows(cubed));
    }
  }
  if (at.cotangents[1].defined() && at.needs[0]) {
    add_to(out[0], axes.over_rows(at.cotangents[1] / axes.length));
  }
  if (!at.cotangents[2].defined()) return;
  const Tensor slope = at.cotangents[2] * cubed;
  if (at.needs[0]) add_to(out[0], -(axes.over_rows(slope / axes.length) * centred));
  if (at.needs[3]) add_to(out[3], -0.5 * sum(slope));
}

}  // namespace

BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& eps) {
  const Tensor all = apply(batch_norm_op, {x, gamma, beta, eps});
  return {output(all, 0), output(all, 1), output(all, 2)};
}

BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  return batch_norm(x, gamma, beta, eps_of("batch_norm", x, eps));
}

Tensor batch_norm_with(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean,
                       const Tensor& variance, double eps) {
  if (!x.defined() || x.rank() < 2) throw Error("batch_norm: x must be (batch, channels, ...)");
  const Shape channels{x.size(1)};
  require_shape("batch_norm", "gamma", gamma.shape(), channels, x.shape());
  require_shape("batch_norm", "beta", beta.shape(), channels, x.shape());
  require_shape("batch_norm", "the mean", mean.shape(), channels, x.shape());
  require_shape("batch_norm", "the variance", variance.shape(), channels, x.shape());
  const Tensor scale = rsqrt(variance + eps) * gamma;
  return (x - over_channels(mean, x)) * over_channels(scale, x) + over_channels(beta, x);
}

LayerNormResult layer_norm_with_statistics(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                           const Tensor& eps) {
  const std::int64_t axes = gamma.defined() ? gamma.rank() : 0;
  const Tensor all = apply(layer_norm_op, {x, gamma, beta, eps}, {axes});
  return {output(all, 0), output(all, 1), output(all, 2)};
}

Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  return layer_norm_with_statistics(x, gamma, beta, eps_of("layer_norm", x, eps)).y;
}

}  // namespace narae
