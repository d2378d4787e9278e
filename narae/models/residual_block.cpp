#include "narae/models/residual_block.h"

#include <algorithm>

#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

nn::Conv2d conv3x3(std::int64_t channels, std::int64_t filters, std::int64_t stride = 1) {
  return nn::Conv2d(channels, filters, 3, {.stride = stride, .padding = 1, .bias = false});
}

nn::Conv2d conv1x1(std::int64_t channels, std::int64_t filters, std::int64_t stride = 1) {
  return nn::Conv2d(channels, filters, 1, {.stride = stride, .bias = false});
}

// The pixels at multiples of the stride; a plane of zeros for each channel that x does not have.
Tensor thinned_and_padded(const Tensor& x, std::int64_t stride, std::int64_t channels) {
  Tensor y = x;
  if (stride > 1) y = slice(slice(y, 2, 0, y.size(2), stride), 3, 0, y.size(3), stride);
  return pad(y, {0, 0, 0, channels - x.size(1), 0, 0, 0, 0});
}

}  // namespace

void ResidualBlock::register_ends(std::int64_t channels, std::int64_t outputs) {
  if (options_.reduction > 0) {
    const std::int64_t squeezed = std::max<std::int64_t>(outputs / options_.reduction, 1);
    squeeze_ = register_module("se", nn::SqueezeExcitation(outputs, squeezed));
  }
  if (options_.shortcut == Shortcut::projection && (options_.stride != 1 || channels != outputs)) {
    projection_ = register_module(
        "downsample", nn::Sequential(conv1x1(channels, outputs, options_.stride), nn::BatchNorm2d(outputs)));
  }
}

Tensor ResidualBlock::shortcut(const Tensor& x, std::int64_t outputs) const {
  if (projection_) return (*projection_)(x);
  if (options_.stride == 1 && x.size(1) == outputs) return x;
  return thinned_and_padded(x, options_.stride, outputs);
}

Tensor ResidualBlock::joined(const Tensor& y, const Tensor& x) const {
  const Tensor weighted = squeeze_ ? (*squeeze_)(y) : y;
  if (options_.shortcut == Shortcut::none) return relu(weighted);
  return relu(weighted + shortcut(x, y.size(1)));
}

BasicBlock::BasicBlock(std::int64_t channels, std::int64_t width, const BlockOptions& options)
    : ResidualBlock("BasicBlock", options),
      conv1_(register_module("conv1", conv3x3(channels, width, options.stride))),
      bn1_(register_module("bn1", nn::BatchNorm2d(width))),
      conv2_(register_module("conv2", conv3x3(width, width))),
      bn2_(register_module("bn2", nn::BatchNorm2d(width))) {
  register_ends(channels, width);
}

Tensor BasicBlock::forward(const Tensor& x) const {
  const Tensor y = relu(bn1_(conv1_(x)));
  return joined(bn2_(conv2_(y)), x);
}

Bottleneck::Bottleneck(std::int64_t channels, std::int64_t width, const BlockOptions& options)
    : ResidualBlock("Bottleneck", options),
      conv1_(register_module("conv1", conv1x1(channels, width))),
      bn1_(register_module("bn1", nn::BatchNorm2d(width))),
      conv2_(register_module("conv2", conv3x3(width, width, options.stride))),
      bn2_(register_module("bn2", nn::BatchNorm2d(width))),
      conv3_(register_module("conv3", conv1x1(width, expansion * width))),
      bn3_(register_module("bn3", nn::BatchNorm2d(expansion * width))) {
  register_ends(channels, expansion * width);
}

Tensor Bottleneck::forward(const Tensor& x) const {
  const Tensor y = relu(bn1_(conv1_(x)));
  const Tensor z = relu(bn2_(conv2_(y)));
  return joined(bn3_(conv3_(z)), x);
}

}  // namespace narae::models
