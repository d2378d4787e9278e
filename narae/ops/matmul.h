#pragma once

#include "narae/graph/tensor.h"

namespace narae {

struct MatmulOptions {
  bool transpose_a = false;  ///< swap the last two axes of a
  bool transpose_b = false;  ///< swap the last two axes of b
};

/// The matrix product of a: (..., m, k) and b: (..., k, n), (..., m, n). The axes in front are broadcast; an argument
/// of one axis is a row (a) or a column (b) whose axis is removed again, as in NumPy. Throws Error when the types or
/// the inner extents differ.
[[nodiscard]] NARAE_API Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

/// x w^T + b for x: (..., inputs), w: (outputs, inputs), b: (outputs) or undefined; (..., outputs).
[[nodiscard]] NARAE_API Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b = {});

}  // namespace narae
