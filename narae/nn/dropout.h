#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

/// Drops each element with probability p while training and scales the others by 1 / (1 - p); x itself in evaluation.
class NARAE_API Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double p_;
};

}  // namespace narae::nn
