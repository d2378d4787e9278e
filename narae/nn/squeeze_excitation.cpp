#include "narae/nn/squeeze_excitation.h"

#include "narae/ops/elementwise.h"

namespace narae::nn {

SqueezeExcitation::SqueezeExcitation(std::int64_t channels, std::int64_t squeezed,
                                     const SqueezeExcitationOptions& options)
    : Module("SqueezeExcitation", std::to_string(channels) + ", " + std::to_string(squeezed)),
      avgpool_(register_module("avgpool", AdaptiveAvgPool2d(1))),
      fc1_(register_module("fc1", Conv2d(channels, squeezed, 1, {.dtype = options.dtype}))),
      fc2_(register_module("fc2", Conv2d(squeezed, channels, 1, {.dtype = options.dtype}))),
      activation_(register_module("activation", ReLU())),
      scale_activation_(register_module("scale_activation", Sigmoid())) {}

Tensor SqueezeExcitation::scale(const Tensor& x) const {
  return scale_activation_(fc2_(activation_(fc1_(avgpool_(x)))));
}

Tensor SqueezeExcitation::forward(const Tensor& x) const {
  return x * scale(x);
}

}  // namespace narae::nn
