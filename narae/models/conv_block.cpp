#include "narae/models/conv_block.h"

#include "narae/ops/activation.h"

namespace narae::models {
namespace {

nn::Conv2d without_bias(std::int64_t channels, std::int64_t filters, Size2d kernel, nn::Conv2dOptions options) {
  options.bias = false;
  return nn::Conv2d(channels, filters, kernel, options);
}

}  // namespace

ConvBlock::ConvBlock(std::int64_t channels, std::int64_t filters, Size2d kernel, const nn::Conv2dOptions& options)
    : Module("ConvBlock"),
      conv_(register_module("conv", without_bias(channels, filters, kernel, options))),
      bn_(register_module("bn", nn::BatchNorm2d(filters, {.eps = 0.001}))) {}

Tensor ConvBlock::forward(const Tensor& x) const {
  return relu(bn_(conv_(x)));
}

}  // namespace narae::models
