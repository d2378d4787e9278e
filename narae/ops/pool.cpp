#include "narae/ops/pool.h"

#include <array>
#include <limits>
#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/reduce.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

// Of adaptive pooling (output height and width), its gradient and unpooling (input height and width).
struct PlaneAttributes {
  std::int64_t height;
  std::int64_t width;
};

void require_planes(const char* op, const Node& x) {
  if (x.shape.rank() != 4 || !is_floating(x.dtype)) {
    throw Error(std::string(op) + ": x is " + std::string(name_of(x.dtype)) + " " + to_string(x.shape) +
                "; a floating (batch, channels, height, width) is needed");
  }
}

Shape with_plane(const Shape& shape, std::int64_t height, std::int64_t width) {
  return {shape[0], shape[1], height, width};
}

// Windows that start at 0, stride, 2 stride, ... of an axis that has `room` left behind the first. Rounded up, one more
// that is cut off at the end, unless it would start in the padding behind the input (at `end`).
std::int64_t windows_along(std::int64_t room, std::int64_t end, std::int64_t stride, bool ceil_mode) {
  const std::int64_t whole = room / stride + 1;
  const bool one_more = ceil_mode && room % stride != 0 && whole * stride < end;
  return one_more ? whole + 1 : whole;
}

Shape pooled_shape(const char* op, const Shape& x, const Pool2dAttributes& a) {
  Shape result = x;
  for (int i = 0; i < 2; ++i) {
    const auto fail = [&](const std::string& why) {
      throw Error(std::string(op) + ": x has shape " + to_string(x) + ", the kernel " +
                  to_string(Shape{a.kernel[0], a.kernel[1]}) + ": " + why);
    };
    if (a.kernel[i] < 1 || a.stride[i] < 1) fail("kernel and stride must be at least 1");
    rules::require_small(op, "a kernel of", a.kernel[i]);
    rules::require_small(op, "a stride of", a.stride[i]);
    rules::require_small(op, "a padding of", a.padding[i]);
    if (a.padding[i] < 0 || 2 * a.padding[i] > a.kernel[i]) {
      fail("a padding of " + std::to_string(a.padding[i]) + " is not between 0 and half the kernel");
    }
    const std::int64_t room = x[i + 2] + 2 * a.padding[i] - a.kernel[i];
    if (room < 0) fail("the kernel is larger than the padded input");
    result.set(i + 2, windows_along(room, x[i + 2] + a.padding[i], a.stride[i], a.ceil_mode != 0));
  }
  return result;
}

Signature values_or_indices(const Node& x, const Shape& shape, int k) {
  if (x.shape[2] * x.shape[3] > std::numeric_limits<std::int32_t>::max()) {
    throw Error("max_pool2d: planes of " + to_string(x.shape) + " have more elements than an i32 index counts");
  }
  return {k == 0 ? x.dtype : DType::i32, shape};
}

Signature infer_max_pool(std::span<const Node* const> inputs, Attributes attributes, int k) {
  require_planes("max_pool2d", *inputs[0]);
  return values_or_indices(
      *inputs[0], pooled_shape("max_pool2d", inputs[0]->shape, attributes_as<Pool2dAttributes>(attributes)), k);
}

Signature infer_avg_pool(std::span<const Node* const> inputs, Attributes attributes, int) {
  require_planes("avg_pool2d", *inputs[0]);
  return {inputs[0]->dtype, pooled_shape("avg_pool2d", inputs[0]->shape, attributes_as<Pool2dAttributes>(attributes))};
}

Signature infer_avg_pool_gradient(std::span<const Node* const> inputs, Attributes attributes, int) {
  constexpr const char* op = "avg_pool2d_gradient";
  require_planes(op, *inputs[0]);
  const auto a = attributes_as<Pool2dAttributes>(attributes);
  const Shape x = with_plane(inputs[0]->shape, a.extent[0], a.extent[1]);
  if (!(pooled_shape(op, x, a) == inputs[0]->shape)) {
    throw Error("avg_pool2d_gradient: the cotangent has shape " + to_string(inputs[0]->shape) + ", the input " +
                to_string(x));
  }
  return {inputs[0]->dtype, x};
}

Shape adaptive_shape(const char* op, const Node& x, const PlaneAttributes& a) {
  require_planes(op, x);
  if (a.height < 1 || a.width < 1 || x.shape[2] < 1 || x.shape[3] < 1) {
    throw Error(std::string(op) + ": x has shape " + to_string(x.shape) + " and can't be cut into " +
                to_string(Shape{a.height, a.width}) + " parts");
  }
  return with_plane(x.shape, a.height, a.width);
}

Signature infer_adaptive_avg(std::span<const Node* const> inputs, Attributes attributes, int) {
  const auto a = attributes_as<PlaneAttributes>(attributes);
  return {inputs[0]->dtype, adaptive_shape("adaptive_avg_pool2d", *inputs[0], a)};
}

Signature infer_adaptive_avg_gradient(std::span<const Node* const> inputs, Attributes attributes, int) {
  const auto a = attributes_as<PlaneAttributes>(attributes);
  return {inputs[0]->dtype, adaptive_shape("adaptive_avg_pool2d_gradient", *inputs[0], a)};
}

Signature infer_adaptive_max(std::span<const Node* const> inputs, Attributes attributes, int k) {
  const auto a = attributes_as<PlaneAttributes>(attributes);
  return values_or_indices(*inputs[0], adaptive_shape("adaptive_max_pool2d", *inputs[0], a), k);
}

void require_indices(const char* op, const Node& values, const Node& indices, bool same_plane) {
  require_planes(op, values);
  const Shape& v = values.shape;
  const Shape& i = indices.shape;
  const bool fits = i.rank() == 4 && v[0] == i[0] && v[1] == i[1] && (!same_plane || i == v);
  if (!fits || indices.dtype != DType::i32) {
    throw Error(std::string(op) + ": the values have shape " + to_string(v) + ", the indices are " +
                std::string(name_of(indices.dtype)) + " " + to_string(i) +
                "; i32 positions for the same batch and channels are needed");
  }
}

Signature infer_unpool(std::span<const Node* const> inputs, Attributes attributes, int) {
  require_indices("max_unpool2d", *inputs[0], *inputs[1], true);
  const auto a = attributes_as<PlaneAttributes>(attributes);
  if (a.height < 0 || a.width < 0)
    throw Error("max_unpool2d: the size " + to_string(Shape{a.height, a.width}) + " is negative");
  return {inputs[0]->dtype, with_plane(inputs[0]->shape, a.height, a.width)};
}

Signature infer_select(std::span<const Node* const> inputs, Attributes, int) {
  require_indices("pool_select", *inputs[0], *inputs[1], false);
  return {inputs[0]->dtype, inputs[1]->shape};
}

void max_pool_gradient(const GradientCase& at, std::span<Tensor> out);
void unpool_gradient(const GradientCase& at, std::span<Tensor> out);
void select_gradient(const GradientCase& at, std::span<Tensor> out);
void avg_pool_gradient(const GradientCase& at, std::span<Tensor> out);
void avg_pool_gradient_gradient(const GradientCase& at, std::span<Tensor> out);
void adaptive_avg_gradient(const GradientCase& at, std::span<Tensor> out);
void adaptive_avg_gradient_gradient(const GradientCase& at, std::span<Tensor> out);

const Op& max_pool_op =
    define_op({.name = "max_pool2d", .results = 2, .infer = infer_max_pool, .gradient = max_pool_gradient});
const Op& adaptive_max_op = define_op(
    {.name = "adaptive_max_pool2d", .results = 2, .infer = infer_adaptive_max, .gradient = max_pool_gradient});
const Op& unpool_op =
    define_op({.name = "max_unpool2d", .arity = 2, .infer = infer_unpool, .gradient = unpool_gradient});
const Op& select_op =
    define_op({.name = "pool_select", .arity = 2, .infer = infer_select, .gradient = select_gradient});
const Op& avg_pool_op = define_op({.name = "avg_pool2d", .infer = infer_avg_pool, .gradient = avg_pool_gradient});
const Op& avg_pool_gradient_op = define_op(
    {.name = "avg_pool2d_gradient", .infer = infer_avg_pool_gradient, .gradient = avg_pool_gradient_gradient});
const Op& adaptive_avg_op =
    define_op({.name = "adaptive_avg_pool2d", .infer = infer_adaptive_avg, .gradient = adaptive_avg_gradient});
const Op& adaptive_avg_gradient_op = define_op({.name = "adaptive_avg_pool2d_gradient",
                                                .infer = infer_adaptive_avg_gradient,
                                                .gradient = adaptive_avg_gradient_gradient});

Tensor unpool(const Tensor& y, const Tensor& indices, const Shape& x) {
  return apply(unpool_op, {y, indices}, {x[2], x[3]});
}
Tensor select(const Tensor& x, const Tensor& indices) {
  return apply(select_op, {x, indices});
}

// Each dy goes to the element that won; the same for adaptive windows.
void max_pool_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0] && at.cotangents[0].defined()) {
    out[0] = unpool(at.cotangents[0], at.results[1], at.inputs[0].shape());
  }
}
void unpool_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = select(at.cotangents[0], at.inputs[1]);
}
void select_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = unpool(at.cotangents[0], at.inputs[1], at.inputs[0].shape());
}

// Averaging is linear: its gradient is its transpose, and the other way round.
void avg_pool_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  auto a = attributes_as<Pool2dAttributes>(at.attributes);
  a.extent[0] = at.inputs[0].shape()[2];
  a.extent[1] = at.inputs[0].shape()[3];
  out[0] = apply(avg_pool_gradient_op, {at.cotangents[0]}, words_of(a));
}
void avg_pool_gradient_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (!at.needs[0]) return;
  auto a = attributes_as<Pool2dAttributes>(at.attributes);
  a.extent[0] = a.extent[1] = 0;
  out[0] = apply(avg_pool_op, {at.cotangents[0]}, words_of(a));
}
void adaptive_avg_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Shape& x = at.inputs[0].shape();
  if (at.needs[0]) out[0] = apply(adaptive_avg_gradient_op, {at.cotangents[0]}, {x[2], x[3]});
}
void adaptive_avg_gradient_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Shape& dy = at.inputs[0].shape();
  if (at.needs[0]) out[0] = apply(adaptive_avg_op, {at.cotangents[0]}, {dy[2], dy[3]});
}

template <class Options>
Pool2dAttributes attributes_of(Size2d kernel, const Options& options) {
  const Size2d stride = options.stride.value_or(kernel);
  return {.kernel = {kernel.height, kernel.width},
          .stride = {stride.height, stride.width},
          .padding = {options.padding.height, options.padding.width},
          .count_include_pad = 0,
          .ceil_mode = options.ceil_mode ? 1 : 0,
          .extent = {0, 0}};
}

// Adaptive pooling to the size that x has is x itself.
bool has_plane(const Tensor& x, Size2d size) {
  return x.defined() && x.rank() == 4 && is_floating(x.dtype()) && x.size(2) == size.height && x.size(3) == size.width;
}

Tensor max_pool(const Tensor& x, Size2d kernel, const MaxPool2dOptions& options) {
  return apply(max_pool_op, {x}, words_of(attributes_of(kernel, options)));
}

}  // namespace

MaxPool2dResult max_pool2d_with_indices(const Tensor& x, Size2d kernel, const MaxPool2dOptions& options) {
  const Tensor pooled = max_pool(x, kernel, options);
  return {output(pooled, 0), output(pooled, 1)};
}

Tensor max_pool2d(const Tensor& x, Size2d kernel, const MaxPool2dOptions& options) {
  return output(max_pool(x, kernel, options), 0);
}

Tensor max_unpool2d(const Tensor& y, const Tensor& indices, Size2d size) {
  return apply(unpool_op, {y, indices}, {size.height, size.width});
}

Tensor avg_pool2d(const Tensor& x, Size2d kernel, const AvgPool2dOptions& options) {
  auto words = attributes_of(kernel, options);
  words.count_include_pad = options.count_include_pad ? 1 : 0;
  return apply(avg_pool_op, {x}, words_of(words));
}

Tensor adaptive_avg_pool2d(const Tensor& x, Size2d size) {
  if (has_plane(x, size)) return x;
  return apply(adaptive_avg_op, {x}, {size.height, size.width});
}

Tensor adaptive_max_pool2d(const Tensor& x, Size2d size) {
  if (has_plane(x, size)) return x;
  return output(apply(adaptive_max_op, {x}, {size.height, size.width}), 0);
}

Tensor global_avg_pool(const Tensor& x) {
  return flatten(adaptive_avg_pool2d(x, 1), 1);
}
Tensor global_max_pool(const Tensor& x) {
  return max(x, {2, 3});
}

}  // namespace narae
