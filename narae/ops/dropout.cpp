#include "narae/ops/dropout.h"

#include <string>
#include <vector>

#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

Signature infer_dropout(std::span<const Node* const> inputs, Attributes, int) {
  const Node& x = *inputs[0];
  const Node& p = *inputs[1];
  if (!is_floating(x.dtype) || p.dtype != x.dtype || p.shape.rank() != 0) {
    throw Error("dropout: x is " + std::string(name_of(x.dtype)) + " " + to_string(x.shape) + ", p " +
                std::string(name_of(p.dtype)) + " " + to_string(p.shape) +
                "; a floating x and a scalar p of its type are needed");
  }
  for (const Node* key : {inputs[2], inputs[3]}) {
    if (key->dtype != DType::i64 || key->shape.rank() != 0) {
      throw Error("dropout: seed and counter must be i64 scalars, not " + std::string(name_of(key->dtype)) + " " +
                  to_string(key->shape));
    }
  }
  return {x.dtype, x.shape};
}

// The operator random_uniform {type, extents...} of (seed, counter).
Tensor uniform_like(const Tensor& x, const Tensor& seed, const Tensor& counter) {
  static const Op& random_uniform = *find_op("random_uniform");
  std::vector<std::int64_t> words = {static_cast<std::int64_t>(x.dtype())};
  words.insert(words.end(), x.shape().begin(), x.shape().end());
  return apply(random_uniform, {seed, counter}, words);
}

std::vector<Tensor> compose_dropout(std::span<const Tensor> inputs, Attributes) {
  const Tensor& x = inputs[0];
  const Tensor kept = greater_equal(uniform_like(x, inputs[2], inputs[3]), inputs[1]);
  return {where(kept, x / (1.0 - inputs[1]), 0.0)};
}

void dropout_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& dropout_op = define_op({.name = "dropout",
                                  .kind = OpClass::fused,
                                  .arity = 4,
                                  .infer = infer_dropout,
                                  .gradient = dropout_gradient,
                                  .compose = compose_dropout});

// The same elements are dropped from dy. The rate moves the factor 1 / (1 - p) of the kept ones.
void dropout_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& dy = at.cotangents[0];
  if (at.needs[0]) out[0] = apply(dropout_op, {dy, at.inputs[1], at.inputs[2], at.inputs[3]});
  if (at.needs[1]) out[1] = sum(dy * at.results[0]) / (1.0 - at.inputs[1]);
}

}  // namespace

Tensor dropout(const Tensor& x, double p) {
  if (!x.defined()) throw Error("dropout: x is undefined");
  if (!(p >= 0 && p <= 1)) throw Error("dropout: the rate " + std::to_string(p) + " is not between 0 and 1");
  const RandomKey key = next_random_key();
  return dropout(x, scalar(p, x.dtype()), key.seed, key.counter);
}

namespace {

// x with one draw for each element of its first `axes` axes.
Tensor drop_leading(const char* op, const Tensor& x, int axes, double p) {
  if (!x.defined() || x.rank() < axes) {
    throw Error(std::string(op) + ": x has shape " + (x.defined() ? to_string(x.shape()) : "(undefined)") + "; " +
                (axes == 2 ? "(batch, channels, ...)" : "(batch, ...)") + " is needed");
  }
  if (!is_floating(x.dtype())) {
    throw Error(std::string(op) + ": x is " + std::string(name_of(x.dtype())) + ", not floating");
  }
  if (!(p >= 0 && p <= 1)) {
    throw Error(std::string(op) + ": the rate " + std::to_string(p) + " is not between 0 and 1");
  }
  Shape shape;
  for (int i = 0; i < x.rank(); ++i) shape.push_back(i < axes ? x.size(i) : 1);
  return x * dropout(ones(shape, x.dtype()), p);
}

}  // namespace

Tensor dropout_along(const Tensor& x, double p, std::int64_t axis) {
  if (!x.defined() || axis < -x.rank() || axis >= x.rank()) {
    throw Error("dropout_along: axis " + std::to_string(axis) + " of x " + (x.defined() ? to_string(x.shape()) : ""));
  }
  Shape shape;
  for (int i = 0; i < x.rank(); ++i) shape.push_back(i == (axis + x.rank()) % x.rank() ? 1 : x.size(i));
  return x * dropout(ones(shape, x.dtype()), p);
}

Tensor dropout2d(const Tensor& x, double p) {
  return drop_leading("dropout2d", x, 2, p);
}

Tensor stochastic_depth(const Tensor& x, double p, StochasticDepthMode mode) {
  return drop_leading("stochastic_depth", x, mode == StochasticDepthMode::row ? 1 : 0, p);
}

Tensor dropout(const Tensor& x, const Tensor& p, const Tensor& seed, const Tensor& counter) {
  return apply(dropout_op, {x, p, seed, counter});
}

}  // namespace narae
