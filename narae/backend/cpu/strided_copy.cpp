// Broadcasts, transposes and flips: one copy with strides. Axes that lie behind each other are merged; what is left is
// runs of neighbours, repeated elements, or a matrix to be transposed.
#include "narae/backend/cpu/strided_copy.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "narae/backend/cpu/transpose2d.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

struct Axis {
  std::int64_t extent, stride;  // of x
  std::int64_t own_stride;      // of y
};

struct Copy {
  std::vector<Axis> outer;
  Axis inner{1, 0, 1};
  std::int64_t start = 0;
  std::int64_t count = 1;  // of outer places

  // Calls visit(offset in x, offset in y) for the outer places begin <= i < end.
  template <class Visit>
  void for_each_place(std::int64_t begin, std::int64_t end, const Visit& visit) const {
    for (std::int64_t i = begin; i < end; ++i) {
      std::int64_t from = start;
      std::int64_t to = 0;
      std::int64_t rest = i;
      for (std::size_t a = outer.size(); a-- > 0;) {
        const std::int64_t at = rest % outer[a].extent;
        rest /= outer[a].extent;
        from += at * outer[a].stride;
        to += at * outer[a].own_stride;
      }
      visit(from, to);
    }
  }
};

// One long run is cut into as many equal pieces as go, so that threads can share it.
void cut(Axis& run, std::vector<Axis>& outer) {
  constexpr std::int64_t least = 1 << 14;
  for (const std::int64_t pieces : {64, 32, 16, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2}) {
    const std::int64_t extent = run.extent / pieces;
    if (run.extent % pieces != 0 || extent < least) continue;
    outer.push_back({pieces, run.stride * extent, run.own_stride * extent});
    run.extent = extent;
    return;
  }
}

Copy merged(const Shape& shape, const Shape& strides) {
  const Shape own = contiguous_strides(shape);
  std::vector<Axis> axes;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    if (!axes.empty() && axes.back().stride == strides[i] * shape[i]) {
      axes.back() = {axes.back().extent * shape[i], strides[i], own[i]};
    } else {
      axes.push_back({shape[i], strides[i], own[i]});
    }
  }
  Copy copy;
  if (!axes.empty()) {
    copy.inner = axes.back();
    axes.pop_back();
  }
  if (axes.empty()) cut(copy.inner, axes);
  copy.outer = std::move(axes);
  for (const Axis& axis : copy.outer) copy.count *= axis.extent;
  return copy;
}

template <class T>
void copy_row(const T* x, T* y, const Axis& axis) {
  if (axis.stride == 1) {
    std::memcpy(y, x, static_cast<std::size_t>(axis.extent) * sizeof(T));
  } else if (axis.stride == 0) {
    std::fill_n(y, axis.extent, *x);
  } else {
    for (std::int64_t i = 0; i < axis.extent; ++i) y[i] = x[i * axis.stride];
  }
}

template <class T>
Kernel copy_kernel(Copy copy) {
  const auto shared = std::make_shared<const Copy>(std::move(copy));
  const auto bytes = shared->inner.extent * static_cast<std::int64_t>(sizeof(T));
  // A copy with strides takes about eight times as long for each byte.
  const std::int64_t grain =
      std::max<std::int64_t>(1, copy_grain_bytes / (shared->inner.stride <= 1 ? bytes : 8 * bytes));
  return {.run = [shared, grain](const KernelArguments& at) {
    const T* x = at.in<T>(0);
    T* y = at.out<T>(0);
    parallel_for(shared->count, grain, [&](std::int64_t begin, std::int64_t end) {
      shared->for_each_place(begin, end,
                             [&](std::int64_t from, std::int64_t to) { copy_row(x + from, y + to, shared->inner); });
    });
  }};
}

constexpr std::int64_t tile = 32;

// The innermost axis of y and the one of x change places: tiles of rows of y.
template <class T>
Kernel transpose_kernel(Copy copy, std::size_t with) {
  const Axis rows = copy.outer[with];  // neighbours in x
  copy.outer.erase(copy.outer.begin() + static_cast<std::ptrdiff_t>(with));
  copy.count /= rows.extent;
  const auto shared = std::make_shared<const Copy>(std::move(copy));
  const std::int64_t tiles = (rows.extent + tile - 1) / tile;
  const std::int64_t tile_bytes =
      std::min(tile, rows.extent) * shared->inner.extent * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t grain = std::max<std::int64_t>(1, copy_grain_bytes / tile_bytes);
  return {.run = [shared, rows, tiles, grain](const KernelArguments& at) {
    const T* x = at.in<T>(0);
    T* y = at.out<T>(0);
    parallel_for(shared->count * tiles, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % tiles * tile;
        shared->for_each_place(i / tiles, i / tiles + 1, [&](std::int64_t from, std::int64_t to) {
          transpose2d(shared->inner.extent, std::min(tile, rows.extent - first), x + from + first, shared->inner.stride,
                      y + to + first * rows.own_stride, rows.own_stride);
        });
      }
    });
  }};
}

template <class T>
Kernel make(Copy copy) {
  if constexpr (sizeof(T) >= 4) {
    if (copy.inner.stride > 1 && copy.inner.extent >= 4) {
      for (std::size_t a = 0; a < copy.outer.size(); ++a)
        if (copy.outer[a].stride == 1 && copy.outer[a].extent >= 4) return transpose_kernel<T>(std::move(copy), a);
    }
  }
  return copy_kernel<T>(std::move(copy));
}

}  // namespace

// Elements are moved as the floating numbers of their size, whose bits stay as they are.
Kernel make_strided_copy(const Shape& shape, const Shape& strides, std::int64_t start, std::size_t element_bytes) {
  Copy copy = merged(shape, strides);
  copy.start = start;
  switch (element_bytes) {
    case 1:
      return make<std::uint8_t>(std::move(copy));
    case 2:
      return make<std::uint16_t>(std::move(copy));
    case 4:
      return make<float>(std::move(copy));
    default:
      return make<double>(std::move(copy));
  }
}

}  // namespace narae::cpu
