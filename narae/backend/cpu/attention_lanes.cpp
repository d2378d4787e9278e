// Tiles of scores with a query in each lane, compiled for every instruction set (Highway). The softmax over keys then
// goes from row to row and needs no sums across lanes.
#include "narae/backend/cpu/attention_lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/attention_lanes.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// Calls f(first lane, vectors as a constant) for groups of four vectors and of one that cover lanes [lo, hi).
template <class T, class F>
HWY_INLINE void for_groups(std::int64_t lo, std::int64_t hi, const F& f) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t at = lo;
  for (; at + 4 * lanes <= hi; at += 4 * lanes) f(at, std::integral_constant<int, 4>{});
  for (; at < hi; at += lanes) f(at, std::integral_constant<int, 1>{});
}

template <class T>
void add_bias(const ScoreTile<T>& t) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto slope = hn::Set(d, t.slope);
  for (std::int64_t row = 0; row < t.rows; ++row) {
    for (std::int64_t lane = t.lo; lane < t.hi; lane += lanes) {
      const std::int64_t i = row * attention_lanes + lane;
      auto s = hn::LoadU(d, t.s + i);
      if (t.bias != nullptr) s = hn::Add(s, hn::LoadU(d, t.bias + i));
      if (t.slope != T{0}) {
        const auto far = hn::Iota(d, t.distance - static_cast<T>(row) + static_cast<T>(lane));
        s = hn::NegMulAdd(slope, hn::Abs(far), s);
      }
      hn::StoreU(s, d, t.s + i);
    }
  }
}

template <class T>
bool softmax(const ScoreTile<T>& t, T* highest, T* sums, T* corrections) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  bool moved = false;
  for_groups<T>(t.lo, t.hi, [&](std::int64_t first, auto vectors) NARAE_INLINE {
    V high[vectors];
    V sum[vectors];
    T* const s = t.s + first;
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE { high[v] = hn::LoadU(d, highest + first + v * lanes); });
    for (std::int64_t row = 0; row < t.rows; ++row) {
      unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
        high[v] = hn::Max(high[v], hn::LoadU(d, s + row * attention_lanes + v * lanes));
      });
    }
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
      const std::int64_t place = first + v * lanes;
      const auto before = hn::LoadU(d, highest + place);
      const auto correction = exp_below(d, hn::Sub(before, high[v]));
      moved = moved || !hn::AllTrue(d, hn::Eq(before, high[v]));
      sum[v] = hn::Mul(hn::LoadU(d, sums + place), correction);
      hn::StoreU(correction, d, corrections + place);
      hn::StoreU(high[v], d, highest + place);
    });
    for (std::int64_t row = 0; row < t.rows; ++row) {
      unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
        const std::int64_t i = row * attention_lanes + v * lanes;
        auto p = exp_below(d, hn::Sub(hn::LoadU(d, s + i), high[v]));
        sum[v] = hn::Add(sum[v], p);
        if (t.factors != nullptr) p = hn::Mul(p, hn::LoadU(d, t.factors + first + i));
        hn::StoreU(p, d, s + i);
      });
    }
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE { hn::StoreU(sum[v], d, sums + first + v * lanes); });
  });
  return moved;
}

template <class T>
void gradient(const ScoreTile<T>& t, const T* log_sums, const T* deltas) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for_groups<T>(t.lo, t.hi, [&](std::int64_t first, auto vectors) NARAE_INLINE {
    V log_sum[vectors];
    V delta[vectors];
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
      log_sum[v] = hn::LoadU(d, log_sums + first + v * lanes);
      delta[v] = hn::LoadU(d, deltas + first + v * lanes);
    });
    for (std::int64_t row = 0; row < t.rows; ++row) {
      unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
        const std::int64_t i = row * attention_lanes + first + v * lanes;
        const auto p = exp_below(d, hn::Sub(hn::LoadU(d, t.s + i), log_sum[v]));
        auto dp = hn::LoadU(d, t.dp + i);
        if (t.factors != nullptr) {
          const auto factor = hn::LoadU(d, t.factors + i);
          dp = hn::Mul(dp, factor);
          hn::StoreU(hn::Mul(p, factor), d, t.s + i);
        } else {
          hn::StoreU(p, d, t.s + i);
        }
        hn::StoreU(hn::Mul(p, hn::Sub(dp, delta[v])), d, t.dp + i);
      });
    }
  });
}

template <class T>
void scale(const T* x, std::int64_t n, T factor, T* y) {
  const hn::ScalableTag<T> d;
  const auto by = hn::Set(d, factor);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    store(d, hn::Mul(v, by), y + i, count);
  });
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* p, std::size_t count) {
  return count == hn::Lanes(d) ? hn::LoadU(d, p) : load_first(d, p, count);
}

template <class T>
void add(const T* x, std::int64_t n, T* y) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    store(d, hn::Add(load(d, y + i, count), v), y + i, count);
  });
}

template <class T>
T dot(const T* a, const T* b, std::int64_t n) {
  const hn::ScalableTag<T> d;
  auto sum = hn::Zero(d);
  for_each_vector(d, a, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    sum = hn::MulAdd(v, load(d, b + i, count), sum);
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Calls f(key, head) for all: key by key in the order in which they lie, which is what bounds one query a head; with
// several, head by head, so that what belongs to the queries stays in the first cache.
template <class F>
HWY_INLINE void for_keys_and_heads(const FewQueries& few, std::int64_t count, const F& f) {
  if (few.rows == 1) {
    for (std::int64_t j = 0; j < count; ++j)
      for (std::int64_t h = 0; h < few.heads; ++h) f(j, h);
  } else {
    for (std::int64_t h = 0; h < few.heads; ++h)
      for (std::int64_t j = 0; j < count; ++j) f(j, h);
  }
}

template <class T>
void scores(const FewQueries& few, const T* q, T scale, const T* keys, std::int64_t count, T* s, std::int64_t pitch) {
  for_keys_and_heads(few, count, [&](std::int64_t j, std::int64_t h) NARAE_INLINE {
    const T* const key = keys + (j * few.heads + h) * few.size;
    for (std::int64_t row = h * few.rows; row < (h + 1) * few.rows; ++row)
      s[row * pitch + j] = scale * dot(q + row * few.size, key, few.size);
  });
}

template <class T>
void add_values(const FewQueries& few, const T* p, std::int64_t pitch, const T* values, std::int64_t count, T* y) {
  const hn::ScalableTag<T> d;
  for_keys_and_heads(few, count, [&](std::int64_t j, std::int64_t h) NARAE_INLINE {
    const T* const value = values + (j * few.heads + h) * few.size;
    for (std::int64_t row = h * few.rows; row < (h + 1) * few.rows; ++row) {
      if (p[row * pitch + j] == T{0}) continue;
      const auto factor = hn::Set(d, p[row * pitch + j]);
      T* const sum = y + row * few.size;
      for_each_vector(d, value, static_cast<std::size_t>(few.size),
                      [&](auto v, std::size_t i, std::size_t n)
                          NARAE_INLINE { store(d, hn::MulAdd(v, factor, load(d, sum + i, n)), sum + i, n); });
    }
  });
}

template <class T>
T exponentials(T* s, std::int64_t n, T highest) {
  const hn::ScalableTag<T> d;
  const auto high = hn::Set(d, highest);
  auto sum = hn::Zero(d);
  for_each_vector(d, s, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto p = exp_below(d, hn::Sub(v, high));
    sum = hn::Add(sum, keep_first(d, p, hn::Zero(d), count));
    store(d, p, s + i, count);
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <class T>
const AttentionFunctions<T>& functions() {
  static constexpr AttentionFunctions<T> all = {.add_bias = add_bias<T>,
                                                .softmax = softmax<T>,
                                                .gradient = gradient<T>,
                                                .scale = scale<T>,
                                                .add = add<T>,
                                                .dot = dot<T>,
                                                .scores = scores<T>,
                                                .add_values = add_values<T>,
                                                .exponentials = exponentials<T>};
  return all;
}
const AttentionFunctions<float>& functions_f32() {
  return functions<float>();
}
const AttentionFunctions<double>& functions_f64() {
  return functions<double>();
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(functions_f32);
HWY_EXPORT(functions_f64);

template <>
const AttentionFunctions<float>& attention_functions<float>() {
  return HWY_DYNAMIC_DISPATCH(functions_f32)();
}
template <>
const AttentionFunctions<double>& attention_functions<double>() {
  return HWY_DYNAMIC_DISPATCH(functions_f64)();
}

}  // namespace narae::cpu
#endif
