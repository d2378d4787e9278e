#pragma once

#include "narae/graph/tensor.h"

namespace narae {

struct LocalResponseNormOptions {
  double alpha = 1e-4;
  double beta = 0.75;
  double k = 1;
};

/// y[c] = x[c] / (k + alpha / size * the sum of x[i]^2 over the channels i = c - floor(size / 2) ...
/// c + floor((size - 1) / 2) that exist)^beta for x: (batch, channels, ...) (Krizhevsky et al. 2012, section 3.3, where
/// alpha is not divided by the size; divided as PyTorch does). Throws Error for a size below 1.
[[nodiscard]] NARAE_API Tensor local_response_norm(const Tensor& x, std::int64_t size,
                                                   const LocalResponseNormOptions& options = {});
/// With alpha, beta and k: () of x's type; gradients flow to them.
[[nodiscard]] NARAE_API Tensor local_response_norm(const Tensor& x, std::int64_t size, const Tensor& alpha,
                                                   const Tensor& beta, const Tensor& k);

}  // namespace narae
