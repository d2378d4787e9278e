#pragma once

#include <cstdint>

#include "narae/nn/sequential.h"

namespace narae::models {

struct VggOptions {
  int depth = 16;              ///< layers with weights: 11, 13, 16 or 19
  bool batch_norm = false;     ///< behind every convolution
  std::int64_t hidden = 4096;  ///< units of the two hidden linear layers
  std::int64_t pooled = 7;     ///< side of the plane that the classifier sees
  double dropout = 0.5;        ///< behind each hidden layer
};

/// VGG (Simonyan and Zisserman 2015) with torchvision's names: 3x3 convolutions in five groups of 64, 128, 256, 512 and
/// 512 filters, 2x2 pooling behind each, and three linear layers; (batch, channels, height, width) -> (batch, classes).
/// VGG-16 has 138,357,544 parameters for 224x224 and 1000 classes. First weights: Kaiming normal (fan out) for
/// convolutions, normal with deviation 0.01 for linear layers, biases 0.
/// Throws Error for samples that are no pictures or smaller than 32x32, and for another depth.
class NARAE_API Vgg : public nn::Module {
 public:
  Vgg(const Shape& input, std::int64_t classes, const VggOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  std::int64_t pooled_;
  nn::Sequential features_;
  nn::Sequential classifier_;
};

}  // namespace narae::models
