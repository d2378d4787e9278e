#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Where the process's random generator stands: operators that draw take the next counter when they are written, and
/// their numbers depend on (seed, counter) only.
struct RandomState {
  std::uint64_t seed = 0;
  std::uint64_t counter = 0;
};
/// Starts the generator anew from a seed.
NARAE_API void manual_seed(std::uint64_t seed);
[[nodiscard]] NARAE_API RandomState random_state();
NARAE_API void set_random_state(const RandomState& state);

/// Seed and counter of one draw as scalar i64 tensors.
struct RandomKey {
  Tensor seed;
  Tensor counter;
};
/// Takes the next counter; threads may call it at the same time.
[[nodiscard]] NARAE_API RandomKey next_random_key();

/// Uniform in [low, high), floating.
[[nodiscard]] NARAE_API Tensor uniform(const Shape& shape, double low = 0, double high = 1, DType dtype = DType::f32);
/// Normal, floating.
[[nodiscard]] NARAE_API Tensor normal(const Shape& shape, double mean = 0, double standard_deviation = 1,
                                      DType dtype = DType::f32);
/// 1 with probability p, else 0.
[[nodiscard]] NARAE_API Tensor bernoulli(const Shape& shape, double p, DType dtype = DType::f32);

}  // namespace narae
