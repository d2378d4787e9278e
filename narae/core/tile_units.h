#pragma once

#include "narae/core/export.h"

namespace narae {

/// Whether this machine has tile units (AMX with bfloat16, and AVX-512) and the system lets this process use them.
[[nodiscard]] NARAE_API bool has_tile_units();

}  // namespace narae
