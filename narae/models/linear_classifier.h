#pragma once

#include <cstdint>

#include "narae/nn/linear.h"
#include "narae/nn/module.h"

namespace narae::models {

/// One linear unit a class over the flattened input, (batch, ...) -> (batch, classes): softmax regression with the
/// cross entropy as loss, a multi-class perceptron (Rosenblatt 1958) with the hinge loss. Both losses are convex here,
/// so the weights start at zero. Parameters `linear.weight` and `linear.bias`.
class NARAE_API LinearClassifier : public nn::Module {
 public:
  LinearClassifier(std::int64_t inputs, std::int64_t classes);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  nn::Linear linear_;
};

}  // namespace narae::models
