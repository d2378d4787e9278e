#pragma once

#include "narae/graph/kernel.h"

namespace narae::reference {

/// make(float{}) or make(double{}); an empty kernel for the other types.
template <class Make>
[[nodiscard]] Kernel for_floating(DType dtype, const Make& make) {
  if (dtype == DType::f32) return make(float{});
  if (dtype == DType::f64) return make(double{});
  return {};
}

}  // namespace narae::reference
