#include "narae/models/inception_module.h"

#include "narae/nn/pool.h"
#include "narae/ops/pool.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

// A convolution that keeps the plane's size.
ConvBlock same_size(std::int64_t channels, std::int64_t filters, std::int64_t kernel) {
  return ConvBlock(channels, filters, kernel, {.padding = kernel / 2});
}

}  // namespace

InceptionModule::InceptionModule(std::int64_t channels, const InceptionWidths& widths, std::int64_t five_kernel)
    : Module("InceptionModule"),
      branch1_(register_module("branch1", ConvBlock(channels, widths.one, 1))),
      branch2_(register_module("branch2", nn::Sequential(ConvBlock(channels, widths.three_reduced, 1),
                                                         same_size(widths.three_reduced, widths.three, 3)))),
      branch3_(register_module("branch3", nn::Sequential(ConvBlock(channels, widths.five_reduced, 1),
                                                         same_size(widths.five_reduced, widths.five, five_kernel)))),
      branch4_(register_module("branch4", nn::Sequential(nn::MaxPool2d(3, {.stride = 1, .padding = 1}),
                                                         ConvBlock(channels, widths.pool, 1)))) {}

Tensor InceptionModule::forward(const Tensor& x) const {
  return concat({branch1_(x), branch2_(x), branch3_(x), branch4_(x)}, 1);
}

NaiveInceptionModule::NaiveInceptionModule(std::int64_t channels, std::int64_t one, std::int64_t three,
                                           std::int64_t five)
    : Module("NaiveInceptionModule"),
      branch1_(register_module("branch1", same_size(channels, one, 1))),
      branch2_(register_module("branch2", same_size(channels, three, 3))),
      branch3_(register_module("branch3", same_size(channels, five, 5))) {}

Tensor NaiveInceptionModule::forward(const Tensor& x) const {
  return concat({branch1_(x), branch2_(x), branch3_(x), max_pool2d(x, 3, {.stride = 1, .padding = 1})}, 1);
}

}  // namespace narae::models
