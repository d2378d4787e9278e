#include "narae/models/resnet.h"

#include "narae/core/error.h"
#include "narae/models/first_weights.h"
#include "narae/ops/activation.h"
#include "narae/ops/pool.h"

namespace narae::models {
namespace {

nn::Conv2d make_stem(std::int64_t channels, const ResNetOptions& options) {
  return options.stem == Stem::imagenet
             ? nn::Conv2d(channels, options.width, 7, {.stride = 2, .padding = 3, .bias = false})
             : nn::Conv2d(channels, options.width, 3, {.padding = 1, .bias = false});
}

// Blocks of one width; the first has the stride and the change of channels.
template <class Block>
nn::Sequential make_stage(std::int64_t channels, std::int64_t width, std::int64_t blocks, BlockOptions options) {
  nn::Sequential stage;
  for (std::int64_t i = 0; i < blocks; ++i) {
    stage.push_back(Block(channels, width, options));
    channels = Block::expansion * width;
    options.stride = 1;
  }
  return stage;
}

std::int64_t outputs_of(const ResNetOptions& options) {
  const std::int64_t last = options.width << (options.blocks.size() - 1);
  return last * (options.bottleneck ? Bottleneck::expansion : BasicBlock::expansion);
}

}  // namespace

ResNetOptions imagenet_resnet(int depth) {
  switch (depth) {
    case 18:
      return {.blocks = {2, 2, 2, 2}};
    case 34:
      return {.blocks = {3, 4, 6, 3}};
    case 50:
      return {.blocks = {3, 4, 6, 3}, .bottleneck = true};
    case 101:
      return {.blocks = {3, 4, 23, 3}, .bottleneck = true};
    case 152:
      return {.blocks = {3, 8, 36, 3}, .bottleneck = true};
    default:
      throw Error("resnet: the depth for ImageNet is 18, 34, 50, 101 or 152, not " + std::to_string(depth));
  }
}

ResNetOptions cifar_resnet(int depth) {
  if (depth < 8 || (depth - 2) % 6 != 0) {
    throw Error("resnet: the depth for CIFAR is 6n + 2 (20, 32, 44, 56, 110), not " + std::to_string(depth));
  }
  const std::int64_t n = (depth - 2) / 6;
  return {.blocks = {n, n, n}, .width = 16, .stem = Stem::cifar, .shortcut = Shortcut::padding};
}

ResNet::ResNet(std::int64_t channels, std::int64_t classes, const ResNetOptions& options)
    : Module("ResNet"),
      stem_(options.stem),
      conv1_(register_module("conv1", make_stem(channels, options))),
      bn1_(register_module("bn1", nn::BatchNorm2d(options.width))),
      fc_(outputs_of(options), classes) {
  BlockOptions block{.stride = 1, .shortcut = options.shortcut, .reduction = options.reduction};
  std::int64_t width = options.width;
  std::int64_t inputs = width;
  for (std::size_t i = 0; i < options.blocks.size(); ++i) {
    const nn::Sequential stage = options.bottleneck ? make_stage<Bottleneck>(inputs, width, options.blocks[i], block)
                                                    : make_stage<BasicBlock>(inputs, width, options.blocks[i], block);
    stages_.push_back(register_module("layer" + std::to_string(i + 1), stage));
    inputs = width * (options.bottleneck ? Bottleneck::expansion : BasicBlock::expansion);
    width *= 2;
    block.stride = 2;
  }
  register_module("fc", fc_);
  initialize_convolutions(*this);
}

Tensor ResNet::forward(const Tensor& x) const {
  Tensor y = relu(bn1_(conv1_(x)));
  if (stem_ == Stem::imagenet) y = max_pool2d(y, 3, {.stride = 2, .padding = 1});
  for (const nn::Sequential& stage : stages_) y = stage(y);
  return fc_(global_avg_pool(y));
}

}  // namespace narae::models
