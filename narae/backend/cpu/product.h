#pragma once

#include <cstdint>

#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {

/// `batch` products y (m, n) = op(a) (m, k) op(b) (k, n), where op may transpose the last two axes.
struct Product {
  std::int64_t batch, m, n, k;
  bool transpose_a, transpose_b;

  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(batch * m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

/// The product that gives y from an operand of shape a: matrices, or as many as the axes in front of them say.
[[nodiscard]] Product product_of(const Shape& a, const Shape& y, const MatmulAttributes& words);

/// Its kernel, with a bias for each row (input 2) or without; empty where there is none.
[[nodiscard]] Kernel make_product(const Product& p, DType dtype, bool has_bias);

}  // namespace narae::cpu
