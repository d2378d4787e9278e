#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/recurrent_sequences.h"

// What the reference kernels of the recurrent layers share.
namespace narae::reference {

/// y[i] = sum_j w[i][j] x[j] for w: (rows, columns).
template <class T>
std::vector<double> product(const T* w, std::int64_t rows, std::int64_t columns, const T* x) {
  std::vector<double> y(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      y[static_cast<std::size_t>(i)] += static_cast<double>(w[i * columns + j]) * static_cast<double>(x[j]);
  return y;
}

/// y[j] += sum_i w[i][j] x[i] for w: (rows, columns).
template <class T, class X>
void add_transposed_product(const T* w, std::int64_t rows, std::int64_t columns, const X* x, double* y) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      y[j] += static_cast<double>(w[i * columns + j]) * static_cast<double>(x[i]);
}

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

}  // namespace narae::reference
