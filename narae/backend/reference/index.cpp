#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "narae/backend/reference/strides.h"
#include "narae/backend/reference/types.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::AxisView;
using reference::for_each_element;
using reference::for_indices;
using reference::for_numbers;
using reference::Wrapping;

// What an index that is out of range reads.
template <class T>
T missing() {
  if constexpr (std::is_same_v<T, BFloat16>)
    return {0x7fc0};
  else if constexpr (std::is_same_v<T, Float16>)
    return {0x7e00};
  else if constexpr (std::is_floating_point_v<T>)
    return std::numeric_limits<T>::quiet_NaN();
  else
    return T{};
}

template <class T>
void add_to(T& sum, T x) {
  sum = static_cast<T>(static_cast<Wrapping<T>>(sum) + static_cast<Wrapping<T>>(x));
}

std::int64_t axis_of(const KernelRequest& request) {
  return attributes_as<AxisAttributes>(request.attributes).axis;
}

// Strides of `shape` without the one of `axis`.
Shape strides_across(const Shape& shape, std::int64_t axis) {
  Shape strides = contiguous_strides(shape);
  strides.set(static_cast<int>(axis), 0);
  return strides;
}

Kernel make_take(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, axis_of(request));
  const std::int64_t n = request.inputs[1].shape.count();
  return visit_dtype(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      return {.run = [x, n](const KernelArguments& at) {
        T* y = at.out<T>(0);
        for (std::int64_t o = 0; o < x.outer; ++o) {
          for (std::int64_t k = 0; k < n; ++k) {
            const std::int64_t row = at.in<Index>(1)[k];
            const bool inside = row >= 0 && row < x.length;
            y = inside ? std::copy_n(at.in<T>(0) + x.offset(o, row, 0), x.inner, y)
                       : std::fill_n(y, x.inner, missing<T>());
          }
        }
      }};
    });
  });
}

Kernel make_index_add(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, axis_of(request));
  const std::int64_t n = request.inputs[1].shape.count();
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      return {.run = [x, n](const KernelArguments& at) {
        std::copy_n(at.in<T>(0), x.outer * x.length * x.inner, at.out<T>(0));
        const T* values = at.in<T>(2);
        for (std::int64_t o = 0; o < x.outer; ++o) {
          for (std::int64_t k = 0; k < n; ++k, values += x.inner) {
            const std::int64_t row = at.in<Index>(1)[k];
            if (row < 0 || row >= x.length) continue;
            for (std::int64_t i = 0; i < x.inner; ++i) add_to(at.out<T>(0)[x.offset(o, row, i)], values[i]);
          }
        }
      }};
    });
  });
}

Kernel make_segment_sum(const KernelRequest& request) {
  const std::int64_t n = request.inputs[1].shape.count();
  const Shape& sums = request.results[0].shape;
  const std::int64_t width = n == 0 ? 0 : request.inputs[0].shape.count() / n;
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      return {.run = [n, width, count = sums[0], numbers = sums.count()](const KernelArguments& at) {
        std::fill_n(at.out<T>(0), numbers, T{});
        for (std::int64_t k = 0; k < n; ++k) {
          const std::int64_t row = at.in<Index>(1)[k];
          if (row < 0 || row >= count) continue;
          for (std::int64_t i = 0; i < width; ++i) add_to(at.out<T>(0)[row * width + i], at.in<T>(0)[k * width + i]);
        }
      }};
    });
  });
}

Kernel make_first_occurrence(const KernelRequest& request) {
  const std::int64_t n = request.inputs[0].shape.count();
  return for_indices(request.inputs[0].dtype, [&](auto index) -> Kernel {
    using Index = decltype(index);
    return {.run = [n, count = request.attributes[0]](const KernelArguments& at) {
      const Index* const all = at.in<Index>(0);
      for (std::int64_t k = 0; k < n; ++k) {
        const bool inside = all[k] >= 0 && all[k] < count;
        at.out<Index>(0)[k] = static_cast<Index>(inside ? std::find(all, all + k, all[k]) - all : -1);
      }
    }};
  });
}

Kernel make_gather(const KernelRequest& request) {
  const std::int64_t axis = axis_of(request);
  const Shape& from = request.inputs[0].shape;
  const Shape shape = request.inputs[1].shape;
  const std::int64_t length = from[static_cast<int>(axis)];
  const std::int64_t stride = contiguous_strides(from)[static_cast<int>(axis)];
  const Shape strides = strides_across(from, axis);
  return visit_dtype(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      return {.run = [=](const KernelArguments& at) {
        for_each_element(shape, strides, [&](std::int64_t i, std::int64_t offset) {
          const std::int64_t row = at.in<Index>(1)[i];
          at.out<T>(0)[i] = row >= 0 && row < length ? at.in<T>(0)[offset + row * stride] : missing<T>();
        });
      }};
    });
  });
}

Kernel make_scatter_add(const KernelRequest& request) {
  const std::int64_t axis = axis_of(request);
  const Shape& to = request.inputs[0].shape;
  const Shape shape = request.inputs[1].shape;
  const std::int64_t length = to[static_cast<int>(axis)];
  const std::int64_t stride = contiguous_strides(to)[static_cast<int>(axis)];
  const Shape strides = strides_across(to, axis);
  const std::int64_t count = to.count();
  return for_numbers(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      return {.run = [=](const KernelArguments& at) {
        std::copy_n(at.in<T>(0), count, at.out<T>(0));
        for_each_element(shape, strides, [&](std::int64_t i, std::int64_t offset) {
          const std::int64_t row = at.in<Index>(1)[i];
          if (row >= 0 && row < length) add_to(at.out<T>(0)[offset + row * stride], at.in<T>(2)[i]);
        });
      }};
    });
  });
}

Kernel make_write_rows(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, 1);
  const std::int64_t count = request.inputs[1].shape[1];
  return visit_dtype(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[2].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      return {.run = [x, count](const KernelArguments& at) {
        std::copy_n(at.in<T>(0), x.outer * x.length * x.inner, at.out<T>(0));
        for (std::int64_t n = 0; n < x.outer; ++n) {
          for (std::int64_t k = 0; k < count; ++k) {
            const std::int64_t first = at.in<Index>(2)[n];
            if (first < -k || first >= x.length - k) continue;
            std::copy_n(at.in<T>(1) + (n * count + k) * x.inner, x.inner, at.out<T>(0) + x.offset(n, first + k, 0));
          }
        }
      }};
    });
  });
}

Kernel make_one_hot(const KernelRequest& request) {
  const std::int64_t n = request.inputs[0].shape.count();
  const std::int64_t classes = request.attributes[0];
  return for_indices(request.inputs[0].dtype, [&](auto index) -> Kernel {
    using Index = decltype(index);
    return {.run = [n, classes](const KernelArguments& at) {
      std::fill_n(at.out<float>(0), n * classes, 0.0F);
      for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t c = at.in<Index>(0)[i];
        if (c >= 0 && c < classes) at.out<float>(0)[i * classes + c] = 1;
      }
    }};
  });
}

const DefineKernel take(reference_backend(), "take", make_take);
const DefineKernel index_add(reference_backend(), "index_add", make_index_add);
const DefineKernel segment_sum(reference_backend(), "segment_sum", make_segment_sum);
const DefineKernel first_occurrence(reference_backend(), "first_occurrence", make_first_occurrence);
const DefineKernel gather(reference_backend(), "gather", make_gather);
const DefineKernel scatter_add(reference_backend(), "scatter_add", make_scatter_add);
const DefineKernel write_rows(reference_backend(), "write_rows", make_write_rows);
const DefineKernel one_hot(reference_backend(), "one_hot", make_one_hot);

}  // namespace
}  // namespace narae
