#include <cmath>
#include <cstdint>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// Each group of channels of each element of the batch lies in one piece.
struct Groups {
  std::int64_t count, channels, groups, plane = 1;

  Groups(const Shape& x, Attributes attributes)
      : count(x[0] * attributes_as<GroupNormAttributes>(attributes).groups),
        channels(x[1]),
        groups(attributes_as<GroupNormAttributes>(attributes).groups) {
    for (int i = 2; i < x.rank(); ++i) plane *= x[i];
  }
  [[nodiscard]] std::int64_t length() const { return channels / groups * plane; }
  // visit(position, channel) for the elements of group g.
  template <class Visit>
  void for_each(std::int64_t g, const Visit& visit) const {
    for (std::int64_t i = 0; i < length(); ++i) {
      visit(g * length() + i, g % groups * (channels / groups) + i / plane);
    }
  }
};

// (x, gamma, beta, eps) -> (y, mean, biased variance)
Kernel make_group_norm(const KernelRequest& request) {
  const Groups groups(request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [groups](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      const double eps = *at.in<T>(3);
      const auto m = static_cast<double>(groups.length());
      for (std::int64_t g = 0; g < groups.count; ++g) {
        double sum = 0;
        groups.for_each(g, [&](std::int64_t i, std::int64_t) { sum += x[i]; });
        const double mean = sum / m;
        double squares = 0;
        groups.for_each(g, [&](std::int64_t i, std::int64_t) { squares += (x[i] - mean) * (x[i] - mean); });
        const double variance = squares / m;
        const double r = 1 / std::sqrt(variance + eps);
        groups.for_each(g, [&](std::int64_t i, std::int64_t c) {
          at.out<T>(0)[i] = static_cast<T>((x[i] - mean) * r * at.in<T>(1)[c] + at.in<T>(2)[c]);
        });
        at.out<T>(1)[g] = static_cast<T>(mean);
        at.out<T>(2)[g] = static_cast<T>(variance);
      }
    }};
  });
}

// (x, gamma, mean, variance, eps, dy) -> (dx, dgamma, dbeta), see ops/group_norm.cpp.
Kernel make_group_norm_gradient(const KernelRequest& request) {
  const Groups groups(request.inputs[0].shape, request.attributes);
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [groups](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      const T* gamma = at.in<T>(1);
      const double eps = *at.in<T>(4);
      const T* dy = at.in<T>(5);
      const auto m = static_cast<double>(groups.length());
      std::vector<double> dgamma(static_cast<std::size_t>(groups.channels));
      std::vector<double> dbeta(dgamma.size());
      for (std::int64_t g = 0; g < groups.count; ++g) {
        const double mean = at.in<T>(2)[g];
        const double r = 1 / std::sqrt(at.in<T>(3)[g] + eps);
        double sum = 0;
        double product = 0;
        groups.for_each(g, [&](std::int64_t i, std::int64_t c) {
          const double h = (x[i] - mean) * r;
          sum += static_cast<double>(dy[i]) * gamma[c];
          product += dy[i] * gamma[c] * h;
          dgamma[static_cast<std::size_t>(c)] += dy[i] * h;
          dbeta[static_cast<std::size_t>(c)] += dy[i];
        });
        groups.for_each(g, [&](std::int64_t i, std::int64_t c) {
          const double h = (x[i] - mean) * r;
          at.out<T>(0)[i] = static_cast<T>(r * (static_cast<double>(dy[i]) * gamma[c] - sum / m - h * product / m));
        });
      }
      for (std::size_t c = 0; c < dgamma.size(); ++c) {
        at.out<T>(1)[c] = static_cast<T>(dgamma[c]);
        at.out<T>(2)[c] = static_cast<T>(dbeta[c]);
      }
    }};
  });
}

const DefineKernel group_norm(reference_backend(), "group_norm", make_group_norm);
const DefineKernel group_norm_gradient(reference_backend(), "group_norm_gradient", make_group_norm_gradient);

}  // namespace
}  // namespace narae
