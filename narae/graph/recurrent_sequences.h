#pragma once

#include <cstdint>

#include "narae/graph/kernel.h"
#include "narae/graph/recurrent_attributes.h"

// How the kernels of recurrent layers, of every backend, go through time steps and sequences.
namespace narae {

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

}  // namespace narae
