#pragma once

#include "narae/nn/activation.h"
#include "narae/nn/conv.h"
#include "narae/nn/pool.h"

namespace narae::nn {

struct SqueezeExcitationOptions {
  DType dtype = default_dtype();
};

/// Scales each channel by a number in (0, 1) that depends on the means of all of them (Hu, Shen and Sun 2018):
/// x * sigmoid(fc2(relu(fc1(means)))) for x: (batch, channels, height, width). fc1 and fc2 are convolutions of one
/// pixel, `channels` -> `squeezed` -> `channels`, as in torchvision.
class NARAE_API SqueezeExcitation : public Module {
 public:
  SqueezeExcitation(std::int64_t channels, std::int64_t squeezed, const SqueezeExcitationOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  /// The factors that `forward` multiplies with: (batch, channels, 1, 1).
  [[nodiscard]] Tensor scale(const Tensor& x) const;

 private:
  AdaptiveAvgPool2d avgpool_;
  Conv2d fc1_;
  Conv2d fc2_;
  ReLU activation_;
  Sigmoid scale_activation_;
};

}  // namespace narae::nn
