#include "narae/ops/conv.h"

#include <string>

#include "narae/graph/attributes.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

[[noreturn]] void fail(const char* op, const Shape& x, const Shape& w, const std::string& why) {
  throw Error(std::string(op) + ": x has shape " + to_string(x) + ", w " + to_string(w) + ": " + why);
}

void require_types(const char* op, std::span<const Node* const> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_floating(inputs[i]->dtype) || inputs[i]->dtype != inputs[0]->dtype) {
      throw Error(std::string(op) + ": argument " + std::to_string(i + 1) + " is " +
                  std::string(name_of(inputs[i]->dtype)) + ", the first " + std::string(name_of(inputs[0]->dtype)) +
                  "; one floating type is needed, cast one of them");
    }
  }
}

// Stride, dilation and padding of axis i are such that extents can be computed from them.
void require_sizes(const char* op, const Shape& x, const Shape& w, const Conv2dAttributes& a, int i) {
  if (a.stride[i] < 1 || a.dilation[i] < 1 || a.padding[i] < 0) {
    fail(op, x, w, "stride and dilation must be at least 1, padding at least 0");
  }
  rules::require_small(op, "a stride of", a.stride[i]);
  rules::require_small(op, "a dilation of", a.dilation[i]);
  rules::require_small(op, "a padding of", a.padding[i]);
  rules::require_small(op, "an extent of x of", x[i + 2]);
  rules::require_small(op, "a kernel of", w[i + 2]);
}

// The output of a convolution of x with w; checks everything.
Shape output_shape(const char* op, const Shape& x, const Shape& w, const Conv2dAttributes& a) {
  if (x.rank() != 4 || w.rank() != 4) {
    fail(op, x, w, "(batch, channels, height, width) and (filters, channels / groups, height, width) are needed");
  }
  if (a.groups < 1 || x[1] % a.groups != 0 || w[0] % a.groups != 0) {
    fail(op, x, w, std::to_string(a.groups) + " groups divide neither channels nor filters evenly");
  }
  if (w[1] * a.groups != x[1]) {
    fail(op, x, w,
         "w is for " + std::to_string(w[1] * a.groups) + " channels in " + std::to_string(a.groups) +
             " group(s), x has " + std::to_string(x[1]));
  }
  Shape result{x[0], w[0], 0, 0};
  for (int i = 0; i < 2; ++i) {
    require_sizes(op, x, w, a, i);
    const std::int64_t reach = a.dilation[i] * (w[i + 2] - 1) + 1;
    const std::int64_t room = x[i + 2] + 2 * a.padding[i] - reach;
    if (w[i + 2] < 1 || room < 0) {
      fail(op, x, w,
           "the kernel reaches over " + std::to_string(reach) + ", the padded input has " +
               std::to_string(x[i + 2] + 2 * a.padding[i]));
    }
    result.set(i + 2, room / a.stride[i] + 1);
  }
  return result;
}

Signature infer_conv2d(std::span<const Node* const> inputs, Attributes attributes, int) {
  require_types("conv2d", inputs);
  const auto a = attributes_as<Conv2dAttributes>(attributes);
  return {inputs[0]->dtype, output_shape("conv2d", inputs[0]->shape, inputs[1]->shape, a)};
}

Signature infer_conv2d_bias(std::span<const Node* const> inputs, Attributes attributes, int) {
  require_types("conv2d", inputs);
  const auto a = attributes_as<Conv2dAttributes>(attributes);
  const Shape y = output_shape("conv2d", inputs[0]->shape, inputs[1]->shape, a);
  const Shape& bias = inputs[2]->shape;
  if (bias.rank() != 1 || bias[0] != y[1]) {
    throw Error("conv2d: the bias has shape " + to_string(bias) + ", w " + to_string(inputs[1]->shape) +
                ": one number for each filter is needed");
  }
  return {inputs[0]->dtype, y};
}

// (dy, w) -> dx
Signature infer_input_gradient(std::span<const Node* const> inputs, Attributes attributes, int) {
  constexpr const char* op = "conv2d_input_gradient";
  require_types(op, inputs);
  const auto a = attributes_as<Conv2dAttributes>(attributes);
  const Shape& dy = inputs[0]->shape;
  const Shape& w = inputs[1]->shape;
  if (dy.rank() != 4 || w.rank() != 4) fail(op, dy, w, "four axes each are needed");
  const Shape x{dy[0], w[1] * a.groups, a.extent[0], a.extent[1]};
  if (!(output_shape(op, x, w, a) == dy)) fail(op, x, w, "the cotangent has shape " + to_string(dy));
  return {inputs[0]->dtype, x};
}

// (x, dy) -> dw
Signature infer_weight_gradient(std::span<const Node* const> inputs, Attributes attributes, int) {
  constexpr const char* op = "conv2d_weight_gradient";
  require_types(op, inputs);
  const auto a = attributes_as<Conv2dAttributes>(attributes);
  const Shape& x = inputs[0]->shape;
  const Shape& dy = inputs[1]->shape;
  if (x.rank() != 4 || dy.rank() != 4 || a.groups < 1) fail(op, x, dy, "four axes each are needed");
  const Shape w{dy[1], x[1] / a.groups, a.extent[0], a.extent[1]};
  if (!(output_shape(op, x, w, a) == dy)) fail(op, x, w, "the cotangent has shape " + to_string(dy));
  return {inputs[0]->dtype, w};
}

void conv2d_gradient(const GradientCase& at, std::span<Tensor> out);
void input_gradient_gradient(const GradientCase& at, std::span<Tensor> out);
void weight_gradient_gradient(const GradientCase& at, std::span<Tensor> out);

std::vector<Tensor> compose_conv2d_bias(std::span<const Tensor> inputs, Attributes attributes);

const Op& conv2d_op = define_op(
    {.name = "conv2d", .kind = OpClass::general, .arity = 2, .infer = infer_conv2d, .gradient = conv2d_gradient});
const Op& conv2d_bias_op = define_op({.name = "conv2d_bias",
                                      .kind = OpClass::fused,
                                      .arity = 3,
                                      .infer = infer_conv2d_bias,
                                      .gradient = conv2d_gradient,
                                      .compose = compose_conv2d_bias});
const Op& input_gradient_op = define_op({.name = "conv2d_input_gradient",
                                         .kind = OpClass::general,
                                         .arity = 2,
                                         .infer = infer_input_gradient,
                                         .gradient = input_gradient_gradient});
const Op& weight_gradient_op = define_op({.name = "conv2d_weight_gradient",
                                          .kind = OpClass::general,
                                          .arity = 2,
                                          .infer = infer_weight_gradient,
                                          .gradient = weight_gradient_gradient});

std::vector<Tensor> compose_conv2d_bias(std::span<const Tensor> inputs, Attributes attributes) {
  const Tensor y = apply(conv2d_op, inputs.first(2), attributes);
  return {y + broadcast_to(reshape(inputs[2], Shape{1, y.size(1), 1, 1}), y.shape())};
}

// y(x, w), dx(dy, w) and dw(x, dy) are the three partial contractions of one form that is linear in x, w and y, so each
// is differentiated with the two others.
Tensor forward(const Tensor& x, const Tensor& w, Conv2dAttributes a) {
  a.extent[0] = a.extent[1] = 0;
  return apply(conv2d_op, {x, w}, words_of(a));
}
Tensor input_gradient(const Tensor& dy, const Tensor& w, const Shape& x, Conv2dAttributes a) {
  a.extent[0] = x[2];
  a.extent[1] = x[3];
  return apply(input_gradient_op, {dy, w}, words_of(a));
}
Tensor weight_gradient(const Tensor& x, const Tensor& dy, const Shape& w, Conv2dAttributes a) {
  a.extent[0] = w[2];
  a.extent[1] = w[3];
  return apply(weight_gradient_op, {x, dy}, words_of(a));
}

// For conv2d and conv2d_bias.
void conv2d_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<Conv2dAttributes>(at.attributes);
  const Tensor& x = at.inputs[0];
  const Tensor& w = at.inputs[1];
  const Tensor& dy = at.cotangents[0];
  if (at.needs[0]) out[0] = input_gradient(dy, w, x.shape(), a);
  if (at.needs[1]) out[1] = weight_gradient(x, dy, w.shape(), a);
  if (at.inputs.size() == 3 && at.needs[2]) out[2] = sum(dy, {0, 2, 3});
}

void input_gradient_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<Conv2dAttributes>(at.attributes);
  const Tensor& cotangent = at.cotangents[0];  // of the shape of x
  if (at.needs[0]) out[0] = forward(cotangent, at.inputs[1], a);
  if (at.needs[1]) out[1] = weight_gradient(cotangent, at.inputs[0], at.inputs[1].shape(), a);
}

void weight_gradient_gradient(const GradientCase& at, std::span<Tensor> out) {
  const auto a = attributes_as<Conv2dAttributes>(at.attributes);
  const Tensor& cotangent = at.cotangents[0];  // of the shape of w
  if (at.needs[0]) out[0] = input_gradient(at.inputs[1], cotangent, at.inputs[0].shape(), a);
  if (at.needs[1]) out[1] = forward(at.inputs[0], cotangent, a);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2dOptions& options) {
  const Conv2dAttributes words{.stride = {options.stride.height, options.stride.width},
                               .padding = {options.padding.height, options.padding.width},
                               .dilation = {options.dilation.height, options.dilation.width},
                               .groups = options.groups,
                               .extent = {0, 0}};
  return b.defined() ? apply(conv2d_bias_op, {x, w, b}, words_of(words)) : apply(conv2d_op, {x, w}, words_of(words));
}

namespace {

// The shape of the result of a transposed convolution; checks everything but the types.
Shape transposed_shape(const Shape& x, const Shape& w, const Conv2dAttributes& a, Size2d output_padding) {
  constexpr const char* op = "conv_transpose2d";
  if (x.rank() != 4 || w.rank() != 4) {
    fail(op, x, w, "(batch, channels, height, width) and (channels, filters / groups, height, width) are needed");
  }
  if (w[0] != x[1]) fail(op, x, w, "w is for " + std::to_string(w[0]) + " channels, x has " + std::to_string(x[1]));
  if (a.groups < 1 || x[1] % a.groups != 0) {
    fail(op, x, w, std::to_string(a.groups) + " groups do not divide the channels evenly");
  }
  Shape result{x[0], w[1] * a.groups, 0, 0};
  for (int i = 0; i < 2; ++i) {
    const std::int64_t extra = i == 0 ? output_padding.height : output_padding.width;
    require_sizes(op, x, w, a, i);
    if (extra < 0 || extra >= a.stride[i]) {
      fail(op, x, w,
           "an output padding of " + std::to_string(extra) + " is not between 0 and the stride, " +
               std::to_string(a.stride[i]) + ", less 1");
    }
    const std::int64_t extent =
        (x[i + 2] - 1) * a.stride[i] - 2 * a.padding[i] + a.dilation[i] * (w[i + 2] - 1) + extra + 1;
    if (extent < 1) fail(op, x, w, "the padding of " + std::to_string(a.padding[i]) + " leaves nothing of the result");
    result.set(i + 2, extent);
  }
  return result;
}

}  // namespace

Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& b, const ConvTranspose2dOptions& options) {
  rules::require_defined("conv_transpose2d", x, 1);
  rules::require_defined("conv_transpose2d", w, 2);
  const Conv2dAttributes words{.stride = {options.stride.height, options.stride.width},
                               .padding = {options.padding.height, options.padding.width},
                               .dilation = {options.dilation.height, options.dilation.width},
                               .groups = options.groups,
                               .extent = {0, 0}};
  const Node* const types[] = {x.read(), w.read()};
  require_types("conv_transpose2d", types);
  const Shape shape = transposed_shape(x.shape(), w.shape(), words, options.output_padding);
  Tensor y = input_gradient(x, w, shape, words);
  if (!b.defined()) return y;
  if (b.dtype() != x.dtype() || !(b.shape() == Shape{shape[1]})) {
    throw Error("conv_transpose2d: the bias is " + std::string(name_of(b.dtype())) + " " + to_string(b.shape()) +
                ", x " + std::string(name_of(x.dtype())) + ", w " + to_string(w.shape()) +
                ": one number of x's type for each of " + std::to_string(shape[1]) + " filters is needed");
  }
  return y + reshape(b, Shape{1, shape[1], 1, 1});
}

}  // namespace narae
