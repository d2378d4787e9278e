#pragma once

#include <cstdint>

namespace narae::cpu {

/// c (m, n) = a (m, k) b (k, n) on the calling thread. Element (i, l) of a is at i a_row + l a_column; the rows of b and
/// c are contiguous, b_row and c_row apart. Every element of c adds its products in the order of k, whatever the
/// extents, so a product may be cut into blocks without changing a bit.
template <class T>
struct Gemm {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_column;
  const T* b;
  std::int64_t b_row;
  T* c;
  std::int64_t c_row;
  const T* row_bias = nullptr;     ///< (m), where each sum of a row starts
  const T* column_bias = nullptr;  ///< (n), likewise for columns
  bool accumulate = false;         ///< c += a b
};
void gemm(const Gemm<float>& g);
void gemm(const Gemm<double>& g);

}  // namespace narae::cpu
