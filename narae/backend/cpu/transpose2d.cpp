// Transposes in tiles that fit in the cache, 4 x 4 (or 2 x 2) numbers at a time in registers.
#include "narae/backend/cpu/transpose2d.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/transpose2d.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

constexpr std::int64_t tile = 32;

#if HWY_TARGET == HWY_SCALAR
template <class T>
constexpr std::int64_t side = 1;

template <class T>
void square(const T* from, std::int64_t, T* to, std::int64_t) {
  *to = *from;
}
#else
// Numbers in 128 bits.
template <class T>
constexpr std::int64_t side = 16 / static_cast<std::int64_t>(sizeof(T));

HWY_INLINE void square(const float* from, std::int64_t from_pitch, float* to, std::int64_t to_pitch) {
  const hn::FixedTag<float, 4> d;
  const auto a = hn::LoadU(d, from);
  const auto b = hn::LoadU(d, from + from_pitch);
  const auto c = hn::LoadU(d, from + 2 * from_pitch);
  const auto e = hn::LoadU(d, from + 3 * from_pitch);
  const auto ac_low = hn::InterleaveLower(d, a, c);
  const auto be_low = hn::InterleaveLower(d, b, e);
  const auto ac_high = hn::InterleaveUpper(d, a, c);
  const auto be_high = hn::InterleaveUpper(d, b, e);
  hn::StoreU(hn::InterleaveLower(d, ac_low, be_low), d, to);
  hn::StoreU(hn::InterleaveUpper(d, ac_low, be_low), d, to + to_pitch);
  hn::StoreU(hn::InterleaveLower(d, ac_high, be_high), d, to + 2 * to_pitch);
  hn::StoreU(hn::InterleaveUpper(d, ac_high, be_high), d, to + 3 * to_pitch);
}

HWY_INLINE void square(const double* from, std::int64_t from_pitch, double* to, std::int64_t to_pitch) {
  const hn::FixedTag<double, 2> d;
  const auto a = hn::LoadU(d, from);
  const auto b = hn::LoadU(d, from + from_pitch);
  hn::StoreU(hn::InterleaveLower(d, a, b), d, to);
  hn::StoreU(hn::InterleaveUpper(d, a, b), d, to + to_pitch);
}
#endif

template <class T>
void block(std::int64_t rows, std::int64_t columns, const T* from, std::int64_t from_pitch, T* to,
           std::int64_t to_pitch) {
  const std::int64_t whole_rows = rows / side<T> * side<T>;
  const std::int64_t whole_columns = columns / side<T> * side<T>;
  for (std::int64_t j = 0; j < whole_columns; j += side<T>) {
    for (std::int64_t i = 0; i < whole_rows; i += side<T>) {
      square(from + i * from_pitch + j, from_pitch, to + j * to_pitch + i, to_pitch);
    }
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = j < whole_columns ? whole_rows : 0; i < rows; ++i) {
      to[j * to_pitch + i] = from[i * from_pitch + j];
    }
  }
}

template <class T>
void transpose(std::int64_t rows, std::int64_t columns, const T* from, std::int64_t from_pitch, T* to,
               std::int64_t to_pitch) {
  for (std::int64_t j = 0; j < columns; j += tile) {
    for (std::int64_t i = 0; i < rows; i += tile) {
      block(std::min(rows - i, tile), std::min(columns - j, tile), from + i * from_pitch + j, from_pitch,
            to + j * to_pitch + i, to_pitch);
    }
  }
}

void transpose_f32(std::int64_t rows, std::int64_t columns, const float* from, std::int64_t from_pitch, float* to,
                   std::int64_t to_pitch) {
  transpose(rows, columns, from, from_pitch, to, to_pitch);
}
void transpose_f64(std::int64_t rows, std::int64_t columns, const double* from, std::int64_t from_pitch, double* to,
                   std::int64_t to_pitch) {
  transpose(rows, columns, from, from_pitch, to, to_pitch);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(transpose_f32);
HWY_EXPORT(transpose_f64);

void transpose2d(std::int64_t rows, std::int64_t columns, const float* from, std::int64_t from_pitch, float* to,
                 std::int64_t to_pitch) {
  HWY_DYNAMIC_DISPATCH(transpose_f32)(rows, columns, from, from_pitch, to, to_pitch);
}
void transpose2d(std::int64_t rows, std::int64_t columns, const double* from, std::int64_t from_pitch, double* to,
                 std::int64_t to_pitch) {
  HWY_DYNAMIC_DISPATCH(transpose_f64)(rows, columns, from, from_pitch, to, to_pitch);
}

}  // namespace narae::cpu
#endif
