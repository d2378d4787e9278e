// cross_entropy of rows of logits and its gradient; the probabilities are never stored in the forward pass.
#include "narae/backend/cpu/cross_entropy_rows.h"

#include <algorithm>
#include <limits>

#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

struct Rows {
  std::int64_t count, classes, ignored;

  explicit Rows(const KernelRequest& request)
      : count(request.inputs[0].shape[0]),
        classes(request.inputs[0].shape[1]),
        ignored(attributes_as<CrossEntropyAttributes>(request.attributes).ignore_index) {}

  // Calls work(row, number of the row), skip(number, is_ignored) for rows whose target is no class.
  template <class T, class Work, class Skip>
  void run(const KernelArguments& at, const Work& work, const Skip& skip) const {
    const std::int64_t* target = at.in<std::int64_t>(1);
    const T* weights = at.in<T>(2);
    const T smoothing = *at.in<T>(3);
    double weight_sum = 0;
    if (smoothing != T{0})
      for (std::int64_t c = 0; c < classes; ++c) weight_sum += static_cast<double>(weights[c]);
    const std::int64_t grain = std::max<std::int64_t>(1, 4096 / classes);
    parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (target[i] == ignored || target[i] < 0 || target[i] >= classes) {
          skip(i, target[i] == ignored);
          continue;
        }
        work(CrossEntropyRow<T>{.logits = at.in<T>(0) + i * classes,
                                .classes = classes,
                                .target = target[i],
                                .weights = weights,
                                .smoothing = smoothing,
                                .weight_sum = static_cast<T>(weight_sum)},
             i);
      }
    });
  }
};

template <class T>
T skipped(bool ignored) {
  return ignored ? T{0} : std::numeric_limits<T>::quiet_NaN();
}

// (logits, target, weights, smoothing) -> loss of each row
template <class T>
Kernel loss(const Rows& rows) {
  return {.run =
              [rows](const KernelArguments& at) {
                T* losses = at.out<T>(0);
                rows.run<T>(
                    at, [&](const CrossEntropyRow<T>& row, std::int64_t i) { losses[i] = cross_entropy_of(row); },
                    [&](std::int64_t i, bool ignored) { losses[i] = skipped<T>(ignored); });
              },
          .flops = 12.0 * static_cast<double>(rows.count * rows.classes)};
}

// (logits, target, weights, smoothing, dloss) -> dlogits
template <class T>
Kernel gradient(const Rows& rows) {
  return {.run =
              [rows](const KernelArguments& at) {
                T* result = at.out<T>(0);
                rows.run<T>(
                    at,
                    [&](const CrossEntropyRow<T>& row, std::int64_t i) {
                      cross_entropy_gradient_of(row, at.in<T>(4)[i], result + i * rows.classes);
                    },
                    [&](std::int64_t i, bool ignored) {
                      std::fill_n(result + i * rows.classes, rows.classes, skipped<T>(ignored));
                    });
              },
          .flops = 14.0 * static_cast<double>(rows.count * rows.classes),
          .in_place = {0}};
}

Kernel make_cross_entropy(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return loss<float>(Rows(request));
  if (request.results[0].dtype == DType::f64) return loss<double>(Rows(request));
  return {};
}

Kernel make_cross_entropy_gradient(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return gradient<float>(Rows(request));
  if (request.results[0].dtype == DType::f64) return gradient<double>(Rows(request));
  return {};
}

const DefineKernel cross_entropy(cpu_backend(), "cross_entropy", make_cross_entropy);
const DefineKernel cross_entropy_gradient(cpu_backend(), "cross_entropy_gradient", make_cross_entropy_gradient);

}  // namespace
}  // namespace narae::cpu
