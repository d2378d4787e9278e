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

/// Masks are bytes in memory and numbers, 0 and 1, in tiles.
struct MaskFunctions {
  void (*load_f32)(const bool* from, float* to, std::size_t n);
  void (*load_f64)(const bool* from, double* to, std::size_t n);
  void (*store_f32)(const float* from, bool* to, std::size_t n);
  void (*store_f64)(const double* from, bool* to, std::size_t n);
};
[[nodiscard]] const MaskFunctions& mask_functions();

/// The functions for the vector instructions of this machine.
[[nodiscard]] std::span<const TileEntry> tile_functions();

}  // namespace narae::cpu
