#pragma once

#include "narae/backend/cpu/product.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {

/// matmul, and linear's product with its bias (input 2), of f32 with one row to four, as in generation: reading b is
/// all that takes time. Empty for others.
[[nodiscard]] Kernel make_few_rows(const Product& p, bool has_bias);

}  // namespace narae::cpu
