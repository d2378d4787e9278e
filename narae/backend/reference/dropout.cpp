#include <cstdint>

#include "narae/backend/reference/floating.h"
#include "narae/core/random.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

// (x, p, seed, counter) -> x / (1 - p) where the element's random number is at least p, else 0.
Kernel make_dropout(const KernelRequest& request) {
  const std::int64_t count = request.results[0].shape.count();
  return reference::for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run =
                      [count](const KernelArguments& at) {
                        const T* x = at.in<T>(0);
                        const T p = *at.in<T>(1);
                        const auto seed = static_cast<std::uint64_t>(*at.in<std::int64_t>(2));
                        const auto counter = static_cast<std::uint64_t>(*at.in<std::int64_t>(3));
                        for (std::int64_t i = 0; i < count; ++i) {
                          const auto words = philox(seed, counter, static_cast<std::uint64_t>(i) >> 2);
                          const T u = uniform_from(words[static_cast<std::size_t>(i & 3)]);
                          at.out<T>(0)[i] = u >= p ? x[i] / (1 - p) : T{0};
                        }
                      },
                  .in_place = {0}};
  });
}

const DefineKernel dropout(reference_backend(), "dropout", make_dropout);

}  // namespace
}  // namespace narae
