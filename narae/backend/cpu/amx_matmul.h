#pragma once

#include "narae/backend/cpu/product.h"
#include "narae/graph/kernel.h"

namespace narae::cpu::amx {

/// matmul, and linear's product with its bias (input 2), of f32 on the tile units; `plain` where they are absent
/// or slower. It also takes over when an operand holds what pack() refuses.
[[nodiscard]] Kernel make_product(const Product& p, bool has_bias, Kernel plain);

}  // namespace narae::cpu::amx
