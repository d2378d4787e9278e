#include "narae/ops/cumulative.h"

#include "narae/graph/attributes.h"
#include "narae/ops/rules.h"

namespace narae {
namespace {

Signature infer_cumsum(std::span<const Node* const> inputs, Attributes words, int) {
  const Shape& shape = inputs[0]->shape;
  rules::require_types("cumsum", rules::Types::numbers, *inputs[0], 1);
  (void)normalize_axis(attributes_as<CumsumAttributes>(words).axis, shape.rank(), "cumsum");
  return {inputs[0]->dtype, shape};
}

void cumsum_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<CumsumAttributes>(at.attributes);
  if (at.needs[0]) out[0] = cumsum(at.cotangents[0], a.axis, a.reverse == 0);
}

const Op& cumsum_op = define_op(
    {.name = "cumsum", .kind = OpClass::general, .arity = 1, .infer = infer_cumsum, .gradient = cumsum_gradient});

}  // namespace

Tensor cumsum(const Tensor& x, std::int64_t axis, bool reverse) {
  rules::require_defined("cumsum", x, 1);
  const CumsumAttributes words{.axis = normalize_axis(axis, x.rank(), "cumsum"), .reverse = reverse ? 1 : 0};
  return apply(cumsum_op, {x}, words_of(words));
}

}  // namespace narae
