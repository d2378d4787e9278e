#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// Sums of the elements up to and including each one along an axis, or from each one on with `reverse`.
[[nodiscard]] NARAE_API Tensor cumsum(const Tensor& x, std::int64_t axis = -1, bool reverse = false);

}  // namespace narae
