#include "narae/nn/norm.h"

#include "narae/ops/elementwise.h"
#include "narae/ops/norm.h"

namespace narae::nn {
namespace {

Array filled(DType dtype, const Shape& shape, double value) {
  Array result = Array::empty(dtype, shape);
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      for (T& x : result.mutable_values<T>()) x = static_cast<T>(value);
    } else {
      throw Error("normalisation layers need f32 or f64, not " + std::string(name_of(dtype)));
    }
  });
  return result;
}

}  // namespace

BatchNorm::BatchNorm(const std::string& kind, std::int64_t channels, const BatchNormOptions& options, int low, int high)
    : Module(kind, std::to_string(channels)), options_(options), low_(low), high_(high) {
  if (channels < 1) throw Error(kind + ": " + std::to_string(channels) + " channels; at least 1 is needed");
  weight_ = register_parameter("weight", filled(options.dtype, {channels}, 1));
  bias_ = register_parameter("bias", filled(options.dtype, {channels}, 0));
  running_mean_ = register_buffer("running_mean", filled(options.dtype, {channels}, 0));
  running_var_ = register_buffer("running_var", filled(options.dtype, {channels}, 1));
  num_batches_tracked_ = register_buffer("num_batches_tracked", Array::zeros(DType::i64, {}));
}

Tensor BatchNorm::forward(const Tensor& x) const {
  if (!x.defined() || x.rank() < low_ || x.rank() > high_) {
    throw Error(kind() + ": x has shape " + (x.defined() ? narae::to_string(x.shape()) : "(undefined)") + "; " +
                std::to_string(low_) + (low_ == high_ ? "" : " or " + std::to_string(high_)) + " axes are needed");
  }
  if (!is_training()) return batch_norm_with(x, weight_, bias_, running_mean_, running_var_, options_.eps);
  const double per_channel = static_cast<double>(x.count()) / static_cast<double>(x.size(1));
  if (per_channel == 1) {
    throw Error(kind() + ": x has shape " + narae::to_string(x.shape()) +
                ", one value a channel, which has no variance; use a larger batch or evaluation mode");
  }
  const auto [y, mean, variance] = batch_norm(x, weight_, bias_, options_.eps);
  track(y, mean, variance, per_channel);
  return y;
}

// running = (1 - momentum) running + momentum statistic, with the unbiased variance; stored with the plan that
// computes y.
void BatchNorm::track(const Tensor& y, const Tensor& mean, const Tensor& variance, double per_channel) const {
  const Tensor momentum = scalar(options_.momentum, options_.dtype);
  const Tensor kept = scalar(1 - options_.momentum, options_.dtype);
  const Tensor unbiased = detach(variance) * (per_channel / (per_channel - 1));
  assign_with(y, running_mean_, momentum * detach(mean) + kept * running_mean_);
  assign_with(y, running_var_, momentum * unbiased + kept * running_var_);
  assign_with(y, num_batches_tracked_, num_batches_tracked_ + scalar_integer(1));
}

LayerNorm::LayerNorm(const Shape& shape, const LayerNormOptions& options)
    : Module("LayerNorm", narae::to_string(shape)), eps_(options.eps) {
  if (shape.rank() < 1 || shape.count() < 1) throw Error("LayerNorm: can't normalise over " + details());
  weight_ = register_parameter("weight", filled(options.dtype, shape, 1));
  bias_ = register_parameter("bias", filled(options.dtype, shape, 0));
}

Tensor LayerNorm::forward(const Tensor& x) const {
  return layer_norm(x, weight_, bias_, eps_);
}

}  // namespace narae::nn
