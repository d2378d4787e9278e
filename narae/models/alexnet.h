#pragma once

#include <cstdint>

#include "narae/nn/sequential.h"

namespace narae::models {

struct AlexNetOptions {
  double dropout = 0.5;  ///< before the first two linear layers (AlexNet), after them (AlexNet227)
};

/// AlexNet as torchvision has it, (batch, channels, height, width) -> (batch, classes): the layers of "one weird trick
/// for parallelizing convolutional neural networks" (Krizhevsky 2014), made for 224x224, 61,100,840 parameters for 1000
/// classes. Throws Error for samples that are no pictures or smaller than 63x63.
///
///     features    five convolutions (64@11x11/4, 192@5x5, 384, 256, 256@3x3) with ReLU, 3x3/2 pooling behind 1, 2, 5
///     avgpool     to 6x6, whatever the input's size
///     classifier  9216-4096-4096-classes with dropout
class NARAE_API AlexNet : public nn::Module {
 public:
  AlexNet(const Shape& input, std::int64_t classes, const AlexNetOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  nn::Sequential features_;
  nn::Sequential classifier_;
};

/// The network of 2012 (Krizhevsky, Sutskever and Hinton) in one tower, made for 227x227, as lecture notes draw it: 96,
/// 256, 384, 384 and 256 filters, pooling and then local response normalisation behind the first two convolutions (the
/// paper normalises before it pools); 62,378,344 parameters for 1000 classes. First weights as in the paper: normal
/// with deviation 0.01, biases 1 for convolutions 2, 4, 5 and the hidden linear layers, 0 for the others. Throws Error
/// for samples that are no pictures or smaller than 67x67.
class NARAE_API AlexNet227 : public nn::Module {
 public:
  AlexNet227(const Shape& input, std::int64_t classes, const AlexNetOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  nn::Sequential features_;
  nn::Sequential classifier_;
};

}  // namespace narae::models
