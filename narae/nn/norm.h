#pragma once

#include <optional>

#include "narae/nn/module.h"
#include "narae/ops/local_response_norm.h"

namespace narae::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;            ///< share of the batch in the running statistics
  bool affine = true;               ///< with parameters
  bool track_running_stats = true;  ///< with running statistics; else evaluation uses the batch's too
  DType dtype = default_dtype();
};

/// Normalises each channel: by the batch's statistics while training, by the running ones in evaluation, see
/// narae::batch_norm. Parameters weight and bias: (channels); buffers running_mean, running_var (unbiased) and
/// num_batches_tracked, which move with each evaluated training batch.
class NARAE_API BatchNorm : public Module {
 public:
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 protected:
  /// For inputs of `low` to `high` axes, channels second.
  BatchNorm(const std::string& kind, std::int64_t channels, const BatchNormOptions& options, int low, int high);

 private:
  BatchNormOptions options_;
  int low_;
  int high_;
  Tensor weight_;  // ones without parameters
  Tensor bias_;    // zeros without parameters
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

struct InstanceNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;             ///< share of the batch in the running statistics
  bool affine = false;               ///< with parameters
  bool track_running_stats = false;  ///< with running statistics, which evaluation uses instead of the instance's
  DType dtype = default_dtype();
};

/// Normalises each channel of each element of a batch by its own statistics (Ulyanov, Vedaldi and Lempitsky 2016): a
/// group norm of one channel a group. Parameters and buffers, where there are any, are named as those of BatchNorm; the
/// running statistics take the mean over the batch of the instances' (the variance unbiased).
class NARAE_API InstanceNorm : public Module {
 public:
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 protected:
  /// For inputs of `axes` axes, channels second.
  InstanceNorm(const std::string& kind, std::int64_t channels, const InstanceNormOptions& options, int axes);

 private:
  InstanceNormOptions options_;
  std::int64_t channels_;
  int axes_;
  Tensor weight_;
  Tensor bias_;
  Tensor running_mean_;
  Tensor running_var_;
};

/// For (batch, channels, length).
class NARAE_API InstanceNorm1d : public InstanceNorm {
 public:
  explicit InstanceNorm1d(std::int64_t channels, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm1d", channels, options, 3) {}
};

/// For (batch, channels, height, width).
class NARAE_API InstanceNorm2d : public InstanceNorm {
 public:
  explicit InstanceNorm2d(std::int64_t channels, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm2d", channels, options, 4) {}
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< with parameters
  DType dtype = default_dtype();
};

/// Normalises groups of channels of each element of a batch (batch, channels, ...), see narae::group_norm. Parameters
/// weight and bias: (channels).
class NARAE_API GroupNorm : public Module {
 public:
  GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  std::int64_t groups_;
  double eps_;
  Tensor weight_;
  Tensor bias_;
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;  ///< with parameters
  bool bias = true;                ///< false: the weight alone
  DType dtype = default_dtype();
};

/// Normalises the last axes of each element of a batch, which have the shape of the parameters weight and bias, see
/// narae::layer_norm.
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

struct RMSNormOptions {
  std::optional<double> eps = {};  ///< the smallest number that added to 1 changes it, unless given
  bool elementwise_affine = true;  ///< with the parameter
  DType dtype = default_dtype();
};

/// Divides the last axes of each element of a batch by their root mean square, see narae::rms_norm. Parameter weight,
/// of the shape of those axes.
class NARAE_API RMSNorm : public Module {
 public:
  explicit RMSNorm(std::int64_t width, const RMSNormOptions& options = {}) : RMSNorm(Shape{width}, options) {}
  explicit RMSNorm(const Shape& shape, const RMSNormOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  double eps_;
  Tensor weight_;
};

/// Divides each channel by a power of its neighbours' squares, see narae::local_response_norm.
class NARAE_API LocalResponseNorm : public Module {
 public:
  explicit LocalResponseNorm(std::int64_t size, const LocalResponseNormOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  std::int64_t size_;
  LocalResponseNormOptions options_;
};

}  // namespace narae::nn
