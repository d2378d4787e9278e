#pragma once

#include "narae/graph/tensor.h"

namespace narae {

/// y, and the statistics (channels) that it was normalised with; the variance is the biased one.
struct BatchNormResult {
  Tensor y;
  Tensor mean;
  Tensor variance;
};

/// (x - mean) / sqrt(variance + eps) * gamma + beta with the batch's own mean and variance of each channel, for
/// x: (batch, channels, ...), gamma and beta: (channels), eps: () (Ioffe and Szegedy 2015).
[[nodiscard]] NARAE_API BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                                   const Tensor& eps);
[[nodiscard]] NARAE_API BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                                   double eps = 1e-5);

/// The same with given statistics (channels), as in evaluation.
[[nodiscard]] NARAE_API Tensor batch_norm_with(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                               const Tensor& mean, const Tensor& variance, double eps = 1e-5);

/// y, and for each row its mean and 1 / sqrt(variance + eps).
struct LayerNormResult {
  Tensor y;
  Tensor mean;
  Tensor rstd;
};

/// (x - mean) / sqrt(variance + eps) * gamma + beta over the last axes of x, as many as gamma and beta have (Ba, Kiros
/// and Hinton 2016). Throws Error unless gamma and beta have the shape of those axes.
[[nodiscard]] NARAE_API LayerNormResult layer_norm_with_statistics(const Tensor& x, const Tensor& gamma,
                                                                   const Tensor& beta, const Tensor& eps);
[[nodiscard]] NARAE_API Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps = 1e-5);

/// y, and the statistics (batch, groups) that it was normalised with; the variance is the biased one.
struct GroupNormResult {
  Tensor y;
  Tensor mean;
  Tensor variance;
};

/// (x - mean) / sqrt(variance + eps) * gamma + beta with the mean and variance of each group of channels of each
/// element of the batch, for x: (batch, channels, ...), gamma and beta: (channels), eps: () (Wu and He 2018). As many
/// groups as channels make it instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016). Throws Error unless the
/// groups divide the channels evenly.
[[nodiscard]] NARAE_API GroupNormResult group_norm(const Tensor& x, std::int64_t groups, const Tensor& gamma,
                                                   const Tensor& beta, const Tensor& eps);
[[nodiscard]] NARAE_API GroupNormResult group_norm(const Tensor& x, std::int64_t groups, const Tensor& gamma,
                                                   const Tensor& beta, double eps = 1e-5);

/// y, and for each row 1 / sqrt(mean(x^2) + eps).
struct RMSNormResult {
  Tensor y;
  Tensor rstd;
};

/// x / sqrt(mean(x^2) + eps) * gamma over the last axes of x, as many as gamma has (Zhang and Sennrich 2019). Throws
/// Error unless gamma has the shape of those axes.
[[nodiscard]] NARAE_API RMSNormResult rms_norm_with_statistics(const Tensor& x, const Tensor& gamma, const Tensor& eps);
[[nodiscard]] NARAE_API Tensor rms_norm(const Tensor& x, const Tensor& gamma, double eps);

}  // namespace narae
