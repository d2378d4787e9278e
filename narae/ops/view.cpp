#include "narae/ops/view.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "narae/core/error.h"
#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/rules.h"

namespace narae {
namespace {

using Inputs = std::span<const Node* const>;

[[noreturn]] void fail(std::string_view op, const Shape& shape, const std::string& what) {
  throw Error(std::string(op) + ": x has shape " + to_string(shape) + "; " + what);
}

Signature infer_reshape(Inputs inputs, Attributes dims, int) {
  const Shape shape(dims);
  if (shape.count() != inputs[0]->shape.count()) {
    fail("reshape", inputs[0]->shape, "shape " + to_string(shape) + " has another number of elements");
  }
  return {inputs[0]->dtype, shape};
}

void reshape_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = reshape(at.cotangents[0], at.inputs[0].shape());
}

Signature infer_broadcast_to(Inputs inputs, Attributes dims, int) {
  const Shape shape(dims);
  const Shape& from = inputs[0]->shape;
  const int offset = shape.rank() - from.rank();
  bool fits = offset >= 0;
  for (int i = 0; fits && i < from.rank(); ++i) fits = from[i] == 1 || from[i] == shape[i + offset];
  if (!fits) fail("broadcast_to", from, "it does not broadcast to " + to_string(shape));
  return {inputs[0]->dtype, shape};
}

// Every element of x was repeated: the sum over its copies.
void broadcast_to_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  const Shape& from = at.inputs[0].shape();
  const Shape& to = at.cotangents[0].shape();
  std::vector<std::int64_t> axes;
  for (int i = 0; i < to.rank(); ++i) {
    const int source = i - (to.rank() - from.rank());
    if (source < 0 || (from[source] == 1 && to[i] != 1)) axes.push_back(i);
  }
  const Tensor total = axes.empty() ? at.cotangents[0] : sum(at.cotangents[0], std::span<const std::int64_t>(axes));
  out[0] = reshape(total, from);
}

Signature infer_transpose(Inputs inputs, Attributes permutation, int) {
  const Shape& from = inputs[0]->shape;
  std::array<bool, Shape::max_rank> seen{};
  bool good = permutation.size() == static_cast<std::size_t>(from.rank());
  Shape shape;
  for (std::size_t i = 0; good && i < permutation.size(); ++i) {
    const std::int64_t axis = permutation[i];
    good = axis >= 0 && axis < from.rank() && !std::exchange(seen[static_cast<std::size_t>(axis)], true);
    if (good) shape.push_back(from[static_cast<int>(axis)]);
  }
  if (!good) fail("transpose", from, "the permutation must name each of its axes once");
  return {inputs[0]->dtype, shape};
}

void transpose_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  std::vector<std::int64_t> inverse(at.attributes.size());
  for (std::size_t i = 0; i < inverse.size(); ++i)
    inverse[static_cast<std::size_t>(at.attributes[i])] = static_cast<std::int64_t>(i);
  out[0] = transpose(at.cotangents[0], inverse);
}

// Whether `length` elements with this step lie within an axis.
bool lies_within(std::int64_t length, std::int64_t step, std::int64_t extent) {
  return length == 0 || (extent > 0 && length - 1 <= (extent - 1) / step);
}

Signature infer_slice(Inputs inputs, Attributes words, int) {
  const auto a = attributes_as<SliceAttributes>(words);
  Shape shape = inputs[0]->shape;
  rules::require_scalar("slice", *inputs[1], DType::i64, 2);
  const int axis = normalize_axis(a.axis, shape.rank(), "slice");
  if (a.step < 1 || a.length < 0 || !lies_within(a.length, a.step, shape[axis])) {
    fail("slice", shape,
         "axis " + std::to_string(axis) + " does not hold " + std::to_string(a.length) + " elements with step " +
             std::to_string(a.step));
  }
  shape.set(axis, a.length);
  return {inputs[0]->dtype, shape};
}

void slice_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<SliceAttributes>(at.attributes);
  if (!at.needs[0]) return;
  const std::int64_t full_length = at.inputs[0].shape()[static_cast<int>(a.axis)];
  out[0] = slice_scatter(at.cotangents[0], a.axis, at.inputs[1], full_length, a.step);
}

// Words: SliceAttributes and the full length.
Signature infer_slice_scatter(Inputs inputs, Attributes words, int) {
  const auto a = attributes_as<SliceAttributes>(words.first(3));
  const std::int64_t full_length = words[3];
  Shape shape = inputs[0]->shape;
  rules::require_scalar("slice_scatter", *inputs[1], DType::i64, 2);
  const int axis = normalize_axis(a.axis, shape.rank(), "slice_scatter");
  if (a.step < 1 || full_length < 0 || !lies_within(shape[axis], a.step, full_length)) {
    fail("slice_scatter", shape,
         "an axis of extent " + std::to_string(full_length) + " does not hold it with step " + std::to_string(a.step));
  }
  shape.set(axis, full_length);
  return {inputs[0]->dtype, Shape(shape.dims())};
}

void slice_scatter_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<SliceAttributes>(at.attributes.first(3));
  if (at.needs[0]) out[0] = dynamic_slice(at.cotangents[0], a.axis, at.inputs[1], a.length, a.step);
}

Signature infer_concat(Inputs inputs, Attributes words, int) {
  if (inputs.empty()) throw Error("concat: no tensors");
  rules::require_one_type("concat", inputs);
  Shape shape = inputs[0]->shape;
  const int axis = normalize_axis(attributes_as<AxisAttributes>(words).axis, shape.rank(), "concat");
  std::int64_t length = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    Shape other = inputs[k]->shape;
    if (other.rank() == shape.rank()) {
      length += other[axis];
      if (length > Shape::max_count)
        fail("concat", shape, "with the others it has more than 2^59 elements along its axis");
      other.set(axis, shape[axis]);
    }
    if (!(other == shape)) {
      throw Error("concat: argument 1 has shape " + to_string(shape) + ", argument " + std::to_string(k + 1) + " " +
                  to_string(inputs[k]->shape) + "; only axis " + std::to_string(axis) + " may differ");
    }
  }
  shape.set(axis, length);
  return {inputs[0]->dtype, Shape(shape.dims())};
}

void concat_gradient(const GradientCase& at, std::span<Tensor> out) {
  const std::int64_t axis = at.attributes[0];
  std::int64_t start = 0;
  for (std::size_t k = 0; k < at.inputs.size(); ++k) {
    const std::int64_t length = at.inputs[k].shape()[static_cast<int>(axis)];
    if (at.needs[k]) out[k] = narrow(at.cotangents[0], axis, start, length);
    start += length;
  }
}

// Queries, keys and values of one projection are what it is for: one pass, and one for the gradient.
Signature infer_split3(Inputs inputs, Attributes words, int k) {
  const auto a = attributes_as<Split3Attributes>(words);
  Shape shape = inputs[0]->shape;
  const int axis = normalize_axis(a.axis, shape.rank(), "split");
  if (a.lengths[0] < 0 || a.lengths[1] < 0 || a.lengths[2] < 0 ||
      a.lengths[0] + a.lengths[1] + a.lengths[2] != shape[axis]) {
    fail("split", shape, "the sizes do not make up axis " + std::to_string(axis));
  }
  shape.set(axis, a.lengths[k]);
  return {inputs[0]->dtype, shape};
}

std::vector<Tensor> compose_split3(std::span<const Tensor> inputs, Attributes words) {
  const auto a = attributes_as<Split3Attributes>(words);
  return {narrow(inputs[0], a.axis, 0, a.lengths[0]), narrow(inputs[0], a.axis, a.lengths[0], a.lengths[1]),
          narrow(inputs[0], a.axis, a.lengths[0] + a.lengths[1], a.lengths[2])};
}

void split3_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<Split3Attributes>(at.attributes);
  if (!at.needs[0]) return;
  std::array<Tensor, 3> parts;
  for (std::size_t k = 0; k < 3; ++k) {
    Shape shape = at.inputs[0].shape();
    shape.set(static_cast<int>(a.axis), a.lengths[k]);
    parts[k] = at.cotangents[k].defined() ? at.cotangents[k] : zeros(shape, at.inputs[0].dtype());
  }
  out[0] = concat(parts, a.axis);
}

Signature infer_pad(Inputs inputs, Attributes margins, int) {
  Shape shape = inputs[0]->shape;
  if (margins.size() != 2 * static_cast<std::size_t>(shape.rank())) {
    fail("pad", shape, std::to_string(margins.size()) + " margins were given, not two for each axis");
  }
  if (std::any_of(margins.begin(), margins.end(), [](std::int64_t m) { return m < 0; })) {
    fail("pad", shape, "a margin is negative; use slice to cut");
  }
  rules::require_scalar("pad", *inputs[1], inputs[0]->dtype, 2);
  for (int i = 0; i < shape.rank(); ++i) {
    const auto k = static_cast<std::size_t>(i) * 2;
    rules::require_small("pad", "a margin of", std::max(margins[k], margins[k + 1]));
    shape.set(i, shape[i] + margins[k] + margins[k + 1]);
  }
  return {inputs[0]->dtype, Shape(shape.dims())};
}

void pad_gradient(const GradientCase& at, std::span<Tensor> out) {
  Tensor inner = at.cotangents[0];
  const Shape& shape = at.inputs[0].shape();
  for (int i = 0; i < shape.rank(); ++i) {
    if (inner.shape()[i] != shape[i])
      inner = narrow(inner, i, at.attributes[static_cast<std::size_t>(i) * 2], shape[i]);
  }
  if (at.needs[0]) out[0] = inner;
  if (at.needs[1]) out[1] = sum(at.cotangents[0]) - sum(inner);
}

Signature infer_same(Inputs inputs, Attributes, int) {
  return {inputs[0]->dtype, inputs[0]->shape};
}

void flip_gradient(const GradientCase& at, std::span<Tensor> out);

Signature infer_roll(Inputs inputs, Attributes, int) {
  rules::require_scalar("roll", *inputs[1], DType::i64, 2);
  return {inputs[0]->dtype, inputs[0]->shape};
}

void roll_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = roll(at.cotangents[0], at.attributes[0], -at.inputs[1]);
}

const Op& reshape_op = define_op(
    {.name = "reshape", .kind = OpClass::view, .arity = 1, .infer = infer_reshape, .gradient = reshape_gradient});
const Op& broadcast_to_op = define_op({.name = "broadcast_to",
                                       .kind = OpClass::view,
                                       .arity = 1,
                                       .infer = infer_broadcast_to,
                                       .gradient = broadcast_to_gradient});
const Op& transpose_op = define_op(
    {.name = "transpose", .kind = OpClass::view, .arity = 1, .infer = infer_transpose, .gradient = transpose_gradient});
const Op& slice_op =
    define_op({.name = "slice", .kind = OpClass::view, .arity = 2, .infer = infer_slice, .gradient = slice_gradient});
const Op& slice_scatter_op = define_op({.name = "slice_scatter",
                                        .kind = OpClass::view,
                                        .arity = 2,
                                        .infer = infer_slice_scatter,
                                        .gradient = slice_scatter_gradient});
const Op& split3_op = define_op({.name = "split3",
                                 .kind = OpClass::fused,
                                 .arity = 1,
                                 .results = 3,
                                 .infer = infer_split3,
                                 .gradient = split3_gradient,
                                 .compose = compose_split3});
const Op& concat_op = define_op(
    {.name = "concat", .kind = OpClass::view, .arity = -1, .infer = infer_concat, .gradient = concat_gradient});
const Op& pad_op =
    define_op({.name = "pad", .kind = OpClass::view, .arity = 2, .infer = infer_pad, .gradient = pad_gradient});
const Op& flip_op =
    define_op({.name = "flip", .kind = OpClass::view, .arity = 1, .infer = infer_same, .gradient = flip_gradient});
const Op& roll_op =
    define_op({.name = "roll", .kind = OpClass::view, .arity = 2, .infer = infer_roll, .gradient = roll_gradient});

void flip_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = apply(flip_op, {at.cotangents[0]}, at.attributes);
}

int axis_of(const Tensor& x, std::int64_t axis, const char* what) {
  rules::require_defined(what, x, 1);
  return normalize_axis(axis, x.rank(), what);
}

}  // namespace

Tensor reshape(const Tensor& x, std::span<const std::int64_t> dims) {
  rules::require_defined("reshape", x, 1);
  const auto unknown = std::find(dims.begin(), dims.end(), -1);
  if (unknown == dims.end()) {
    const Shape shape(dims);
    return shape == x.shape() ? x : apply(reshape_op, {x}, dims);
  }
  std::vector<std::int64_t> full(dims.begin(), dims.end());
  std::int64_t& hole = full[static_cast<std::size_t>(unknown - dims.begin())];
  hole = 1;
  const std::int64_t known = Shape(full).count();  // throws for a second -1
  if (known == 0 || x.count() % known != 0) {
    fail("reshape", x.shape(), "its elements don't fill shapes of " + std::to_string(known) + " elements times -1");
  }
  hole = x.count() / known;
  return reshape(x, std::span<const std::int64_t>(full));
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  rules::require_defined("broadcast_to", x, 1);
  return x.shape() == shape ? x : apply(broadcast_to_op, {x}, shape.dims());
}

Tensor transpose(const Tensor& x, std::span<const std::int64_t> permutation) {
  std::vector<std::int64_t> axes;
  for (const std::int64_t axis : permutation) axes.push_back(axis_of(x, axis, "transpose"));
  return apply(transpose_op, {x}, axes);
}

Tensor transpose(const Tensor& x, std::int64_t axis_a, std::int64_t axis_b) {
  const int a = axis_of(x, axis_a, "transpose");
  const int b = axis_of(x, axis_b, "transpose");
  std::vector<std::int64_t> axes(static_cast<std::size_t>(x.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[static_cast<std::size_t>(a)], axes[static_cast<std::size_t>(b)]);
  return apply(transpose_op, {x}, axes);
}

Tensor t(const Tensor& x) {
  return transpose(x, -2, -1);
}

Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t stop, std::int64_t step) {
  const int at = axis_of(x, axis, "slice");
  const std::int64_t extent = x.shape()[at];
  if (step < 1) fail("slice", x.shape(), "the step is " + std::to_string(step) + "; use flip to go backwards");
  const std::int64_t first = start < 0 ? start + extent : start;
  const std::int64_t last = std::min(stop < 0 ? stop + extent : stop, extent);
  if (first < 0 || first > extent) {
    fail("slice", x.shape(), "start " + std::to_string(start) + " is outside axis " + std::to_string(at));
  }
  const std::int64_t length = last <= first ? 0 : (last - first - 1) / step + 1;
  return dynamic_slice(x, at, scalar_integer(first), length, step);
}

Tensor dynamic_slice(const Tensor& x, std::int64_t axis, const Tensor& start, std::int64_t length, std::int64_t step) {
  return apply(slice_op, {x, start}, {axis_of(x, axis, "slice"), length, step});
}

Tensor narrow(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t length) {
  const int at = axis_of(x, axis, "narrow");
  const std::int64_t extent = x.shape()[at];
  const std::int64_t first = start < 0 ? start + extent : start;
  if (first < 0 || length < 0 || first > extent || length > extent - first) {
    fail("narrow", x.shape(),
         "axis " + std::to_string(at) + " has no " + std::to_string(length) + " elements from " +
             std::to_string(start) + " on");
  }
  return dynamic_slice(x, at, scalar_integer(first), length);
}

Tensor slice_scatter(const Tensor& x, std::int64_t axis, const Tensor& start, std::int64_t full_length,
                     std::int64_t step) {
  const int at = axis_of(x, axis, "slice_scatter");
  return apply(slice_scatter_op, {x, start}, {at, x.shape()[at], step, full_length});
}

std::vector<Tensor> split(const Tensor& x, std::span<const std::int64_t> sizes, std::int64_t axis) {
  const int at = axis_of(x, axis, "split");
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  if (total != x.shape()[at]) {
    fail("split", x.shape(), "the sizes add up to " + std::to_string(total) + " along axis " + std::to_string(at));
  }
  if (sizes.size() == 3) {
    const Tensor all = apply(split3_op, {x}, words_of(Split3Attributes{at, {sizes[0], sizes[1], sizes[2]}}));
    return {output(all, 0), output(all, 1), output(all, 2)};
  }
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    parts.push_back(narrow(x, at, start, size));
    start += size;
  }
  return parts;
}

std::vector<Tensor> split(const Tensor& x, std::int64_t parts, std::int64_t axis) {
  const int at = axis_of(x, axis, "split");
  if (parts < 1 || x.shape()[at] % parts != 0) {
    fail("split", x.shape(), "axis " + std::to_string(at) + " has no " + std::to_string(parts) + " equal parts");
  }
  const std::vector<std::int64_t> sizes(static_cast<std::size_t>(parts), x.shape()[at] / parts);
  return split(x, std::span<const std::int64_t>(sizes), at);
}

Tensor concat(std::span<const Tensor> parts, std::int64_t axis) {
  if (parts.empty()) throw Error("concat: no tensors");
  return apply(concat_op, parts, std::array<std::int64_t, 1>{axis_of(parts[0], axis, "concat")});
}

Tensor stack(std::span<const Tensor> parts, std::int64_t axis) {
  if (parts.empty()) throw Error("stack: no tensors");
  std::vector<Tensor> rows;
  for (const Tensor& part : parts) {
    rules::require_defined("stack", part, static_cast<int>(rows.size()) + 1);
    if (!(part.shape() == parts[0].shape())) {
      throw Error("stack: argument 1 has shape " + to_string(parts[0].shape()) + ", argument " +
                  std::to_string(rows.size() + 1) + " " + to_string(part.shape()));
    }
    rows.push_back(unsqueeze(part, axis));
  }
  return concat(rows, axis);
}

Tensor pad(const Tensor& x, std::span<const std::int64_t> margins, const Tensor& value) {
  return apply(pad_op, {x, value}, margins);
}

Tensor pad(const Tensor& x, std::span<const std::int64_t> margins, double value) {
  rules::require_defined("pad", x, 1);
  return pad(x, margins, scalar(value, x.dtype()));
}

Tensor flip(const Tensor& x, std::initializer_list<std::int64_t> axes) {
  std::int64_t mask = 0;
  for (const std::int64_t axis : axes) mask |= std::int64_t{1} << axis_of(x, axis, "flip");
  return apply(flip_op, {x}, {mask});
}

Tensor roll(const Tensor& x, std::int64_t axis, const Tensor& shift) {
  return apply(roll_op, {x, shift}, {axis_of(x, axis, "roll")});
}

Tensor roll(const Tensor& x, std::int64_t axis, std::int64_t shift) {
  return roll(x, axis, scalar_integer(shift));
}

Tensor squeeze(const Tensor& x, std::int64_t axis) {
  const int at = axis_of(x, axis, "squeeze");
  if (x.shape()[at] != 1) fail("squeeze", x.shape(), "axis " + std::to_string(at) + " is not of extent 1");
  return reshape(x, reduced_shape(x.shape(), {.axes = std::int64_t{1} << at, .keep = 0}));
}

Tensor unsqueeze(const Tensor& x, std::int64_t axis) {
  rules::require_defined("unsqueeze", x, 1);
  const int at = normalize_axis(axis, x.rank() + 1, "unsqueeze");
  Shape shape;
  for (int i = 0; i <= x.rank(); ++i) shape.push_back(i == at ? 1 : x.shape()[i < at ? i : i - 1]);
  return reshape(x, shape);
}

Tensor flatten(const Tensor& x, std::int64_t first_axis) {
  rules::require_defined("flatten", x, 1);
  const int first = x.rank() == 0 ? 0 : normalize_axis(first_axis, x.rank(), "flatten");
  Shape shape;
  std::int64_t rest = 1;
  for (int i = 0; i < x.rank(); ++i) {
    if (i < first)
      shape.push_back(x.shape()[i]);
    else
      rest *= x.shape()[i];
  }
  shape.push_back(rest);
  return reshape(x, shape);
}

}  // namespace narae
