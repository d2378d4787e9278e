#include "narae/nn/position.h"

#include <cmath>
#include <string>

#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/rotary.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

void require_sequence(const std::string& kind, const Tensor& x) {
  if (x.defined() && x.rank() == 3) return;
  throw Error(kind + ": x has shape " + (x.defined() ? to_string(x.shape()) : "(undefined)") +
              "; (batch, time, width) is needed");
}

}  // namespace

Tensor first_positions(std::int64_t steps) {
  return arange(0, static_cast<double>(steps), 1, DType::i64);
}

Tensor sinusoidal_positions(const Tensor& positions, std::int64_t width, DType dtype) {
  if (width < 2 || width % 2 != 0) {
    throw Error("sinusoidal_positions: a width of " + std::to_string(width) + "; an even one is needed");
  }
  const Tensor angles = unsqueeze(cast(positions, dtype), positions.rank()) * rotary_frequencies(width, 10000, dtype);
  return flatten(stack({sin(angles), cos(angles)}, angles.rank()), positions.rank());
}

Tensor SinusoidalPosition::forward(const Tensor& x) const {
  require_sequence(kind(), x);
  return x + sinusoidal_positions(first_positions(x.size(1)), x.size(2), x.dtype());
}

Tensor SinusoidalPosition::operator()(const Tensor& x, const Tensor& positions) const {
  const auto inside = scope();
  require_sequence(kind(), x);
  return x + sinusoidal_positions(positions, x.size(2), x.dtype());
}

LearnedPosition::LearnedPosition(std::int64_t positions, std::int64_t width, const LearnedPositionOptions& options)
    : Module("LearnedPosition", std::to_string(positions) + ", " + std::to_string(width)) {
  if (positions < 1 || width < 1) throw Error(kind() + ": " + details() + ": both must be at least 1");
  weight_ = register_parameter("weight", init::draw_normal(options.dtype, {positions, width}, 0, options.std));
}

Tensor LearnedPosition::forward(const Tensor& x) const {
  require_sequence(kind(), x);
  if (x.size(1) > weight_.size(0)) {
    throw Error(kind() + ": a sequence of " + std::to_string(x.size(1)) + " steps; there are " +
                std::to_string(weight_.size(0)) + " positions");
  }
  return x + narrow(weight_, 0, 0, x.size(1));
}

Tensor LearnedPosition::operator()(const Tensor& x, const Tensor& positions) const {
  const auto inside = scope();
  require_sequence(kind(), x);
  return x + embedding(weight_, positions);
}

Tensor relative_position_buckets(const Tensor& distances, const RelativePositionBiasOptions& options) {
  const std::int64_t buckets = options.bidirectional ? options.buckets / 2 : options.buckets;
  const std::int64_t exact = buckets / 2;  // distances with a bucket of their own
  if (exact < 1 || options.max_distance <= exact || (options.bidirectional && options.buckets % 2 != 0)) {
    throw Error("relative_position_buckets: " + std::to_string(options.buckets) + " buckets up to distance " +
                std::to_string(options.max_distance) + " leave none for small distances, or cannot be halved");
  }
  // How far the key is before the query; after it, as far or not at all.
  const Tensor before = options.bidirectional ? abs(distances) : maximum(-distances, 0);
  const double growth = static_cast<double>(buckets - exact) /
                        std::log(static_cast<double>(options.max_distance) / static_cast<double>(exact));
  const Tensor ratio = cast(maximum(before, 1), DType::f64) / static_cast<double>(exact);
  const Tensor shared = cast(log(ratio) * growth, DType::i64) + static_cast<double>(exact);
  Tensor bucket =
      where(less(before, static_cast<double>(exact)), before, minimum(shared, static_cast<double>(buckets - 1)));
  if (!options.bidirectional) return bucket;
  return bucket + cast(greater(distances, 0), DType::i64) * static_cast<double>(buckets);
}

RelativePositionBias::RelativePositionBias(std::int64_t heads, const RelativePositionBiasOptions& options)
    : Module("RelativePositionBias", std::to_string(heads) + " heads, " + std::to_string(options.buckets) + " buckets"),
      options_(options) {
  if (heads < 1) throw Error(kind() + ": " + details() + ": at least one head is needed");
  (void)relative_position_buckets(first_positions(1), options);  // throws for options that make no buckets
  weight_ = register_parameter("weight", init::draw_normal(options.dtype, {options.buckets, heads}, 0, 1));
}

Tensor RelativePositionBias::operator()(std::int64_t queries, std::int64_t keys, const Tensor& first) const {
  const auto inside = scope();
  Tensor at = reshape(first_positions(queries), {1, queries, 1});
  if (first.defined()) at = at + reshape(first, {first.size(0), 1, 1});
  const Tensor distances = reshape(first_positions(keys), {1, 1, keys}) - at;
  return transpose(embedding(weight_, relative_position_buckets(distances, options_)), {0, 3, 1, 2});
}

}  // namespace narae::nn
