#include "narae/models/inception_v3_blocks.h"

#include "narae/ops/pool.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

// Convolutions that keep the plane's size, and one that halves it without padding.
ConvBlock conv(std::int64_t channels, std::int64_t filters, Size2d kernel) {
  return ConvBlock(channels, filters, kernel, {.padding = {kernel.height / 2, kernel.width / 2}});
}
ConvBlock halving_conv(std::int64_t channels, std::int64_t filters) {
  return ConvBlock(channels, filters, 3, {.stride = 2});
}

Tensor averaged(const Tensor& x) {
  return avg_pool2d(x, 3, {.stride = 1, .padding = 1});
}
Tensor halved(const Tensor& x) {
  return max_pool2d(x, 3, {.stride = 2});
}

constexpr Size2d row3 = {1, 3};
constexpr Size2d column3 = {3, 1};
constexpr Size2d row7 = {1, 7};
constexpr Size2d column7 = {7, 1};

}  // namespace

InceptionA::InceptionA(std::int64_t channels, std::int64_t pool_features)
    : Module("InceptionA"),
      branch1x1_(register_module("branch1x1", conv(channels, 64, 1))),
      branch5x5_1_(register_module("branch5x5_1", conv(channels, 48, 1))),
      branch5x5_2_(register_module("branch5x5_2", conv(48, 64, 5))),
      branch3x3dbl_1_(register_module("branch3x3dbl_1", conv(channels, 64, 1))),
      branch3x3dbl_2_(register_module("branch3x3dbl_2", conv(64, 96, 3))),
      branch3x3dbl_3_(register_module("branch3x3dbl_3", conv(96, 96, 3))),
      branch_pool_(register_module("branch_pool", conv(channels, pool_features, 1))) {}

Tensor InceptionA::forward(const Tensor& x) const {
  return concat({branch1x1_(x), branch5x5_2_(branch5x5_1_(x)), branch3x3dbl_3_(branch3x3dbl_2_(branch3x3dbl_1_(x))),
                 branch_pool_(averaged(x))},
                1);
}

InceptionB::InceptionB(std::int64_t channels)
    : Module("InceptionB"),
      branch3x3_(register_module("branch3x3", halving_conv(channels, 384))),
      branch3x3dbl_1_(register_module("branch3x3dbl_1", conv(channels, 64, 1))),
      branch3x3dbl_2_(register_module("branch3x3dbl_2", conv(64, 96, 3))),
      branch3x3dbl_3_(register_module("branch3x3dbl_3", halving_conv(96, 96))) {}

Tensor InceptionB::forward(const Tensor& x) const {
  return concat({branch3x3_(x), branch3x3dbl_3_(branch3x3dbl_2_(branch3x3dbl_1_(x))), halved(x)}, 1);
}

InceptionC::InceptionC(std::int64_t channels, std::int64_t width)
    : Module("InceptionC"),
      branch1x1_(register_module("branch1x1", conv(channels, 192, 1))),
      branch7x7_1_(register_module("branch7x7_1", conv(channels, width, 1))),
      branch7x7_2_(register_module("branch7x7_2", conv(width, width, row7))),
      branch7x7_3_(register_module("branch7x7_3", conv(width, 192, column7))),
      branch7x7dbl_1_(register_module("branch7x7dbl_1", conv(channels, width, 1))),
      branch7x7dbl_2_(register_module("branch7x7dbl_2", conv(width, width, column7))),
      branch7x7dbl_3_(register_module("branch7x7dbl_3", conv(width, width, row7))),
      branch7x7dbl_4_(register_module("branch7x7dbl_4", conv(width, width, column7))),
      branch7x7dbl_5_(register_module("branch7x7dbl_5", conv(width, 192, row7))),
      branch_pool_(register_module("branch_pool", conv(channels, 192, 1))) {}

Tensor InceptionC::forward(const Tensor& x) const {
  const Tensor seven = branch7x7_3_(branch7x7_2_(branch7x7_1_(x)));
  const Tensor once = branch7x7dbl_3_(branch7x7dbl_2_(branch7x7dbl_1_(x)));
  const Tensor twice = branch7x7dbl_5_(branch7x7dbl_4_(once));
  return concat({branch1x1_(x), seven, twice, branch_pool_(averaged(x))}, 1);
}

InceptionD::InceptionD(std::int64_t channels)
    : Module("InceptionD"),
      branch3x3_1_(register_module("branch3x3_1", conv(channels, 192, 1))),
      branch3x3_2_(register_module("branch3x3_2", halving_conv(192, 320))),
      branch7x7x3_1_(register_module("branch7x7x3_1", conv(channels, 192, 1))),
      branch7x7x3_2_(register_module("branch7x7x3_2", conv(192, 192, row7))),
      branch7x7x3_3_(register_module("branch7x7x3_3", conv(192, 192, column7))),
      branch7x7x3_4_(register_module("branch7x7x3_4", halving_conv(192, 192))) {}

Tensor InceptionD::forward(const Tensor& x) const {
  const Tensor seven = branch7x7x3_3_(branch7x7x3_2_(branch7x7x3_1_(x)));
  return concat({branch3x3_2_(branch3x3_1_(x)), branch7x7x3_4_(seven), halved(x)}, 1);
}

InceptionE::InceptionE(std::int64_t channels)
    : Module("InceptionE"),
      branch1x1_(register_module("branch1x1", conv(channels, 320, 1))),
      branch3x3_1_(register_module("branch3x3_1", conv(channels, 384, 1))),
      branch3x3_2a_(register_module("branch3x3_2a", conv(384, 384, row3))),
      branch3x3_2b_(register_module("branch3x3_2b", conv(384, 384, column3))),
      branch3x3dbl_1_(register_module("branch3x3dbl_1", conv(channels, 448, 1))),
      branch3x3dbl_2_(register_module("branch3x3dbl_2", conv(448, 384, 3))),
      branch3x3dbl_3a_(register_module("branch3x3dbl_3a", conv(384, 384, row3))),
      branch3x3dbl_3b_(register_module("branch3x3dbl_3b", conv(384, 384, column3))),
      branch_pool_(register_module("branch_pool", conv(channels, 192, 1))) {}

Tensor InceptionE::forward(const Tensor& x) const {
  const Tensor three = branch3x3_1_(x);
  const Tensor twice = branch3x3dbl_2_(branch3x3dbl_1_(x));
  return concat({branch1x1_(x), branch3x3_2a_(three), branch3x3_2b_(three), branch3x3dbl_3a_(twice),
                 branch3x3dbl_3b_(twice), branch_pool_(averaged(x))},
                1);
}

}  // namespace narae::models
