#pragma once

#include <array>
#include <cstdint>

#include "narae/core/shape.h"

namespace narae::reference {

/// Calls f(i, offset) for the elements of `shape` in row-major order: i counts them, offset is the sum of coordinate
/// times stride.
template <class F>
void for_each_element(const Shape& shape, const Shape& strides, const F& f) {
  std::array<std::int64_t, Shape::max_rank> at{};
  std::int64_t offset = 0;
  const std::int64_t count = shape.count();
  for (std::int64_t i = 0; i < count; ++i) {
    f(i, offset);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      std::int64_t& coordinate = at[static_cast<std::size_t>(axis)];
      if (++coordinate < shape[axis]) {
        offset += strides[axis];
        break;
      }
      offset -= strides[axis] * (shape[axis] - 1);
      coordinate = 0;
    }
  }
}

/// A shape seen as (outer, length, inner) around one axis.
struct AxisView {
  std::int64_t outer = 1, length, inner = 1;

  AxisView(const Shape& shape, std::int64_t axis) : length(shape[static_cast<int>(axis)]) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (i < axis) outer *= shape[i];
      if (i > axis) inner *= shape[i];
    }
  }
  [[nodiscard]] std::int64_t offset(std::int64_t o, std::int64_t l, std::int64_t i) const {
    return (o * length + l) * inner + i;
  }
};

}  // namespace narae::reference
