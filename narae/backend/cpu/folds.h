#pragma once

#include <cstdint>
#include <string_view>

namespace narae::cpu {

/// Where the numbers that make one result lie: at i outer_step + j inner_step for i < outer, j < inner.
struct FoldSteps {
  std::int64_t outer = 1, outer_step = 0;
  std::int64_t inner = 1, inner_step = 0;
};

/// How a reduction folds numbers together. A row is folded in T over 4096 numbers at a time, and these are combined in
/// double; columns are folded in T alone, 64 numbers at a time.
template <class T>
struct Folds {
  double first;                               ///< of nothing
  double (*combine)(double a, double b);      ///< of two partial results
  double (*row)(const T* x, std::int64_t n);  ///< n > 0 neighbouring numbers
  /// y[k] = fold of x[k + i outer_step + j inner_step] for k < width.
  void (*columns)(const T* x, const FoldSteps& steps, std::int64_t width, T* y);
};
/// Of "sum", "sum_of_squares", "prod", "max" or "min".
[[nodiscard]] Folds<float> folds_f32(std::string_view op);
[[nodiscard]] Folds<double> folds_f64(std::string_view op);

}  // namespace narae::cpu
