#include "narae/core/shape.h"

#include <algorithm>

#include "narae/core/error.h"

namespace narae {

Shape::Shape(std::span<const std::int64_t> dims) {
  if (dims.size() > max_rank) {
    throw Error("shape: " + std::to_string(dims.size()) + " dimensions; at most " + std::to_string(max_rank) +
                " are supported");
  }
  for (const std::int64_t extent : dims) dims_[static_cast<std::size_t>(rank_++)] = extent;
  if (countable()) return;
  for (const std::int64_t extent : dims)
    if (extent < 0) throw Error("shape: negative extent in " + to_string(*this));
  throw Error("shape: too many elements in " + to_string(*this));
}

bool Shape::carefully_countable() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : dims())
    if (extent < 0 || __builtin_mul_overflow(n, std::max<std::int64_t>(extent, 1), &n)) return false;
  return n <= max_count;
}

void Shape::push_back(std::int64_t extent) {
  if (rank_ == max_rank) throw Error("shape: more than 8 dimensions");
  dims_[static_cast<std::size_t>(rank_++)] = extent;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.rank(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + (shape.rank() == 1 ? ",)" : ")");
}

Shape batched(std::int64_t count, const Shape& sample) {
  Shape shape{count};
  for (const std::int64_t extent : sample) shape.push_back(extent);
  return shape;
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides.set(i, step);
    step *= shape[i];
  }
  return strides;
}

Shape broadcast(const Shape& a, const Shape& b, const char* what) {
  if (a == b) return a;
  Shape result = a.rank() >= b.rank() ? a : b;
  const int offset_a = result.rank() - a.rank();
  const int offset_b = result.rank() - b.rank();
  for (int i = 0; i < result.rank(); ++i) {
    const std::int64_t x = i < offset_a ? 1 : a[i - offset_a];
    const std::int64_t y = i < offset_b ? 1 : b[i - offset_b];
    if (x != y && x != 1 && y != 1) {
      throw Error(std::string(what) + ": shapes " + to_string(a) + " and " + to_string(b) +
                  " don't broadcast (dimension " + std::to_string(i) + ": " + std::to_string(x) + " against " +
                  std::to_string(y) + ")");
    }
    result.set(i, x == 1 ? y : x);
  }
  return result;
}

int normalize_axis(std::int64_t axis, int rank, const char* what) {
  const std::int64_t normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank) {
    throw Error(std::string(what) + ": axis " + std::to_string(axis) + " is out of range for rank " +
                std::to_string(rank));
  }
  return static_cast<int>(normal);
}

}  // namespace narae
