#pragma once

#include <cstdint>
#include <vector>

namespace narae::cpu {

/// c (m, n) = a (m, k) b (k, n) on the calling thread. Operands are read where they lie: element (i, l) of a is
/// a[a_rows[i] + a_columns[l]] and row l of b is the n numbers from b[b_rows[l]] on, so that the windows of a
/// convolution need no copy. Every element of c adds its products in the order of k, whatever the extents: a product
/// may be cut into blocks of rows and columns without changing a bit.
template <class T>
struct Gemm {
  std::int64_t m, n, k;
  const T* a;
  const std::int64_t* a_rows;
  const std::int64_t* a_columns;
  const T* b;
  const std::int64_t* b_rows;
  T* c;
  std::int64_t c_row;              ///< from one row of c to the next
  const T* row_bias = nullptr;     ///< (m), where the sums of each row start
  const T* column_bias = nullptr;  ///< (n), likewise for each column; at most one of the two
  bool accumulate = false;         ///< c += a b; without biases
  const T* ahead = nullptr;        ///< fetched into the second cache meanwhile, a line for each k of each few rows
};
void gemm(const Gemm<float>& g);
void gemm(const Gemm<double>& g);

/// 0, step, 2 step, ...: the offsets of rows or columns at equal distances.
[[nodiscard]] std::vector<std::int64_t> offsets(std::int64_t count, std::int64_t step);

/// Bytes of a vector of this machine.
[[nodiscard]] std::int64_t vector_bytes();

}  // namespace narae::cpu
