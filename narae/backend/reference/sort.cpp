#include <algorithm>
#include <cstdint>
#include <numeric>

#include "narae/backend/reference/strides.h"
#include "narae/backend/reference/types.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

// Orders the places of each line in scratch memory; equal elements keep their order because places break ties.
Kernel make_sort(const KernelRequest& request) {
  const auto a = attributes_as<SortAttributes>(request.attributes);
  const reference::AxisView view(request.inputs[0].shape, a.axis);
  return reference::for_numbers(request.inputs[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run =
                [view, descending = a.descending != 0](const KernelArguments& at) {
                  const T* x = at.in<T>(0);
                  auto* places = reinterpret_cast<std::int64_t*>(at.scratch);
                  for (std::int64_t o = 0; o < view.outer; ++o) {
                    for (std::int64_t i = 0; i < view.inner; ++i) {
                      std::iota(places, places + view.length, std::int64_t{0});
                      std::sort(places, places + view.length, [&](std::int64_t p, std::int64_t q) {
                        const T u = x[view.offset(o, p, i)];
                        const T v = x[view.offset(o, q, i)];
                        if (u != u || v != v) return u != u && v != v ? p < q : v != v;
                        if (u == v) return p < q;
                        return descending ? u > v : u < v;
                      });
                      for (std::int64_t l = 0; l < view.length; ++l) {
                        at.out<T>(0)[view.offset(o, l, i)] = x[view.offset(o, places[l], i)];
                        at.out<std::int64_t>(1)[view.offset(o, l, i)] = places[l];
                      }
                    }
                  }
                },
            .scratch_bytes = static_cast<std::size_t>(view.length) * sizeof(std::int64_t)};
  });
}

const DefineKernel sort(reference_backend(), "sort", make_sort);

}  // namespace
}  // namespace narae
