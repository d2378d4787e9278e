// Helpers for the files that are compiled once for each instruction set (Highway); included after highway.h.
#if defined(NARAE_BACKEND_CPU_VECTORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NARAE_BACKEND_CPU_VECTORS_INL
#undef NARAE_BACKEND_CPU_VECTORS_INL
#else
#define NARAE_BACKEND_CPU_VECTORS_INL
#endif

#include <cstddef>
#include <limits>
#include <utility>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

// For lambdas in inner loops: the compiler leaves some of them as calls, and vectors then travel through memory.
#ifndef NARAE_INLINE
#define NARAE_INLINE __attribute__((always_inline))
#endif

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// f(0), ..., f(N - 1), as constants, so that arrays of vectors become registers.
template <int... I, class F>
HWY_INLINE void unrolled(std::integer_sequence<int, I...>, const F& f) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N>
using Count = std::make_integer_sequence<int, N>;

/// The first n numbers at p, zeros behind them; nothing beyond them is read.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_first(D d, const T* p, std::size_t n) {
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else  // no masked loads
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return hn::Load(d, lanes);
#endif
}

/// Writes the first n lanes of v and nothing else.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_first(D d, hn::Vec<D> v, T* p, std::size_t n) {
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
}

/// Calls f(vector, position, count) for the numbers at p: count is the number of lanes, less for the last vector, whose
/// other lanes are zero.
template <class D, class T = hn::TFromD<D>, class F>
HWY_INLINE void for_each_vector(D d, const T* p, std::size_t n, const F& f) {
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) f(hn::LoadU(d, p + i), i, lanes);
  if (i < n) f(load_first(d, p + i, n - i), i, n - i);
}

/// The first n lanes of v, `other` in the rest.
template <class D>
HWY_INLINE hn::Vec<D> keep_first(D d, hn::Vec<D> v, hn::Vec<D> other, std::size_t n) {
  return n == hn::Lanes(d) ? v : hn::IfThenElse(hn::FirstN(d, n), v, other);
}

/// Stores n lanes of v.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store(D d, hn::Vec<D> v, T* p, std::size_t n) {
  if (n == hn::Lanes(d))
    hn::StoreU(v, d, p);
  else
    store_first(d, v, p, n);
}

/// `y` = exp(x) or exp(x) - 1 from the vector library, mended where that is wrong: above the range and for NaN.
template <class D>
HWY_INLINE hn::Vec<D> exponential_edges(D d, hn::Vec<D> x, hn::Vec<D> y) {
  using T = hn::TFromD<D>;
  const auto largest = hn::Set(d, static_cast<T>(sizeof(T) == 4 ? 88.722839 : 709.782712893384));  // log of the largest
  y = hn::IfThenElse(hn::Gt(x, largest), hn::Set(d, std::numeric_limits<T>::infinity()), y);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

template <class D>
HWY_INLINE hn::Vec<D> exp_of(D d, hn::Vec<D> x) {
  return exponential_edges(d, x, hn::Exp(d, x));
}

/// e^x for x that is not much above 0; exactly 0 far below it, NaN for NaN. x = q ln 2 + r with |r| <= ln 2 / 2 and the
/// series of e^r; errors are a unit or two in the last place.
template <class D>
HWY_INLINE hn::Vec<D> exp_below(D d, hn::Vec<D> x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return exp_of(d, x);
  } else {
    const auto whole = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504F)));
    const auto q = hn::ConvertTo(d, whole);
    // ln 2 in two parts, of which the first times q is exact.
    const auto r = hn::NegMulAdd(q, hn::Set(d, 1.42860677e-6F), hn::NegMulAdd(q, hn::Set(d, 0.693145752F), x));
    const auto pair = [&](float a, float b) NARAE_INLINE { return hn::MulAdd(r, hn::Set(d, b), hn::Set(d, a)); };
    const auto square = hn::Mul(r, r);
    const auto tail = hn::MulAdd(square, pair(1.0F / 720, 1.0F / 5040), pair(1.0F / 24, 1.0F / 120));
    const auto series = hn::MulAdd(square, tail, pair(0.5F, 1.0F / 6));
    const auto of_r = hn::MulAdd(square, series, hn::Add(r, hn::Set(d, 1)));
    const hn::RebindToSigned<D> integers;
    const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(whole, hn::Set(integers, 127))));
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87)), hn::Mul(of_r, power));
  }
}

/// e^z - 1 for |z| <= 87, precise near 0 as well: z = q ln 2 + r with |r| <= ln 2 / 2, the series of e^r, and
/// e^z - 1 = 2^q (e^r - 1) + (2^q - 1).
template <class D>
HWY_INLINE hn::Vec<D> expm1_f32(D d, hn::Vec<D> z) {
  const auto q = hn::Round(hn::Mul(z, hn::Set(d, 1.44269504F)));
  // ln 2 in two parts, of which the first times q is exact.
  const auto r = hn::NegMulAdd(q, hn::Set(d, 1.42860677e-6F), hn::NegMulAdd(q, hn::Set(d, 0.693145752F), z));
  // 1/2 + r/6 + r^2/24 + r^3/120 + r^4/720 + r^5/5040, in pairs: a chain of six would be waited for.
  const auto pair = [&](float a, float b) NARAE_INLINE { return hn::MulAdd(r, hn::Set(d, b), hn::Set(d, a)); };
  const auto square = hn::Mul(r, r);
  const auto tail = hn::MulAdd(square, pair(1.0F / 720, 1.0F / 5040), pair(1.0F / 24, 1.0F / 120));
  const auto series = hn::MulAdd(square, tail, pair(0.5F, 1.0F / 6));
  const auto of_r = hn::MulAdd(square, series, r);
  const hn::RebindToSigned<D> integers;
  const auto exponent = hn::Add(hn::ConvertTo(integers, q), hn::Set(integers, 127));
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(exponent));
  return hn::MulAdd(power, of_r, hn::Sub(power, hn::Set(d, 1)));
}

/// 1 / x, an approximation made good by Newton's steps: x86 gives 12 bits or 14 to begin with, others 8.
template <class D>
HWY_INLINE hn::Vec<D> reciprocal_f32(D d, hn::Vec<D> x) {
  auto y = hn::ApproximateReciprocal(x);
  for (int step = 0; step < (HWY_ARCH_X86 ? 1 : 2); ++step) y = hn::MulAdd(y, hn::NegMulAdd(x, y, hn::Set(d, 1)), y);
  return y;
}

/// In float -y / (y + 2) with y = e^-2|x| - 1 and the sign of x, within 3 units in the last place: odd, at most 1, and
/// 1 at infinity, on every machine; zeros and NaN stay what they are.
template <class D>
HWY_INLINE hn::Vec<D> tanh_of(D d, hn::Vec<D> x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const auto size = hn::Abs(x);
    const auto y = expm1_f32(d, hn::Max(hn::Mul(hn::Set(d, -2), size), hn::Set(d, -40)));
    const auto divisor = hn::Add(y, hn::Set(d, 2));
    const auto inverse = reciprocal_f32(d, divisor);
    const auto quotient = hn::Mul(y, inverse);
    const auto better = hn::MulAdd(hn::NegMulAdd(quotient, divisor, y), inverse, quotient);
    return hn::IfThenElse(hn::Gt(size, hn::Zero(d)), hn::CopySign(better, x), x);
  } else {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
  }
}

/// `y` = log(x) from the vector library, mended where that is wrong: outside (0, inf).
template <class D>
HWY_INLINE hn::Vec<D> logarithm_edges(D d, hn::Vec<D> x, hn::Vec<D> y) {
  using T = hn::TFromD<D>;
  const auto infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  const auto zero = hn::Zero(d);
  y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), y);
  return hn::IfThenElse(hn::Ge(x, zero), y, hn::Set(d, std::numeric_limits<T>::quiet_NaN()));
}

template <class D>
HWY_INLINE hn::Vec<D> log_of(D d, hn::Vec<D> x) {
  return logarithm_edges(d, x, hn::Log(d, x));
}

/// The larger number; a NaN on either side wins (instructions for the maximum differ in that).
template <class V>
HWY_INLINE V larger(V a, V b) {
  return hn::IfThenElse(hn::Or(hn::Le(b, a), hn::IsNaN(a)), a, b);
}
template <class V>
HWY_INLINE V smaller(V a, V b) {
  return hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(a)), a, b);
}

/// One number from all lanes by combine(a, b) of numbers, in the order of the lanes.
template <class D, class F>
HWY_INLINE hn::TFromD<D> fold_lanes(D d, hn::Vec<D> v, const F& combine) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
  hn::Store(v, d, lanes);
  T result = lanes[0];
  for (std::size_t i = 1; i < hn::Lanes(d); ++i) result = combine(result, lanes[i]);
  return result;
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // NARAE_BACKEND_CPU_VECTORS_INL
