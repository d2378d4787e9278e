#pragma once

#include "narae/optim/optimizer.h"

namespace narae::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< decay of the mean square
  double eps = 1e-8;
  double momentum = 0;
  bool centered = false;    ///< divides by the deviation instead of the root mean square
  double weight_decay = 0;  ///< L2: added to the gradient
  double l1 = 0;            ///< L1 penalty: l1 sign(p) added to the gradient
  double clip_norm = 0;     ///< 0: off
  double clip_value = 0;    ///< 0: off
};

/// s = alpha s + (1 - alpha) g^2, p -= lr g / (sqrt(s) + eps) (Tieleman and Hinton 2012); centred: s less the square of
/// the mean gradient (Graves 2013).
class NARAE_API RMSprop : public Optimizer {
 public:
  explicit RMSprop(const ParameterGroups& parameters, const RMSpropOptions& options = {});

 private:
  [[nodiscard]] Next next(const Update& at) const override;
  RMSpropOptions options_;
};

}  // namespace narae::optim
