#pragma once

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

// Activations of floating tensors, element by element.

/// max(x, 0); the gradient at 0 is 0.
[[nodiscard]] NARAE_API Tensor relu(const Tensor& x);
/// 1 / (1 + e^-x)
[[nodiscard]] NARAE_API Tensor sigmoid(const Tensor& x);
[[nodiscard]] NARAE_API Tensor tanh(const Tensor& x);
/// log(1 + e^x), without overflow.
[[nodiscard]] NARAE_API Tensor softplus(const Tensor& x);
/// x where positive, slope x elsewhere.
[[nodiscard]] NARAE_API Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x where positive, alpha (e^x - 1) elsewhere.
[[nodiscard]] NARAE_API Tensor elu(const Tensor& x, double alpha = 1);
/// x Phi(x) with the normal distribution function (Hendrycks and Gimpel, "Gaussian error linear units").
[[nodiscard]] NARAE_API Tensor gelu(const Tensor& x);
/// GELU by its tanh approximation: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
[[nodiscard]] NARAE_API Tensor gelu_tanh(const Tensor& x);
/// x sigmoid(x), also called swish.
[[nodiscard]] NARAE_API Tensor silu(const Tensor& x);

}  // namespace narae
