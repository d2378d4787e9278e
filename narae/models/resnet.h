#pragma once

#include <cstdint>
#include <vector>

#include "narae/models/residual_block.h"
#include "narae/nn/linear.h"

namespace narae::models {

/// What comes before the first stage.
enum class Stem {
  imagenet,  ///< a 7x7 convolution of stride 2 and 3x3 pooling of stride 2: a quarter of the input's side
  cifar,     ///< a 3x3 convolution: the input's size, for pictures of about 32x32
};

struct ResNetOptions {
  std::vector<std::int64_t> blocks = {2, 2, 2, 2};  ///< of each stage; widths double, sides halve from one to the next
  bool bottleneck = false;                          ///< blocks of three convolutions instead of two
  std::int64_t width = 64;                          ///< of the first stage
  Stem stem = Stem::imagenet;
  Shortcut shortcut = Shortcut::projection;
  std::int64_t reduction = 0;  ///< of squeeze-and-excitation in every block; 0: without
};

/// The residual networks of He, Zhang, Ren and Sun ("Deep residual learning for image recognition", 2016):
/// 18, 34, 50, 101 and 152 layers for ImageNet (the deeper ones with torchvision's stride in the 3x3 convolution), and
/// 6n + 2 layers of width 16 with option A shortcuts for CIFAR (section 4.2). Throws Error for another depth.
[[nodiscard]] NARAE_API ResNetOptions imagenet_resnet(int depth);
[[nodiscard]] NARAE_API ResNetOptions cifar_resnet(int depth);

/// A residual network, (batch, channels, height, width) -> (batch, classes), with torchvision's names: conv1, bn1,
/// layer1, layer2, ..., fc. First weights: Kaiming normal (fan out) for convolutions.
/// Without shortcuts it is the paper's plain network, with `reduction` an SE-ResNet (Hu, Shen and Sun 2018).
class NARAE_API ResNet : public nn::Module {
 public:
  ResNet(std::int64_t channels, std::int64_t classes, const ResNetOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  Stem stem_;
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  std::vector<nn::Sequential> stages_;
  nn::Linear fc_;
};

}  // namespace narae::models
