// Gates of recurrent cells, compiled for every instruction set (Highway).
#include "narae/backend/cpu/recurrent_gates.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/recurrent_gates.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// A gate costs as much as its share of the product when there are few units, so float has functions of its own: one
// exponential less one and a reciprocal instead of a division (vectors-inl.h).

template <class D>
HWY_INLINE hn::Vec<D> cut(D d, hn::Vec<D> z, float limit) {
  return hn::Min(hn::Max(z, hn::Set(d, -limit)), hn::Set(d, limit));
}

// 1 / (2 + (e^-x - 1))
template <class D>
HWY_INLINE hn::Vec<D> sigmoid_of(D d, hn::Vec<D> x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const auto y = reciprocal_f32(d, hn::Add(expm1_f32(d, cut(d, hn::Neg(x), 87)), hn::Set(d, 2)));
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  } else {
    const auto one = hn::Set(d, 1);
    return hn::Div(one, hn::Add(one, exp_of(d, hn::Neg(x))));
  }
}

template <class D>
HWY_INLINE hn::Vec<D> relu_of(D d, hn::Vec<D> x) {
  return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x);
}

// x (1 - x), the slope of a sigmoid whose value is x; and 1 - x^2, that of a tanh.
template <class D>
HWY_INLINE hn::Vec<D> sigmoid_slope(D, hn::Vec<D> x) {
  return hn::NegMulAdd(x, x, x);
}
template <class D>
HWY_INLINE hn::Vec<D> tanh_slope(D d, hn::Vec<D> x) {
  return hn::NegMulAdd(x, x, hn::Set(d, 1));
}

// Calls f(lanes) for `count` units, a vector at a time; `lanes` reads and writes that vector of an array.
template <class D, class T>
struct Lanes {
  D d;
  std::int64_t first;
  std::size_t size;

  HWY_INLINE hn::Vec<D> operator()(const T* p) const {
    return size == hn::Lanes(d) ? hn::LoadU(d, p + first) : load_first(d, p + first, size);
  }
  HWY_INLINE hn::Vec<D> or_zero(const T* p) const { return p == nullptr ? hn::Zero(d) : (*this)(p); }
  HWY_INLINE void write(hn::Vec<D> v, T* p) const { store(d, v, p + first, size); }
};

template <class T, class F>
HWY_INLINE void for_units(std::int64_t count, const F& f) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(d, Lanes<decltype(d), T>{d, i, static_cast<std::size_t>(lanes)});
  if (i < count) f(d, Lanes<decltype(d), T>{d, i, static_cast<std::size_t>(count - i)});
}

template <class T>
void rnn_tanh(const RnnStep<T>& s) {
  for_units<T>(s.count,
               [&](auto d, auto at) NARAE_INLINE { at.write(tanh_of(d, hn::Add(at(s.p), at(s.product))), s.h); });
}
template <class T>
void rnn_relu(const RnnStep<T>& s) {
  for_units<T>(s.count,
               [&](auto d, auto at) NARAE_INLINE { at.write(relu_of(d, hn::Add(at(s.p), at(s.product))), s.h); });
}

template <class T>
void rnn_tanh_gradient(const RnnStepGradient<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto dh = hn::Add(hn::Add(at(s.product), at(s.dh)), at.or_zero(s.handed_back));
    at.write(hn::Mul(dh, tanh_slope(d, at(s.h))), s.dp);
  });
}
template <class T>
void rnn_relu_gradient(const RnnStepGradient<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto dh = hn::Add(hn::Add(at(s.product), at(s.dh)), at.or_zero(s.handed_back));
    at.write(hn::IfThenElseZero(hn::Gt(at(s.h), hn::Zero(d)), dh), s.dp);
  });
}

template <class T>
void lstm(const LstmStep<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto z = [&](int gate) NARAE_INLINE {
      return hn::Add(at(s.p + gate * s.pitch), at(s.product + gate * s.product_pitch));
    };
    const auto i = sigmoid_of(d, z(0));
    const auto f = sigmoid_of(d, z(1));
    const auto g = tanh_of(d, z(2));
    const auto o = sigmoid_of(d, z(3));
    const auto c = hn::MulAdd(f, at(s.c_before), hn::Mul(i, g));
    at.write(i, s.gates);
    at.write(f, s.gates + s.pitch);
    at.write(g, s.gates + 2 * s.pitch);
    at.write(o, s.gates + 3 * s.pitch);
    at.write(c, s.c);
    at.write(hn::Mul(o, tanh_of(d, c)), s.h);
  });
}

template <class T>
void lstm_gradient(const LstmStepGradient<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto i = at(s.gates);
    const auto f = at(s.gates + s.pitch);
    const auto g = at(s.gates + 2 * s.pitch);
    const auto o = at(s.gates + 3 * s.pitch);
    const auto tanh_c = tanh_of(d, at(s.c));
    const auto dh = hn::Add(hn::Add(at(s.product), at.or_zero(s.dh)), at.or_zero(s.handed_back));
    const auto outside = hn::Add(at(s.dc), at.or_zero(s.outside));
    const auto dc = hn::MulAdd(hn::Mul(dh, o), tanh_slope(d, tanh_c), outside);
    at.write(hn::Mul(hn::Mul(dc, g), sigmoid_slope(d, i)), s.dp);
    at.write(hn::Mul(hn::Mul(dc, at(s.c_before)), sigmoid_slope(d, f)), s.dp + s.pitch);
    at.write(hn::Mul(hn::Mul(dc, i), tanh_slope(d, g)), s.dp + 2 * s.pitch);
    at.write(hn::Mul(hn::Mul(dh, tanh_c), sigmoid_slope(d, o)), s.dp + 3 * s.pitch);
    at.write(hn::Mul(dc, f), s.dc);
  });
}

template <class T>
void gru(const GruStep<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto r = sigmoid_of(d, hn::Add(at(s.p), at(s.product)));
    const auto z = sigmoid_of(d, hn::Add(at(s.p + s.pitch), at(s.product + s.product_pitch)));
    const auto q = hn::Add(at(s.product + 2 * s.product_pitch), at(s.b_hn));
    const auto n = tanh_of(d, hn::MulAdd(r, q, at(s.p + 2 * s.pitch)));
    at.write(r, s.gates);
    at.write(z, s.gates + s.pitch);
    at.write(n, s.gates + 2 * s.pitch);
    at.write(q, s.gates + 3 * s.pitch);
    at.write(hn::MulAdd(z, at(s.h_before), hn::NegMulAdd(z, n, n)), s.h);
  });
}

template <class T>
void gru_gradient(const GruStepGradient<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto r = at(s.gates);
    const auto z = at(s.gates + s.pitch);
    const auto n = at(s.gates + 2 * s.pitch);
    const auto q = at(s.gates + 3 * s.pitch);
    const auto dh = hn::Add(hn::Add(at(s.product), at(s.dh)), at(s.handed_back));
    const auto of_z = hn::Mul(hn::Mul(dh, hn::Sub(at(s.h_before), n)), sigmoid_slope(d, z));
    const auto of_n = hn::Mul(hn::NegMulAdd(dh, z, dh), tanh_slope(d, n));
    const auto of_r = hn::Mul(hn::Mul(of_n, q), sigmoid_slope(d, r));
    at.write(of_r, s.dp);
    at.write(of_z, s.dp + s.pitch);
    at.write(of_n, s.dp + 2 * s.pitch);
    at.write(of_r, s.dproduct);
    at.write(of_z, s.dproduct + s.pitch);
    at.write(hn::Mul(of_n, r), s.dproduct + 2 * s.pitch);
    at.write(hn::Mul(dh, z), s.handed_back);
  });
}

template <class T>
void gru_reset(const GruResetStep<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto r = sigmoid_of(d, hn::Add(at(s.p), at(s.product)));
    at.write(r, s.gates);
    at.write(sigmoid_of(d, hn::Add(at(s.p + s.pitch), at(s.product + s.product_pitch))), s.gates + s.pitch);
    at.write(hn::Mul(r, at(s.h_before)), s.reset);
  });
}

template <class T>
void gru_candidate(const GruCandidateStep<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto z = at(s.gates + s.pitch);
    const auto n = tanh_of(d, hn::Add(at(s.p + 2 * s.pitch), at(s.product)));
    at.write(n, s.gates + 2 * s.pitch);
    at.write(hn::MulAdd(z, at(s.h_before), hn::NegMulAdd(z, n, n)), s.h);
  });
}

template <class T>
void gru_candidate_gradient(const GruCandidateStepGradient<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto z = at(s.gates + s.pitch);
    const auto n = at(s.gates + 2 * s.pitch);
    const auto dh = hn::Add(hn::Add(at(s.product), at(s.dh)), at(s.handed_back));
    at.write(hn::Mul(hn::Mul(dh, hn::Sub(at(s.h_before), n)), sigmoid_slope(d, z)), s.dp + s.pitch);
    at.write(hn::Mul(hn::NegMulAdd(dh, z, dh), tanh_slope(d, n)), s.dp + 2 * s.pitch);
    at.write(hn::Mul(dh, z), s.handed_back);
  });
}

template <class T>
void gru_reset_gradient(const GruResetStepGradient<T>& s) {
  for_units<T>(s.count, [&](auto d, auto at) NARAE_INLINE {
    const auto r = at(s.gates);
    const auto of_reset = at(s.product);
    at.write(hn::Mul(hn::Mul(of_reset, at(s.h_before)), sigmoid_slope(d, r)), s.dp);
    at.write(hn::MulAdd(of_reset, r, at(s.handed_back)), s.handed_back);
  });
}

template <class T>
void add(std::int64_t count, const T* a, const T* b, const T* c, T* y) {
  for_units<T>(count, [&](auto, auto at) NARAE_INLINE { at.write(hn::Add(hn::Add(at(a), at(b)), at.or_zero(c)), y); });
}

template <class T>
const RecurrentGates<T>& gates() {
  static constexpr RecurrentGates<T> table = {rnn_tanh<T>,
                                              rnn_relu<T>,
                                              rnn_tanh_gradient<T>,
                                              rnn_relu_gradient<T>,
                                              lstm<T>,
                                              lstm_gradient<T>,
                                              gru<T>,
                                              gru_gradient<T>,
                                              gru_reset<T>,
                                              gru_candidate<T>,
                                              gru_candidate_gradient<T>,
                                              gru_reset_gradient<T>,
                                              add<T>};
  return table;
}

const RecurrentGates<float>& gates_f32() {
  return gates<float>();
}
const RecurrentGates<double>& gates_f64() {
  return gates<double>();
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(gates_f32);
HWY_EXPORT(gates_f64);

template <>
const RecurrentGates<float>& recurrent_gates<float>() {
  return HWY_DYNAMIC_DISPATCH(gates_f32)();
}
template <>
const RecurrentGates<double>& recurrent_gates<double>() {
  return HWY_DYNAMIC_DISPATCH(gates_f64)();
}

}  // namespace narae::cpu
#endif
