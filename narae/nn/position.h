#pragma once

#include <cstdint>

#include "narae/nn/module.h"

namespace narae::nn {

/// 0, 1, ..., steps - 1: i64 (steps).
[[nodiscard]] NARAE_API Tensor first_positions(std::int64_t steps);

/// What is added to tokens to say where they stand (Vaswani et al. 2017): for positions of any shape (i64), (...,
/// width) with sin(position / 10000^(2 k / width)) at 2 k and the cosine at 2 k + 1. Throws Error for an odd width.
[[nodiscard]] NARAE_API Tensor sinusoidal_positions(const Tensor& positions, std::int64_t width,
                                                    DType dtype = default_dtype());

/// x (batch, time, width) plus the sinusoidal numbers of positions 0, 1, ...; it has no parameters.
class NARAE_API SinusoidalPosition : public Module {
 public:
  SinusoidalPosition() : Module("SinusoidalPosition") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  /// positions: (batch, time) or (time).
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& positions) const;
  using Module::operator();
};

struct LearnedPositionOptions {
  double std = 0.02;  ///< of the first, normal values
  DType dtype = default_dtype();
};

/// x (batch, time, width) plus a learned row of weight: (positions, width) for each position.
class NARAE_API LearnedPosition : public Module {
 public:
  LearnedPosition(std::int64_t positions, std::int64_t width, const LearnedPositionOptions& options = {});
  /// Positions 0, 1, ...; throws Error for a sequence that is longer than the weight.
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  /// positions: (batch, time) or (time).
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& positions) const;
  using Module::operator();

 private:
  Tensor weight_;
};

struct RelativePositionBiasOptions {
  std::int64_t buckets = 32;
  std::int64_t max_distance = 128;  ///< all distances from here on share the last bucket
  bool bidirectional = true;        ///< half of the buckets are for keys behind the query; else those share bucket 0
  DType dtype = default_dtype();
};

/// The buckets of T5 (Raffel et al. 2020) for distances key - query (i64, any shape): small distances have one each,
/// larger ones share buckets that grow as their logarithm.
[[nodiscard]] NARAE_API Tensor relative_position_buckets(const Tensor& distances,
                                                         const RelativePositionBiasOptions& options = {});

/// A number for each head and bucket of distances, to be added to scores: AttentionOptions::mask. weight: (buckets,
/// heads), as T5's relative_attention_bias.
class NARAE_API RelativePositionBias : public Module {
 public:
  explicit RelativePositionBias(std::int64_t heads, const RelativePositionBiasOptions& options = {});
  /// (batch, heads, queries, keys) for first positions of the queries (batch), i64; (1, heads, queries, keys) for
  /// queries from 0 on without them.
  [[nodiscard]] Tensor operator()(std::int64_t queries, std::int64_t keys, const Tensor& first = {}) const;

 private:
  RelativePositionBiasOptions options_;
  Tensor weight_;
};

}  // namespace narae::nn
