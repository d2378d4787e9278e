#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "narae/core/buffer.h"
#include "narae/core/dtype.h"
#include "narae/core/error.h"
#include "narae/core/shape.h"

namespace narae {

/// A plain block of numbers on the host, row-major and contiguous: what files, datasets and tensors exchange.
/// Copying an Array shares its memory.
struct Array {
  DType dtype = DType::f32;
  Shape shape;
  Buffer buffer;

  /// Uninitialised. Throws Error when the machine has not that much memory.
  [[nodiscard]] static Array empty(DType dtype, const Shape& shape) {
    if (!shape.countable()) throw Error("array: there is no memory for shape " + to_string(shape));
    return {dtype, shape, Buffer::allocate(static_cast<std::size_t>(shape.count()) * size_of(dtype))};
  }
  [[nodiscard]] static Array zeros(DType dtype, const Shape& shape) {
    Array result = empty(dtype, shape);
    std::memset(result.buffer.data(), 0, result.bytes());
    return result;
  }

  [[nodiscard]] std::int64_t count() const { return shape.count(); }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(shape.count()) * size_of(dtype); }

  /// The elements; T must be the C++ type of `dtype` (unchecked).
  template <class T>
  [[nodiscard]] std::span<const T> values() const {
    return {reinterpret_cast<const T*>(buffer.data()), static_cast<std::size_t>(shape.count())};
  }
  /// The elements, to be written; only for memory that was allocated here (`buffer.writable()`).
  template <class T>
  [[nodiscard]] std::span<T> mutable_values() {
    return {reinterpret_cast<T*>(buffer.data()), static_cast<std::size_t>(shape.count())};
  }
};

}  // namespace narae
