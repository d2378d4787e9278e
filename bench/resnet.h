#pragma once

#include <memory>
#include <vector>

#include "narae/core/array.h"
#include "narae/nn/module.h"

namespace narae::bench {

/// A residual network for pictures of 3 x 32 x 32 as in bench/pytorch/train_step.py: `stages` of `blocks` blocks of two
/// 3 x 3 convolutions, `width` channels in the first stage, twice as many and half the side in each one after; where a
/// shortcut's shape changes, a 1 x 1 convolution with batch norm. (16, 3, 3) is ResNet-20, (64, 2, 4) ResNet-18.
[[nodiscard]] std::unique_ptr<nn::Module> make_resnet(int width, int blocks, int stages);

/// Numbers that both sides work out alike: element i of tensor k is scale (2 frac((i + 1) phi + k psi) - 1).
[[nodiscard]] Array made_up(const Shape& shape, std::int64_t k, double scale);
/// Gives weights of more than one axis made-up numbers up to sqrt(6 / fan in); k counts all parameters.
void make_up_weights(const nn::Module& model);

}  // namespace narae::bench
