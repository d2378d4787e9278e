#pragma once

#include <cstdint>

#include "narae/nn/conv.h"
#include "narae/nn/norm.h"

namespace narae::models {

/// relu(bn(conv(x))), the unit of the Inception networks: a convolution without bias and batch norm with eps 0.001,
/// under torchvision's names `conv` and `bn`.
class NARAE_API ConvBlock : public nn::Module {
 public:
  ConvBlock(std::int64_t channels, std::int64_t filters, Size2d kernel, const nn::Conv2dOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] const nn::Conv2d& conv() const { return conv_; }

 private:
  nn::Conv2d conv_;
  nn::BatchNorm2d bn_;
};

}  // namespace narae::models
