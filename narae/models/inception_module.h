#pragma once

#include <cstdint>

#include "narae/models/conv_block.h"
#include "narae/nn/sequential.h"

namespace narae::models {

/// Filters of an Inception module's convolutions.
struct InceptionWidths {
  std::int64_t one;            ///< 1x1
  std::int64_t three_reduced;  ///< 1x1 before the 3x3
  std::int64_t three;          ///< 3x3
  std::int64_t five_reduced;   ///< 1x1 before the 5x5
  std::int64_t five;           ///< 5x5
  std::int64_t pool;           ///< 1x1 behind the pooling
};

/// Filters of several sizes side by side, each behind a 1x1 convolution that reduces the channels (Szegedy et al.,
/// "Going deeper with convolutions", 2015): (batch, channels, height, width) -> (batch, one + three + five + pool,
/// ...). Names are torchvision's, whose "5x5" branch has in fact a 3x3 convolution: `five_kernel` is 3 for weights of
/// that kind and 5 for the paper's.
class NARAE_API InceptionModule : public nn::Module {
 public:
  InceptionModule(std::int64_t channels, const InceptionWidths& widths, std::int64_t five_kernel = 5);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch1_;
  nn::Sequential branch2_;
  nn::Sequential branch3_;
  nn::Sequential branch4_;
};

/// The same idea without reductions: 1x1, 3x3 and 5x5 convolutions and 3x3 pooling side by side, so that the result has
/// one + three + five + `channels` channels and channels pile up from module to module.
class NARAE_API NaiveInceptionModule : public nn::Module {
 public:
  NaiveInceptionModule(std::int64_t channels, std::int64_t one, std::int64_t three, std::int64_t five);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch1_;
  ConvBlock branch2_;
  ConvBlock branch3_;
};

}  // namespace narae::models
