#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

// Reading and adding at places that are known at run time. Indices are i32 or i64 and count from 0. One that is out of
// range reads NaN (0 for types without NaN) and adds nothing. Wrong shapes and types throw Error.

/// x with `axis` replaced by the axes of `indices`: rows of x for axis 0. Equal indices add up in the gradient.
[[nodiscard]] NARAE_API Tensor take(const Tensor& x, const Tensor& indices, std::int64_t axis = 0);
/// Rows of `table` (entries, width) for indices of any shape: (..., width).
[[nodiscard]] NARAE_API Tensor embedding(const Tensor& table, const Tensor& indices);
/// x with slice i of `values` added to slice indices[i] along an axis; `indices` has one axis.
[[nodiscard]] NARAE_API Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& indices,
                                         const Tensor& values);
/// (count, ...): row j is the sum of the rows i of `values` (n, ...) with segments[i] = j, added in their order;
/// segments (n). What index_add does to zeros: the gradient of an embedding.
[[nodiscard]] NARAE_API Tensor segment_sum(const Tensor& values, const Tensor& segments, std::int64_t count);
/// The place where each number of `indices` (n) stands for the first time, -1 for those outside [0, count); of their
/// type. Not differentiable.
[[nodiscard]] NARAE_API Tensor first_occurrence(const Tensor& indices, std::int64_t count);
/// result[i][j] = x[indices[i][j]][j] for axis 0: `indices` has the rank of x, and at most its extents but along
/// `axis`.
[[nodiscard]] NARAE_API Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& indices);
/// x with values[i][j] added at x[indices[i][j]][j] for axis 0: the reverse of gather.
[[nodiscard]] NARAE_API Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& indices,
                                           const Tensor& values);
/// x (batch, rows, ...) with values (batch, count, ...) in its rows first[n], first[n] + 1, ... of each n; first:
/// (batch). Rows that x does not have are not written. Where nothing else reads x, it is written in place: a variable
/// that is assigned the result costs no copy.
[[nodiscard]] NARAE_API Tensor write_rows(const Tensor& x, const Tensor& values, const Tensor& first);
/// (..., classes): 1 at the index, 0 elsewhere; no 1 for an index that is out of range.
[[nodiscard]] NARAE_API Tensor one_hot(const Tensor& indices, std::int64_t classes, DType dtype = DType::f32);

}  // namespace narae
