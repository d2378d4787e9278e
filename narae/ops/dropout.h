#pragma once

#include <cstdint>

#include "narae/graph/tensor.h"

namespace narae {

/// Each element of x with probability 1 - p, divided by 1 - p; zero otherwise (Srivastava et al. 2014). Takes the next
/// number of the process's random generator. Throws Error for p outside [0, 1].
[[nodiscard]] NARAE_API Tensor dropout(const Tensor& x, double p);
/// With p: () of x's type, and seed and counter: () i64 given: the same mask for the same numbers.
[[nodiscard]] NARAE_API Tensor dropout(const Tensor& x, const Tensor& p, const Tensor& seed, const Tensor& counter);

/// The same mask at all places of an axis: of x (batch, time, features) along axis 1, the same features at all times
/// (Gal and Ghahramani 2016).
[[nodiscard]] NARAE_API Tensor dropout_along(const Tensor& x, double p, std::int64_t axis);

/// Whole channels of x: (batch, channels, ...), each of each element of the batch with probability 1 - p, divided by
/// 1 - p; zero otherwise (Tompson et al. 2015).
[[nodiscard]] NARAE_API Tensor dropout2d(const Tensor& x, double p);

enum class StochasticDepthMode : std::uint8_t {
  row,    ///< each element of the batch by itself
  batch,  ///< all or none
};
/// x: (batch, ...) with probability 1 - p, divided by 1 - p; zero otherwise (Huang et al. 2016).
[[nodiscard]] NARAE_API Tensor stochastic_depth(const Tensor& x, double p,
                                                StochasticDepthMode mode = StochasticDepthMode::row);

}  // namespace narae
