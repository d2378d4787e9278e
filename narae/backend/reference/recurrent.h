#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/recurrent_attributes.h"

// What the reference kernels of the recurrent layers share.
namespace narae::reference {

/// Time steps and sequences of a layer, and the order in which it takes the steps.
struct Sequences {
  std::int64_t steps, batch;
  bool reverse;

  /// `of`: (time, batch, ...).
  Sequences(const Shape& of, const RecurrentAttributes& a) : steps(of[0]), batch(of[1]), reverse(a.reverse != 0) {}
  /// The time of the k-th step.
  [[nodiscard]] std::int64_t time(std::int64_t k) const { return reverse ? steps - 1 - k : k; }
  /// The row (time, sequence) of a tensor with rows of `width` numbers.
  [[nodiscard]] std::int64_t row(std::int64_t t, std::int64_t n, std::int64_t width) const {
    return (t * batch + n) * width;
  }
  /// The state that step k of sequence n begins with, given all states and the first ones.
  template <class T>
  [[nodiscard]] const T* before(std::int64_t k, std::int64_t n, const T* states, const T* first,
                                std::int64_t width) const {
    return k == 0 ? first + n * width : states + row(time(k - 1), n, width);
  }
};

/// Whether sequence n is not over at time t; place -1: there are no lengths.
inline bool is_active(const KernelArguments& at, int lengths, std::int64_t t, std::int64_t n) {
  return lengths < 0 || t < at.in<std::int64_t>(lengths)[n];
}

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
