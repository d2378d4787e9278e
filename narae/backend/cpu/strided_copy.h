#pragma once

#include <cstdint>
#include <vector>

#include "narae/core/shape.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {

/// Bytes that are worth a thread.
inline constexpr std::int64_t copy_grain_bytes = 65536;

/// y (row-major, of `shape`) where element i is the element of x at `start` + the sum of coordinate times stride, in
/// elements of `element_bytes` (1, 2, 4 or 8).
[[nodiscard]] Kernel make_strided_copy(const Shape& shape, const Shape& strides, std::int64_t start,
                                       std::size_t element_bytes);

}  // namespace narae::cpu
