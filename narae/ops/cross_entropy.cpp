#include "narae/ops/cross_entropy.h"

#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/reduce.h"
#include "narae/ops/softmax.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

Signature infer(std::span<const Node* const> inputs, bool gradient) {
  const Node& logits = *inputs[0];
  const Node& target = *inputs[1];
  const Node& weights = *inputs[2];
  const Node& smoothing = *inputs[3];
  const auto fail = [&](const std::string& why) {
    throw Error(std::string("cross_entropy: logits are ") + std::string(name_of(logits.dtype)) + " " +
                to_string(logits.shape) + ", the target is " + std::string(name_of(target.dtype)) + " " +
                to_string(target.shape) + ": " + why);
  };
  if (!is_floating(logits.dtype) || logits.shape.rank() != 2) fail("floating logits (rows, classes) are needed");
  if (target.dtype != DType::i64 || target.shape.rank() != 1 || target.shape[0] != logits.shape[0]) {
    fail("one i64 class number for each row is needed");
  }
  if (weights.dtype != logits.dtype || weights.shape.rank() != 1 || weights.shape[0] != logits.shape[1]) {
    fail("the class weights " + to_string(weights.shape) + " must have the logits' type and one number for each class");
  }
  if (smoothing.dtype != logits.dtype || smoothing.shape.rank() != 0) {
    fail("the smoothing must be a scalar of the logits' type");
  }
  if (!gradient) return {logits.dtype, target.shape};
  if (inputs[4]->dtype != logits.dtype || !(inputs[4]->shape == target.shape)) {
    fail("the cotangent " + to_string(inputs[4]->shape) + " must have one number for each row");
  }
  return {logits.dtype, logits.shape};
}

// The row's share of each class, q_c = w_c e / C + [c = y] w_y (1 - e), and what marks special rows.
struct Parts {
  Tensor shares;  // (rows, classes)
  Tensor valid;   // (rows) boolean: not ignored
  Tensor poison;  // (rows): 0, or NaN where a target is out of range
  Tensor hit;     // (rows, classes): 1 at the target
};

Parts parts_of(const Tensor& logits, const Tensor& target, const Tensor& weights, const Tensor& smoothing,
               Attributes attributes) {
  const std::int64_t classes = logits.size(1);
  const auto ignored = attributes_as<CrossEntropyAttributes>(attributes).ignore_index;
  Parts parts;
  parts.valid = not_equal(target, scalar_integer(ignored));
  const Tensor safe = where(parts.valid, target, zeros_like(target));
  parts.hit = cast(one_hot(safe, classes), logits.dtype());
  parts.shares = weights * (smoothing / static_cast<double>(classes) + parts.hit * (1.0 - smoothing));
  const Tensor weight_of_target = take(weights, safe);  // NaN when out of range
  parts.poison = weight_of_target - weight_of_target;
  return parts;
}

Tensor column(const Tensor& rows) {
  return unsqueeze(rows, 1);
}

std::vector<Tensor> compose(std::span<const Tensor> inputs, Attributes attributes) {
  const Parts parts = parts_of(inputs[0], inputs[1], inputs[2], inputs[3], attributes);
  // A class without a share counts nothing, however unlikely it is (0 log 0 = 0).
  const Tensor terms = where(not_equal(parts.shares, 0.0), parts.shares * log_softmax(inputs[0], 1), 0.0);
  return {where(parts.valid, parts.poison - sum(terms, 1), 0.0)};
}

// dlogits_c = dloss (p_c sum(q) - q_c)
std::vector<Tensor> compose_gradient(std::span<const Tensor> inputs, Attributes attributes) {
  const Parts parts = parts_of(inputs[0], inputs[1], inputs[2], inputs[3], attributes);
  const Tensor total = sum(parts.shares, 1, {.keep = true}) + column(parts.poison);
  const Tensor slope = softmax(inputs[0], 1) * total - parts.shares;
  return {where(column(parts.valid), slope * column(inputs[4]), 0.0)};
}

void gradient(const GradientCase& at, std::span<Tensor> out);

const Op& cross_entropy_op =
    define_op({.name = "cross_entropy",
               .kind = OpClass::fused,
               .arity = 4,
               .infer = [](std::span<const Node* const> in, Attributes, int) { return infer(in, false); },
               .gradient = gradient,
               .compose = compose});
const Op& cross_entropy_gradient_op =
    define_op({.name = "cross_entropy_gradient",
               .kind = OpClass::fused,
               .arity = 5,
               .infer = [](std::span<const Node* const> in, Attributes, int) { return infer(in, true); },
               .compose = compose_gradient});

void gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto& logits = at.inputs[0];
  const auto& weights = at.inputs[2];
  const auto& smoothing = at.inputs[3];
  const Tensor& dloss = at.cotangents[0];
  if (at.needs[0]) {
    out[0] = apply(cross_entropy_gradient_op, {logits, at.inputs[1], weights, smoothing, dloss}, at.attributes);
  }
  if (!at.needs[2] && !at.needs[3]) return;
  const Parts parts = parts_of(logits, at.inputs[1], weights, smoothing, at.attributes);
  const Tensor log_p = column(where(parts.valid, dloss, 0.0)) * log_softmax(logits, 1);
  const double uniform = 1.0 / static_cast<double>(logits.size(1));
  if (at.needs[2]) out[2] = -sum((smoothing * uniform + parts.hit * (1.0 - smoothing)) * log_p, {0});
  if (at.needs[3]) out[3] = sum(weights * (parts.hit - uniform) * log_p);
}

}  // namespace

Tensor cross_entropy_rows(const Tensor& logits, const Tensor& target, const Tensor& weights, const Tensor& smoothing,
                          std::int64_t ignore_index) {
  return apply(cross_entropy_op, {logits, target, weights, smoothing}, {ignore_index});
}

}  // namespace narae
