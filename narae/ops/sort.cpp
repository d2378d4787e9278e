#include "narae/ops/sort.h"

#include <string>

#include "narae/core/error.h"
#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

// Results: the values, and their places along the axis.
Signature infer_sort(std::span<const Node* const> inputs, Attributes words, int k) {
  const Shape& shape = inputs[0]->shape;
  rules::require_types("sort", rules::Types::numbers, *inputs[0], 1);
  (void)normalize_axis(attributes_as<SortAttributes>(words).axis, shape.rank(), "sort");
  return {k == 0 ? inputs[0]->dtype : DType::i64, shape};
}

void sort_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0] || !at.cotangents[0].defined()) return;
  const std::int64_t axis = attributes_as<SortAttributes>(at.attributes).axis;
  out[0] = scatter_add(zeros_like(at.inputs[0]), axis, at.results[1], at.cotangents[0]);
}

const Op& sort_op = define_op({.name = "sort",
                               .kind = OpClass::general,
                               .arity = 1,
                               .results = 2,
                               .infer = infer_sort,
                               .gradient = sort_gradient});

}  // namespace

Sorted sort(const Tensor& x, const SortOptions& options) {
  rules::require_defined("sort", x, 1);
  const SortAttributes words{.axis = normalize_axis(options.axis, x.rank(), "sort"),
                             .descending = options.descending ? 1 : 0};
  const Tensor both = apply(sort_op, {x}, words_of(words));
  return {output(both, 0), output(both, 1)};
}

Tensor argsort(const Tensor& x, const SortOptions& options) {
  return sort(x, options).indices;
}

Sorted topk(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
  rules::require_defined("topk", x, 1);
  const int at = normalize_axis(axis, x.rank(), "topk");
  if (k < 0 || k > x.shape()[at]) {
    throw Error("topk: x has shape " + to_string(x.shape()) + "; axis " + std::to_string(at) + " has no " +
                std::to_string(k) + " elements");
  }
  const Sorted all = sort(x, {.axis = at, .descending = largest});
  return {narrow(all.values, at, 0, k), narrow(all.indices, at, 0, k)};
}

}  // namespace narae
