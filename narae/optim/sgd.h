#pragma once

#include "narae/optim/optimizer.h"

namespace narae::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;  ///< L2: added to the gradient
  double l1 = 0;            ///< L1 penalty: l1 sign(p) added to the gradient
  double clip_norm = 0;     ///< 0: off
  double clip_value = 0;    ///< 0: off
};

/// Stochastic gradient descent: b = momentum b + (1 - dampening) g, p -= lr b; with Nesterov p -= lr (g + momentum b)
/// (Sutskever et al. 2013, in PyTorch's form).
class NARAE_API SGD : public Optimizer {
 public:
  explicit SGD(const ParameterGroups& parameters, const SGDOptions& options = {});

 private:
  [[nodiscard]] Next next(const Update& at) const override;
  SGDOptions options_;
};

}  // namespace narae::optim
