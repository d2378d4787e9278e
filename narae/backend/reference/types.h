#pragma once

#include <cstdint>
#include <type_traits>

#include "narae/core/dtype.h"
#include "narae/graph/kernel.h"

namespace narae::reference {

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

/// make(T{}) for the C++ type of `dtype` when it is a number; an empty kernel otherwise.
template <class Make>
[[nodiscard]] Kernel for_numbers(DType dtype, const Make& make) {
  return visit_dtype(dtype, [&](auto zero) -> Kernel {
    if constexpr (is_number<decltype(zero)>)
      return make(zero);
    else
      return {};
  });
}

/// make(I{}) for i32 and i64; an empty kernel otherwise.
template <class Make>
[[nodiscard]] Kernel for_indices(DType dtype, const Make& make) {
  if (dtype == DType::i32) return make(std::int32_t{});
  if (dtype == DType::i64) return make(std::int64_t{});
  return {};
}

/// make(U{}) for an unsigned number of as many bytes as `dtype`: elements that are moved, not computed with.
template <class Make>
[[nodiscard]] Kernel for_bytes(DType dtype, const Make& make) {
  switch (size_of(dtype)) {
    case 1:
      return make(std::uint8_t{});
    case 2:
      return make(std::uint16_t{});
    case 4:
      return make(std::uint32_t{});
    default:
      return make(std::uint64_t{});
  }
}

/// Integer arithmetic wraps around; this is the type in which it is defined.
template <class T>
struct WrappingOf {
  using type = T;
};
template <class T>
requires std::is_integral_v<T>
struct WrappingOf<T> {
  using type = std::make_unsigned_t<T>;
};
template <class T>
using Wrapping = typename WrappingOf<T>::type;

/// Sums are carried in double, or in 64 wrapping bits, and rounded once.
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

}  // namespace narae::reference
