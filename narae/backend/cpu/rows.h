#pragma once

#include <cstdint>

#include "narae/backend/cpu/tile_functions.h"
#include "narae/graph/kernel.h"

// What kernels share that read, write and add rows at places which are known at run time.
namespace narae::cpu {

/// make(zero of the type of the indices); empty for other types.
template <class Make>
Kernel for_indices(DType dtype, const Make& make) {
  if (dtype == DType::i32) return make(std::int32_t{});
  if (dtype == DType::i64) return make(std::int64_t{});
  return {};
}

/// make(zero of the type of the numbers), float or double; empty for other types.
template <class Make>
Kernel for_floating(DType dtype, const Make& make) {
  if (dtype == DType::f32) return make(float{});
  if (dtype == DType::f64) return make(double{});
  return {};
}

/// a + b for tiles of T, float or double.
template <class T>
TileFunction add_function() {
  for (const TileEntry& entry : tile_functions())
    if (entry.op == "add") return sizeof(T) == 4 ? entry.f32 : entry.f64;
  return nullptr;
}

}  // namespace narae::cpu
