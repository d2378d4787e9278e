// The inner loops of normalisations, compiled for every instruction set (Highway).
#include "narae/backend/cpu/norm_rows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/norm_rows.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// Numbers that are summed in T before the sum is carried on in double.
constexpr std::int64_t block = 4096;

template <class D>
HWY_INLINE double total(D d, hn::Vec<D> v) {
  return static_cast<double>(fold_lanes(d, v, [](auto a, auto b) { return a + b; }));
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* p, std::size_t count) {
  return count == hn::Lanes(d) ? hn::LoadU(d, p) : load_first(d, p, count);
}

// The sum of term(vector, position, count) over n numbers, of which the lanes behind `count` are left out. Two sums run
// side by side to hide the latency of additions.
template <class T, class Term>
HWY_INLINE double sum_terms(const T* x, std::int64_t n, const Term& term) {
  const hn::ScalableTag<T> d;
  double result = 0;
  for (std::int64_t first = 0; first < n; first += block) {
    const auto size = static_cast<std::size_t>(std::min(block, n - first));
    auto even = hn::Zero(d);
    auto odd = hn::Zero(d);
    for_each_vector(d, x + first, size, [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
      const auto t = keep_first(d, term(v, first + static_cast<std::int64_t>(i), count), hn::Zero(d), count);
      const auto sum = hn::Add(odd, t);
      odd = even;
      even = sum;
    });
    result += total(d, hn::Add(even, odd));
  }
  return result;
}

template <class T>
double sum(const T* x, std::int64_t n) {
  return sum_terms(x, n, [](auto v, std::int64_t, std::size_t) NARAE_INLINE { return v; });
}

template <class T>
double squares(const T* x, std::int64_t n, T mean) {
  const auto center = hn::Set(hn::ScalableTag<T>(), mean);
  return sum_terms(x, n, [&](auto v, std::int64_t, std::size_t) NARAE_INLINE {
    const auto z = hn::Sub(v, center);
    return hn::Mul(z, z);
  });
}

template <class T>
void gradient_sums(const T* x, const T* dy, std::int64_t n, T mean, double* sums) {
  const hn::ScalableTag<T> d;
  const auto center = hn::Set(d, mean);
  for (std::int64_t first = 0; first < n; first += block) {
    auto plain = hn::Zero(d);
    auto product = hn::Zero(d);
    const auto size = static_cast<std::size_t>(std::min(block, n - first));
    for_each_vector(d, dy + first, size, [&](auto g, std::size_t i, std::size_t count) NARAE_INLINE {
      const auto z = hn::Sub(load(d, x + first + i, count), center);
      plain = hn::Add(plain, g);
      product = hn::Add(product, keep_first(d, hn::Mul(g, z), hn::Zero(d), count));
    });
    sums[0] += total(d, plain);
    sums[1] += total(d, product);
  }
}

template <class T>
void scale(const T* x, std::int64_t n, T mean, T scale, T shift, T* y) {
  const hn::ScalableTag<T> d;
  const auto center = hn::Set(d, mean);
  const auto factor = hn::Set(d, scale);
  const auto offset = hn::Set(d, shift);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    store(d, hn::MulAdd(hn::Sub(v, center), factor, offset), y + i, count);
  });
}

template <class T>
void gradient(const T* x, const T* dy, std::int64_t n, T mean, T a, T b, T c, T* dx) {
  const hn::ScalableTag<T> d;
  const auto center = hn::Set(d, mean);
  const auto of_dy = hn::Set(d, a);
  const auto of_x = hn::Set(d, b);
  const auto rest = hn::Set(d, c);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto g = load(d, dy + i, count);
    store(d, hn::MulAdd(g, of_dy, hn::MulAdd(hn::Sub(v, center), of_x, rest)), dx + i, count);
  });
}

template <class T>
void layer(const T* x, std::int64_t n, T mean, T rstd, const T* gamma, const T* beta, T* y) {
  const hn::ScalableTag<T> d;
  const auto center = hn::Set(d, mean);
  const auto factor = hn::Set(d, rstd);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto h = hn::Mul(hn::Sub(v, center), factor);
    store(d, hn::MulAdd(h, load(d, gamma + i, count), load(d, beta + i, count)), y + i, count);
  });
}

template <class T>
void layer_gradient(const T* x, const T* dy, std::int64_t n, T mean, T rstd, const T* gamma, T* dx, T* dgamma,
                    T* dbeta) {
  const hn::ScalableTag<T> d;
  const auto center = hn::Set(d, mean);
  const auto factor = hn::Set(d, rstd);
  auto sum_g = hn::Zero(d);
  auto sum_gh = hn::Zero(d);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto h = hn::Mul(hn::Sub(v, center), factor);
    const auto upstream = load(d, dy + i, count);
    const auto g = hn::Mul(load(d, gamma + i, count), upstream);
    sum_g = hn::Add(sum_g, g);
    sum_gh = hn::Add(sum_gh, keep_first(d, hn::Mul(g, h), hn::Zero(d), count));
    store(d, hn::MulAdd(upstream, h, load(d, dgamma + i, count)), dgamma + i, count);
    store(d, hn::Add(upstream, load(d, dbeta + i, count)), dbeta + i, count);
  });
  const auto mean_g = hn::Set(d, static_cast<T>(total(d, sum_g) / static_cast<double>(n)));
  const auto mean_gh = hn::Set(d, static_cast<T>(total(d, sum_gh) / static_cast<double>(n)));
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto h = hn::Mul(hn::Sub(v, center), factor);
    const auto g = hn::Mul(load(d, gamma + i, count), load(d, dy + i, count));
    store(d, hn::Mul(factor, hn::NegMulAdd(h, mean_gh, hn::Sub(g, mean_g))), dx + i, count);
  });
}

template <class T>
void rms(const T* x, std::int64_t n, T rstd, const T* gamma, T* y) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, rstd);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    store(d, hn::Mul(hn::Mul(v, factor), load(d, gamma + i, count)), y + i, count);
  });
}

template <class T>
void rms_gradient(const T* x, const T* dy, std::int64_t n, T rstd, const T* gamma, T* dx, T* dgamma) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, rstd);
  auto sum_gh = hn::Zero(d);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto h = hn::Mul(v, factor);
    const auto upstream = load(d, dy + i, count);
    sum_gh = hn::MulAdd(hn::Mul(load(d, gamma + i, count), upstream), h, sum_gh);
    store(d, hn::MulAdd(upstream, h, load(d, dgamma + i, count)), dgamma + i, count);
  });
  const auto mean_gh = hn::Set(d, static_cast<T>(total(d, sum_gh) / static_cast<double>(n)));
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto g = hn::Mul(load(d, gamma + i, count), load(d, dy + i, count));
    store(d, hn::Mul(factor, hn::NegMulAdd(hn::Mul(v, factor), mean_gh, g)), dx + i, count);
  });
}

template <class T>
const NormRows<T>& rows() {
  static constexpr NormRows<T> table = {sum<T>,   squares<T>,        gradient_sums<T>, scale<T>,       gradient<T>,
                                        layer<T>, layer_gradient<T>, rms<T>,           rms_gradient<T>};
  return table;
}

const NormRows<float>& rows_f32() {
  return rows<float>();
}
const NormRows<double>& rows_f64() {
  return rows<double>();
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(rows_f32);
HWY_EXPORT(rows_f64);

template <>
const NormRows<float>& norm_rows<float>() {
  return HWY_DYNAMIC_DISPATCH(rows_f32)();
}
template <>
const NormRows<double>& norm_rows<double>() {
  return HWY_DYNAMIC_DISPATCH(rows_f64)();
}

}  // namespace narae::cpu
#endif
