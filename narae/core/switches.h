#pragma once

#include "narae/core/export.h"

namespace narae {

// Switches of the process that change how results are rounded. The environment sets them (a checkpoint records it), and
// a recipe for its training.

/// Whether 3 x 3 convolutions may use Winograd's algorithm where it is faster (Lavin and Gray 2016): about twice as
/// fast and, in f32, less exact: errors up to ten times as large. On unless the environment says NARAE_WINOGRAD=0.
[[nodiscard]] NARAE_API bool winograd_allowed();
/// From now on; plans that were made before stay in the cache for the time when it is as it was.
NARAE_API void allow_winograd(bool allowed);

/// Whether products of f32 may run on the tile units of processors that have them (AMX): as three bfloat16 parts a
/// number, half as fast again as on vectors or twice, and as exact or more. On unless the environment says NARAE_AMX=0.
[[nodiscard]] NARAE_API bool tile_units_allowed();
/// As allow_winograd.
NARAE_API void allow_tile_units(bool allowed);

/// Takes permissions (those that are false) from the whole process while it lives; gives none. Several may live.
class NARAE_API SwitchScope {
 public:
  SwitchScope(bool winograd, bool tile_units);
  ~SwitchScope();
  SwitchScope(const SwitchScope&) = delete;
  SwitchScope& operator=(const SwitchScope&) = delete;

 private:
  bool winograd_, tile_units_;
};

}  // namespace narae
