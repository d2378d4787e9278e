#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace narae::cpu {

/// One elementwise operator on a tile of n numbers (float or double; masks are 0 and 1): out = f(a, b, c).
using TileFunction = void (*)(const void* a, const void* b, const void* c, void* out, std::size_t n);

struct TileEntry {
  std::string_view op;
  TileFunction f32;
  TileFunction f64;
  int cost;  ///< relative to an addition
};

/// The functions for the vector instructions of this machine.
[[nodiscard]] std::span<const TileEntry> tile_functions();

}  // namespace narae::cpu
