// Softmax and its relatives on lines of numbers, compiled for every instruction set (Highway).
#include "narae/backend/cpu/softmax_lines.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/softmax_lines.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::TFromD<D> sum_lanes_of(D d, hn::Vec<D> v) {
  return fold_lanes(d, v, [](auto a, auto b) { return a + b; });
}

// A line of neighbouring numbers: lanes hold every so many of them and are joined at the end.
template <class T, SoftmaxKind kind>
void dense_line(const SoftmaxLines<T>& at) {
  const hn::ScalableTag<T> d;
  const auto n = static_cast<std::size_t>(at.length);
  const auto a = at.a;
  const auto y = at.result;
  auto sum = hn::Zero(d);
  if constexpr (kind == SoftmaxKind::softmax || kind == SoftmaxKind::log_softmax) {
    const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
    auto highest = lowest;
    for_each_vector(d, a, n, [&](auto x, std::size_t, std::size_t count) NARAE_INLINE {
      highest = larger(highest, keep_first(d, x, lowest, count));
    });
    const T shift = fold_lanes(d, highest, [](T p, T q) { return std::isnan(p) || p > q ? p : q; });
    const auto shifts = hn::Set(d, shift);
    for_each_vector(d, a, n, [&](auto x, std::size_t i, std::size_t count) NARAE_INLINE {
      const auto e = exp_of(d, hn::Sub(x, shifts));
      sum = hn::Add(sum, keep_first(d, e, hn::Zero(d), count));
      if constexpr (kind == SoftmaxKind::softmax) store(d, e, y + i, count);
    });
    const T total = sum_lanes_of(d, sum);
    if constexpr (kind == SoftmaxKind::softmax) {
      const auto scale = hn::Set(d, T{1} / total);
      for_each_vector(d, y, n, [&](auto e, std::size_t i, std::size_t count) NARAE_INLINE {
        store(d, hn::Mul(e, scale), y + i, count);
      });
    } else {
      const auto logarithm = hn::Set(d, std::log(total));
      for_each_vector(d, a, n, [&](auto x, std::size_t i, std::size_t count) NARAE_INLINE {
        store(d, hn::Sub(hn::Sub(x, shifts), logarithm), y + i, count);
      });
    }
  } else {
    for_each_vector(d, at.b, n, [&](auto dy, std::size_t i, std::size_t count) NARAE_INLINE {
      if constexpr (kind == SoftmaxKind::softmax_gradient) {
        const auto value = count == hn::Lanes(d) ? hn::LoadU(d, a + i) : load_first(d, a + i, count);
        sum = hn::MulAdd(value, dy, sum);
      } else {
        sum = hn::Add(sum, dy);
      }
    });
    const auto total = hn::Set(d, sum_lanes_of(d, sum));
    for_each_vector(d, a, n, [&](auto value, std::size_t i, std::size_t count) NARAE_INLINE {
      const auto dy = count == hn::Lanes(d) ? hn::LoadU(d, at.b + i) : load_first(d, at.b + i, count);
      if constexpr (kind == SoftmaxKind::softmax_gradient) {
        store(d, hn::Mul(value, hn::Sub(dy, total)), y + i, count);
      } else {
        store(d, hn::Sub(dy, hn::Mul(exp_of(d, value), total)), y + i, count);
      }
    });
  }
}

// As many lines side by side as a vector has lanes.
template <class T, SoftmaxKind kind>
HWY_INLINE void strided_lines(const SoftmaxLines<T>& at, std::int64_t first, std::size_t count) {
  const hn::ScalableTag<T> d;
  const auto load = [&](const T* p, std::int64_t l) NARAE_INLINE {
    p += l * at.stride + first;
    return count == hn::Lanes(d) ? hn::LoadU(d, p) : load_first(d, p, count);
  };
  const auto put = [&](auto v, std::int64_t l) NARAE_INLINE { store(d, v, at.result + l * at.stride + first, count); };
  auto sum = hn::Zero(d);
  if constexpr (kind == SoftmaxKind::softmax || kind == SoftmaxKind::log_softmax) {
    auto highest = load(at.a, 0);
    for (std::int64_t l = 1; l < at.length; ++l) highest = larger(highest, load(at.a, l));
    for (std::int64_t l = 0; l < at.length; ++l) {
      const auto e = exp_of(d, hn::Sub(load(at.a, l), highest));
      sum = hn::Add(sum, e);
      if constexpr (kind == SoftmaxKind::softmax) put(e, l);
    }
    if constexpr (kind == SoftmaxKind::softmax) {
      const auto scale = hn::Div(hn::Set(d, T{1}), sum);
      for (std::int64_t l = 0; l < at.length; ++l) put(hn::Mul(load(at.result, l), scale), l);
    } else {
      const auto logarithm = log_of(d, sum);
      for (std::int64_t l = 0; l < at.length; ++l) put(hn::Sub(hn::Sub(load(at.a, l), highest), logarithm), l);
    }
  } else {
    for (std::int64_t l = 0; l < at.length; ++l) {
      if constexpr (kind == SoftmaxKind::softmax_gradient)
        sum = hn::MulAdd(load(at.a, l), load(at.b, l), sum);
      else
        sum = hn::Add(sum, load(at.b, l));
    }
    for (std::int64_t l = 0; l < at.length; ++l) {
      const auto value = load(at.a, l);
      const auto dy = load(at.b, l);
      if constexpr (kind == SoftmaxKind::softmax_gradient)
        put(hn::Mul(value, hn::Sub(dy, sum)), l);
      else
        put(hn::Sub(dy, hn::Mul(exp_of(d, value), sum)), l);
    }
  }
}

template <class T, SoftmaxKind kind>
void lines(const SoftmaxLines<T>& at) {
  if (at.stride == 1) return dense_line<T, kind>(at);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  for (std::int64_t i = 0; i < at.width; i += lanes) {
    strided_lines<T, kind>(at, i, static_cast<std::size_t>(std::min(lanes, at.width - i)));
  }
}

template <class T>
auto function(SoftmaxKind kind) {
  switch (kind) {
    case SoftmaxKind::softmax:
      return lines<T, SoftmaxKind::softmax>;
    case SoftmaxKind::log_softmax:
      return lines<T, SoftmaxKind::log_softmax>;
    case SoftmaxKind::softmax_gradient:
      return lines<T, SoftmaxKind::softmax_gradient>;
    default:
      return lines<T, SoftmaxKind::log_softmax_gradient>;
  }
}

SoftmaxFunctionF32 function_f32(SoftmaxKind kind) {
  return function<float>(kind);
}
SoftmaxFunctionF64 function_f64(SoftmaxKind kind) {
  return function<double>(kind);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(function_f32);
HWY_EXPORT(function_f64);

SoftmaxFunctionF32 softmax_f32(SoftmaxKind kind) {
  return HWY_DYNAMIC_DISPATCH(function_f32)(kind);
}
SoftmaxFunctionF64 softmax_f64(SoftmaxKind kind) {
  return HWY_DYNAMIC_DISPATCH(function_f64)(kind);
}

}  // namespace narae::cpu
#endif
