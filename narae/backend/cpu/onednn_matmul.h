#pragma once

#include "narae/backend/cpu/product.h"
#include "narae/graph/kernel.h"

namespace narae::cpu::onednn {

/// f32 only; a bias of n numbers is the third input.
[[nodiscard]] Kernel make_product(const Product& p, bool has_bias);

}  // namespace narae::cpu::onednn
