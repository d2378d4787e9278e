#pragma once

#include "narae/optim/optimizer.h"

namespace narae::optim {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;  ///< the rate of step n is lr / (1 + (n - 1) lr_decay)
  double eps = 1e-10;
  double initial_accumulator_value = 0;
  double weight_decay = 0;  ///< L2: added to the gradient
  double l1 = 0;            ///< L1 penalty: l1 sign(p) added to the gradient
  double clip_norm = 0;     ///< 0: off
  double clip_value = 0;    ///< 0: off
};

/// s += g^2, p -= lr g / (sqrt(s) + eps) (Duchi, Hazan and Singer 2011).
class NARAE_API Adagrad : public Optimizer {
 public:
  explicit Adagrad(const ParameterGroups& parameters, const AdagradOptions& options = {});

 private:
  [[nodiscard]] Next next(const Update& at) const override;
  AdagradOptions options_;
};

}  // namespace narae::optim
