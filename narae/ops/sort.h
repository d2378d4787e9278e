#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Values in order, and where each stood along the axis (i64).
struct Sorted {
  Tensor values;
  Tensor indices;
};

struct SortOptions {
  std::int64_t axis = -1;
  bool descending = false;
};

/// Sorts along an axis, stably; NaN comes last in either order. Gradients flow to the values.
[[nodiscard]] NARAE_API Sorted sort(const Tensor& x, const SortOptions& options = {});
/// The indices of `sort`.
[[nodiscard]] NARAE_API Tensor argsort(const Tensor& x, const SortOptions& options = {});
/// The k largest elements along an axis, largest first; the smallest ones first with `largest` false. Throws Error when
/// the axis is shorter than k.
[[nodiscard]] NARAE_API Sorted topk(const Tensor& x, std::int64_t k, std::int64_t axis = -1, bool largest = true);

}  // namespace narae
