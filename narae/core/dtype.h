#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "narae/core/export.h"

namespace narae {

/// Element types. bf16 and f16 are storage only: cast to f32 before computing with them.
enum class DType : std::uint8_t { f32, f64, i32, i64, u8, boolean, bf16, f16 };

/// Bytes of one element.
[[nodiscard]] constexpr std::size_t size_of(DType t) {
  constexpr std::size_t sizes[] = {4, 8, 4, 8, 1, 1, 2, 2};
  return sizes[static_cast<std::size_t>(t)];
}

/// "f32", "i64", ...
[[nodiscard]] constexpr std::string_view name_of(DType t) {
  constexpr std::string_view names[] = {"f32", "f64", "i32", "i64", "u8", "bool", "bf16", "f16"};
  return names[static_cast<std::size_t>(t)];
}

[[nodiscard]] constexpr bool is_floating(DType t) {
  return t == DType::f32 || t == DType::f64;
}

/// Storage of one half-precision element; the conversions are in core/half.h.
struct BFloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

namespace detail {
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::f16;
};
}  // namespace detail

template <class T>
inline constexpr DType dtype_of = detail::DTypeOf<std::remove_cv_t<T>>::value;

/// Calls f(T{}) with the C++ type of `t`. A boolean is handed over as `bool`.
template <class F>
decltype(auto) visit_dtype(DType t, F&& f) {
  switch (t) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::boolean:
      return f(bool{});
    case DType::bf16:
      return f(BFloat16{});
    case DType::f16:
      return f(Float16{});
  }
  __builtin_unreachable();
}

}  // namespace narae
