#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <type_traits>

#include "narae/backend/reference/floating.h"
#include "narae/backend/reference/types.h"
#include "narae/core/half.h"

namespace narae {
namespace {

using reference::for_floating;
using reference::for_numbers;
using reference::Wrapping;

// y[i] = f(x[i]), in the type of x.
template <class T, auto f>
Kernel map(const KernelRequest& request) {
  return {.run =
              [count = request.results[0].shape.count()](const KernelArguments& at) {
                const T* x = at.in<T>(0);
                T* y = at.out<T>(0);
                for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(x[i]));
              },
          .in_place = {0}};
}

template <auto f>
Kernel floating_unary(const KernelRequest& request) {
  return for_floating(request.inputs[0].dtype, [&](auto zero) { return map<decltype(zero), f>(request); });
}

template <auto f>
Kernel number_unary(const KernelRequest& request) {
  return for_numbers(request.inputs[0].dtype, [&](auto zero) { return map<decltype(zero), f>(request); });
}

// y[i] = f(a[i], b[i]); Y is the type of the result.
template <class T, class Y, auto f>
Kernel map2(const KernelRequest& request) {
  return {.run =
              [count = request.results[0].shape.count()](const KernelArguments& at) {
                const T* a = at.in<T>(0);
                const T* b = at.in<T>(1);
                Y* y = at.out<Y>(0);
                for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<Y>(f(a[i], b[i]));
              },
          .in_place = {0, 1}};
}

template <auto f>
Kernel floating_binary(const KernelRequest& request) {
  return for_floating(request.inputs[0].dtype,
                      [&](auto zero) { return map2<decltype(zero), decltype(zero), f>(request); });
}

template <auto f>
Kernel number_binary(const KernelRequest& request) {
  return for_numbers(request.inputs[0].dtype,
                     [&](auto zero) { return map2<decltype(zero), decltype(zero), f>(request); });
}

template <auto f>
Kernel boolean_binary(const KernelRequest& request) {
  return map2<bool, bool, f>(request);
}

template <auto f>
Kernel comparison(const KernelRequest& request) {
  if (request.inputs[0].dtype == DType::boolean) return map2<bool, bool, f>(request);
  return for_numbers(request.inputs[0].dtype, [&](auto zero) { return map2<decltype(zero), bool, f>(request); });
}

template <class T>
T negated(T x) {
  return static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x));
}

struct Neg {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>)
      return negated(x);
    else
      return -x;
  }
};

struct Abs {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>)
      return x < 0 ? negated(x) : x;
    else
      return std::abs(x);
  }
};

struct Sign {
  template <class T>
  T operator()(T x) const {
    if (x != x) return x;
    return static_cast<T>((x > 0 ? 1 : 0) - (x < 0 ? 1 : 0));
  }
};

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};

struct Sub {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  }
};

struct Mul {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};

struct Square {
  template <class T>
  T operator()(T x) const {
    return Mul()(x, x);
  }
};

struct Div {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return negated(a);  // the smallest number has no opposite
      }
    }
    return static_cast<T>(a / b);
  }
};

template <bool larger>
struct Extremum {
  template <class T>
  T operator()(T a, T b) const {
    if (a != a) return a;
    if (b != b) return b;
    return (larger ? a > b : a < b) ? a : b;
  }
};

struct Relu {
  template <class T>
  T operator()(T x) const {
    return x <= 0 ? T{0} : x;  // NaN stays
  }
};

struct Sigmoid {
  template <class T>
  T operator()(T x) const {
    return 1 / (1 + std::exp(-x));
  }
};

struct Softplus {
  template <class T>
  T operator()(T x) const {
    return (x <= 0 ? T{0} : x) + std::log1p(std::exp(-std::abs(x)));
  }
};

// x Phi(x), and its derivative Phi(x) + x phi(x), with the normal distribution's function and density.
struct Gelu {
  template <class T>
  T operator()(T x) const {
    return x * T(0.5) * (1 + std::erf(x * T(1 / std::numbers::sqrt2)));
  }
};
struct GeluSlope {
  template <class T>
  T operator()(T x) const {
    const T density = T(std::numbers::inv_sqrtpi / std::numbers::sqrt2) * std::exp(T(-0.5) * x * x);
    return T(0.5) * (1 + std::erf(x * T(1 / std::numbers::sqrt2))) + (density == 0 ? density : x * density);
  }
};

// 0.5 x (1 + tanh u) with u = sqrt(2 / pi) (x + 0.044715 x^3), and its derivative.
struct GeluTanh {
  static constexpr double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  template <class T>
  static T tanh_of(T x) {
    return std::tanh(T(scale) * (x + T(0.044715) * x * x * x));
  }
  template <class T>
  T operator()(T x) const {
    return T(0.5) * x * (1 + tanh_of(x));
  }
};
struct GeluTanhSlope {
  template <class T>
  T operator()(T x) const {
    const T t = GeluTanh::tanh_of(x);
    const T rest = 1 - t * t;
    return T(0.5) * (1 + t) +
           (rest == 0 ? rest : T(0.5) * x * rest * T(GeluTanh::scale) * (1 + T(3 * 0.044715) * x * x));
  }
};

struct Silu {
  template <class T>
  T operator()(T x) const {
    return x / (1 + std::exp(-x));
  }
};
struct SiluSlope {
  template <class T>
  T operator()(T x) const {
    const T gate = 1 / (1 + std::exp(-x));
    const T rest = gate * (1 - gate);
    return gate + (rest == 0 ? rest : x * rest);
  }
};

template <class From>
auto widened(From x) {
  if constexpr (std::is_same_v<From, BFloat16> || std::is_same_v<From, Float16>)
    return to_float(x);
  else
    return x;
}

// Towards zero, stopping at the ends of the range; NaN gives 0.
template <class To, class From>
To truncated(From x) {
  if (x != x) return 0;
  const From end = std::ldexp(From{1}, std::numeric_limits<To>::digits);  // one beyond the largest
  if (x >= end) return std::numeric_limits<To>::max();
  if (x < static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
  return static_cast<To>(x);
}

template <class To, class From>
To converted(From from) {
  const auto x = widened(from);
  if constexpr (std::is_same_v<To, bool>)
    return x != 0;
  else if constexpr (std::is_same_v<To, BFloat16>)
    return to_bfloat16(static_cast<float>(x));
  else if constexpr (std::is_same_v<To, Float16>)
    return to_float16(static_cast<float>(x));
  else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<decltype(widened(from))>)
    return truncated<To>(x);
  else
    return static_cast<To>(x);
}

Kernel make_cast(const KernelRequest& request) {
  return visit_dtype(request.inputs[0].dtype, [&](auto from) {
    return visit_dtype(request.results[0].dtype, [&](auto to) -> Kernel {
      using From = decltype(from);
      using To = decltype(to);
      return {.run = [count = request.results[0].shape.count()](const KernelArguments& at) {
        const From* x = at.in<From>(0);
        To* y = at.out<To>(0);
        for (std::int64_t i = 0; i < count; ++i) y[i] = converted<To>(x[i]);
      }};
    });
  });
}

Kernel make_where(const KernelRequest& request) {
  return reference::for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run =
                [count = request.results[0].shape.count()](const KernelArguments& at) {
                  const bool* condition = at.in<bool>(0);
                  for (std::int64_t i = 0; i < count; ++i) at.out<T>(0)[i] = at.in<T>(condition[i] ? 1 : 2)[i];
                },
            .in_place = {0, 1, 2}};
  });
}

Backend& reference() {
  return reference_backend();
}

const DefineKernel kernels[] = {
    {reference(), "neg", number_unary<Neg{}>},
    {reference(), "abs", number_unary<Abs{}>},
    {reference(), "sign", number_unary<Sign{}>},
    {reference(), "square", number_unary<Square{}>},
    {reference(), "exp", floating_unary<[](auto x) { return std::exp(x); }>},
    {reference(), "expm1", floating_unary<[](auto x) { return std::expm1(x); }>},
    {reference(), "log", floating_unary<[](auto x) { return std::log(x); }>},
    {reference(), "log1p", floating_unary<[](auto x) { return std::log1p(x); }>},
    {reference(), "sqrt", floating_unary<[](auto x) { return std::sqrt(x); }>},
    {reference(), "rsqrt", floating_unary<[](auto x) { return 1 / std::sqrt(x); }>},
    {reference(), "reciprocal", floating_unary<[](auto x) { return 1 / x; }>},
    {reference(), "sin", floating_unary<[](auto x) { return std::sin(x); }>},
    {reference(), "cos", floating_unary<[](auto x) { return std::cos(x); }>},
    {reference(), "tanh", floating_unary<[](auto x) { return std::tanh(x); }>},
    {reference(), "erf", floating_unary<[](auto x) { return std::erf(x); }>},
    {reference(), "floor", floating_unary<[](auto x) { return std::floor(x); }>},
    {reference(), "ceil", floating_unary<[](auto x) { return std::ceil(x); }>},
    {reference(), "round", floating_unary<[](auto x) { return std::nearbyint(x); }>},
    {reference(), "relu", floating_unary<Relu{}>},
    {reference(), "sigmoid", floating_unary<Sigmoid{}>},
    {reference(), "softplus", floating_unary<Softplus{}>},
    {reference(), "gelu", floating_unary<Gelu{}>},
    {reference(), "gelu_slope", floating_unary<GeluSlope{}>},
    {reference(), "gelu_tanh", floating_unary<GeluTanh{}>},
    {reference(), "gelu_tanh_slope", floating_unary<GeluTanhSlope{}>},
    {reference(), "silu", floating_unary<Silu{}>},
    {reference(), "silu_slope", floating_unary<SiluSlope{}>},
    {reference(), "logical_not", [](const KernelRequest& r) { return map<bool, [](bool x) { return !x; }>(r); }},
    {reference(), "add", number_binary<Add{}>},
    {reference(), "sub", number_binary<Sub{}>},
    {reference(), "mul", number_binary<Mul{}>},
    {reference(), "div", number_binary<Div{}>},
    {reference(), "maximum", number_binary<Extremum<true>{}>},
    {reference(), "minimum", number_binary<Extremum<false>{}>},
    {reference(), "pow", floating_binary<[](auto a, auto b) { return std::pow(a, b); }>},
    {reference(), "logical_and", boolean_binary<[](bool a, bool b) { return a && b; }>},
    {reference(), "logical_or", boolean_binary<[](bool a, bool b) { return a || b; }>},
    {reference(), "equal", comparison<[](auto a, auto b) { return a == b; }>},
    {reference(), "not_equal", comparison<[](auto a, auto b) { return a != b; }>},
    {reference(), "less", comparison<[](auto a, auto b) { return a < b; }>},
    {reference(), "less_equal", comparison<[](auto a, auto b) { return a <= b; }>},
    {reference(), "greater", comparison<[](auto a, auto b) { return (a > b); }>},
    {reference(), "greater_equal", comparison<[](auto a, auto b) { return (a >= b); }>},
    {reference(), "where", make_where},
    {reference(), "cast", make_cast},
};

}  // namespace
}  // namespace narae
