#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "narae/core/export.h"
#include "narae/core/shape.h"
#include "narae/graph/tensor.h"

namespace narae {

/// The axes that a reduction goes over: `sum(x)` or `{}` for all of them, `sum(x, 1)`, `sum(x, {0, -1})`.
class NARAE_API Axes {
 public:
  Axes() = default;
  template <std::integral T>
  Axes(T axis) : Axes({static_cast<std::int64_t>(axis)}) {}  // NOLINT(google-explicit-constructor)
  Axes(std::initializer_list<std::int64_t> axes) : Axes(std::span(axes.begin(), axes.size())) {}
  /// An empty list means no axis at all. Throws Error for more axes than a shape can have.
  Axes(std::span<const std::int64_t> axes);  // NOLINT(google-explicit-constructor)

  /// Bit i is set when axis i of a tensor of this rank is reduced. Throws Error naming `what` for an axis that is out
  /// of range or named twice.
  [[nodiscard]] std::int64_t mask(int rank, const char* what) const;

 private:
  bool all_ = true;
  Shape axes_;  // axes, not extents
};

struct ReduceOptions {
  bool keep = false;  ///< keep the reduced axes with extent 1
};

struct VarianceOptions {
  double correction = 1;  ///< divides by n - correction
  bool keep = false;
};

/// Sum of numbers of any type; 0 over nothing. In the type of x.
[[nodiscard]] NARAE_API Tensor sum(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
/// sum(x^2), in one pass over x.
[[nodiscard]] NARAE_API Tensor sum_of_squares(const Tensor& x, const Axes& axes = {},
                                              const ReduceOptions& options = {});
/// Arithmetic mean, floating.
[[nodiscard]] NARAE_API Tensor mean(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
/// Largest element; NaN if there is one. Equal ones share the cotangent. Throws Error over nothing.
[[nodiscard]] NARAE_API Tensor max(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
/// Smallest element; NaN if there is one. Equal ones share the cotangent. Throws Error over nothing.
[[nodiscard]] NARAE_API Tensor min(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
/// Product of numbers of any type; 1 over nothing.
[[nodiscard]] NARAE_API Tensor prod(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
/// sum((x - mean)^2) / max(n - correction, 0), floating.
[[nodiscard]] NARAE_API Tensor variance(const Tensor& x, const Axes& axes = {}, const VarianceOptions& options = {});
/// Square root of the variance; its gradient is 0 where it is 0.
[[nodiscard]] NARAE_API Tensor standard_deviation(const Tensor& x, const Axes& axes = {},
                                                  const VarianceOptions& options = {});
/// sqrt(sum(x^2)), floating; its gradient is 0 where it is 0.
[[nodiscard]] NARAE_API Tensor norm(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});

/// Where the largest element of an axis is (i64): the first one if there are several; the first NaN if there is one.
[[nodiscard]] NARAE_API Tensor argmax(const Tensor& x, std::int64_t axis = -1, const ReduceOptions& options = {});
/// Where the smallest element of an axis is (i64): the first one if there are several; the first NaN if there is one.
[[nodiscard]] NARAE_API Tensor argmin(const Tensor& x, std::int64_t axis = -1, const ReduceOptions& options = {});

/// One boolean: true when every element of every (floating) tensor is finite.
[[nodiscard]] NARAE_API Tensor all_finite(std::span<const Tensor> tensors);

}  // namespace narae
