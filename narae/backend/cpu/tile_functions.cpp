// Elementwise operators on tiles, compiled for every vector instruction set and chosen at run time (Highway).
// Each operator rounds once, so a loop that runs several gives the same bits as several loops that run one.
#include "narae/backend/cpu/tile_functions.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/tile_functions.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {
template <class T, class F>
void unary(const void* in, void* to, std::size_t n, F f) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const T* a = static_cast<const T*>(in);
  T* out = static_cast<T*>(to);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, a + i)), d, out + i);
  if (i < n) store_first(d, f(d, load_first(d, a + i, n - i)), out + i, n - i);
}

template <class T, class F>
void binary(const void* in_a, const void* in_b, void* to, std::size_t n, F f) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const T* a = static_cast<const T*>(in_a);
  const T* b = static_cast<const T*>(in_b);
  T* out = static_cast<T*>(to);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  if (i == n) return;
  const std::size_t rest = n - i;
  store_first(d, f(d, load_first(d, a + i, rest), load_first(d, b + i, rest)), out + i, rest);
}

// Each operator is a struct with one call on vectors; ONE and ZERO make masks into numbers.
template <class D, class M>
auto number(D d, M mask) {
  return hn::IfThenElseZero(mask, hn::Set(d, 1));
}

// The vector library's functions, mended where the argument is infinite, not a number or at the edge of the domain.
template <class D, class V>
V expm1_of(D d, V x) {
  return exponential_edges(d, x, hn::Expm1(d, x));
}
template <class D, class V>
V log1p_of(D d, V x) {
  return logarithm_edges(d, hn::Add(x, hn::Set(d, 1)), hn::Log1p(d, x));
}

template <class D, class V>
V sigmoid_of(D d, V x) {
  const auto one = hn::Set(d, 1);
  const auto e = exp_below(d, hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// Functions of one vector.
#define NARAE_UNARY(name, expression)                  \
  struct name {                                        \
    template <class D, class V>                        \
    auto operator()([[maybe_unused]] D d, V x) const { \
      return expression;                               \
    }                                                  \
  };
#define NARAE_BINARY(name, expression)                      \
  struct name {                                             \
    template <class D, class V>                             \
    auto operator()([[maybe_unused]] D d, V a, V b) const { \
      return expression;                                    \
    }                                                       \
  };

NARAE_UNARY(Neg, hn::Neg(x))
NARAE_UNARY(Abs, hn::Abs(x))
NARAE_UNARY(Sign, hn::IfThenElse(hn::IsNaN(x), x,
                                 hn::Sub(number(d, hn::Gt(x, hn::Zero(d))), number(d, hn::Lt(x, hn::Zero(d))))))
NARAE_UNARY(Exp, exp_of(d, x))
NARAE_UNARY(Expm1, expm1_of(d, x))
NARAE_UNARY(Log, log_of(d, x))
NARAE_UNARY(Log1p, log1p_of(d, x))
NARAE_UNARY(Sqrt, hn::Sqrt(x))
NARAE_UNARY(Rsqrt, hn::Div(hn::Set(d, 1), hn::Sqrt(x)))
NARAE_UNARY(Reciprocal, hn::Div(hn::Set(d, 1), x))
NARAE_UNARY(Square, hn::Mul(x, x))
NARAE_UNARY(Tanh, tanh_of(d, x))
NARAE_UNARY(Floor, hn::Floor(x))
NARAE_UNARY(Ceil, hn::Ceil(x))
NARAE_UNARY(Round, hn::Round(x))
NARAE_UNARY(Relu, hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x))
NARAE_UNARY(Sigmoid, sigmoid_of(d, x))
NARAE_UNARY(Softplus,
            hn::Add(hn::Log1p(d, hn::Exp(d, hn::Neg(hn::Abs(x)))), hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x)))
NARAE_UNARY(LogicalNot, hn::Sub(hn::Set(d, 1), x))
NARAE_UNARY(Copy, x)
NARAE_UNARY(ToMask, number(d, hn::Not(hn::Eq(x, hn::Zero(d)))))

NARAE_BINARY(Add, hn::Add(a, b))
NARAE_BINARY(Sub, hn::Sub(a, b))
NARAE_BINARY(Mul, hn::Mul(a, b))
NARAE_BINARY(Div, hn::Div(a, b))
// A NaN on either side wins (the instruction alone returns its second operand).
NARAE_BINARY(Maximum, hn::IfThenElse(hn::IsNaN(a), a, hn::Max(a, b)))
NARAE_BINARY(Minimum, hn::IfThenElse(hn::IsNaN(a), a, hn::Min(a, b)))
NARAE_BINARY(Equal, number(d, hn::Eq(a, b)))
NARAE_BINARY(NotEqual, number(d, hn::Not(hn::Eq(a, b))))
NARAE_BINARY(Less, number(d, hn::Lt(a, b)))
NARAE_BINARY(LessEqual, number(d, hn::Le(a, b)))
NARAE_BINARY(Greater, number(d, hn::Gt(a, b)))
NARAE_BINARY(GreaterEqual, number(d, hn::Ge(a, b)))
NARAE_BINARY(LogicalAnd, hn::Mul(a, b))
NARAE_BINARY(LogicalOr, hn::Max(a, b))

#undef NARAE_UNARY
#undef NARAE_BINARY

// erf(x) = x P(x^2) / Q(x^2) on [-4, 4] in float (minimax, 4 units in the last place at most).
template <class D, class V>
V erf_f32(D d, V x) {
  const V t = hn::Min(hn::Max(x, hn::Set(d, -4.0F)), hn::Set(d, 4.0F));
  const V s = hn::Mul(t, t);
  V p = hn::Set(d, -2.72614225801306e-10F);
  for (const float c : {2.77068142495902e-08F, -2.10102402082508e-06F, -5.69250639462346e-05F, -7.34990630326855e-04F,
                        -2.95459980854025e-03F, -1.60960333262415e-02F}) {
    p = hn::MulAdd(p, s, hn::Set(d, c));
  }
  V q = hn::Set(d, -1.45660718464996e-05F);
  for (const float c :
       {-2.13374055278905e-04F, -1.68282697438203e-03F, -7.37332916720468e-03F, -1.42647390514189e-02F}) {
    q = hn::MulAdd(q, s, hn::Set(d, c));
  }
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Div(hn::Mul(t, p), q));
}

struct Erf {
  template <class D, class V>
  auto operator()(D d, V x) const {
    return erf_f32(d, x);
  }
};

// x sigmoid(z(x)) and its derivative sigmoid(z) (1 + x (1 - sigmoid(z)) z'(x)), where z is odd and grows with x. Beyond
// +-20 the derivative is 0 or 1 in either type, and products there could overflow.
template <class D, class V>
V within(D d, V x, hn::TFromD<D> bound) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Min(hn::Max(x, hn::Set(d, -bound)), hn::Set(d, bound)));
}
template <class D, class V>
V gated_slope(D d, V x, V gate, V slope) {
  const V one = hn::Set(d, 1);
  return hn::Mul(gate, hn::MulAdd(hn::Mul(x, hn::Sub(one, gate)), slope, one));
}

struct Silu {
  template <class D, class V>
  auto operator()(D d, V x) const {
    return hn::Mul(x, sigmoid_of(d, x));
  }
};
struct SiluSlope {
  template <class D, class V>
  auto operator()(D d, V x) const {
    const V t = within(d, x, 700);
    return gated_slope(d, t, sigmoid_of(d, t), hn::Set(d, 1));
  }
};

// z = 2 sqrt(2 / pi) (x + 0.044715 x^3): 0.5 (1 + tanh u) = sigmoid(2 u).
constexpr double tanh_gate = 1.5957691216057308;
constexpr double cubic_gate = 0.044715 * tanh_gate;

struct GeluTanh {
  template <class D, class V>
  auto operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V z = hn::Mul(x, hn::MulAdd(hn::Set(d, T(cubic_gate)), hn::Mul(x, x), hn::Set(d, T(tanh_gate))));
    return hn::Mul(x, sigmoid_of(d, z));
  }
};
struct GeluTanhSlope {
  template <class D, class V>
  auto operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V t = within(d, x, 20);
    const V s = hn::Mul(t, t);
    const V one_cubic = hn::Set(d, T(cubic_gate));
    const V linear = hn::Set(d, T(tanh_gate));
    const V gate = sigmoid_of(d, hn::Mul(t, hn::MulAdd(one_cubic, s, linear)));
    return gated_slope(d, t, gate, hn::MulAdd(hn::Set(d, T(3 * cubic_gate)), s, linear));
  }
};

struct Gelu {
  template <class D, class V>
  auto operator()(D d, V x) const {
    const V erf = erf_f32(d, hn::Mul(x, hn::Set(d, 0.70710678F)));
    return hn::Mul(hn::Mul(x, hn::Set(d, 0.5F)), hn::Add(hn::Set(d, 1.0F), erf));
  }
};
struct GeluSlope {
  template <class D, class V>
  auto operator()(D d, V x) const {
    const V t = within(d, x, 20);
    const V erf = erf_f32(d, hn::Mul(t, hn::Set(d, 0.70710678F)));
    const V density = hn::Mul(hn::Set(d, 0.39894228F), exp_of(d, hn::Mul(hn::Set(d, -0.5F), hn::Mul(t, t))));
    return hn::MulAdd(t, density, hn::Mul(hn::Set(d, 0.5F), hn::Add(hn::Set(d, 1.0F), erf)));
  }
};

inline double gelu_f64(double x) {
  return x * 0.5 * (1 + std::erf(x * 0.70710678118654752));
}
inline double gelu_slope_f64(double x) {
  const double density = 0.39894228040143268 * std::exp(-0.5 * x * x);
  return 0.5 * (1 + std::erf(x * 0.70710678118654752)) + (density == 0 ? density : x * density);
}

template <class T, class F>
void unary_tile(const void* a, const void*, const void*, void* out, std::size_t n) {
  unary<T>(a, out, n, F{});
}
template <class T, class F>
void binary_tile(const void* a, const void* b, const void*, void* out, std::size_t n) {
  binary<T>(a, b, out, n, F{});
}

template <class T>
void where_tile(const void* condition, const void* yes, const void* no, void* to, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const T* c = static_cast<const T*>(condition);
  const T* a = static_cast<const T*>(yes);
  const T* b = static_cast<const T*>(no);
  T* out = static_cast<T*>(to);
  const auto zero = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::IfThenElse(hn::Ne(hn::LoadU(d, c + i), zero), hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  }
  for (; i < n; ++i) out[i] = c[i] != T(0) ? a[i] : b[i];
}

// Functions that the vector library lacks go through the C library, one number at a time.
template <class T, T (*F)(T)>
void scalar_tile(const void* a, const void*, const void*, void* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = F(static_cast<const T*>(a)[i]);
}
template <class T>
void pow_tile(const void* a, const void* b, const void*, void* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    static_cast<T*>(out)[i] = std::pow(static_cast<const T*>(a)[i], static_cast<const T*>(b)[i]);
  }
}

// Between bytes and 32-bit numbers; double goes through float-sized integers.
template <class T>
void load_mask(const bool* from, T* to, std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::int32_t, decltype(d)> integers;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  const std::size_t lanes = hn::Lanes(d);
  const auto* p = reinterpret_cast<const std::uint8_t*>(from);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto number = hn::PromoteTo(integers, hn::LoadU(bytes, p + i));
    if constexpr (sizeof(T) == 4)
      hn::StoreU(hn::ConvertTo(d, number), d, to + i);
    else
      hn::StoreU(hn::PromoteTo(d, number), d, to + i);
  }
  for (; i < n; ++i) to[i] = from[i] ? T(1) : T(0);
}

template <class T>
void store_mask(const T* from, bool* to, std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::int32_t, decltype(d)> integers;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  const std::size_t lanes = hn::Lanes(d);
  auto* p = reinterpret_cast<std::uint8_t*>(to);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    if constexpr (sizeof(T) == 4)
      hn::StoreU(hn::DemoteTo(bytes, hn::ConvertTo(integers, hn::LoadU(d, from + i))), bytes, p + i);
    else
      hn::StoreU(hn::DemoteTo(bytes, hn::DemoteTo(integers, hn::LoadU(d, from + i))), bytes, p + i);
  }
  for (; i < n; ++i) to[i] = from[i] != T(0);
}

const MaskFunctions& masks() {
  static constexpr MaskFunctions table = {load_mask<float>, load_mask<double>, store_mask<float>, store_mask<double>};
  return table;
}

template <class F>
constexpr TileEntry one(std::string_view op, int cost) {
  return {op, unary_tile<float, F>, unary_tile<double, F>, cost};
}
template <class F>
constexpr TileEntry two(std::string_view op, int cost) {
  return {op, binary_tile<float, F>, binary_tile<double, F>, cost};
}

std::span<const TileEntry> table() {
  static constexpr TileEntry entries[] = {
      one<Neg>("neg", 1),
      one<Abs>("abs", 1),
      one<Sign>("sign", 2),
      one<Exp>("exp", 10),
      one<Expm1>("expm1", 14),
      one<Log>("log", 12),
      one<Log1p>("log1p", 14),
      one<Sqrt>("sqrt", 4),
      one<Rsqrt>("rsqrt", 6),
      one<Reciprocal>("reciprocal", 3),
      one<Square>("square", 1),
      {"sin", scalar_tile<float, std::sin>, scalar_tile<double, std::sin>, 60},
      {"cos", scalar_tile<float, std::cos>, scalar_tile<double, std::cos>, 60},
      one<Tanh>("tanh", 12),
      one<Sigmoid>("sigmoid", 12),
      {"erf", unary_tile<float, Erf>, scalar_tile<double, std::erf>, 12},
      one<Floor>("floor", 1),
      one<Ceil>("ceil", 1),
      one<Round>("round", 1),
      one<Relu>("relu", 1),
      one<Softplus>("softplus", 26),
      {"gelu", unary_tile<float, Gelu>, scalar_tile<double, gelu_f64>, 14},
      {"gelu_slope", unary_tile<float, GeluSlope>, scalar_tile<double, gelu_slope_f64>, 26},
      one<GeluTanh>("gelu_tanh", 16),
      one<GeluTanhSlope>("gelu_tanh_slope", 20),
      one<Silu>("silu", 13),
      one<SiluSlope>("silu_slope", 16),
      one<LogicalNot>("logical_not", 1),
      two<Add>("add", 1),
      two<Sub>("sub", 1),
      two<Mul>("mul", 1),
      two<Div>("div", 3),
      {"pow", pow_tile<float>, pow_tile<double>, 60},
      two<Maximum>("maximum", 2),
      two<Minimum>("minimum", 2),
      two<Equal>("equal", 1),
      two<NotEqual>("not_equal", 1),
      two<Less>("less", 1),
      two<LessEqual>("less_equal", 1),
      two<Greater>("greater", 1),
      two<GreaterEqual>("greater_equal", 1),
      two<LogicalAnd>("logical_and", 1),
      two<LogicalOr>("logical_or", 1),
      {"where", where_tile<float>, where_tile<double>, 2},
      one<Copy>("cast", 1),  // from a mask or an integer, converted when it was read
      one<ToMask>("cast to bool", 1),
  };
  return entries;
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(masks);
HWY_EXPORT(table);

const MaskFunctions& mask_functions() {
  return HWY_DYNAMIC_DISPATCH(masks)();
}

std::span<const TileEntry> tile_functions() {
  static const std::span<const TileEntry> chosen = HWY_DYNAMIC_DISPATCH(table)();
  return chosen;
}

}  // namespace narae::cpu
#endif
