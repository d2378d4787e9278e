#pragma once

#include <cstdint>

namespace narae::cpu {

/// One row of a cross entropy with w the class weights, e the smoothing and C classes: class c has the share
/// q_c = w_c e / C + [c = target] w_target (1 - e).
template <class T>
struct CrossEntropyRow {
  const T* logits;
  std::int64_t classes;
  std::int64_t target;  ///< in range
  const T* weights;
  T smoothing;
  T weight_sum;  ///< of all classes; unused without smoothing
};

/// -sum_c q_c log p_c
[[nodiscard]] float cross_entropy_of(const CrossEntropyRow<float>& row);
[[nodiscard]] double cross_entropy_of(const CrossEntropyRow<double>& row);
/// gradient[c] = dloss (p_c sum(q) - q_c)
void cross_entropy_gradient_of(const CrossEntropyRow<float>& row, float dloss, float* gradient);
void cross_entropy_gradient_of(const CrossEntropyRow<double>& row, double dloss, double* gradient);

}  // namespace narae::cpu
