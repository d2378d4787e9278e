#pragma once

#include <cstdint>

namespace narae::cpu {

/// `batch` products y (m, n) = op(a) (m, k) op(b) (k, n), where op may transpose the last two axes.
struct Product {
  std::int64_t batch, m, n, k;
  bool transpose_a, transpose_b;

  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(batch * m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

}  // namespace narae::cpu
