// take, index_add, write_rows and one_hot: rows at places that are known at run time.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "narae/backend/cpu/rows.h"
#include "narae/backend/cpu/strided_copy.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// A shape seen as (outer, length, inner) around one axis.
struct AxisView {
  std::int64_t outer = 1, length, inner = 1;

  AxisView(const Shape& shape, std::int64_t axis) : length(shape[static_cast<int>(axis)]) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (i < axis) outer *= shape[i];
      if (i > axis) inner *= shape[i];
    }
  }
};

std::int64_t axis_of(const KernelRequest& request) {
  return attributes_as<AxisAttributes>(request.attributes).axis;
}

// An index that is out of range reads NaN.
Kernel make_take(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, axis_of(request));
  const std::int64_t n = request.inputs[1].shape.count();
  if (request.results[0].shape.count() == 0) return {};
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      const std::int64_t bytes = x.inner * static_cast<std::int64_t>(sizeof(T));
      const std::int64_t grain = std::max<std::int64_t>(1, copy_grain_bytes / (bytes + 16));
      return {.run = [x, n, grain](const KernelArguments& at) {
        parallel_for(x.outer * n, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t k = begin; k < end; ++k) {
            const std::int64_t row = at.in<Index>(1)[k % n];
            T* to = at.out<T>(0) + k * x.inner;
            if (row < 0 || row >= x.length) {
              std::fill_n(to, x.inner, std::numeric_limits<T>::quiet_NaN());
            } else {
              std::memcpy(to, at.in<T>(0) + (k / n * x.length + row) * x.inner,
                          static_cast<std::size_t>(x.inner) * sizeof(T));
            }
          }
        });
      }};
    });
  });
}

// Rows are added in the order of the indices: threads share the columns of a row, not the rows.
Kernel make_index_add(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, axis_of(request));
  const std::int64_t n = request.inputs[1].shape.count();
  if (request.results[0].shape.count() == 0) return {};
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
      using T = decltype(zero);
      using Index = decltype(index);
      const TileFunction add = add_function<T>();
      const auto run = [x, n, add](const KernelArguments& at) {
        const std::int64_t copied = x.outer * x.length * x.inner;
        constexpr auto size = static_cast<std::int64_t>(sizeof(T));
        const bool in_place = at.inputs[0] == at.results[0];
        parallel_for(in_place ? 0 : copied, copy_grain_bytes / size, [&](std::int64_t begin, std::int64_t end) {
          std::memcpy(at.out<T>(0) + begin, at.in<T>(0) + begin, static_cast<std::size_t>(end - begin) * sizeof(T));
        });
        for (std::int64_t o = 0; o < x.outer; ++o) {
          const T* values = at.in<T>(2) + o * n * x.inner;
          T* y = at.out<T>(0) + o * x.length * x.inner;
          const std::int64_t grain =
              std::max<std::int64_t>(64, copy_grain_bytes / (size * std::max<std::int64_t>(n, 1)));
          parallel_for(x.inner, grain, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t k = 0; k < n; ++k) {
              const std::int64_t row = at.in<Index>(1)[k];
              if (row < 0 || row >= x.length) continue;
              T* to = y + row * x.inner;
              const T* from = values + k * x.inner;
              add(to + begin, from + begin, nullptr, to + begin, static_cast<std::size_t>(end - begin));
            }
          });
        }
      };
      return {.run = run, .in_place = {0}};
    });
  });
}

// Bytes, whatever their type. In place, only the rows that are written cost anything.
Kernel make_write_rows(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, 1);
  const std::int64_t count = request.inputs[1].shape[1];
  const auto row_bytes = x.inner * static_cast<std::int64_t>(size_of(request.inputs[0].dtype));
  if (request.results[0].shape.count() == 0) return {};
  return for_indices(request.inputs[2].dtype, [&](auto index) -> Kernel {
    using Index = decltype(index);
    const auto run = [x, count, row_bytes](const KernelArguments& at) {
      const bool in_place = at.inputs[0] == at.results[0];
      const std::int64_t copied = in_place ? 0 : x.outer * x.length * row_bytes;
      parallel_for(copied, copy_grain_bytes, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(at.results[0] + begin, at.inputs[0] + begin, static_cast<std::size_t>(end - begin));
      });
      const std::int64_t grain = std::max<std::int64_t>(1, copy_grain_bytes / (row_bytes + 16));
      parallel_for(x.outer * count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t k = begin; k < end; ++k) {
          const std::int64_t n = k / count;
          const std::int64_t first = at.in<Index>(2)[n];
          const std::int64_t step = k % count;
          if (first < -step || first >= x.length - step) continue;
          std::memcpy(at.results[0] + (n * x.length + first + step) * row_bytes, at.inputs[1] + k * row_bytes,
                      static_cast<std::size_t>(row_bytes));
        }
      });
    };
    return {.run = run, .in_place = {0}};
  });
}

Kernel make_one_hot(const KernelRequest& request) {
  const std::int64_t n = request.inputs[0].shape.count();
  const std::int64_t classes = request.attributes[0];
  if (request.results[0].dtype != DType::f32 || n * classes == 0) return {};
  return for_indices(request.inputs[0].dtype, [&](auto index) -> Kernel {
    using Index = decltype(index);
    return {.run = [n, classes](const KernelArguments& at) {
      const std::int64_t grain = std::max<std::int64_t>(1, copy_grain_bytes / (4 * classes));
      parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
        float* y = at.out<float>(0);
        std::memset(y + begin * classes, 0, static_cast<std::size_t>((end - begin) * classes) * sizeof(float));
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t c = at.in<Index>(0)[i];
          if (c >= 0 && c < classes) y[i * classes + c] = 1;
        }
      });
    }};
  });
}

const DefineKernel take(cpu_backend(), "take", make_take);
const DefineKernel index_add(cpu_backend(), "index_add", make_index_add);
const DefineKernel write_rows(cpu_backend(), "write_rows", make_write_rows);
const DefineKernel one_hot(cpu_backend(), "one_hot", make_one_hot);

}  // namespace
}  // namespace narae::cpu
