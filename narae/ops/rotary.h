#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Which two numbers of a head are turned together.
enum class RotaryPairs : std::uint8_t {
  halves,      ///< k and k + width / 2, as LLaMA's weights at Hugging Face want it
  neighbours,  ///< 2 k and 2 k + 1, as in the paper and in GPT-J
};

struct RotaryOptions {
  RotaryPairs pairs = RotaryPairs::halves;
  double base = 10000;     ///< pair k turns by position * base^(-2 k / width)
  std::int64_t width = 0;  ///< the first numbers of a head that are turned; 0: all of them
};

/// Rotary position embedding (Su et al. 2021): x (batch, time, heads, size) with pairs of numbers turned by angles that
/// grow with the position, so that products of queries and keys depend on the distance between them. positions:
/// (batch, time) or (time), i64, an input at run time. Throws Error for other shapes and types and an odd width.
[[nodiscard]] NARAE_API Tensor rotary(const Tensor& x, const Tensor& positions, const RotaryOptions& options = {});

/// base^(-2 k / width) for k < width / 2.
[[nodiscard]] NARAE_API Tensor rotary_frequencies(std::int64_t width, double base, DType dtype = DType::f32);

/// The turn itself: pair k of x (batch, time, heads, 2 pairs) by angles whose cosines and sines are given as
/// (batch or 1, time, pairs).
[[nodiscard]] NARAE_API Tensor rotate_pairs(const Tensor& x, const Tensor& cosines, const Tensor& sines,
                                            RotaryPairs pairs);

}  // namespace narae
