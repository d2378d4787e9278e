#pragma once

#include "narae/nn/module.h"
#include "narae/ops/dropout.h"

namespace narae::nn {

/// Drops each element with probability p while training and scales the others by 1 / (1 - p); x itself in evaluation.
class NARAE_API Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double p_;
};

/// Drops whole channels of x: (batch, channels, ...) while training, see narae::dropout2d.
class NARAE_API Dropout2d : public Module {
 public:
  explicit Dropout2d(double p = 0.5);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double p_;
};

/// Drops the whole of x: (batch, ...) while training, for the branch beside a shortcut, see narae::stochastic_depth.
class NARAE_API StochasticDepth : public Module {
 public:
  explicit StochasticDepth(double p, StochasticDepthMode mode = StochasticDepthMode::row);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double p_;
  StochasticDepthMode mode_;
};

}  // namespace narae::nn
