#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// (batch, channels, ...) and windows of `size` channels, `before` of them in front of the middle.
struct Windows {
  std::int64_t batch, channels, plane = 1, size, before;

  explicit Windows(const KernelRequest& request)
      : batch(request.inputs[0].shape[0]),
        channels(request.inputs[0].shape[1]),
        size(attributes_as<LocalResponseNormAttributes>(request.attributes).size),
        before(size / 2) {
    const Shape& x = request.inputs[0].shape;
    for (int i = 2; i < x.rank(); ++i) plane *= x[i];
  }
  // visit(position of the middle, position of a neighbour) for all pairs.
  template <class Visit>
  void for_each_pair(const Visit& visit) const {
    for (std::int64_t n = 0; n < batch; ++n)
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t i = std::max<std::int64_t>(c - before, 0); i < std::min(c - before + size, channels); ++i)
          for (std::int64_t p = 0; p < plane; ++p)
            visit((n * channels + c) * plane + p, (n * channels + i) * plane + p);
  }
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(batch * channels * plane); }
};

// k + alpha / size * the sum of squares of each window.
template <class T>
std::vector<double> bases(const Windows& w, const KernelArguments& at) {
  const T* x = at.in<T>(0);
  const double factor = static_cast<double>(*at.in<T>(1)) / static_cast<double>(w.size);
  std::vector<double> result(w.count(), *at.in<T>(3));
  w.for_each_pair([&](std::int64_t c, std::int64_t i) { result[static_cast<std::size_t>(c)] += factor * x[i] * x[i]; });
  return result;
}

// (x, alpha, beta, k) -> y
Kernel make_forward(const KernelRequest& request) {
  const Windows w(request);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [w](const KernelArguments& at) {
      const std::vector<double> base = bases<T>(w, at);
      for (std::size_t i = 0; i < base.size(); ++i) {
        at.out<T>(0)[i] = static_cast<T>(at.in<T>(0)[i] * std::pow(base[i], -static_cast<double>(*at.in<T>(2))));
      }
    }};
  });
}

// (x, alpha, beta, k, dy) -> dx, see ops/local_response_norm.cpp.
Kernel make_gradient(const KernelRequest& request) {
  const Windows w(request);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [w](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      const T* dy = at.in<T>(4);
      const double beta = *at.in<T>(2);
      const double factor = 2 * *at.in<T>(1) * beta / static_cast<double>(w.size);
      const std::vector<double> base = bases<T>(w, at);
      std::vector<double> dx(w.count());
      for (std::size_t i = 0; i < dx.size(); ++i) dx[i] = dy[i] * std::pow(base[i], -beta);
      w.for_each_pair([&](std::int64_t c, std::int64_t i) {
        const auto middle = static_cast<std::size_t>(c);
        dx[static_cast<std::size_t>(i)] -= factor * x[i] * dy[c] * x[c] * std::pow(base[middle], -beta - 1);
      });
      for (std::size_t i = 0; i < dx.size(); ++i) at.out<T>(0)[i] = static_cast<T>(dx[i]);
    }};
  });
}

const DefineKernel forward(reference_backend(), "local_response_norm", make_forward);
const DefineKernel gradient(reference_backend(), "local_response_norm_gradient", make_gradient);

}  // namespace
}  // namespace narae
