#pragma once

#include "narae/optim/optimizer.h"

namespace narae::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< L2: added to the gradient
  double l1 = 0;            ///< L1 penalty: l1 sign(p) added to the gradient
  double clip_norm = 0;     ///< 0: off
  double clip_value = 0;    ///< 0: off
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< decoupled: p *= 1 - lr weight_decay
  double l1 = 0;               ///< L1 penalty: l1 sign(p) added to the gradient
  double clip_norm = 0;        ///< 0: off
  double clip_value = 0;       ///< 0: off
};

/// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
/// p -= lr / (1 - beta1^n) m / (sqrt(v) / sqrt(1 - beta2^n) + eps) (Kingma and Ba 2015).
class NARAE_API Adam : public Optimizer {
 public:
  explicit Adam(const ParameterGroups& parameters, const AdamOptions& options = {});

 private:
  [[nodiscard]] Next next(const Update& at) const override;
  AdamOptions options_;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
class NARAE_API AdamW : public Optimizer {
 public:
  explicit AdamW(const ParameterGroups& parameters, const AdamWOptions& options = {});

 private:
  [[nodiscard]] Next next(const Update& at) const override;
  AdamWOptions options_;
};

}  // namespace narae::optim
