// Sums, products, maxima and minima, compiled for every instruction set (Highway).
#include "narae/backend/cpu/folds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/folds.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// What is folded: the numbers themselves.
struct Numbers {
  template <class V>
  static HWY_INLINE V prepare(V x) {
    return x;
  }
};
struct Sum : Numbers {
  static constexpr double first = 0;
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::Add(a, b);
  }
  static double combine(double a, double b) { return a + b; }
};
struct SumOfSquares : Sum {
  template <class V>
  static HWY_INLINE V prepare(V x) {
    return hn::Mul(x, x);
  }
};
struct Prod : Numbers {
  static constexpr double first = 1;
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::Mul(a, b);
  }
  static double combine(double a, double b) { return a * b; }
};
struct Max : Numbers {
  static constexpr double first = -std::numeric_limits<double>::infinity();
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return larger(a, b);
  }
  static double combine(double a, double b) { return std::isnan(a) || a > b ? a : b; }
};
struct Min : Numbers {
  static constexpr double first = std::numeric_limits<double>::infinity();
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return smaller(a, b);
  }
  static double combine(double a, double b) { return std::isnan(a) || a < b ? a : b; }
};

// Numbers that are folded in T before they are carried on in double.
constexpr std::int64_t block = 4096;

template <class T, class Op>
double block_of_row(const T* x, std::int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto first = hn::Set(d, static_cast<T>(Op::first));
  hn::Vec<decltype(d)> sum[4] = {first, first, first, first};
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    unrolled(Count<4>(),
             [&](auto k) NARAE_INLINE { sum[k] = Op::of(sum[k], Op::prepare(hn::LoadU(d, x + i + k * lanes))); });
  }
  for (; i + lanes <= n; i += lanes) sum[0] = Op::of(sum[0], Op::prepare(hn::LoadU(d, x + i)));
  if (i < n) {
    const auto rest = static_cast<std::size_t>(n - i);
    sum[1] = Op::of(sum[1], keep_first(d, Op::prepare(load_first(d, x + i, rest)), first, rest));
  }
  const auto total = Op::of(Op::of(sum[0], sum[1]), Op::of(sum[2], sum[3]));
  HWY_ALIGN T parts[HWY_MAX_BYTES / sizeof(T)];
  hn::Store(total, d, parts);
  double result = static_cast<double>(parts[0]);
  for (std::int64_t k = 1; k < lanes; ++k) result = Op::combine(result, static_cast<double>(parts[k]));
  return result;
}

template <class T, class Op>
double fold_row(const T* x, std::int64_t n) {
  double result = block_of_row<T, Op>(x, std::min(n, block));
  for (std::int64_t i = block; i < n; i += block) {
    result = Op::combine(result, block_of_row<T, Op>(x + i, std::min(n - i, block)));
  }
  return result;
}

// `vectors` neighbouring vectors of results, the last of `last` lanes. 64 numbers are folded at a time and then joined
// to what there is, which keeps rounding errors small.
template <class T, class Op, int vectors>
HWY_INLINE void fold_tile(const T* x, const FoldSteps& s, std::size_t last, T* y) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  const auto load = [&](auto k, const T* p) NARAE_INLINE -> V {
    if (k + 1 < vectors || last == lanes) return hn::LoadU(d, p + k * lanes);
    return load_first(d, p + k * lanes, last);
  };
  V total[vectors];
  V sum[vectors];
  const auto each = [](const auto& f) NARAE_INLINE { unrolled(Count<vectors>(), f); };
  const V first = hn::Set(d, static_cast<T>(Op::first));
  each([&](auto k) NARAE_INLINE { total[k] = sum[k] = first; });
  int in_sum = 0;
  for (std::int64_t i = 0; i < s.outer; ++i) {
    for (std::int64_t j = 0; j < s.inner; ++j) {
      const T* p = x + i * s.outer_step + j * s.inner_step;
      each([&](auto k) NARAE_INLINE { sum[k] = Op::of(sum[k], Op::prepare(load(k, p))); });
      if (++in_sum < 64) continue;
      in_sum = 0;
      each([&](auto k) NARAE_INLINE {
        total[k] = Op::of(total[k], sum[k]);
        sum[k] = first;
      });
    }
  }
  each([&](auto k) NARAE_INLINE { store(d, Op::of(total[k], sum[k]), y + k * lanes, k + 1 < vectors ? lanes : last); });
}

template <class T, class Op>
void fold_columns(const T* x, const FoldSteps& s, std::int64_t width, T* y) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t k = 0;
  for (; k + 4 * lanes <= width; k += 4 * lanes) fold_tile<T, Op, 4>(x + k, s, static_cast<std::size_t>(lanes), y + k);
  for (; k < width; k += lanes) {
    fold_tile<T, Op, 1>(x + k, s, static_cast<std::size_t>(std::min(lanes, width - k)), y + k);
  }
}

template <class T, class Op>
Folds<T> folds() {
  return {Op::first, Op::combine, fold_row<T, Op>, fold_columns<T, Op>};
}

template <class T>
Folds<T> folds_of(std::string_view op) {
  if (op == "sum") return folds<T, Sum>();
  if (op == "sum_of_squares") return folds<T, SumOfSquares>();
  if (op == "prod") return folds<T, Prod>();
  return op == "max" ? folds<T, Max>() : folds<T, Min>();
}

Folds<float> table_f32(std::string_view op) {
  return folds_of<float>(op);
}
Folds<double> table_f64(std::string_view op) {
  return folds_of<double>(op);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(table_f32);
HWY_EXPORT(table_f64);

Folds<float> folds_f32(std::string_view op) {
  return HWY_DYNAMIC_DISPATCH(table_f32)(op);
}
Folds<double> folds_f64(std::string_view op) {
  return HWY_DYNAMIC_DISPATCH(table_f64)(op);
}

}  // namespace narae::cpu
#endif
