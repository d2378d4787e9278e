#pragma once

#include <cstdint>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

// Elementwise arithmetic. Two tensors are broadcast as in NumPy and must have one dtype: cast one of them otherwise.
// A C++ number takes the dtype of the tensor beside it and is an input at run time: changing it makes no new plan; with
// an integer tensor it must be whole. Wrong shapes and types throw Error.

/// a + b, for numbers of any type.
[[nodiscard]] NARAE_API Tensor operator+(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor operator+(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor operator+(double a, const Tensor& b);
/// a - b, for numbers of any type.
[[nodiscard]] NARAE_API Tensor operator-(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor operator-(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor operator-(double a, const Tensor& b);
/// a b, element by element, for numbers of any type.
[[nodiscard]] NARAE_API Tensor operator*(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor operator*(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor operator*(double a, const Tensor& b);
/// a / b; integers are cut towards zero, and an integer divided by zero gives 0.
[[nodiscard]] NARAE_API Tensor operator/(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor operator/(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor operator/(double a, const Tensor& b);
/// -x, for floating and signed integer tensors.
[[nodiscard]] NARAE_API Tensor operator-(const Tensor& x);

/// The larger of a and b; NaN where either is. Equal elements share the cotangent.
[[nodiscard]] NARAE_API Tensor maximum(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor maximum(const Tensor& a, double b);
/// The smaller of a and b; NaN where either is. Equal elements share the cotangent.
[[nodiscard]] NARAE_API Tensor minimum(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor minimum(const Tensor& a, double b);
/// a to the power b, floating.
[[nodiscard]] NARAE_API Tensor pow(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor pow(const Tensor& a, double b);
/// x cut to [low, high].
[[nodiscard]] NARAE_API Tensor clip(const Tensor& x, double low, double high);

/// |x|, for numbers of any type.
[[nodiscard]] NARAE_API Tensor abs(const Tensor& x);
/// -1, 0 or 1 (NaN for NaN), for numbers of any type; no gradient.
[[nodiscard]] NARAE_API Tensor sign(const Tensor& x);
/// x^2, for numbers of any type.
[[nodiscard]] NARAE_API Tensor square(const Tensor& x);
/// e^x, floating.
[[nodiscard]] NARAE_API Tensor exp(const Tensor& x);
/// e^x - 1, precise near 0, floating.
[[nodiscard]] NARAE_API Tensor expm1(const Tensor& x);
/// Natural logarithm, floating.
[[nodiscard]] NARAE_API Tensor log(const Tensor& x);
/// log(1 + x), precise near 0, floating.
[[nodiscard]] NARAE_API Tensor log1p(const Tensor& x);
[[nodiscard]] NARAE_API Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x), floating.
[[nodiscard]] NARAE_API Tensor rsqrt(const Tensor& x);
/// 1 / x, floating.
[[nodiscard]] NARAE_API Tensor reciprocal(const Tensor& x);
[[nodiscard]] NARAE_API Tensor sin(const Tensor& x);
[[nodiscard]] NARAE_API Tensor cos(const Tensor& x);
/// Error function, floating.
[[nodiscard]] NARAE_API Tensor erf(const Tensor& x);
/// The next whole number downwards, floating; no gradient.
[[nodiscard]] NARAE_API Tensor floor(const Tensor& x);
/// The next whole number upwards, floating; no gradient.
[[nodiscard]] NARAE_API Tensor ceil(const Tensor& x);
/// The nearest whole number, halves to even, floating; no gradient.
[[nodiscard]] NARAE_API Tensor round(const Tensor& x);

// Comparisons give boolean tensors; broadcasting and types as for arithmetic.

[[nodiscard]] NARAE_API Tensor equal(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor equal(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor not_equal(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor not_equal(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor less(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor less(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor less_equal(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor less_equal(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor greater(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor greater(const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor greater_equal(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor greater_equal(const Tensor& a, double b);

/// Of boolean tensors, broadcast.
[[nodiscard]] NARAE_API Tensor logical_and(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor logical_or(const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor logical_not(const Tensor& x);
/// True where x is neither infinite nor NaN, floating.
[[nodiscard]] NARAE_API Tensor is_finite(const Tensor& x);

/// a where `condition` (boolean) holds, b elsewhere; all three are broadcast.
[[nodiscard]] NARAE_API Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
[[nodiscard]] NARAE_API Tensor where(const Tensor& condition, const Tensor& a, double b);
[[nodiscard]] NARAE_API Tensor where(const Tensor& condition, double a, const Tensor& b);

/// x as another type; x itself when it has that type. Floating to integer cuts towards zero, stops at the ends of the
/// range and turns NaN into 0; to boolean is x != 0. Gradients flow between floating types.
[[nodiscard]] NARAE_API Tensor cast(const Tensor& x, DType dtype);

/// A tensor of one number, which is an input at run time.
[[nodiscard]] NARAE_API Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
[[nodiscard]] NARAE_API Tensor zeros(const Shape& shape, DType dtype = DType::f32);
[[nodiscard]] NARAE_API Tensor ones(const Shape& shape, DType dtype = DType::f32);
[[nodiscard]] NARAE_API Tensor zeros_like(const Tensor& x);
[[nodiscard]] NARAE_API Tensor ones_like(const Tensor& x);
/// start, start + step, ... before stop: ceil((stop - start) / step) numbers. Throws Error for step 0.
[[nodiscard]] NARAE_API Tensor arange(double start, double stop, double step = 1, DType dtype = DType::f32);
/// The identity matrix (rows, columns); square when columns is negative.
[[nodiscard]] NARAE_API Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = DType::f32);

}  // namespace narae
