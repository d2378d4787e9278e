#pragma once

#include "narae/graph/grad.h"

namespace narae::optim {

/// The sum of the squares of all elements, as a scalar of the first gradient's type.
[[nodiscard]] NARAE_API Tensor squared_norm(const Gradients& gradients);

struct ClipNormOptions {
  double norm_type = 2;  ///< 2, or infinity for the largest absolute value
};
struct ClippedGradients {
  Gradients gradients;
  Tensor norm;  ///< before clipping
};

/// All gradients times min(1, max_norm / (norm + 1e-6)), with the norm of all of them together (Pascanu, Mikolov and
/// Bengio 2013; PyTorch's clip_grad_norm_). Throws Error for a bound that is not positive.
[[nodiscard]] NARAE_API ClippedGradients clip_norm(const Gradients& gradients, double max_norm,
                                                   const ClipNormOptions& options = {});

/// Each element cut to [-bound, bound]. Throws Error for a bound that is not positive.
[[nodiscard]] NARAE_API Gradients clip_value(const Gradients& gradients, double bound);

}  // namespace narae::optim
