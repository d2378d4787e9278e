#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "narae/core/export.h"

namespace narae {

/// The extents of a tensor, outermost first; at most 8 dimensions, kept inline.
class NARAE_API Shape {
 public:
  static constexpr int max_rank = 8;
  /// Elements that a tensor may have, so that its bytes can be counted.
  static constexpr std::int64_t max_count = std::int64_t{1} << 59;

  Shape() = default;
  /// Throws Error for more than 8 dimensions, a negative extent, or more than `max_count` elements (extents of 0 count
  /// as 1).
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims);

  [[nodiscard]] int rank() const { return rank_; }
  /// Product of the extents; 1 for a scalar.
  [[nodiscard]] std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[static_cast<std::size_t>(i)];
    return n;
  }
  /// Extent of dimension i; a negative i counts from the back (unchecked otherwise).
  [[nodiscard]] std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i < 0 ? i + rank_ : i)]; }
  void set(int i, std::int64_t extent) { dims_[static_cast<std::size_t>(i < 0 ? i + rank_ : i)] = extent; }
  void push_back(std::int64_t extent);

  /// Whether every extent is at least 0 and the elements can be counted: rules that set extents one by one check
  /// neither.
  [[nodiscard]] bool countable() const {
    std::uint64_t bits = 0;  // numbers below 2^a, 2^b, ... have a product below 2^(a + b + ...); a negative one has 64
    for (int i = 0; i < rank_; ++i) bits += bits_of(dims_[static_cast<std::size_t>(i)]);
    return bits <= 59 || carefully_countable();
  }

  [[nodiscard]] std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  [[nodiscard]] const std::int64_t* begin() const { return dims_.data(); }
  [[nodiscard]] const std::int64_t* end() const { return dims_.data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }

 private:
  [[nodiscard]] static std::uint64_t bits_of(std::int64_t extent) {
    return static_cast<std::uint64_t>(std::bit_width(static_cast<std::uint64_t>(extent)));
  }
  [[nodiscard]] bool carefully_countable() const;

  std::int32_t rank_ = 0;
  std::array<std::int64_t, max_rank> dims_{};
};

/// "(64, 1, 28, 28)"
[[nodiscard]] NARAE_API std::string to_string(const Shape& shape);

/// (count, ...sample): the shape of a batch of samples. Throws Error where that has more than 8 dimensions.
[[nodiscard]] NARAE_API Shape batched(std::int64_t count, const Shape& sample);

/// Row-major strides in elements.
[[nodiscard]] NARAE_API Shape contiguous_strides(const Shape& shape);

/// NumPy's broadcasting rule. Throws Error naming `what` and both shapes when they don't fit.
[[nodiscard]] NARAE_API Shape broadcast(const Shape& a, const Shape& b, const char* what);

/// `axis` in [0, rank), counting from the back when negative. Throws Error naming `what` otherwise.
[[nodiscard]] NARAE_API int normalize_axis(std::int64_t axis, int rank, const char* what);

}  // namespace narae
