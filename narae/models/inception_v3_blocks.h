#pragma once

#include <cstdint>

#include "narae/models/conv_block.h"

namespace narae::models {

// The blocks of Inception-v3 (Szegedy et al. 2016, figures 5 to 7 and 10): branches side by side whose results are
// joined along the channels. Names are torchvision's; a 1x7 and a 7x1 convolution stand for one of 7x7.

/// 35x35: 1x1; 5x5; two 3x3; average pooling. (batch, channels, ...) -> (batch, 224 + pool_features, ...).
class NARAE_API InceptionA : public nn::Module {
 public:
  InceptionA(std::int64_t channels, std::int64_t pool_features);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch1x1_;
  ConvBlock branch5x5_1_, branch5x5_2_;
  ConvBlock branch3x3dbl_1_, branch3x3dbl_2_, branch3x3dbl_3_;
  ConvBlock branch_pool_;
};

/// 35x35 to 17x17: 3x3; two 3x3; maximum pooling. To 480 + channels channels.
class NARAE_API InceptionB : public nn::Module {
 public:
  explicit InceptionB(std::int64_t channels);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch3x3_;
  ConvBlock branch3x3dbl_1_, branch3x3dbl_2_, branch3x3dbl_3_;
};

/// 17x17: 1x1; 7x7; two 7x7; average pooling. To 768 channels, with `width` between the 7x7.
class NARAE_API InceptionC : public nn::Module {
 public:
  InceptionC(std::int64_t channels, std::int64_t width);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch1x1_;
  ConvBlock branch7x7_1_, branch7x7_2_, branch7x7_3_;
  ConvBlock branch7x7dbl_1_, branch7x7dbl_2_, branch7x7dbl_3_, branch7x7dbl_4_, branch7x7dbl_5_;
  ConvBlock branch_pool_;
};

/// 17x17 to 8x8: 3x3; 7x7 and 3x3; maximum pooling. To 512 + channels channels.
class NARAE_API InceptionD : public nn::Module {
 public:
  explicit InceptionD(std::int64_t channels);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch3x3_1_, branch3x3_2_;
  ConvBlock branch7x7x3_1_, branch7x7x3_2_, branch7x7x3_3_, branch7x7x3_4_;
};

/// 8x8: 1x1; 1x3 beside 3x1; the same behind a 3x3; average pooling. To 2048 channels.
class NARAE_API InceptionE : public nn::Module {
 public:
  explicit InceptionE(std::int64_t channels);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock branch1x1_;
  ConvBlock branch3x3_1_, branch3x3_2a_, branch3x3_2b_;
  ConvBlock branch3x3dbl_1_, branch3x3dbl_2_, branch3x3dbl_3a_, branch3x3dbl_3b_;
  ConvBlock branch_pool_;
};

}  // namespace narae::models
