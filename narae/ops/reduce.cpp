#include "narae/ops/reduce.h"

#include <algorithm>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using rules::OpName;
using rules::Types;
using Inputs = std::span<const Node* const>;

template <OpName name>
Signature infer_reduction(Inputs inputs, Attributes words, int) {
  rules::require_types(name.text, Types::numbers, *inputs[0], 1);
  return {inputs[0]->dtype, reduced_shape(inputs[0]->shape, attributes_as<ReduceAttributes>(words))};
}

// Nothing has no largest element.
template <OpName name>
Signature infer_extremum(Inputs inputs, Attributes words, int k) {
  const Signature result = infer_reduction<name>(inputs, words, k);
  if (result.shape.count() != 0 && inputs[0]->shape.count() == 0) {
    throw Error(std::string(name.text) + ": x has shape " + to_string(inputs[0]->shape) + "; a reduced axis is empty");
  }
  return result;
}

// A reduced tensor, repeated along the reduced axes.
Tensor spread(const Tensor& y, const ReduceAttributes& a, const Shape& shape) {
  return broadcast_to(reshape(y, reduced_shape(shape, {.axes = a.axes, .keep = 1})), shape);
}

void sum_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<ReduceAttributes>(at.attributes);
  if (at.needs[0]) out[0] = spread(at.cotangents[0], a, at.inputs[0].shape());
}

const Op& sum_op = define_op(
    {.name = "sum", .kind = OpClass::general, .arity = 1, .infer = infer_reduction<"sum">, .gradient = sum_gradient});

// One pass over x; sum(square(x)) would write the squares first.
void sum_of_squares_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<ReduceAttributes>(at.attributes);
  if (at.needs[0]) out[0] = spread(at.cotangents[0] * 2.0, a, at.inputs[0].shape()) * at.inputs[0];
}

std::vector<Tensor> compose_sum_of_squares(std::span<const Tensor> inputs, Attributes attributes) {
  return {apply(sum_op, {square(inputs[0])}, attributes)};
}

const Op& sum_of_squares_op = define_op({.name = "sum_of_squares",
                                         .kind = OpClass::fused,
                                         .arity = 1,
                                         .infer = infer_reduction<"sum_of_squares">,
                                         .gradient = sum_of_squares_gradient,
                                         .compose = compose_sum_of_squares});

// Elements that equal the extremum share its cotangent.
void extremum_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  const auto a = attributes_as<ReduceAttributes>(at.attributes);
  const Tensor& x = at.inputs[0];
  const Tensor wins = equal(x, spread(at.results[0], a, x.shape()));
  const Tensor winners = apply(sum_op, {cast(wins, x.dtype())}, at.attributes);
  out[0] = where(wins, spread(at.cotangents[0] / winners, a, x.shape()), 0);
}

const Op& max_op = define_op({.name = "max",
                              .kind = OpClass::general,
                              .arity = 1,
                              .infer = infer_extremum<"max">,
                              .gradient = extremum_gradient});
const Op& min_op = define_op({.name = "min",
                              .kind = OpClass::general,
                              .arity = 1,
                              .infer = infer_extremum<"min">,
                              .gradient = extremum_gradient});

// Products of halves of halves: unlike y / x, the gradient of this is right for zeros, to any order.
std::vector<Tensor> compose_prod(std::span<const Tensor> inputs, Attributes words) {
  const auto a = attributes_as<ReduceAttributes>(words);
  const Shape& shape = inputs[0].shape();
  std::vector<std::int64_t> order;
  std::int64_t count = 1;
  Shape grouped;
  for (int i = 0; i < shape.rank(); ++i) {
    if ((a.axes >> i & 1) != 0) continue;
    order.push_back(i);
    grouped.push_back(shape[i]);
  }
  for (int i = 0; i < shape.rank(); ++i) {
    if ((a.axes >> i & 1) == 0) continue;
    order.push_back(i);
    count *= shape[i];
  }
  const Shape result = reduced_shape(shape, a);
  if (count == 0) return {ones(result, inputs[0].dtype())};
  if (a.axes == 0) return {reshape(inputs[0], result)};
  Tensor x = reshape(transpose(inputs[0], order), {grouped.count(), count});
  while (count > 1) {
    const std::int64_t half = count / 2;
    Tensor y = narrow(x, 1, 0, half) * narrow(x, 1, half, half);
    if (count % 2 == 1) y = concat({y, narrow(x, 1, count - 1, 1)}, 1);
    count -= half;
    x = y;
  }
  return {reshape(x, result)};
}

const Op& prod_op = define_op(
    {.name = "prod", .kind = OpClass::fused, .arity = 1, .infer = infer_reduction<"prod">, .compose = compose_prod});

// Words: the axis, and 1 to keep it with extent 1.
template <OpName name>
Signature infer_position(Inputs inputs, Attributes words, int) {
  const Shape& shape = inputs[0]->shape;
  rules::require_types(name.text, Types::numbers, *inputs[0], 1);
  const int axis = normalize_axis(words[0], shape.rank(), name.text);
  if (shape[axis] == 0)
    throw Error(std::string(name.text) + ": x has shape " + to_string(shape) + "; axis " + std::to_string(axis) +
                " is empty");
  return {DType::i64, reduced_shape(shape, {.axes = std::int64_t{1} << axis, .keep = words[1]})};
}

const Op& argmax_op = define_op({.name = "argmax",
                                 .kind = OpClass::general,
                                 .arity = 1,
                                 .infer = infer_position<"argmax">,
                                 .stops_gradient = true});
const Op& argmin_op = define_op({.name = "argmin",
                                 .kind = OpClass::general,
                                 .arity = 1,
                                 .infer = infer_position<"argmin">,
                                 .stops_gradient = true});

std::int64_t mask_of(const Op& op, const Tensor& x, const Axes& axes) {
  rules::require_defined(op.name, x, 1);
  return axes.mask(x.rank(), op.name.data());
}

Tensor reduce(const Op& op, const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return apply(op, {x}, {mask_of(op, x, axes), options.keep ? 1 : 0});
}

Tensor position(const Op& op, const Tensor& x, std::int64_t axis, const ReduceOptions& options) {
  rules::require_defined(op.name, x, 1);
  return apply(op, {x}, {normalize_axis(axis, x.rank(), op.name.data()), options.keep ? 1 : 0});
}

void require_floating(const char* what, const Tensor& x) {
  rules::require_defined(what, x, 1);
  rules::require_types(what, Types::floating, *x.node(), 1);
}

// The square root, with 0 for the gradient at 0 instead of NaN.
Tensor sqrt_or_zero(const Tensor& x) {
  const Tensor zero = equal(x, 0);
  return where(zero, 0, sqrt(where(zero, 1, x)));
}

}  // namespace

Axes::Axes(std::span<const std::int64_t> axes) : all_(false) {
  for (const std::int64_t axis : axes) axes_.push_back(axis);
}

std::int64_t Axes::mask(int rank, const char* what) const {
  if (all_) return (std::int64_t{1} << rank) - 1;
  std::int64_t mask = 0;
  for (const std::int64_t axis : axes_) {
    const std::int64_t bit = std::int64_t{1} << normalize_axis(axis, rank, what);
    if ((mask & bit) != 0) throw Error(std::string(what) + ": axis " + std::to_string(axis) + " is named twice");
    mask |= bit;
  }
  return mask;
}

Tensor sum(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return reduce(sum_op, x, axes, options);
}

Tensor sum_of_squares(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return reduce(sum_of_squares_op, x, axes, options);
}

Tensor mean(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  require_floating("mean", x);
  const std::int64_t mask = axes.mask(x.rank(), "mean");
  const std::int64_t kept = reduced_shape(x.shape(), {.axes = mask, .keep = 0}).count();
  const double n = kept == 0 ? 1 : static_cast<double>(x.count()) / static_cast<double>(kept);
  return sum(x, axes, options) / n;
}

Tensor max(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return reduce(max_op, x, axes, options);
}

Tensor min(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return reduce(min_op, x, axes, options);
}

Tensor prod(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return reduce(prod_op, x, axes, options);
}

Tensor variance(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  const Tensor squares = sum(square(x - mean(x, axes, {.keep = true})), axes, {.keep = options.keep});
  const double n = squares.count() == 0 ? 1 : static_cast<double>(x.count()) / static_cast<double>(squares.count());
  return squares / std::max(n - options.correction, 0.0);
}

Tensor standard_deviation(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  return sqrt_or_zero(variance(x, axes, options));
}

Tensor norm(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  require_floating("norm", x);
  return sqrt_or_zero(sum_of_squares(x, axes, options));
}

Tensor argmax(const Tensor& x, std::int64_t axis, const ReduceOptions& options) {
  return position(argmax_op, x, axis, options);
}

Tensor argmin(const Tensor& x, std::int64_t axis, const ReduceOptions& options) {
  return position(argmin_op, x, axis, options);
}

// x - x is 0 for finite numbers and NaN for all others.
Tensor all_finite(std::span<const Tensor> tensors) {
  Tensor total = scalar(0);
  for (const Tensor& x : tensors) {
    require_floating("all_finite", x);
    total = total + cast(sum(x - x), DType::f32);
  }
  return equal(total, 0);
}

}  // namespace narae
