// Rows of a cross entropy, compiled for every instruction set (Highway).
#include "narae/backend/cpu/cross_entropy_rows.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/cross_entropy_rows.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

template <class T>
HWY_INLINE T highest_of(const CrossEntropyRow<T>& row) {
  const hn::ScalableTag<T> d;
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto highest = lowest;
  for_each_vector(d, row.logits, static_cast<std::size_t>(row.classes),
                  [&](auto x, std::size_t, std::size_t count)
                      NARAE_INLINE { highest = larger(highest, keep_first(d, x, lowest, count)); });
  return fold_lanes(d, highest, [](T a, T b) { return std::isnan(a) || a > b ? a : b; });
}

template <class T>
HWY_INLINE T sum_of(hn::Vec<hn::ScalableTag<T>> v) {
  return fold_lanes(hn::ScalableTag<T>(), v, [](T a, T b) { return a + b; });
}

template <class T>
T loss_of(const CrossEntropyRow<T>& row) {
  const hn::ScalableTag<T> d;
  const T highest = highest_of(row);
  const auto shift = hn::Set(d, highest);
  auto exponentials = hn::Zero(d);
  auto weighted = hn::Zero(d);  // sum of w_c (x_c - highest)
  for_each_vector(d, row.logits, static_cast<std::size_t>(row.classes),
                  [&](auto x, std::size_t i, std::size_t count) NARAE_INLINE {
                    const auto z = hn::Sub(x, shift);
                    exponentials = hn::Add(exponentials, keep_first(d, exp_below(d, z), hn::Zero(d), count));
                    if (row.smoothing == T{0}) return;
                    const auto w = load_first(d, row.weights + i, count);
                    const auto product = hn::IfThenZeroElse(hn::Eq(w, hn::Zero(d)), hn::Mul(w, z));
                    weighted = hn::Add(weighted, keep_first(d, product, hn::Zero(d), count));
                  });
  const T logarithm = std::log(sum_of<T>(exponentials));
  const T own = row.weights[row.target] * (T{1} - row.smoothing);
  T loss = own == T{0} ? T{0} : own * (logarithm - (row.logits[row.target] - highest));
  if (row.smoothing != T{0}) {
    const T share = row.smoothing / static_cast<T>(row.classes);
    loss += share * (row.weight_sum * logarithm - sum_of<T>(weighted));
  }
  return loss;
}

template <class T>
void gradient_of(const CrossEntropyRow<T>& row, T dloss, T* gradient) {
  const hn::ScalableTag<T> d;
  const auto n = static_cast<std::size_t>(row.classes);
  const auto shift = hn::Set(d, highest_of(row));
  auto exponentials = hn::Zero(d);
  for_each_vector(d, row.logits, n, [&](auto x, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto e = exp_below(d, hn::Sub(x, shift));
    exponentials = hn::Add(exponentials, keep_first(d, e, hn::Zero(d), count));
    store(d, e, gradient + i, count);
  });
  const T own = row.weights[row.target] * (T{1} - row.smoothing);
  const T share = row.smoothing / static_cast<T>(row.classes);
  const T total = row.smoothing == T{0} ? own : own + share * row.weight_sum;
  const auto scale = hn::Set(d, dloss * (total / sum_of<T>(exponentials)));
  const auto shares = hn::Set(d, dloss * share);
  for_each_vector(d, gradient, n, [&](auto e, std::size_t i, std::size_t count) NARAE_INLINE {
    auto g = hn::Mul(e, scale);
    if (row.smoothing != T{0}) g = hn::NegMulAdd(shares, load_first(d, row.weights + i, count), g);
    store(d, g, gradient + i, count);
  });
  gradient[row.target] -= dloss * own;
}

float loss_f32(const CrossEntropyRow<float>& row) {
  return loss_of(row);
}
double loss_f64(const CrossEntropyRow<double>& row) {
  return loss_of(row);
}
void gradient_f32(const CrossEntropyRow<float>& row, float dloss, float* gradient) {
  gradient_of(row, dloss, gradient);
}
void gradient_f64(const CrossEntropyRow<double>& row, double dloss, double* gradient) {
  gradient_of(row, dloss, gradient);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(loss_f32);
HWY_EXPORT(loss_f64);
HWY_EXPORT(gradient_f32);
HWY_EXPORT(gradient_f64);

float cross_entropy_of(const CrossEntropyRow<float>& row) {
  return HWY_DYNAMIC_DISPATCH(loss_f32)(row);
}
double cross_entropy_of(const CrossEntropyRow<double>& row) {
  return HWY_DYNAMIC_DISPATCH(loss_f64)(row);
}
void cross_entropy_gradient_of(const CrossEntropyRow<float>& row, float dloss, float* gradient) {
  HWY_DYNAMIC_DISPATCH(gradient_f32)(row, dloss, gradient);
}
void cross_entropy_gradient_of(const CrossEntropyRow<double>& row, double dloss, double* gradient) {
  HWY_DYNAMIC_DISPATCH(gradient_f64)(row, dloss, gradient);
}

}  // namespace narae::cpu
#endif
