// Pooling of 2 x 2 windows that do not overlap, compiled for every instruction set (Highway).
#include "narae/backend/cpu/pool2x2.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/pool2x2.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

using Tag = hn::ScalableTag<float>;
using V = hn::Vec<Tag>;

struct Pairs {
  V even, odd;
};

// The numbers at even and at odd places of the first 2 count at p.
HWY_INLINE Pairs load_pairs(const float* p, std::size_t count) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  if (count == lanes) {
    const V low = hn::LoadU(d, p);
    const V high = hn::LoadU(d, p + lanes);
#if HWY_TARGET == HWY_SCALAR
    return {low, high};
#else
    return {hn::ConcatEven(d, high, low), hn::ConcatOdd(d, high, low)};
#endif
  }
#if HWY_TARGET == HWY_SCALAR
  return {hn::Zero(d), hn::Zero(d)};  // a vector of one lane is never partial
#else
  const V low = load_first(d, p, std::min(lanes, 2 * count));
  const V high = 2 * count > lanes ? load_first(d, p + lanes, 2 * count - lanes) : hn::Zero(d);
  return {hn::ConcatEven(d, high, low), hn::ConcatOdd(d, high, low)};
#endif
}

void max_plane(const float* x, std::int64_t width, std::int64_t rows, std::int64_t n, float* y, std::int32_t* indices) {
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto places = [&](std::int64_t place) NARAE_INLINE { return hn::Set(di, static_cast<std::int32_t>(place)); };
  const auto to_right = places(1);
  const auto down = places(width);
  const auto across = places(width + 1);
  const auto steps = hn::Add(hn::Iota(di, 0), hn::Iota(di, 0));
  for (std::int64_t p = 0; p < rows; ++p, y += n, indices += n) {
    for (std::int64_t q = 0; q < n; q += lanes) {
      const auto count = static_cast<std::size_t>(std::min(lanes, n - q));
      const std::int64_t first = 2 * p * width + 2 * q;
      const Pairs above = load_pairs(x + first, count);
      const Pairs below = load_pairs(x + first + width, count);
      V best = above.even;
      auto place = hn::Add(steps, places(first));
      const auto start = place;
      const auto challenge = [&](V v, auto offset) NARAE_INLINE {
        const auto wins = hn::AndNot(hn::IsNaN(best), hn::Not(hn::Le(v, best)));
        best = hn::IfThenElse(wins, v, best);
        place = hn::IfThenElse(hn::RebindMask(di, wins), hn::Add(start, offset), place);
      };
      challenge(above.odd, to_right);
      challenge(below.even, down);
      challenge(below.odd, across);
      store(d, best, y + q, count);
      store(di, place, indices + q, count);
    }
  }
}

void avg_plane(const float* x, std::int64_t width, std::int64_t rows, std::int64_t n, float* y) {
  const Tag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t p = 0; p < rows; ++p, x += 2 * width, y += n) {
    for (std::int64_t q = 0; q < n; q += lanes) {
      const auto count = static_cast<std::size_t>(std::min(lanes, n - q));
      const Pairs above = load_pairs(x + 2 * q, count);
      const Pairs below = load_pairs(x + width + 2 * q, count);
      const V sum = hn::Add(hn::Add(above.even, above.odd), hn::Add(below.even, below.odd));
      store(d, hn::Mul(sum, hn::Set(d, 0.25F)), y + q, count);
    }
  }
}

// Stores the first 2 count numbers of v with each number twice.
HWY_INLINE void store_twice(V v, float* p, [[maybe_unused]] std::size_t count) {
#if HWY_TARGET == HWY_SCALAR
  p[0] = p[1] = hn::GetLane(v);
#else
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  const hn::RebindToSigned<Tag> di;
  const auto half = hn::ShiftRight<1>(hn::Iota(di, 0));
  const auto shift = hn::Set(di, static_cast<std::int32_t>(lanes / 2));
  store(d, hn::TableLookupLanes(v, hn::IndicesFromVec(d, half)), p, std::min(lanes, 2 * count));
  if (2 * count <= lanes) return;
  store(d, hn::TableLookupLanes(v, hn::IndicesFromVec(d, hn::Add(half, shift))), p + lanes, 2 * count - lanes);
#endif
}

void avg_gradient_plane(const float* dy, std::int64_t width, std::int64_t rows, std::int64_t n, float* dx) {
  const Tag d;
  for (std::int64_t p = 0; p < rows; ++p, dy += n, dx += 2 * width) {
    for_each_vector(d, dy, static_cast<std::size_t>(n), [&](V v, std::size_t q, std::size_t count) NARAE_INLINE {
      const V share = hn::Mul(v, hn::Set(d, 0.25F));
      store_twice(share, dx + 2 * q, count);
      store_twice(share, dx + width + 2 * q, count);
    });
  }
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(max_plane);
HWY_EXPORT(avg_plane);
HWY_EXPORT(avg_gradient_plane);

void max_pool_2x2(const float* x, std::int64_t width, std::int64_t rows, std::int64_t n, float* y,
                  std::int32_t* indices) {
  HWY_DYNAMIC_DISPATCH(max_plane)(x, width, rows, n, y, indices);
}
void avg_pool_2x2(const float* x, std::int64_t width, std::int64_t rows, std::int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(avg_plane)(x, width, rows, n, y);
}
void avg_pool_2x2_gradient(const float* dy, std::int64_t width, std::int64_t rows, std::int64_t n, float* dx) {
  HWY_DYNAMIC_DISPATCH(avg_gradient_plane)(dy, width, rows, n, dx);
}

}  // namespace narae::cpu
#endif
