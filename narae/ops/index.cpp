#include "narae/ops/index.h"

#include <array>
#include <string>

#include "narae/core/error.h"
#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using rules::Types;
using Inputs = std::span<const Node* const>;

int axis_of(Attributes words, const Shape& shape, const char* what) {
  return normalize_axis(attributes_as<AxisAttributes>(words).axis, shape.rank(), what);
}

// x's shape with `axis` replaced by the axes of `indices`.
Shape taken_shape(const Shape& x, int axis, const Shape& indices) {
  Shape shape;
  for (int i = 0; i < axis; ++i) shape.push_back(x[i]);
  for (const std::int64_t extent : indices) shape.push_back(extent);
  for (int i = axis + 1; i < x.rank(); ++i) shape.push_back(x[i]);
  return Shape(shape.dims());
}

Signature infer_take(Inputs inputs, Attributes words, int) {
  const Shape& x = inputs[0]->shape;
  rules::require_types("take", Types::indices, *inputs[1], 2);
  return {inputs[0]->dtype, taken_shape(x, axis_of(words, x, "take"), inputs[1]->shape)};
}

void take_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  const Tensor& x = at.inputs[0];
  const auto axis = static_cast<int>(at.attributes[0]);
  const Tensor indices = flatten(at.inputs[1]);
  const Tensor values = reshape(at.cotangents[0], taken_shape(x.shape(), axis, indices.shape()));
  out[0] = axis == 0 ? segment_sum(values, indices, x.size(0)) : index_add(zeros_like(x), axis, indices, values);
}

Signature infer_index_add(Inputs inputs, Attributes words, int) {
  const Shape& x = inputs[0]->shape;
  const Shape& indices = inputs[1]->shape;
  const Shape& values = inputs[2]->shape;
  rules::require_types("index_add", Types::numbers, *inputs[0], 1);
  rules::require_types("index_add", Types::indices, *inputs[1], 2);
  rules::require_one_type("index_add", std::array<const Node*, 2>{inputs[0], inputs[2]});
  const int axis = axis_of(words, x, "index_add");
  if (indices.rank() != 1 || !(values == taken_shape(x, axis, indices))) {
    throw Error("index_add: x has shape " + to_string(x) + ", indices " + to_string(indices) + ", values " +
                to_string(values) + "; indices must have one axis, and values one slice for each along axis " +
                std::to_string(axis));
  }
  return {inputs[0]->dtype, x};
}

void index_add_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0];
  if (at.needs[2]) out[2] = take(at.cotangents[0], at.inputs[1], at.attributes[0]);
}

Signature infer_segment_sum(Inputs inputs, Attributes words, int) {
  const Shape& values = inputs[0]->shape;
  const Shape& segments = inputs[1]->shape;
  rules::require_types("segment_sum", Types::numbers, *inputs[0], 1);
  rules::require_types("segment_sum", Types::indices, *inputs[1], 2);
  if (segments.rank() != 1 || values.rank() == 0 || values[0] != segments[0])
    throw Error("segment_sum: values has shape " + to_string(values) + ", segments " + to_string(segments) +
                "; segments must have one axis, a number for each row of values");
  Shape shape = values;
  shape.set(0, words[0]);
  return {inputs[0]->dtype, shape};
}

void segment_sum_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = take(at.cotangents[0], at.inputs[1]);
}

Signature infer_first_occurrence(Inputs inputs, Attributes, int) {
  rules::require_types("first_occurrence", Types::indices, *inputs[0], 1);
  if (inputs[0]->shape.rank() != 1)
    throw Error("first_occurrence: indices have shape " + to_string(inputs[0]->shape) + ", not one axis");
  return {inputs[0]->dtype, inputs[0]->shape};
}

void require_gatherable(const char* what, const Shape& x, const Shape& indices, int axis) {
  bool fits = x.rank() == indices.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || indices[i] <= x[i];
  if (fits) return;
  throw Error(std::string(what) + ": x has shape " + to_string(x) + ", indices " + to_string(indices) +
              "; they must have one rank, and indices no longer axes but axis " + std::to_string(axis));
}

Signature infer_gather(Inputs inputs, Attributes words, int) {
  const Shape& x = inputs[0]->shape;
  rules::require_types("gather", Types::indices, *inputs[1], 2);
  require_gatherable("gather", x, inputs[1]->shape, axis_of(words, x, "gather"));
  return {inputs[0]->dtype, inputs[1]->shape};
}

void gather_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) {
    out[0] = scatter_add(zeros_like(at.inputs[0]), at.attributes[0], at.inputs[1], at.cotangents[0]);
  }
}

Signature infer_scatter_add(Inputs inputs, Attributes words, int) {
  const Shape& x = inputs[0]->shape;
  const Shape& indices = inputs[1]->shape;
  rules::require_types("scatter_add", Types::numbers, *inputs[0], 1);
  rules::require_types("scatter_add", Types::indices, *inputs[1], 2);
  rules::require_one_type("scatter_add", std::array<const Node*, 2>{inputs[0], inputs[2]});
  require_gatherable("scatter_add", x, indices, axis_of(words, x, "scatter_add"));
  if (!(inputs[2]->shape == indices)) {
    throw Error("scatter_add: indices have shape " + to_string(indices) + ", values " + to_string(inputs[2]->shape));
  }
  return {inputs[0]->dtype, x};
}

void scatter_add_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0];
  if (at.needs[2]) out[2] = gather(at.cotangents[0], at.attributes[0], at.inputs[1]);
}

Signature infer_write_rows(Inputs inputs, Attributes, int) {
  const Shape& x = inputs[0]->shape;
  const Shape& values = inputs[1]->shape;
  const Shape& first = inputs[2]->shape;
  rules::require_one_type("write_rows", std::array<const Node*, 2>{inputs[0], inputs[1]});
  rules::require_types("write_rows", Types::indices, *inputs[2], 3);
  bool fits = x.rank() >= 2 && values.rank() == x.rank() && first.rank() == 1 && first[0] == x[0];
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == 1 || values[i] == x[i];
  if (!fits) {
    throw Error("write_rows: x has shape " + to_string(x) + ", values " + to_string(values) + ", first " +
                to_string(first) + "; they must be (batch, rows, ...), (batch, count, ...) and (batch)");
  }
  return {inputs[0]->dtype, x};
}

// Rows of x that were overwritten get no gradient, values that were not written neither.
void write_rows_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& cotangent = at.cotangents[0];
  const Tensor& values = at.inputs[1];
  const Tensor& first = at.inputs[2];
  if (at.needs[0]) out[0] = write_rows(cotangent, zeros_like(values), first);
  if (!at.needs[1]) return;
  const Tensor counted = arange(0, static_cast<double>(values.size(1)), 1, first.dtype());
  Shape rows{values.size(0), values.size(1)};
  while (rows.rank() < values.rank()) rows.push_back(1);
  const Tensor places = broadcast_to(reshape(unsqueeze(first, 1) + counted, rows), values.shape());
  const auto end = static_cast<double>(cotangent.size(1));
  const Tensor written = logical_and(greater_equal(places, 0), less(places, end));
  out[1] = where(written, gather(cotangent, 1, places), 0.0);
}

Signature infer_one_hot(Inputs inputs, Attributes words, int) {
  rules::require_types("one_hot", Types::indices, *inputs[0], 1);
  Shape shape = inputs[0]->shape;
  shape.push_back(words[0]);
  return {DType::f32, Shape(shape.dims())};
}

const Op& take_op =
    define_op({.name = "take", .kind = OpClass::general, .arity = 2, .infer = infer_take, .gradient = take_gradient});
const Op& index_add_op = define_op({.name = "index_add",
                                    .kind = OpClass::general,
                                    .arity = 3,
                                    .infer = infer_index_add,
                                    .gradient = index_add_gradient});
const Op& segment_sum_op = define_op({.name = "segment_sum",
                                      .kind = OpClass::general,
                                      .arity = 2,
                                      .infer = infer_segment_sum,
                                      .gradient = segment_sum_gradient});
const Op& first_occurrence_op = define_op({.name = "first_occurrence",
                                           .kind = OpClass::general,
                                           .arity = 1,
                                           .infer = infer_first_occurrence,
                                           .stops_gradient = true});
const Op& gather_op = define_op(
    {.name = "gather", .kind = OpClass::general, .arity = 2, .infer = infer_gather, .gradient = gather_gradient});
const Op& scatter_add_op = define_op({.name = "scatter_add",
                                      .kind = OpClass::general,
                                      .arity = 3,
                                      .infer = infer_scatter_add,
                                      .gradient = scatter_add_gradient});
const Op& write_rows_op = define_op({.name = "write_rows",
                                     .kind = OpClass::general,
                                     .arity = 3,
                                     .infer = infer_write_rows,
                                     .gradient = write_rows_gradient});
const Op& one_hot_op = define_op(
    {.name = "one_hot", .kind = OpClass::general, .arity = 1, .infer = infer_one_hot, .stops_gradient = true});

std::int64_t normal_axis(const Op& op, const Tensor& x, std::int64_t axis) {
  rules::require_defined(op.name, x, 1);
  return normalize_axis(axis, x.rank(), op.name.data());
}

}  // namespace

Tensor take(const Tensor& x, const Tensor& indices, std::int64_t axis) {
  return apply(take_op, {x, indices}, {normal_axis(take_op, x, axis)});
}

Tensor embedding(const Tensor& table, const Tensor& indices) {
  rules::require_defined("embedding", table, 1);
  if (table.rank() != 2)
    throw Error("embedding: the table has shape " + to_string(table.shape()) + ", not (entries, width)");
  return take(table, indices, 0);
}

Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& indices, const Tensor& values) {
  return apply(index_add_op, {x, indices, values}, {normal_axis(index_add_op, x, axis)});
}

Tensor segment_sum(const Tensor& values, const Tensor& segments, std::int64_t count) {
  if (count < 0) throw Error("segment_sum: " + std::to_string(count) + " segments");
  return apply(segment_sum_op, {values, segments}, {count});
}

Tensor first_occurrence(const Tensor& indices, std::int64_t count) {
  return apply(first_occurrence_op, {indices}, {count});
}

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& indices) {
  return apply(gather_op, {x, indices}, {normal_axis(gather_op, x, axis)});
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& indices, const Tensor& values) {
  return apply(scatter_add_op, {x, indices, values}, {normal_axis(scatter_add_op, x, axis)});
}

Tensor write_rows(const Tensor& x, const Tensor& values, const Tensor& first) {
  return apply(write_rows_op, {x, values, first});
}

Tensor one_hot(const Tensor& indices, std::int64_t classes, DType dtype) {
  return cast(apply(one_hot_op, {indices}, {classes}), dtype);
}

}  // namespace narae
