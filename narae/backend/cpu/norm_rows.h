#pragma once

#include <cstdint>

namespace narae::cpu {

/// What normalisations do with n neighbouring numbers. Sums are of vectors of T over 4096 numbers, then of doubles.
template <class T>
struct NormRows {
  double (*sum)(const T* x, std::int64_t n);
  /// sum((x - mean)^2)
  double (*squares)(const T* x, std::int64_t n, T mean);
  /// sums[0] += sum(dy), sums[1] += sum(dy (x - mean))
  void (*gradient_sums)(const T* x, const T* dy, std::int64_t n, T mean, double* sums);
  /// y = (x - mean) scale + shift
  void (*scale)(const T* x, std::int64_t n, T mean, T scale, T shift, T* y);
  /// dx = dy a + (x - mean) b + c
  void (*gradient)(const T* x, const T* dy, std::int64_t n, T mean, T a, T b, T c, T* dx);

  /// y = (x - mean) rstd gamma + beta
  void (*layer)(const T* x, std::int64_t n, T mean, T rstd, const T* gamma, const T* beta, T* y);
  /// With g = gamma dy and h = (x - mean) rstd: dx = rstd (g - mean(g) - h mean(g h)); dgamma += dy h, dbeta += dy.
  void (*layer_gradient)(const T* x, const T* dy, std::int64_t n, T mean, T rstd, const T* gamma, T* dx, T* dgamma,
                         T* dbeta);

  /// y = x rstd gamma
  void (*rms)(const T* x, std::int64_t n, T rstd, const T* gamma, T* y);
  /// With g = gamma dy and h = x rstd: dx = rstd (g - h mean(g h)); dgamma += dy h.
  void (*rms_gradient)(const T* x, const T* dy, std::int64_t n, T rstd, const T* gamma, T* dx, T* dgamma);
};
template <class T>
[[nodiscard]] const NormRows<T>& norm_rows();
template <>
[[nodiscard]] const NormRows<float>& norm_rows<float>();
template <>
[[nodiscard]] const NormRows<double>& norm_rows<double>();

}  // namespace narae::cpu
