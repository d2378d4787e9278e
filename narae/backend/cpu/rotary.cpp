// Rotary position embedding: each row of a head is read and written once.
#include <cstdint>

#include "narae/core/threads.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

template <class T, bool halves>
void turn(const T* x, const T* cosines, const T* sines, std::int64_t pairs, T* y) {
  const std::int64_t other = halves ? pairs : 1;
  for (std::int64_t k = 0; k < pairs; ++k) {
    const std::int64_t i = halves ? k : 2 * k;
    const T first = x[i];
    const T second = x[i + other];
    y[i] = first * cosines[k] - second * sines[k];
    y[i + other] = first * sines[k] + second * cosines[k];
  }
}

// (x, cosines, sines) -> pairs of numbers turned; halves (0) or neighbours (1).
template <class T, bool halves>
Kernel rotation(const KernelRequest& request) {
  const Shape x = request.inputs[0].shape;
  const bool shared = request.inputs[1].shape[0] == 1;
  Kernel kernel{.run = {}, .flops = 3 * static_cast<double>(x.count())};
  kernel.run = [x, shared](const KernelArguments& at) {
    const std::int64_t pairs = x[3] / 2;
    parallel_for(x[0] * x[1], 1 + 16384 / (x[2] * x[3]), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t time = begin; time < end; ++time) {
        const std::int64_t angles = (shared ? time % x[1] : time) * pairs;
        for (std::int64_t h = 0; h < x[2]; ++h) {
          const std::int64_t row = (time * x[2] + h) * x[3];
          turn<T, halves>(at.in<T>(0) + row, at.in<T>(1) + angles, at.in<T>(2) + angles, pairs, at.out<T>(0) + row);
        }
      }
    });
  };
  return kernel;
}

Kernel make_rotate_pairs(const KernelRequest& request) {
  if (request.results[0].shape.count() == 0) return {};
  const bool halves = request.attributes[0] == 0;
  switch (request.results[0].dtype) {
    case DType::f32:
      return halves ? rotation<float, true>(request) : rotation<float, false>(request);
    case DType::f64:
      return halves ? rotation<double, true>(request) : rotation<double, false>(request);
    default:
      return {};
  }
}

const DefineKernel rotate_pairs(cpu_backend(), "rotate_pairs", make_rotate_pairs);

}  // namespace
}  // namespace narae::cpu
