#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

// Operators that move or repeat elements, for every type. A negative axis counts from the back. Wrong axes and shapes
// throw Error.

/// The same elements in row-major order under another shape; one extent may be -1 and follows from the count.
[[nodiscard]] NARAE_API Tensor reshape(const Tensor& x, std::span<const std::int64_t> dims);
[[nodiscard]] inline Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> dims) {
  return reshape(x, std::span(dims.begin(), dims.size()));
}
[[nodiscard]] inline Tensor reshape(const Tensor& x, const Shape& shape) {
  return reshape(x, shape.dims());
}
/// x repeated along new leading axes and axes of extent 1; x itself when it has the shape.
[[nodiscard]] NARAE_API Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// Axis i of the result is axis permutation[i] of x.
[[nodiscard]] NARAE_API Tensor transpose(const Tensor& x, std::span<const std::int64_t> permutation);
[[nodiscard]] inline Tensor transpose(const Tensor& x, std::initializer_list<std::int64_t> permutation) {
  return transpose(x, std::span(permutation.begin(), permutation.size()));
}
/// Two axes exchanged.
[[nodiscard]] NARAE_API Tensor transpose(const Tensor& x, std::int64_t axis_a, std::int64_t axis_b);
/// The last two axes exchanged.
[[nodiscard]] NARAE_API Tensor t(const Tensor& x);

/// Elements start, start + step, ... before stop of an axis; start and stop count from the back when negative and stop
/// may be beyond the end. step >= 1. The start is an input at run time; the length is part of the plan.
[[nodiscard]] NARAE_API Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t stop,
                                     std::int64_t step = 1);
/// `length` elements of an axis from `start` (a scalar i64 tensor) on; a start that would leave the axis is moved to
/// the nearest one that does not.
[[nodiscard]] NARAE_API Tensor dynamic_slice(const Tensor& x, std::int64_t axis, const Tensor& start,
                                             std::int64_t length, std::int64_t step = 1);
/// Elements start .. start + length - 1 of an axis.
[[nodiscard]] NARAE_API Tensor narrow(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t length);
/// Zeros of extent `full_length` along `axis`, with x written at start, start + step, ...; the reverse of slice.
[[nodiscard]] NARAE_API Tensor slice_scatter(const Tensor& x, std::int64_t axis, const Tensor& start,
                                             std::int64_t full_length, std::int64_t step = 1);
/// Pieces of the given extents along an axis; they must add up to its extent.
[[nodiscard]] NARAE_API std::vector<Tensor> split(const Tensor& x, std::span<const std::int64_t> sizes,
                                                  std::int64_t axis);
[[nodiscard]] inline std::vector<Tensor> split(const Tensor& x, std::initializer_list<std::int64_t> sizes,
                                               std::int64_t axis) {
  return split(x, std::span(sizes.begin(), sizes.size()), axis);
}
/// `parts` pieces of equal extent; throws Error when the extent is no multiple of it.
[[nodiscard]] NARAE_API std::vector<Tensor> split(const Tensor& x, std::int64_t parts, std::int64_t axis);

/// Joins tensors along an axis; the other extents must agree.
[[nodiscard]] NARAE_API Tensor concat(std::span<const Tensor> parts, std::int64_t axis);
[[nodiscard]] inline Tensor concat(std::initializer_list<Tensor> parts, std::int64_t axis) {
  return concat(std::span(parts.begin(), parts.size()), axis);
}
/// Joins tensors of one shape along a new axis.
[[nodiscard]] NARAE_API Tensor stack(std::span<const Tensor> parts, std::int64_t axis = 0);
[[nodiscard]] inline Tensor stack(std::initializer_list<Tensor> parts, std::int64_t axis = 0) {
  return stack(std::span(parts.begin(), parts.size()), axis);
}

/// x with `value` around it: margins are before_0, after_0, before_1, ..., two for each axis.
[[nodiscard]] NARAE_API Tensor pad(const Tensor& x, std::span<const std::int64_t> margins, double value = 0);
[[nodiscard]] inline Tensor pad(const Tensor& x, std::initializer_list<std::int64_t> margins, double value = 0) {
  return pad(x, std::span(margins.begin(), margins.size()), value);
}
/// The value is a scalar tensor, and gradients flow to it.
[[nodiscard]] NARAE_API Tensor pad(const Tensor& x, std::span<const std::int64_t> margins, const Tensor& value);

/// The order along the axes reversed.
[[nodiscard]] NARAE_API Tensor flip(const Tensor& x, std::initializer_list<std::int64_t> axes);
/// Element i of an axis moves to (i + shift) mod extent. The shift is an input at run time.
[[nodiscard]] NARAE_API Tensor roll(const Tensor& x, std::int64_t axis, std::int64_t shift);
/// The shift is a scalar i64 tensor.
[[nodiscard]] NARAE_API Tensor roll(const Tensor& x, std::int64_t axis, const Tensor& shift);

/// Without an axis of extent 1.
[[nodiscard]] NARAE_API Tensor squeeze(const Tensor& x, std::int64_t axis);
/// With a new axis of extent 1 in front of `axis` (of the result).
[[nodiscard]] NARAE_API Tensor unsqueeze(const Tensor& x, std::int64_t axis);
/// Axes first_axis and later joined to one.
[[nodiscard]] NARAE_API Tensor flatten(const Tensor& x, std::int64_t first_axis = 0);

}  // namespace narae
