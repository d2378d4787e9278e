#pragma once

#include "narae/graph/kernel.h"

namespace narae::cpu {

/// The layouts that an operator is computed fastest in; false where row-major is as good.
[[nodiscard]] bool choose_layouts(const KernelRequest& request, LayoutChoice& choice);

}  // namespace narae::cpu
