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

std::int64_t groups_of(Attributes attributes) {
  return attributes_as<GroupNormAttributes>(attributes).groups;
}

// The shape of the statistics: (batch, groups).
Shape require_groups(const char* op, const Shape& x, std::int64_t groups) {
  if (x.rank() < 2 || x.count() == 0) {
    throw Error(std::string(op) + ": x has shape " + to_string(x) + "; (batch, channels, ...) with elements is needed");
  }
  if (groups < 1 || x[1] % groups != 0) {
    throw Error(std::string(op) + ": x has shape " + to_string(x) + "; " + std::to_string(groups) +
                " groups do not divide " + std::to_string(x[1]) + " channels evenly");
  }
  return {x[0], groups};
}

// (x, gamma, beta, eps) -> (y, mean, biased variance)
Signature infer_group_norm(Inputs inputs, Attributes attributes, int k) {
  constexpr const char* op = "group_norm";
  require_floating(op, inputs);
  const Shape& x = inputs[0]->shape;
  const Shape statistics = require_groups(op, x, groups_of(attributes));
  require_shape(op, "gamma", inputs[1]->shape, {x[1]}, x);
  require_shape(op, "beta", inputs[2]->shape, {x[1]}, x);
  require_shape(op, "eps", inputs[3]->shape, {}, x);
  return {inputs[0]->dtype, k == 0 ? x : statistics};
}

// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta)
Signature infer_group_norm_gradient(Inputs inputs, Attributes attributes, int k) {
  constexpr const char* op = "group_norm_gradient";
  require_floating(op, inputs);
  const Shape& x = inputs[0]->shape;
  const Shape statistics = require_groups(op, x, groups_of(attributes));
  require_shape(op, "gamma", inputs[1]->shape, {x[1]}, x);
  require_shape(op, "the mean", inputs[2]->shape, statistics, x);
  require_shape(op, "the variance", inputs[3]->shape, statistics, x);
  require_shape(op, "eps", inputs[4]->shape, {}, x);
  require_shape(op, "dy", inputs[5]->shape, x, x);
  return {inputs[0]->dtype, k == 0 ? x : Shape{x[1]}};
}

// x with the elements of each group of each row of the batch side by side.
struct Groups {
  Groups(const Tensor& like, std::int64_t groups)
      : x(like.shape()), grouped{like.size(0), groups, like.count() / (like.size(0) * groups)} {}
  [[nodiscard]] Tensor mean_of(const Tensor& t) const { return mean(reshape(t, grouped), 2); }
  // (batch, groups) repeated over the elements of each group.
  [[nodiscard]] Tensor spread(const Tensor& statistic) const {
    return reshape(broadcast_to(unsqueeze(statistic, 2), grouped), x);
  }
  [[nodiscard]] double length() const { return static_cast<double>(grouped[2]); }

  Shape x;
  Shape grouped;
};

std::vector<Tensor> compose_group_norm(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const Groups groups(x, groups_of(attributes));
  const Tensor mean = groups.mean_of(x);
  const Tensor centred = x - groups.spread(mean);
  const Tensor variance = groups.mean_of(square(centred));
  const Tensor h = centred * groups.spread(rsqrt(variance + inputs[3]));
  return {h * over_channels(inputs[1], x) + over_channels(inputs[2], x), mean, variance};
}

// With h = (x - mean) / sqrt(variance + eps) and g = gamma dy, means taken over each group:
// dx = (g - mean(g) - h mean(g h)) / sqrt(variance + eps), dgamma = sum(dy h), dbeta = sum(dy).
std::vector<Tensor> compose_group_norm_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor& x = inputs[0];
  const Tensor& dy = inputs[5];
  const Groups groups(x, groups_of(attributes));
  const Tensor rstd = groups.spread(rsqrt(inputs[3] + inputs[4]));
  const Tensor h = (x - groups.spread(inputs[2])) * rstd;
  const Tensor g = dy * over_channels(inputs[1], x);
  const Tensor inner = g - groups.spread(groups.mean_of(g)) - h * groups.spread(groups.mean_of(g * h));
  return {rstd * inner, sum(dy * h, all_but_channels(x)), sum(dy, all_but_channels(x))};
}

void group_norm_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& group_norm_op = define_op({.name = "group_norm",
                                     .kind = OpClass::fused,
                                     .arity = 4,
                                     .results = 3,
                                     .infer = infer_group_norm,
                                     .gradient = group_norm_gradient,
                                     .compose = compose_group_norm});
const Op& group_norm_gradient_op = define_op({.name = "group_norm_gradient",
                                              .kind = OpClass::fused,
                                              .arity = 6,
                                              .results = 3,
                                              .infer = infer_group_norm_gradient,
                                              .compose = compose_group_norm_gradient});

void group_norm_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto& x = at.inputs[0];
  const auto& gamma = at.inputs[1];
  const auto& eps = at.inputs[3];
  const auto& mean = at.results[1];
  const auto& variance = at.results[2];
  const Groups groups(x, groups_of(at.attributes));
  const Tensor centred = x - groups.spread(mean);
  if (at.cotangents[0].defined()) {
    const Tensor& dy = at.cotangents[0];
    const Tensor all = apply(group_norm_gradient_op, {x, gamma, mean, variance, eps, dy}, at.attributes);
    for (int k = 0; k < 3; ++k)
      if (at.needs[static_cast<std::size_t>(k)]) out[static_cast<std::size_t>(k)] = output(all, k);
    if (at.needs[3]) {
      // d(x - mean) (variance + eps)^-1/2 / deps = -(x - mean) (variance + eps)^-3/2 / 2
      const Tensor cubed = groups.spread(pow(variance + eps, -1.5));
      out[3] = -0.5 * sum(dy * over_channels(gamma, x) * centred * cubed);
    }
  }
  if (!at.needs[0]) return;
  // The statistics' own cotangents: dmean / dx = 1 / m, dvariance / dx = 2 (x - mean) / m.
  if (at.cotangents[1].defined()) add_to(out[0], groups.spread(at.cotangents[1] / groups.length()));
  if (at.cotangents[2].defined()) {
    add_to(out[0], groups.spread(at.cotangents[2] * (2.0 / groups.length())) * centred);
  }
}

}  // namespace

GroupNormResult group_norm(const Tensor& x, std::int64_t groups, const Tensor& gamma, const Tensor& beta,
                           const Tensor& eps) {
  const Tensor all = apply(group_norm_op, {x, gamma, beta, eps}, {groups});
  return {output(all, 0), output(all, 1), output(all, 2)};
}

GroupNormResult group_norm(const Tensor& x, std::int64_t groups, const Tensor& gamma, const Tensor& beta, double eps) {
  return group_norm(x, groups, gamma, beta, eps_of("group_norm", x, eps));
}

}  // namespace narae
