#pragma once

#include "narae/nn/module.h"

namespace narae::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< share of the batch in the running statistics
  DType dtype = default_dtype();
};

/// Normalises each channel: by the batch's statistics while training, by the running ones in evaluation. Parameters
/// weight and bias: (channels); buffers running_mean, running_var (unbiased) and num_batches_tracked, which move with
/// each evaluated training batch.
class NARAE_API BatchNorm : public Module {
 public:
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 protected:
  /// For inputs of `low` to `high` axes, channels second.
  BatchNorm(const std::string& kind, std::int64_t channels, const BatchNormOptions& options, int low, int high);

 private:
  void track(const Tensor& y, const Tensor& mean, const Tensor& variance, double per_channel) const;

  BatchNormOptions options_;
  int low_;
  int high_;
  Tensor weight_;
  Tensor bias_;
  Tensor running_mean_;
  Tensor running_var_;
  Tensor num_batches_tracked_;
};

/// For (batch, channels) and (batch, channels, length).
class NARAE_API BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(std::int64_t channels, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm1d", channels, options, 2, 3) {}
};

/// For (batch, channels, height, width).
class NARAE_API BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(std::int64_t channels, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm2d", channels, options, 4, 4) {}
};

struct LayerNormOptions {
  double eps = 1e-5;
  DType dtype = default_dtype();
};

/// Normalises the last axes of each element of a batch, which have the shape of the parameters weight and bias.
class NARAE_API LayerNorm : public Module {
 public:
  explicit LayerNorm(std::int64_t width, const LayerNormOptions& options = {}) : LayerNorm(Shape{width}, options) {}
  explicit LayerNorm(const Shape& shape, const LayerNormOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double eps_;
  Tensor weight_;
  Tensor bias_;
};

}  // namespace narae::nn
