#include <algorithm>
#include <cstdint>
#include <limits>

#include "narae/backend/reference/strides.h"
#include "narae/backend/reference/types.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::AxisView;
using reference::for_each_element;
using reference::for_numbers;
using reference::Sum;

// Strides into the result for each axis of x: 0 along the reduced axes.
Shape result_strides(const Shape& shape, const ReduceAttributes& a) {
  Shape strides = contiguous_strides(reduced_shape(shape, {.axes = a.axes, .keep = 1}));
  for (int i = 0; i < shape.rank(); ++i)
    if ((a.axes >> i & 1) != 0) strides.set(i, 0);
  return strides;
}

// Folds each group of elements, carried in Carry<T>, from `first` on by step(carry, x).
template <class T, class Carry, class Step>
Kernel fold(const KernelRequest& request, Carry first, Step step) {
  const Shape shape = request.inputs[0].shape;
  const Shape strides = result_strides(shape, attributes_as<ReduceAttributes>(request.attributes));
  const std::int64_t results = request.results[0].shape.count();
  return {.run =
              [=](const KernelArguments& at) {
                auto* carry = reinterpret_cast<Carry*>(at.scratch);
                std::fill_n(carry, results, first);
                const T* x = at.in<T>(0);
                for_each_element(shape, strides,
                                 [&](std::int64_t i, std::int64_t r) { carry[r] = step(carry[r], x[i]); });
                for (std::int64_t r = 0; r < results; ++r) at.out<T>(0)[r] = static_cast<T>(carry[r]);
              },
          .scratch_bytes = static_cast<std::size_t>(results) * sizeof(Carry)};
}

Kernel make_sum(const KernelRequest& request) {
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return fold<T>(request, Sum<T>{0}, [](Sum<T> sum, T x) { return sum + static_cast<Sum<T>>(x); });
  });
}

Kernel make_sum_of_squares(const KernelRequest& request) {
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return fold<T>(request, Sum<T>{0},
                   [](Sum<T> sum, T x) { return sum + static_cast<Sum<T>>(x) * static_cast<Sum<T>>(x); });
  });
}

Kernel make_prod(const KernelRequest& request) {
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return fold<T>(request, Sum<T>{1}, [](Sum<T> product, T x) { return product * static_cast<Sum<T>>(x); });
  });
}

template <bool larger>
Kernel make_extremum(const KernelRequest& request) {
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using Limits = std::numeric_limits<T>;
    const T least = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    const T most = Limits::has_infinity ? Limits::infinity() : Limits::max();
    return fold<T>(request, larger ? least : most,
                   [](T best, T x) { return x != x || (larger ? x > best : x < best) ? x : best; });
  });
}

template <bool larger>
Kernel make_position(const KernelRequest& request) {
  const AxisView view(request.inputs[0].shape, request.attributes[0]);
  return for_numbers(request.inputs[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [view](const KernelArguments& at) {
      const T* x = at.in<T>(0);
      auto* y = at.out<std::int64_t>(0);
      for (std::int64_t o = 0; o < view.outer; ++o) {
        for (std::int64_t i = 0; i < view.inner; ++i) {
          std::int64_t best = 0;
          for (std::int64_t l = 0; l < view.length; ++l) {
            const T mine = x[view.offset(o, l, i)];
            const T leader = x[view.offset(o, best, i)];
            if (leader != leader) break;
            if (mine != mine || (larger ? mine > leader : mine < leader)) best = l;
          }
          y[o * view.inner + i] = best;
        }
      }
    }};
  });
}

// Sums up to each element (from each element on when reversed).
Kernel make_cumsum(const KernelRequest& request) {
  const auto a = attributes_as<CumsumAttributes>(request.attributes);
  const AxisView view(request.inputs[0].shape, a.axis);
  return for_numbers(request.inputs[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [view, a](const KernelArguments& at) {
      for (std::int64_t o = 0; o < view.outer; ++o) {
        for (std::int64_t i = 0; i < view.inner; ++i) {
          Sum<T> sum{0};
          for (std::int64_t l = 0; l < view.length; ++l) {
            const std::int64_t k = view.offset(o, a.reverse != 0 ? view.length - 1 - l : l, i);
            sum += static_cast<Sum<T>>(at.in<T>(0)[k]);
            at.out<T>(0)[k] = static_cast<T>(sum);
          }
        }
      }
    }};
  });
}

const DefineKernel sum(reference_backend(), "sum", make_sum);
const DefineKernel sum_of_squares(reference_backend(), "sum_of_squares", make_sum_of_squares);
const DefineKernel prod(reference_backend(), "prod", make_prod);
const DefineKernel max(reference_backend(), "max", make_extremum<true>);
const DefineKernel min(reference_backend(), "min", make_extremum<false>);
const DefineKernel argmax(reference_backend(), "argmax", make_position<true>);
const DefineKernel argmin(reference_backend(), "argmin", make_position<false>);
const DefineKernel cumsum(reference_backend(), "cumsum", make_cumsum);

}  // namespace
}  // namespace narae
