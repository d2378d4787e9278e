#pragma once

#include <cstdint>
#include <string>

#include "narae/nn/sequential.h"

namespace narae::models {

struct LeNet5Options {
  std::string activation = "tanh";  ///< "sigmoid", "tanh": average pooling; "relu": max pooling
  double gain = 0;                  ///< of the first weights; 0: 4 for sigmoid, 1 for tanh, sqrt(2) for relu
};

/// LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) in its usual modern form: (batch, channels, height, width) ->
/// (batch, classes), 61,706 parameters for 28x28 grey pictures of 10 classes.
///
///     features    0 conv 6@5x5, padding 2; 1 activation; 2 pooling 2x2; 3 conv 16@5x5; 4 activation; 5 pooling 2x2
///     classifier  0 linear 400-120; 1 activation; 2 linear 120-84; 3 activation; 4 linear 84-classes
///
/// Throws Error for an input that is no picture or smaller than 12x12, UsageError for an unknown activation.
class NARAE_API LeNet5 : public nn::Module {
 public:
  LeNet5(const Shape& input, std::int64_t classes, const LeNet5Options& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  nn::Sequential features_;
  nn::Sequential classifier_;
};

}  // namespace narae::models
