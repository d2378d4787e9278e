#pragma once

#include <string_view>

#include "narae/core/export.h"

namespace narae {

/// NARAE_DEBUG: 0 nothing; 1 cache hits, misses and recomputation; 2 memory; 3 steps with time, GFLOP/s and bytes;
/// 4 the plans themselves.
[[nodiscard]] NARAE_API int debug_level();
NARAE_API void set_debug_level(int level);

/// One line on standard error, written at once.
NARAE_API void log_line(std::string_view text);

}  // namespace narae
