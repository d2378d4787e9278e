// random_uniform, random_normal and dropout, to the bit what the reference computes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <type_traits>

#include "narae/backend/cpu/philox.h"
#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// Element i comes from word i mod 4 of philox(seed, counter, i / 4). Calls use(words, first element, count) for tiles
// of at most `tile` elements; `cost` of one element is relative to one word.
constexpr std::int64_t tile = 1024;

template <class Use>
void for_each_tile(std::int64_t count, std::int64_t seed, std::int64_t counter, std::int64_t cost, const Use& use) {
  parallel_for((count + tile - 1) / tile, std::max<std::int64_t>(1, 16 / cost),
               [&](std::int64_t begin, std::int64_t end) {
                 alignas(64) std::array<std::uint32_t, tile> words;
                 for (std::int64_t first = begin * tile; first < std::min(end * tile, count); first += tile) {
                   const std::int64_t n = std::min(tile, count - first);
                   philox_words(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(counter),
                                static_cast<std::uint64_t>(first) >> 2, (n + 3) / 4, words.data());
                   use(words.data(), first, n);
                 }
               });
}

template <class T>
Kernel uniform_of(std::int64_t count) {
  return {.run = [count](const KernelArguments& at) {
    T* y = at.out<T>(0);
    for_each_tile(count, *at.in<std::int64_t>(0), *at.in<std::int64_t>(1), 1,
                  [&](const std::uint32_t* words, std::int64_t first, std::int64_t n) {
                    if constexpr (std::is_same_v<T, float>) {
                      uniforms(words, n, y + first);
                    } else {
                      for (std::int64_t i = 0; i < n; ++i) y[first + i] = uniform_from(words[i]);
                    }
                  });
  }};
}

// Box and Muller: two words give two numbers, sqrt(-2 log u) times cos and sin of 2 pi v.
template <class T>
Kernel normal_of(std::int64_t count) {
  return {.run = [count](const KernelArguments& at) {
    T* y = at.out<T>(0);
    for_each_tile(count, *at.in<std::int64_t>(0), *at.in<std::int64_t>(1), 16,
                  [&](const std::uint32_t* words, std::int64_t first, std::int64_t n) {
                    for (std::int64_t i = 0; i < n; i += 2) {
                      const T u = 1 - uniform_from(words[i]);
                      const T angle = 2 * std::numbers::pi_v<T> * static_cast<T>(uniform_from(words[i + 1]));
                      const T radius = std::sqrt(-2 * std::log(u));
                      y[first + i] = radius * std::cos(angle);
                      if (i + 1 < n) y[first + i + 1] = radius * std::sin(angle);
                    }
                  });
  }};
}

// (x, p, seed, counter) -> x / (1 - p) where the element's random number is at least p, else 0.
template <class T>
Kernel dropout_of(std::int64_t count) {
  return {.run =
              [count](const KernelArguments& at) {
                const T* x = at.in<T>(0);
                const T p = *at.in<T>(1);
                T* y = at.out<T>(0);
                for_each_tile(count, *at.in<std::int64_t>(2), *at.in<std::int64_t>(3), 1,
                              [&](const std::uint32_t* words, std::int64_t first, std::int64_t n) {
                                if constexpr (std::is_same_v<T, float>) {
                                  drop(words, n, p, x + first, y + first);
                                } else {
                                  for (std::int64_t i = 0; i < n; ++i) {
                                    const T u = uniform_from(words[i]);
                                    y[first + i] = u >= p ? x[first + i] / (1 - p) : T{0};
                                  }
                                }
                              });
              },
          .in_place = {0}};
}

Kernel make_uniform(const KernelRequest& request) {
  const std::int64_t count = request.results[0].shape.count();
  if (request.results[0].dtype == DType::f32) return uniform_of<float>(count);
  if (request.results[0].dtype == DType::f64) return uniform_of<double>(count);
  return {};
}

Kernel make_normal(const KernelRequest& request) {
  const std::int64_t count = request.results[0].shape.count();
  if (request.results[0].dtype == DType::f32) return normal_of<float>(count);
  if (request.results[0].dtype == DType::f64) return normal_of<double>(count);
  return {};
}

Kernel make_dropout(const KernelRequest& request) {
  const std::int64_t count = request.results[0].shape.count();
  if (request.results[0].dtype == DType::f32) return dropout_of<float>(count);
  if (request.results[0].dtype == DType::f64) return dropout_of<double>(count);
  return {};
}

const DefineKernel random_uniform(cpu_backend(), "random_uniform", make_uniform);
const DefineKernel random_normal(cpu_backend(), "random_normal", make_normal);
const DefineKernel dropout(cpu_backend(), "dropout", make_dropout);

}  // namespace
}  // namespace narae::cpu
