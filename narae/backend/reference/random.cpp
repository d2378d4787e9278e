#include "narae/core/random.h"

#include <cmath>
#include <cstdint>
#include <numbers>

#include "narae/backend/reference/floating.h"

namespace narae {
namespace {

// Element i comes from word i mod 4 of philox(seed, counter, i / 4).
template <class T, auto element>
Kernel fill(const KernelRequest& request) {
  return {.run = [count = request.results[0].shape.count()](const KernelArguments& at) {
    const auto seed = static_cast<std::uint64_t>(*at.in<std::int64_t>(0));
    const auto counter = static_cast<std::uint64_t>(*at.in<std::int64_t>(1));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto words = philox(seed, counter, static_cast<std::uint64_t>(i) >> 2);
      at.out<T>(0)[i] = element(words, static_cast<std::size_t>(i & 3), T{});
    }
  }};
}

struct Uniform {
  template <class Words, class T>
  T operator()(const Words& words, std::size_t k, T) const {
    return uniform_from(words[k]);
  }
};

// Box and Muller: two words give two numbers, sqrt(-2 log u) times cos and sin of 2 pi v.
struct Normal {
  template <class Words, class T>
  T operator()(const Words& words, std::size_t k, T) const {
    const T u = 1 - uniform_from(words[k & 2U]);
    const T angle = 2 * std::numbers::pi_v<T> * static_cast<T>(uniform_from(words[(k & 2U) + 1]));
    return std::sqrt(-2 * std::log(u)) * ((k & 1U) == 0 ? std::cos(angle) : std::sin(angle));
  }
};

template <auto element>
Kernel make(const KernelRequest& request) {
  return reference::for_floating(request.results[0].dtype,
                                 [&](auto zero) { return fill<decltype(zero), element>(request); });
}

const DefineKernel random_uniform(reference_backend(), "random_uniform", make<Uniform{}>);
const DefineKernel random_normal(reference_backend(), "random_normal", make<Normal{}>);

}  // namespace
}  // namespace narae
