// Batch normalisation of (batch, channels, ...) and its gradient. A (batch, channels) input is transposed into scratch
// memory first, so that the numbers of a channel are neighbours in either case.
#include <algorithm>
#include <cmath>

#include "narae/backend/cpu/norm_rows.h"
#include "narae/backend/cpu/transpose2d.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

struct Channels {
  std::int64_t batch, channels, plane = 1;

  explicit Channels(const Shape& x) : batch(x[0]), channels(x[1]) {
    for (int i = 2; i < x.rank(); ++i) plane *= x[i];
    if (plane == 1) flat = true;
  }
  bool flat = false;  // (batch, channels)

  [[nodiscard]] std::int64_t count() const { return batch * channels * plane; }
  [[nodiscard]] std::int64_t per_channel() const { return batch * plane; }
  [[nodiscard]] std::int64_t runs() const { return flat ? 1 : batch; }
  [[nodiscard]] std::int64_t run_length() const { return flat ? batch : plane; }
  // Where run n of channel c starts, in a transposed copy when flat.
  [[nodiscard]] std::int64_t run(std::int64_t c, std::int64_t n) const {
    return flat ? c * batch : (n * channels + c) * plane;
  }
  // Calls work(channel) for all of them.
  template <class Work>
  void for_each(const Work& work) const {
    const std::int64_t grain = std::max<std::int64_t>(1, 8192 / per_channel());
    parallel_for(channels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) work(c);
    });
  }
  // x, or its transpose in `memory` when flat.
  template <class T>
  const T* by_channel(const T* x, T* memory) const {
    if (!flat) return x;
    transpose2d(batch, channels, x, channels, memory, batch);
    return memory;
  }
};

// (x, gamma, beta, eps) -> (y, mean, biased variance)
template <class T>
void forward(const Channels& s, const KernelArguments& at) {
  const NormRows<T>& rows = norm_rows<T>();
  T* memory = reinterpret_cast<T*>(at.scratch);
  const T* x = s.by_channel(at.in<T>(0), memory);
  T* y = s.flat ? memory : at.out<T>(0);
  const auto m = static_cast<double>(s.per_channel());
  const double eps = static_cast<double>(*at.in<T>(3));
  s.for_each([&](std::int64_t c) {
    double sum = 0;
    for (std::int64_t n = 0; n < s.runs(); ++n) sum += rows.sum(x + s.run(c, n), s.run_length());
    const double exact = sum / m;
    const auto mean = static_cast<T>(exact);
    double squares = 0;
    for (std::int64_t n = 0; n < s.runs(); ++n) squares += rows.squares(x + s.run(c, n), s.run_length(), mean);
    // The squares are about the rounded mean.
    const double rounding = exact - static_cast<double>(mean);
    const double variance = std::max(0.0, squares / m - rounding * rounding);
    const auto scale = static_cast<T>(static_cast<double>(at.in<T>(1)[c]) / std::sqrt(variance + eps));
    for (std::int64_t n = 0; n < s.runs(); ++n) {
      rows.scale(x + s.run(c, n), s.run_length(), mean, scale, at.in<T>(2)[c], y + s.run(c, n));
    }
    at.out<T>(1)[c] = mean;
    at.out<T>(2)[c] = static_cast<T>(variance);
  });
  if (s.flat) transpose2d(s.channels, s.batch, y, s.batch, at.out<T>(0), s.channels);
}

// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta); with h = (x - mean) / sqrt(variance + eps) and m
// elements a channel, dx = gamma / sqrt(variance + eps) (dy - dbeta / m - h dgamma / m).
template <class T>
void backward(const Channels& s, const KernelArguments& at) {
  const NormRows<T>& rows = norm_rows<T>();
  T* memory = reinterpret_cast<T*>(at.scratch);
  const T* x = s.by_channel(at.in<T>(0), memory);
  const T* dy = s.by_channel(at.in<T>(5), memory + s.count());
  T* dx = s.flat ? memory : at.out<T>(0);
  const auto m = static_cast<double>(s.per_channel());
  const double eps = static_cast<double>(*at.in<T>(4));
  s.for_each([&](std::int64_t c) {
    const T mean = at.in<T>(2)[c];
    const double r = 1 / std::sqrt(static_cast<double>(at.in<T>(3)[c]) + eps);
    double sums[2] = {0, 0};
    for (std::int64_t n = 0; n < s.runs(); ++n) {
      rows.gradient_sums(x + s.run(c, n), dy + s.run(c, n), s.run_length(), mean, sums);
    }
    const double scale = static_cast<double>(at.in<T>(1)[c]) * r;
    const auto of_x = static_cast<T>(-scale * r * r * sums[1] / m);
    const auto rest = static_cast<T>(-scale * sums[0] / m);
    for (std::int64_t n = 0; n < s.runs(); ++n) {
      rows.gradient(x + s.run(c, n), dy + s.run(c, n), s.run_length(), mean, static_cast<T>(scale), of_x, rest,
                    dx + s.run(c, n));
    }
    at.out<T>(1)[c] = static_cast<T>(sums[1] * r);
    at.out<T>(2)[c] = static_cast<T>(sums[0]);
  });
  if (s.flat) transpose2d(s.channels, s.batch, dx, s.batch, at.out<T>(0), s.channels);
}

template <class T, auto run>
Kernel kernel_of(const Channels& s, std::int64_t transposed, double operations) {
  return {.run = [s](const KernelArguments& at) { run(s, at); },
          .scratch_bytes = s.flat ? static_cast<std::size_t>(transposed * s.count()) * sizeof(T) : 0,
          .flops = operations * static_cast<double>(s.count())};
}

Kernel make_batch_norm(const KernelRequest& request) {
  const Channels s(request.inputs[0].shape);
  if (s.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return kernel_of<float, forward<float>>(s, 1, 7);
  if (request.results[0].dtype == DType::f64) return kernel_of<double, forward<double>>(s, 1, 7);
  return {};
}

Kernel make_batch_norm_gradient(const KernelRequest& request) {
  const Channels s(request.inputs[0].shape);
  if (s.count() == 0) return {};
  if (request.results[0].dtype == DType::f32) return kernel_of<float, backward<float>>(s, 2, 9);
  if (request.results[0].dtype == DType::f64) return kernel_of<double, backward<double>>(s, 2, 9);
  return {};
}

const DefineKernel batch_norm(cpu_backend(), "batch_norm", make_batch_norm);
const DefineKernel batch_norm_gradient(cpu_backend(), "batch_norm_gradient", make_batch_norm_gradient);

}  // namespace
}  // namespace narae::cpu
