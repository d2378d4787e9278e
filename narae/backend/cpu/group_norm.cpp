// Group normalisation (instance normalisation among it) and its gradient. A group of channels lies in one piece.
#include <algorithm>
#include <cmath>

#include "narae/backend/cpu/norm_rows.h"
#include "narae/backend/cpu/part_sums.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

struct Groups {
  std::int64_t batch, channels, groups, plane = 1;

  explicit Groups(const KernelRequest& request)
      : batch(request.inputs[0].shape[0]),
        channels(request.inputs[0].shape[1]),
        groups(attributes_as<GroupNormAttributes>(request.attributes).groups) {
    const Shape& x = request.inputs[0].shape;
    for (int i = 2; i < x.rank(); ++i) plane *= x[i];
  }
  [[nodiscard]] std::int64_t group_channels() const { return channels / groups; }
  [[nodiscard]] std::int64_t length() const { return group_channels() * plane; }
  [[nodiscard]] double numbers() const { return static_cast<double>(batch * channels * plane); }
};

// (x, gamma, beta, eps) -> (y, mean, biased variance)
template <class T>
void forward(const Groups& s, const KernelArguments& at) {
  const NormRows<T>& rows = norm_rows<T>();
  const double eps = static_cast<double>(*at.in<T>(3));
  const auto m = static_cast<double>(s.length());
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / s.length());
  parallel_for(s.batch * s.groups, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const T* x = at.in<T>(0) + g * s.length();
      T* y = at.out<T>(0) + g * s.length();
      const double exact = rows.sum(x, s.length()) / m;
      const auto mean = static_cast<T>(exact);
      const double rounding = exact - static_cast<double>(mean);  // the squares are about the rounded mean
      const double variance = std::max(0.0, rows.squares(x, s.length(), mean) / m - rounding * rounding);
      const double r = 1 / std::sqrt(variance + eps);
      for (std::int64_t i = 0; i < s.group_channels(); ++i) {
        const std::int64_t c = g % s.groups * s.group_channels() + i;
        const auto scale = static_cast<T>(static_cast<double>(at.in<T>(1)[c]) * r);
        rows.scale(x + i * s.plane, s.plane, mean, scale, at.in<T>(2)[c], y + i * s.plane);
      }
      at.out<T>(1)[g] = mean;
      at.out<T>(2)[g] = static_cast<T>(variance);
    }
  });
}

// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta). With r = 1 / sqrt(variance + eps), h = (x - mean) r,
// g = gamma dy and m elements a group: dx = r (g - sum(g) / m - h sum(g h) / m).
template <class T>
class Gradient {
 public:
  explicit Gradient(const Groups& s) : s_(s), sums_(s.batch, s.channels * s.plane, 2 * s.channels) {}
  [[nodiscard]] std::size_t scratch_bytes() const { return sums_.scratch_bytes(); }

  void run(const KernelArguments& at) const {
    T* memory = reinterpret_cast<T*>(at.scratch);
    sums_.run(memory, [&](std::int64_t n, T* sums) {
      for (std::int64_t g = 0; g < s_.groups; ++g) group(at, n, g, sums);
    });
    for (std::int64_t c = 0; c < s_.channels; ++c) {
      at.out<T>(1)[c] = sums_.total(memory, c);
      at.out<T>(2)[c] = sums_.total(memory, s_.channels + c);
    }
  }

 private:
  void group(const KernelArguments& at, std::int64_t n, std::int64_t g, T* sums) const {
    const NormRows<T>& rows = norm_rows<T>();
    const T mean = at.in<T>(2)[n * s_.groups + g];
    const double eps = static_cast<double>(*at.in<T>(4));
    const double r = 1 / std::sqrt(static_cast<double>(at.in<T>(3)[n * s_.groups + g]) + eps);
    const std::int64_t first = g * s_.group_channels();
    double sum = 0;
    double product = 0;  // of g and x - mean
    for (std::int64_t c = first; c < first + s_.group_channels(); ++c) {
      const std::int64_t start = (n * s_.channels + c) * s_.plane;
      double own[2] = {0, 0};
      rows.gradient_sums(at.in<T>(0) + start, at.in<T>(5) + start, s_.plane, mean, own);
      const auto gamma = static_cast<double>(at.in<T>(1)[c]);
      sum += gamma * own[0];
      product += gamma * own[1];
      sums[c] += static_cast<T>(own[1] * r);
      sums[s_.channels + c] += static_cast<T>(own[0]);
    }
    const auto m = static_cast<double>(s_.length());
    const auto of_x = static_cast<T>(-r * r * r * product / m);
    const auto rest = static_cast<T>(-r * sum / m);
    for (std::int64_t c = first; c < first + s_.group_channels(); ++c) {
      const std::int64_t start = (n * s_.channels + c) * s_.plane;
      const auto of_dy = static_cast<T>(static_cast<double>(at.in<T>(1)[c]) * r);
      rows.gradient(at.in<T>(0) + start, at.in<T>(5) + start, s_.plane, mean, of_dy, of_x, rest, at.out<T>(0) + start);
    }
  }

  Groups s_;
  PartSums<T> sums_;
};

template <class T>
Kernel forward_kernel(const Groups& s) {
  return {.run = [s](const KernelArguments& at) { forward<T>(s, at); }, .flops = 7 * s.numbers()};
}

template <class T>
Kernel gradient_kernel(const Groups& s) {
  const Gradient<T> gradient(s);
  return {.run = [gradient](const KernelArguments& at) { gradient.run(at); },
          .scratch_bytes = gradient.scratch_bytes(),
          .flops = 9 * s.numbers()};
}

Kernel make_group_norm(const KernelRequest& request) {
  if (request.results[0].dtype == DType::f32) return forward_kernel<float>(Groups(request));
  if (request.results[0].dtype == DType::f64) return forward_kernel<double>(Groups(request));
  return {};
}

Kernel make_group_norm_gradient(const KernelRequest& request) {
  if (request.results[0].dtype == DType::f32) return gradient_kernel<float>(Groups(request));
  if (request.results[0].dtype == DType::f64) return gradient_kernel<double>(Groups(request));
  return {};
}

const DefineKernel group_norm(cpu_backend(), "group_norm", make_group_norm);
const DefineKernel group_norm_gradient(cpu_backend(), "group_norm_gradient", make_group_norm_gradient);

}  // namespace
}  // namespace narae::cpu
