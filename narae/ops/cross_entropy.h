#pragma once

#include "narae/graph/tensor.h"

namespace narae {

/// The cross entropy of each row of logits: (n, classes) with its target: (n) i64. With p = softmax(logits), weights w:
/// (classes), smoothing e: () and C classes a row's loss is -(1 - e) w_y log p_y - e / C sum_c w_c log p_c. Rows whose
/// target is `ignore_index` give 0, any other target outside [0, classes) gives NaN.
[[nodiscard]] NARAE_API Tensor cross_entropy_rows(const Tensor& logits, const Tensor& target, const Tensor& weights,
                                                  const Tensor& smoothing, std::int64_t ignore_index = -100);

}  // namespace narae
