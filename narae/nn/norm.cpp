#include "narae/nn/norm.h"

#include <limits>

#include "narae/ops/elementwise.h"
#include "narae/ops/norm.h"
#include "narae/ops/reduce.h"

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

std::string details_of(std::int64_t channels, bool affine, bool affine_is_usual, bool tracks, bool tracking_is_usual) {
  std::string text = std::to_string(channels);
  if (affine != affine_is_usual) text += affine ? ", affine" : ", not affine";
  if (tracks != tracking_is_usual) text += tracks ? ", running statistics" : ", no running statistics";
  return text;
}

Shape shape_of(const std::string& kind, std::int64_t channels) {
  if (channels < 1) throw Error(kind + ": " + std::to_string(channels) + " channels; at least 1 is needed");
  return {channels};
}

void require_axes(const std::string& kind, const Tensor& x, int low, int high) {
  if (x.defined() && x.rank() >= low && x.rank() <= high) return;
  throw Error(kind + ": x has shape " + (x.defined() ? narae::to_string(x.shape()) : "(undefined)") + "; " +
              std::to_string(low) + (low == high ? "" : " or " + std::to_string(high)) + " axes are needed");
}

// running = (1 - momentum) running + momentum statistic; stored with the plan that computes y.
void track(const Tensor& y, const Tensor& running, const Tensor& statistic, double share) {
  const Tensor momentum = scalar(share, running.dtype());
  const Tensor kept = scalar(1 - share, running.dtype());
  assign_with(y, running, momentum * detach(statistic) + kept * running);
}

}  // namespace

BatchNorm::BatchNorm(const std::string& kind, std::int64_t channels, const BatchNormOptions& options, int low, int high)
    : Module(kind, details_of(channels, options.affine, true, options.track_running_stats, true)),
      options_(options),
      low_(low),
      high_(high),
      weight_(filled(options.dtype, shape_of(kind, channels), 1)),
      bias_(filled(options.dtype, {channels}, 0)) {
  if (options.affine) {
    weight_ = register_parameter("weight", weight_);
    bias_ = register_parameter("bias", bias_);
  }
  if (options.track_running_stats) {
    running_mean_ = register_buffer("running_mean", filled(options.dtype, {channels}, 0));
    running_var_ = register_buffer("running_var", filled(options.dtype, {channels}, 1));
    num_batches_tracked_ = register_buffer("num_batches_tracked", Array::zeros(DType::i64, {}));
  }
}

Tensor BatchNorm::forward(const Tensor& x) const {
  require_axes(kind(), x, low_, high_);
  if (!is_training() && options_.track_running_stats) {
    return batch_norm_with(x, weight_, bias_, running_mean_, running_var_, options_.eps);
  }
  const double per_channel = static_cast<double>(x.count()) / static_cast<double>(x.size(1));
  if (per_channel == 1) {
    throw Error(kind() + ": x has shape " + narae::to_string(x.shape()) +
                ", one value a channel, which has no variance; use a larger batch or evaluation mode");
  }
  const auto [y, mean, variance] = batch_norm(x, weight_, bias_, options_.eps);
  if (options_.track_running_stats) {
    track(y, running_mean_, mean, options_.momentum);
    track(y, running_var_, variance * (per_channel / (per_channel - 1)), options_.momentum);
    assign_with(y, num_batches_tracked_, num_batches_tracked_ + scalar_integer(1));
  }
  return y;
}

InstanceNorm::InstanceNorm(const std::string& kind, std::int64_t channels, const InstanceNormOptions& options, int axes)
    : Module(kind, details_of(channels, options.affine, false, options.track_running_stats, false)),
      options_(options),
      channels_(channels),
      axes_(axes),
      weight_(filled(options.dtype, shape_of(kind, channels), 1)),
      bias_(filled(options.dtype, {channels}, 0)) {
  if (options.affine) {
    weight_ = register_parameter("weight", weight_);
    bias_ = register_parameter("bias", bias_);
  }
  if (options.track_running_stats) {
    running_mean_ = register_buffer("running_mean", filled(options.dtype, {channels}, 0));
    running_var_ = register_buffer("running_var", filled(options.dtype, {channels}, 1));
    // There for the names' sake: PyTorch does not count here either.
    register_buffer("num_batches_tracked", Array::zeros(DType::i64, {}));
  }
}

Tensor InstanceNorm::forward(const Tensor& x) const {
  require_axes(kind(), x, axes_, axes_);
  if (!is_training() && options_.track_running_stats) {
    return batch_norm_with(x, weight_, bias_, running_mean_, running_var_, options_.eps);
  }
  const double plane = static_cast<double>(x.count()) / static_cast<double>(x.size(0) * x.size(1));
  if (plane == 1) {
    throw Error(kind() + ": x has shape " + narae::to_string(x.shape()) +
                ", one value a channel of an instance, which has no variance");
  }
  const auto [y, mean, variance] = group_norm(x, channels_, weight_, bias_, options_.eps);
  if (options_.track_running_stats) {
    track(y, running_mean_, narae::mean(mean, 0), options_.momentum);
    track(y, running_var_, narae::mean(variance, 0) * (plane / (plane - 1)), options_.momentum);
  }
  return y;
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options)
    : Module("GroupNorm",
             std::to_string(groups) + ", " + std::to_string(channels) + (options.affine ? "" : ", not affine")),
      groups_(groups),
      eps_(options.eps),
      weight_(filled(options.dtype, shape_of("GroupNorm", channels), 1)),
      bias_(filled(options.dtype, {channels}, 0)) {
  if (groups < 1 || channels % groups != 0) {
    throw Error("GroupNorm: " + std::to_string(groups) + " groups do not divide " + std::to_string(channels) +
                " channels evenly");
  }
  if (!options.affine) return;
  weight_ = register_parameter("weight", weight_);
  bias_ = register_parameter("bias", bias_);
}

Tensor GroupNorm::forward(const Tensor& x) const {
  return group_norm(x, groups_, weight_, bias_, eps_).y;
}

LayerNorm::LayerNorm(const Shape& shape, const LayerNormOptions& options)
    : Module("LayerNorm", narae::to_string(shape) + (!options.elementwise_affine ? ", not affine"
                                                     : !options.bias             ? ", no bias"
                                                                                 : "")),
      eps_(options.eps) {
  if (shape.rank() < 1 || shape.count() < 1) throw Error("LayerNorm: can't normalise over " + details());
  weight_ = filled(options.dtype, shape, 1);
  bias_ = filled(options.dtype, shape, 0);
  if (!options.elementwise_affine) return;
  weight_ = register_parameter("weight", weight_);
  if (options.bias) bias_ = register_parameter("bias", bias_);
}

Tensor LayerNorm::forward(const Tensor& x) const {
  return layer_norm(x, weight_, bias_, eps_);
}

RMSNorm::RMSNorm(const Shape& shape, const RMSNormOptions& options)
    : Module("RMSNorm", narae::to_string(shape) + (options.elementwise_affine ? "" : ", not affine")),
      eps_(options.eps.value_or(options.dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                                                            : std::numeric_limits<float>::epsilon())) {
  if (shape.rank() < 1 || shape.count() < 1) throw Error("RMSNorm: can't normalise over " + details());
  weight_ = filled(options.dtype, shape, 1);
  if (options.elementwise_affine) weight_ = register_parameter("weight", weight_);
}

Tensor RMSNorm::forward(const Tensor& x) const {
  return rms_norm(x, weight_, eps_);
}

LocalResponseNorm::LocalResponseNorm(std::int64_t size, const LocalResponseNormOptions& options)
    : Module("LocalResponseNorm", std::to_string(size)), size_(size), options_(options) {
  if (size < 1) throw Error("LocalResponseNorm: a window of " + details() + " channels; at least 1 is needed");
}

Tensor LocalResponseNorm::forward(const Tensor& x) const {
  return local_response_norm(x, size_, options_);
}

}  // namespace narae::nn
