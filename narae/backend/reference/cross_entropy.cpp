#include <algorithm>
#include <cmath>
#include <cstdint>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// log(sum(exp(logits))) of one row.
template <class T>
double log_sum(const T* row, std::int64_t classes) {
  double shift = -INFINITY;
  for (std::int64_t c = 0; c < classes; ++c) shift = std::fmax(shift, row[c]);
  double sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(row[c] - shift);
  return shift + std::log(sum);
}

// With w the class weights, e the smoothing and C classes, class c of a row with target y has the share
// q_c = w_c e / C + [c = y] w_y (1 - e); the row's loss is -sum_c q_c log p_c.
template <class T>
double share(const T* weights, double smoothing, std::int64_t classes, std::int64_t c, std::int64_t target) {
  const double w = weights[c];
  return w * smoothing / static_cast<double>(classes) + (c == target ? w * (1 - smoothing) : 0.0);
}

// (logits, target, weights, smoothing) -> loss of each row
Kernel make_cross_entropy(const KernelRequest& request) {
  const std::int64_t rows = request.inputs[0].shape[0];
  const std::int64_t classes = request.inputs[0].shape[1];
  const std::int64_t ignored = attributes_as<CrossEntropyAttributes>(request.attributes).ignore_index;
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [rows, classes, ignored](const KernelArguments& at) {
      const std::int64_t* target = at.in<std::int64_t>(1);
      const T* weights = at.in<T>(2);
      const double smoothing = *at.in<T>(3);
      for (std::int64_t i = 0; i < rows; ++i) {
        const T* row = at.in<T>(0) + i * classes;
        double loss = 0;
        if (target[i] != ignored && (target[i] < 0 || target[i] >= classes)) {
          loss = NAN;
        } else if (target[i] != ignored) {
          const double logarithm = log_sum(row, classes);
          for (std::int64_t c = 0; c < classes; ++c) {
            const double q = share(weights, smoothing, classes, c, target[i]);
            if (q != 0) loss -= q * (row[c] - logarithm);
          }
        }
        at.out<T>(0)[i] = static_cast<T>(loss);
      }
    }};
  });
}

// (logits, target, weights, smoothing, dloss) -> dloss (p_c sum(q) - q_c)
Kernel make_cross_entropy_gradient(const KernelRequest& request) {
  const std::int64_t rows = request.inputs[0].shape[0];
  const std::int64_t classes = request.inputs[0].shape[1];
  const std::int64_t ignored = attributes_as<CrossEntropyAttributes>(request.attributes).ignore_index;
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [rows, classes, ignored](const KernelArguments& at) {
      const std::int64_t* target = at.in<std::int64_t>(1);
      const T* weights = at.in<T>(2);
      const double smoothing = *at.in<T>(3);
      for (std::int64_t i = 0; i < rows; ++i) {
        const T* row = at.in<T>(0) + i * classes;
        T* gradient = at.out<T>(0) + i * classes;
        const bool outside = target[i] < 0 || target[i] >= classes;
        if (target[i] == ignored || outside) {
          std::fill_n(gradient, classes, target[i] == ignored ? T{0} : static_cast<T>(NAN));
          continue;
        }
        const double logarithm = log_sum(row, classes);
        double total = 0;
        for (std::int64_t c = 0; c < classes; ++c) total += share(weights, smoothing, classes, c, target[i]);
        for (std::int64_t c = 0; c < classes; ++c) {
          const double p = std::exp(row[c] - logarithm);
          const double q = share(weights, smoothing, classes, c, target[i]);
          gradient[c] = static_cast<T>(at.in<T>(4)[i] * (p * total - q));
        }
      }
    }};
  });
}

const DefineKernel cross_entropy(reference_backend(), "cross_entropy", make_cross_entropy);
const DefineKernel cross_entropy_gradient(reference_backend(), "cross_entropy_gradient", make_cross_entropy_gradient);

}  // namespace
}  // namespace narae
