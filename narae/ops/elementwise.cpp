#include "narae/ops/elementwise.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "narae/core/error.h"
#include "narae/ops/rules.h"
#include "narae/ops/view.h"

namespace narae {
namespace {

using rules::boolean;
using rules::define_unary;
using rules::GradientRule;
using rules::number_like;
using rules::OpName;
using rules::same;
using rules::Types;

template <OpName name, Types types>
const Op& define_binary(GradientRule rule) {
  return define_op({.name = name.text,
                    .kind = OpClass::elementwise,
                    .arity = 2,
                    .infer = same<name, types>,
                    .gradient = rule,
                    .stops_gradient = rule == nullptr});
}

template <OpName name>
const Op& define_comparison() {
  return define_op({.name = name.text,
                    .kind = OpClass::elementwise,
                    .arity = 2,
                    .infer = boolean<name, Types::comparable>,
                    .stops_gradient = true});
}

// A rule of a function of one input: dx = f(x, y, dy).
template <auto f>
void rule_of(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = f(at.inputs[0], at.results[0], at.cotangents[0]);
}

using T = Tensor;

const Op& neg_op =
    define_unary<"neg", Types::signed_numbers>(rule_of<[](const T&, const T&, const T& dy) { return -dy; }>);
const Op& abs_op =
    define_unary<"abs", Types::numbers>(rule_of<[](const T& x, const T&, const T& dy) { return dy * sign(x); }>);
const Op& sign_op = define_unary<"sign", Types::numbers>(nullptr);
const Op& square_op =
    define_unary<"square", Types::numbers>(rule_of<[](const T& x, const T&, const T& dy) { return dy * (2 * x); }>);
const Op& exp_op =
    define_unary<"exp", Types::floating>(rule_of<[](const T&, const T& y, const T& dy) { return dy * y; }>);
const Op& expm1_op =
    define_unary<"expm1", Types::floating>(rule_of<[](const T&, const T& y, const T& dy) { return dy * (y + 1); }>);
const Op& log_op =
    define_unary<"log", Types::floating>(rule_of<[](const T& x, const T&, const T& dy) { return dy / x; }>);
const Op& log1p_op =
    define_unary<"log1p", Types::floating>(rule_of<[](const T& x, const T&, const T& dy) { return dy / (x + 1); }>);
const Op& sqrt_op =
    define_unary<"sqrt", Types::floating>(rule_of<[](const T&, const T& y, const T& dy) { return dy * 0.5 / y; }>);
const Op& rsqrt_op = define_unary<"rsqrt", Types::floating>(
    rule_of<[](const T&, const T& y, const T& dy) { return dy * (-0.5 * y * square(y)); }>);
const Op& reciprocal_op = define_unary<"reciprocal", Types::floating>(
    rule_of<[](const T&, const T& y, const T& dy) { return -dy * square(y); }>);
const Op& sin_op =
    define_unary<"sin", Types::floating>(rule_of<[](const T& x, const T&, const T& dy) { return dy * cos(x); }>);
const Op& cos_op =
    define_unary<"cos", Types::floating>(rule_of<[](const T& x, const T&, const T& dy) { return -dy * sin(x); }>);
const Op& erf_op = define_unary<"erf", Types::floating>(
    rule_of<[](const T& x, const T&, const T& dy) { return dy * (2 * std::numbers::inv_sqrtpi * exp(-square(x))); }>);
const Op& floor_op = define_unary<"floor", Types::floating>(nullptr);
const Op& ceil_op = define_unary<"ceil", Types::floating>(nullptr);
const Op& round_op = define_unary<"round", Types::floating>(nullptr);
const Op& logical_not_op = define_unary<"logical_not", Types::boolean>(nullptr);

void add_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0];
  if (at.needs[1]) out[1] = at.cotangents[0];
}

void sub_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0];
  if (at.needs[1]) out[1] = -at.cotangents[0];
}

void mul_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] * at.inputs[1];
  if (at.needs[1]) out[1] = at.cotangents[0] * at.inputs[0];
}

// db = -dy a / b^2 = -dy y / b
void div_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0] / at.inputs[1];
  if (at.needs[1]) out[1] = -(at.cotangents[0] * at.results[0]) / at.inputs[1];
}

// The winner takes the cotangent; equal elements get half of it each.
template <bool larger>
void extremum_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& dy = at.cotangents[0];
  const Tensor tie = equal(at.inputs[0], at.inputs[1]);
  for (std::size_t k = 0; k < 2; ++k) {
    if (!at.needs[k]) continue;
    const Tensor& mine = at.inputs[k];
    const Tensor& other = at.inputs[1 - k];
    out[k] = where(tie, dy * 0.5, where(larger ? greater(mine, other) : less(mine, other), dy, 0));
  }
}

// da = b a^(b - 1), 0 for b = 0 whatever a is; db = y log a, where 0 stands for log 0 when y is 0.
void pow_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& dy = at.cotangents[0];
  const Tensor& a = at.inputs[0];
  const Tensor& b = at.inputs[1];
  if (at.needs[0]) out[0] = where(equal(b, 0), 0, dy * (b * pow(a, b - 1)));
  if (at.needs[1]) {
    const Tensor vanishes = logical_and(equal(a, 0), greater_equal(b, 0));
    out[1] = where(vanishes, 0, dy * (at.results[0] * log(where(vanishes, 1, a))));
  }
}

const Op& add_op = define_binary<"add", Types::numbers>(add_gradient);
const Op& sub_op = define_binary<"sub", Types::numbers>(sub_gradient);
const Op& mul_op = define_binary<"mul", Types::numbers>(mul_gradient);
const Op& div_op = define_binary<"div", Types::numbers>(div_gradient);
const Op& maximum_op = define_binary<"maximum", Types::numbers>(extremum_gradient<true>);
const Op& minimum_op = define_binary<"minimum", Types::numbers>(extremum_gradient<false>);
const Op& pow_op = define_binary<"pow", Types::floating>(pow_gradient);
const Op& logical_and_op = define_binary<"logical_and", Types::boolean>(nullptr);
const Op& logical_or_op = define_binary<"logical_or", Types::boolean>(nullptr);
const Op& equal_op = define_comparison<"equal">();
const Op& not_equal_op = define_comparison<"not_equal">();
const Op& less_op = define_comparison<"less">();
const Op& less_equal_op = define_comparison<"less_equal">();
const Op& greater_op = define_comparison<"greater">();
const Op& greater_equal_op = define_comparison<"greater_equal">();

Signature infer_where(std::span<const Node* const> inputs, Attributes, int) {
  rules::require_types("where", Types::boolean, *inputs[0], 1);
  rules::require_one_type("where", inputs, 2);
  rules::require_one_shape("where", inputs);
  return {inputs[1]->dtype, inputs[1]->shape};
}

void where_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[1]) out[1] = where(at.inputs[0], at.cotangents[0], 0);
  if (at.needs[2]) out[2] = where(at.inputs[0], 0, at.cotangents[0]);
}

const Op& where_op = define_op(
    {.name = "where", .kind = OpClass::elementwise, .arity = 3, .infer = infer_where, .gradient = where_gradient});

Signature infer_cast(std::span<const Node* const> inputs, Attributes attributes, int) {
  return {static_cast<DType>(attributes[0]), inputs[0]->shape};
}

// Types without a gradient (integers, halves) let nothing through: `needs` is false for them, and a cotangent of one
// can't arise.
void cast_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0] && is_floating(at.cotangents[0].dtype())) out[0] = cast(at.cotangents[0], at.inputs[0].dtype());
}

const Op& cast_op = define_op(
    {.name = "cast", .kind = OpClass::elementwise, .arity = 1, .infer = infer_cast, .gradient = cast_gradient});

// Both operands in the shape that they broadcast to.
Tensor apply_broadcast(const Op& op, const Tensor& a, const Tensor& b) {
  rules::require_defined(op.name, a, 1);
  rules::require_defined(op.name, b, 2);
  if (a.shape() == b.shape()) return apply(op, {a, b});
  const Shape shape = broadcast(a.shape(), b.shape(), op.name.data());
  return apply(op, {broadcast_to(a, shape), broadcast_to(b, shape)});
}

Tensor apply_number(const Op& op, const Tensor& a, double b) {
  return apply(op, {a, number_like(b, a, op.name)});
}
Tensor apply_number(const Op& op, double a, const Tensor& b) {
  return apply(op, {number_like(a, b, op.name), b});
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
  return apply_broadcast(add_op, a, b);
}
Tensor operator+(const Tensor& a, double b) {
  return apply_number(add_op, a, b);
}
Tensor operator+(double a, const Tensor& b) {
  return apply_number(add_op, a, b);
}
Tensor operator-(const Tensor& a, const Tensor& b) {
  return apply_broadcast(sub_op, a, b);
}
Tensor operator-(const Tensor& a, double b) {
  return apply_number(sub_op, a, b);
}
Tensor operator-(double a, const Tensor& b) {
  return apply_number(sub_op, a, b);
}
Tensor operator*(const Tensor& a, const Tensor& b) {
  return apply_broadcast(mul_op, a, b);
}
Tensor operator*(const Tensor& a, double b) {
  return apply_number(mul_op, a, b);
}
Tensor operator*(double a, const Tensor& b) {
  return apply_number(mul_op, a, b);
}
Tensor operator/(const Tensor& a, const Tensor& b) {
  return apply_broadcast(div_op, a, b);
}
Tensor operator/(const Tensor& a, double b) {
  return apply_number(div_op, a, b);
}
Tensor operator/(double a, const Tensor& b) {
  return apply_number(div_op, a, b);
}
Tensor operator-(const Tensor& x) {
  return apply(neg_op, {x});
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return apply_broadcast(maximum_op, a, b);
}
Tensor maximum(const Tensor& a, double b) {
  return apply_number(maximum_op, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return apply_broadcast(minimum_op, a, b);
}
Tensor minimum(const Tensor& a, double b) {
  return apply_number(minimum_op, a, b);
}
Tensor pow(const Tensor& a, const Tensor& b) {
  return apply_broadcast(pow_op, a, b);
}
Tensor pow(const Tensor& a, double b) {
  return apply_number(pow_op, a, b);
}
// Between the bounds and on them the derivative is 1, so a tie must not be shared as minimum and maximum share it.
Tensor clip(const Tensor& x, double low, double high) {
  const Tensor raised = where(less(x, low), number_like(low, x, "clip"), x);
  return where(greater(raised, high), number_like(high, x, "clip"), raised);
}

Tensor abs(const Tensor& x) {
  return apply(abs_op, {x});
}
Tensor sign(const Tensor& x) {
  return apply(sign_op, {x});
}
Tensor square(const Tensor& x) {
  return apply(square_op, {x});
}
Tensor exp(const Tensor& x) {
  return apply(exp_op, {x});
}
Tensor expm1(const Tensor& x) {
  return apply(expm1_op, {x});
}
Tensor log(const Tensor& x) {
  return apply(log_op, {x});
}
Tensor log1p(const Tensor& x) {
  return apply(log1p_op, {x});
}
Tensor sqrt(const Tensor& x) {
  return apply(sqrt_op, {x});
}
Tensor rsqrt(const Tensor& x) {
  return apply(rsqrt_op, {x});
}
Tensor reciprocal(const Tensor& x) {
  return apply(reciprocal_op, {x});
}
Tensor sin(const Tensor& x) {
  return apply(sin_op, {x});
}
Tensor cos(const Tensor& x) {
  return apply(cos_op, {x});
}
Tensor erf(const Tensor& x) {
  return apply(erf_op, {x});
}
Tensor floor(const Tensor& x) {
  return apply(floor_op, {x});
}
Tensor ceil(const Tensor& x) {
  return apply(ceil_op, {x});
}
Tensor round(const Tensor& x) {
  return apply(round_op, {x});
}

Tensor equal(const Tensor& a, const Tensor& b) {
  return apply_broadcast(equal_op, a, b);
}
Tensor equal(const Tensor& a, double b) {
  return apply_number(equal_op, a, b);
}
Tensor not_equal(const Tensor& a, const Tensor& b) {
  return apply_broadcast(not_equal_op, a, b);
}
Tensor not_equal(const Tensor& a, double b) {
  return apply_number(not_equal_op, a, b);
}
Tensor less(const Tensor& a, const Tensor& b) {
  return apply_broadcast(less_op, a, b);
}
Tensor less(const Tensor& a, double b) {
  return apply_number(less_op, a, b);
}
Tensor less_equal(const Tensor& a, const Tensor& b) {
  return apply_broadcast(less_equal_op, a, b);
}
Tensor less_equal(const Tensor& a, double b) {
  return apply_number(less_equal_op, a, b);
}
Tensor greater(const Tensor& a, const Tensor& b) {
  return apply_broadcast(greater_op, a, b);
}
Tensor greater(const Tensor& a, double b) {
  return apply_number(greater_op, a, b);
}
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return apply_broadcast(greater_equal_op, a, b);
}
Tensor greater_equal(const Tensor& a, double b) {
  return apply_number(greater_equal_op, a, b);
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return apply_broadcast(logical_and_op, a, b);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return apply_broadcast(logical_or_op, a, b);
}
Tensor logical_not(const Tensor& x) {
  return apply(logical_not_op, {x});
}

// x - x is NaN for infinities and NaN, 0 otherwise.
Tensor is_finite(const Tensor& x) {
  if (x.defined() && !is_floating(x.dtype()))
    throw Error("is_finite: the tensor is " + std::string(name_of(x.dtype())) + ", not f32 or f64; cast it first");
  return equal(x - x, 0);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  rules::require_defined("where", condition, 1);
  rules::require_defined("where", a, 2);
  rules::require_defined("where", b, 3);
  if (condition.shape() == a.shape() && a.shape() == b.shape()) return apply(where_op, {condition, a, b});
  const Shape shape = broadcast(condition.shape(), broadcast(a.shape(), b.shape(), "where"), "where");
  return apply(where_op, {broadcast_to(condition, shape), broadcast_to(a, shape), broadcast_to(b, shape)});
}
Tensor where(const Tensor& condition, const Tensor& a, double b) {
  return where(condition, a, number_like(b, a, "where"));
}
Tensor where(const Tensor& condition, double a, const Tensor& b) {
  return where(condition, number_like(a, b, "where"), b);
}

Tensor cast(const Tensor& x, DType dtype) {
  rules::require_defined("cast", x, 1);
  return x.dtype() == dtype ? x : apply(cast_op, {x}, {static_cast<std::int64_t>(dtype)});
}

Tensor full(const Shape& shape, double value, DType dtype) {
  return broadcast_to(scalar(value, dtype), shape);
}
Tensor zeros(const Shape& shape, DType dtype) {
  return full(shape, 0, dtype);
}
Tensor ones(const Shape& shape, DType dtype) {
  return full(shape, 1, dtype);
}
Tensor zeros_like(const Tensor& x) {
  rules::require_defined("zeros_like", x, 1);
  return full(x.shape(), 0, x.dtype());
}
Tensor ones_like(const Tensor& x) {
  rules::require_defined("ones_like", x, 1);
  return full(x.shape(), 1, x.dtype());
}

Tensor arange(double start, double stop, double step, DType dtype) {
  const double length = std::ceil((stop - start) / step);
  if (step == 0 || !std::isfinite(length) || length > 0x1p40)
    throw Error("arange: from " + std::to_string(start) + " to " + std::to_string(stop) + " in steps of " +
                std::to_string(step) + " is not a finite sequence that fits in memory");
  const auto count = static_cast<std::int64_t>(std::max(length, 0.0));
  Array values = Array::empty(dtype, {count});
  visit_dtype(dtype, [&](auto zero) {
    using Element = decltype(zero);
    if constexpr (std::is_arithmetic_v<Element> && !std::is_same_v<Element, bool>) {
      const auto to = values.mutable_values<Element>();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<Element>(start + static_cast<double>(i) * step);
    } else {
      throw Error("arange: no sequence of type " + std::string(name_of(dtype)) + "; cast one of f32");
    }
  });
  return values;
}

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype) {
  if (columns < 0) columns = rows;
  Array values = Array::zeros(dtype, {rows, columns});
  visit_dtype(dtype, [&](auto zero) {
    using Element = decltype(zero);
    if constexpr (std::is_arithmetic_v<Element>) {
      const auto to = values.mutable_values<Element>();
      for (std::int64_t i = 0; i < std::min(rows, columns); ++i)
        to[static_cast<std::size_t>(i * columns + i)] = static_cast<Element>(1);
    } else {
      throw Error("eye: no identity of type " + std::string(name_of(dtype)) + "; cast one of f32");
    }
  });
  return values;
}

}  // namespace narae
