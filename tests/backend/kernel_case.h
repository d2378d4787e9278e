#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::testing {

/// A kernel request with its inputs.
struct KernelCase {
  std::string op;
  std::vector<std::int64_t> words;
  std::vector<Array> inputs;
  std::vector<Signature> results;
  double tolerance = 0;        ///< relative to 1 + |expected|; 0: the same bits
  bool same_bits = true;       ///< whatever the number of threads (not promised for oneDNN)
  bool may_be_absent = false;  ///< the reference computes it

  [[nodiscard]] std::string name() const {
    std::string text = op + " {";
    for (const std::int64_t word : words) text += " " + std::to_string(word);
    text += " }";
    for (const Array& input : inputs) text += " " + std::string(name_of(input.dtype)) + to_string(input.shape);
    return text;
  }
};

template <class T>
std::vector<std::int64_t> words(const T& attributes) {
  const Attributes w = words_of(attributes);
  return {w.begin(), w.end()};
}

/// Normal random numbers.
inline Array numbers(DType dtype, const Shape& shape, std::uint64_t seed = 1) {
  Array a = Array::empty(dtype, shape);
  RandomStream random(seed, static_cast<std::uint64_t>(shape.count()));
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      for (T& x : a.mutable_values<T>()) x = static_cast<T>(random.normal());
    } else if constexpr (std::is_integral_v<T>) {
      for (T& x : a.mutable_values<T>()) x = static_cast<T>(random.below(2));
    }
  });
  return a;
}

/// Whole random numbers in [low, high).
inline Array integers(DType dtype, const Shape& shape, std::int64_t low, std::int64_t high) {
  Array a = Array::empty(dtype, shape);
  RandomStream random(7);
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_arithmetic_v<T>) {
      for (T& x : a.mutable_values<T>()) {
        x = static_cast<T>(low + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low))));
      }
    }
  });
  return a;
}

/// A scalar.
inline Array scalar(DType dtype, double value) {
  Array a = Array::empty(dtype, {});
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_arithmetic_v<T>) a.mutable_values<T>()[0] = static_cast<T>(value);
  });
  return a;
}

/// `a` with a few numbers replaced by NaN and infinities.
inline Array poisoned(Array a) {
  visit_dtype(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      auto values = a.mutable_values<T>();
      const std::size_t n = values.size();
      values[n / 3] = std::numeric_limits<T>::quiet_NaN();
      values[n / 2] = std::numeric_limits<T>::infinity();
      values[n - 1] = -std::numeric_limits<T>::infinity();
    }
  });
  return a;
}

inline KernelRequest request_of(const KernelCase& c, const Op& op, std::vector<Signature>& inputs) {
  inputs.clear();
  for (const Array& input : c.inputs) inputs.push_back({input.dtype, input.shape});
  return {.op = &op, .attributes = c.words, .inputs = inputs, .results = c.results};
}

inline Kernel make_kernel(const Backend& backend, const KernelCase& c) {
  std::vector<Signature> inputs;
  Op op;
  op.name = c.op;
  return backend.make(request_of(c, op, inputs));
}

/// Results and scratch memory are filled with 0xff beforehand: NaN for floating numbers.
inline std::vector<Array> run_kernel(const Kernel& kernel, const KernelCase& c) {
  std::vector<Array> results;
  std::vector<const std::byte*> in;
  std::vector<std::byte*> out;
  for (const Array& input : c.inputs) in.push_back(input.buffer.data());
  for (const Signature& s : c.results) {
    results.push_back(Array::empty(s.dtype, s.shape));
    if (results.back().bytes() != 0) std::memset(results.back().buffer.data(), 0xff, results.back().bytes());
    out.push_back(results.back().buffer.data());
  }
  const Buffer scratch = Buffer::allocate(kernel.scratch_bytes);
  if (kernel.scratch_bytes != 0) std::memset(scratch.data(), 0xff, kernel.scratch_bytes);
  kernel.run({in.data(), out.data(), scratch.data()});
  return results;
}

inline bool same_bits(const Array& a, const Array& b) {
  return a.bytes() == 0 || std::memcmp(a.buffer.data(), b.buffer.data(), a.bytes()) == 0;
}

inline void expect_close(const Array& actual, const Array& expected, double tolerance, const std::string& what) {
  visit_dtype(expected.dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      if (tolerance == 0) {
        EXPECT_TRUE(same_bits(actual, expected)) << what;
        return;
      }
      const auto a = actual.values<T>();
      const auto b = expected.values<T>();
      for (std::size_t i = 0; i < a.size(); ++i) {
        const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
        if (both_nan || a[i] == b[i]) continue;
        const double distance = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        if (distance <= tolerance * (1 + std::abs(static_cast<double>(b[i])))) continue;
        ADD_FAILURE() << what << ": element " << i << " is " << a[i] << ", expected " << b[i];
        return;
      }
    } else {
      EXPECT_TRUE(same_bits(actual, expected)) << what;
    }
  });
}

}  // namespace narae::testing
