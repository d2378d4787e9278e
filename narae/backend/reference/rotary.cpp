#include <cstdint>

#include "narae/backend/reference/floating.h"

namespace narae {
namespace {

// (x, cosines, sines) -> pairs of numbers turned; halves (0) or neighbours (1).
Kernel make_rotate_pairs(const KernelRequest& request) {
  const Shape x = request.inputs[0].shape;
  const std::int64_t pairs = x[3] / 2;
  const bool shared = request.inputs[1].shape[0] == 1;
  const std::int64_t step = request.attributes[0] == 0 ? 1 : 2;       // from one pair to the next
  const std::int64_t other = request.attributes[0] == 0 ? pairs : 1;  // to the second number of a pair
  return reference::for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t row = 0; row < x[0] * x[1] * x[2]; ++row) {
        const std::int64_t time = row / x[2];
        const std::int64_t angles = (shared ? time % x[1] : time) * pairs;
        for (std::int64_t k = 0; k < pairs; ++k) {
          const std::int64_t i = row * x[3] + k * step;
          const T first = at.in<T>(0)[i];
          const T second = at.in<T>(0)[i + other];
          const T c = at.in<T>(1)[angles + k];
          const T s = at.in<T>(2)[angles + k];
          at.out<T>(0)[i] = first * c - second * s;
          at.out<T>(0)[i + other] = first * s + second * c;
        }
      }
    }};
  });
}

const DefineKernel rotate_pairs(reference_backend(), "rotate_pairs", make_rotate_pairs);

}  // namespace
}  // namespace narae
