// A small matrix product for blocks that fit in the cache: up to 6 rows by 4 vectors of the result stay in registers
// while k runs. Compiled for every instruction set and chosen at run time (Highway).
#include "narae/backend/cpu/gemm.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/gemm.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// 32 registers hold 6 x 4 sums, 16 hold 6 x 2.
constexpr int most_vectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

// The block of `rows` by `vectors` at (i, j); the last vector has `last` lanes when it is partial.
template <class T, int rows, int vectors, bool partial>
HWY_NOINLINE void block(const Gemm<T>& g, std::int64_t i, std::int64_t j, std::size_t last) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  const auto load = [&](auto v, const T* p) NARAE_INLINE -> V {
    if constexpr (partial && v == vectors - 1)
      return load_first(d, p + v * lanes, last);
    else
      return hn::LoadU(d, p + v * lanes);
  };
  T* c = g.c + i * g.c_row + j;
  V sum[rows][vectors];
  unrolled(Count<rows>(), [&](auto r) NARAE_INLINE {
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
      if (g.accumulate)
        sum[r][v] = load(v, c + r * g.c_row);
      else if (g.column_bias != nullptr)
        sum[r][v] = load(v, g.column_bias + j);
      else
        sum[r][v] = g.row_bias != nullptr ? hn::Set(d, g.row_bias[i + r]) : hn::Zero(d);
    });
  });
  const T* a[rows];
  unrolled(Count<rows>(), [&](auto r) NARAE_INLINE { a[r] = g.a + g.a_rows[i + r]; });
  constexpr std::int64_t line = 64 / std::int64_t{sizeof(T)};
  const T* ahead = g.ahead != nullptr ? g.ahead + i / 6 * g.k * line : nullptr;
  for (std::int64_t l = 0; l < g.k; ++l) {
    if (ahead != nullptr) __builtin_prefetch(ahead + l * line, 0, 2);
    const std::int64_t column = g.a_columns[l];
    const T* b = g.b + g.b_rows[l] + j;
    V right[vectors];
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE { right[v] = load(v, b); });
    unrolled(Count<rows>(), [&](auto r) NARAE_INLINE {
      const V left = hn::Set(d, a[r][column]);
      unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE { sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]); });
    });
  }
  unrolled(Count<rows>(), [&](auto r) NARAE_INLINE {
    unrolled(Count<vectors>(), [&](auto v) NARAE_INLINE {
      T* to = c + r * g.c_row + v * lanes;
      if constexpr (partial && v == vectors - 1)
        store_first(d, sum[r][v], to, last);
      else
        hn::StoreU(sum[r][v], d, to);
    });
  });
}

// One vector of columns for `runs` times `length` rows: rows whose elements are neighbours in a, as those of windows
// are, need one pointer for each run, so that there are enough sums to keep the processor busy.
template <class T, int runs, int length, bool partial>
HWY_NOINLINE void run_block(const Gemm<T>& g, std::int64_t i, std::int64_t j, std::size_t last) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto load = [&](const T* p) NARAE_INLINE -> V {
    if constexpr (partial)
      return load_first(d, p, last);
    else
      return hn::LoadU(d, p);
  };
  T* c = g.c + i * g.c_row + j;
  V sum[runs * length];
  unrolled(Count<runs * length>(), [&](auto r) NARAE_INLINE {
    if (g.accumulate)
      sum[r] = load(c + r * g.c_row);
    else if (g.column_bias != nullptr)
      sum[r] = load(g.column_bias + j);
    else
      sum[r] = g.row_bias != nullptr ? hn::Set(d, g.row_bias[i + r]) : hn::Zero(d);
  });
  const T* a[runs];
  unrolled(Count<runs>(), [&](auto r) NARAE_INLINE { a[r] = g.a + g.a_rows[i + r * length]; });
  for (std::int64_t l = 0; l < g.k; ++l) {
    const std::int64_t column = g.a_columns[l];
    const V right = load(g.b + g.b_rows[l] + j);
    unrolled(Count<runs>(), [&](auto run) NARAE_INLINE {
      unrolled(Count<length>(), [&](auto r) NARAE_INLINE {
        V& own = sum[run * length + r];
        own = hn::MulAdd(hn::Set(d, a[run][column + r]), right, own);
      });
    });
  }
  unrolled(Count<runs * length>(), [&](auto r) NARAE_INLINE {
    if constexpr (partial)
      store_first(d, sum[r], c + r * g.c_row, last);
    else
      hn::StoreU(sum[r], d, c + r * g.c_row);
  });
}

// Runs of rows from i on as far as there are such: the number of rows that are done.
template <class T, bool partial>
std::int64_t run_columns(const Gemm<T>& g, std::int64_t i, std::int64_t j, std::size_t last) {
  const auto is_run = [&](std::int64_t first, int length) {
    if (first + length > g.m) return false;
    for (int r = 1; r < length; ++r)
      if (g.a_rows[first + r] != g.a_rows[first] + r) return false;
    return true;
  };
  const auto take = [&](auto runs, auto length) {
    for (int run = 0; run < runs; ++run)
      if (!is_run(i + run * length, length)) return false;
    run_block<T, runs, length, partial>(g, i, j, last);
    i += runs * length;
    return true;
  };
  const auto one = std::integral_constant<int, 1>();
  for (;;) {
    bool taken = false;
    if constexpr (HWY_TARGET <= HWY_AVX3) {  // registers for more than 12 sums
      taken = take(one, std::integral_constant<int, 14>()) ||
              take(std::integral_constant<int, 3>(), std::integral_constant<int, 5>()) ||
              take(std::integral_constant<int, 2>(), std::integral_constant<int, 7>());
    }
    taken = taken || take(one, std::integral_constant<int, 12>()) || take(one, std::integral_constant<int, 10>()) ||
            take(std::integral_constant<int, 2>(), std::integral_constant<int, 5>()) ||
            take(std::integral_constant<int, 4>(), std::integral_constant<int, 3>()) ||
            take(one, std::integral_constant<int, 8>());
    if (!taken) return i;
  }
}

template <class T, int vectors, bool partial>
void columns(const Gemm<T>& g, std::int64_t j, std::size_t last) {
  std::int64_t i = 0;
  if constexpr (vectors == 1) {
    if (g.ahead == nullptr) {
      for (i = run_columns<T, partial>(g, i, j, last); i + 6 <= g.m; i = run_columns<T, partial>(g, i + 6, j, last))
        block<T, 6, 1, partial>(g, i, j, last);
    }
  }
  for (; i + 6 <= g.m; i += 6) block<T, 6, vectors, partial>(g, i, j, last);
  for (; i + 4 <= g.m; i += 4) block<T, 4, vectors, partial>(g, i, j, last);
  for (; i + 2 <= g.m; i += 2) block<T, 2, vectors, partial>(g, i, j, last);
  if (i < g.m) block<T, 1, vectors, partial>(g, i, j, last);
}

template <class T, int vectors>
void last_columns(const Gemm<T>& g, std::int64_t j) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const std::int64_t left = g.n - j;
  if constexpr (vectors > 1) {
    if (left <= (vectors - 1) * lanes) return last_columns<T, vectors - 1>(g, j);
  }
  if (left == vectors * lanes) return columns<T, vectors, false>(g, j, 0);
  columns<T, vectors, true>(g, j, static_cast<std::size_t>(left - (vectors - 1) * lanes));
}

template <class T>
void multiply(const Gemm<T>& g) {
  const auto step = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>())) * most_vectors;
  std::int64_t j = 0;
  for (; j + step <= g.n; j += step) columns<T, most_vectors, false>(g, j, 0);
  if (j < g.n) last_columns<T, most_vectors>(g, j);
}

void multiply_f32(const Gemm<float>& g) {
  multiply(g);
}
void multiply_f64(const Gemm<double>& g) {
  multiply(g);
}
std::int64_t bytes() {
  return static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<double>()) * sizeof(double));
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(bytes);

void gemm(const Gemm<float>& g) {
  HWY_DYNAMIC_DISPATCH(multiply_f32)(g);
}
void gemm(const Gemm<double>& g) {
  HWY_DYNAMIC_DISPATCH(multiply_f64)(g);
}

std::vector<std::int64_t> offsets(std::int64_t count, std::int64_t step) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) result[static_cast<std::size_t>(i)] = i * step;
  return result;
}

std::int64_t vector_bytes() {
  return HWY_DYNAMIC_DISPATCH(bytes)();
}

}  // namespace narae::cpu
#endif
