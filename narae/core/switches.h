#pragma once

#include "narae/core/export.h"

namespace narae {

// Switches of the process that change how results are rounded. A checkpoint records the environment that sets them.

/// Whether 3 x 3 convolutions may use Winograd's algorithm where it is faster (Lavin and Gray 2016): about twice as
/// fast and, in f32, less exact by a few units in the last place. On unless the environment says NARAE_WINOGRAD=0.
[[nodiscard]] NARAE_API bool winograd_allowed();
/// For plans that are built from now on.
NARAE_API void allow_winograd(bool allowed);

/// Whether products of f32 may run on the tile units of processors that have them (AMX): as three bfloat16 parts a
/// number, two to three times as fast as on vectors and as exact or more. On unless the environment says NARAE_AMX=0.
[[nodiscard]] NARAE_API bool tile_products_allowed();
/// For plans that are built from now on.
NARAE_API void allow_tile_products(bool allowed);

}  // namespace narae
