// Operators that move or repeat elements, for every type.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/strided_copy.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

Kernel make_broadcast_to(const KernelRequest& request) {
  const Shape& from = request.inputs[0].shape;
  const Shape& to = request.results[0].shape;
  if (to.count() == 0) return {};
  const Shape own = contiguous_strides(from);
  Shape strides = to;
  const int added = to.rank() - from.rank();
  for (int i = 0; i < to.rank(); ++i) strides.set(i, i < added || from[i - added] == 1 ? 0 : own[i - added]);
  return make_strided_copy(to, strides, 0, size_of(request.results[0].dtype));
}

Kernel make_transpose(const KernelRequest& request) {
  const Shape& to = request.results[0].shape;
  if (to.count() == 0) return {};
  const Shape own = contiguous_strides(request.inputs[0].shape);
  Shape strides = own;
  for (int i = 0; i < own.rank(); ++i)
    strides.set(i, own[static_cast<int>(request.attributes[static_cast<std::size_t>(i)])]);
  return make_strided_copy(to, strides, 0, size_of(request.results[0].dtype));
}

Kernel make_flip(const KernelRequest& request) {
  const Shape& shape = request.inputs[0].shape;
  if (shape.count() == 0) return {};
  Shape strides = contiguous_strides(shape);
  std::int64_t start = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if ((request.attributes[0] >> i & 1) == 0) continue;
    start += strides[i] * (shape[i] - 1);
    strides.set(i, -strides[i]);
  }
  return make_strided_copy(shape, strides, start, size_of(request.results[0].dtype));
}

// A value as it lies in memory: row-major, or with channels in blocks as (batch, blocks, height, width, block), whose
// axes but the channels have the numbers that they have in row-major order.
Signature in_memory(const Signature& value, Layout layout) {
  const auto b = channel_blocks(layout);
  return b ? Signature{value.dtype, {b->batch, b->blocks, b->height, b->width, b->block}} : value;
}

// A shape seen as (outer, length, inner) around one axis; sizes in bytes.
struct AxisBytes {
  std::int64_t outer = 1, length, inner;

  AxisBytes(const Signature& s, std::int64_t axis)
      : length(s.shape[static_cast<int>(axis)]), inner(static_cast<std::int64_t>(size_of(s.dtype))) {
    for (int i = 0; i < s.shape.rank(); ++i) {
      if (i < axis) outer *= s.shape[i];
      if (i > axis) inner *= s.shape[i];
    }
  }
};

// The start that is nearest to the given one and keeps the slice inside.
std::int64_t slice_start(const KernelArguments& at, std::int64_t full, const SliceAttributes& a) {
  const std::int64_t reach = a.length == 0 ? 0 : (a.length - 1) * a.step + 1;
  return std::clamp<std::int64_t>(*at.in<std::int64_t>(1), 0, full - reach);
}

void copy_bytes(const std::byte* from, std::int64_t n, std::byte* to) {
  std::memcpy(to, from, static_cast<std::size_t>(n));
}

// visit(begin, end) on ranges of `count` pieces of `bytes` bytes.
template <class Visit>
void in_ranges(std::int64_t count, std::int64_t bytes, const Visit& visit) {
  parallel_for(count, std::max<std::int64_t>(1, copy_grain_bytes / std::max<std::int64_t>(bytes, 1)), visit);
}

// Channels start, start + 1, ... of channels in blocks. Whole blocks are as far apart as their channels are in
// row-major order, so that a slice that starts with one is a plain copy.
Kernel make_blocked_slice(const ChannelBlocks& x, const SliceAttributes& a, Kernel copy) {
  return {.run = [x, a, copy = std::move(copy.run)](const KernelArguments& at) {
    const std::int64_t start = slice_start(at, x.channels(), a);
    if (start % x.block == 0) return copy(at);
    const auto place = [&](std::int64_t channel) { return channel / x.block * x.plane() + channel % x.block; };
    parallel_for(x.batch, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        for (std::int64_t c = 0; c < a.length; ++c) {
          const float* from = at.in<float>(0) + n * x.channels() * x.pixels() + place(start + c);
          float* to = at.out<float>(0) + n * a.length * x.pixels() + place(c);
          for (std::int64_t p = 0; p < x.pixels(); ++p) to[p * x.block] = from[p * x.block];
        }
      }
    });
  }};
}

// Along an axis of x as it is given.
Kernel make_slice_of(const Signature& whole, const Shape& result, const SliceAttributes& a) {
  const AxisBytes x(whole, a.axis);
  if (result.count() == 0) return {};
  return {.run = [a, x](const KernelArguments& at) {
    const std::int64_t start = slice_start(at, x.length, a);
    const std::byte* from = at.inputs[0] + start * x.inner;
    in_ranges(x.outer, a.length * x.inner, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        const std::byte* row = from + o * x.length * x.inner;
        std::byte* to = at.results[0] + o * a.length * x.inner;
        if (a.step == 1) {
          copy_bytes(row, a.length * x.inner, to);
        } else {
          for (std::int64_t l = 0; l < a.length; ++l) copy_bytes(row + l * a.step * x.inner, x.inner, to + l * x.inner);
        }
      }
    });
  }};
}

Kernel make_slice(const KernelRequest& request) {
  const auto a = attributes_as<SliceAttributes>(request.attributes);
  const Signature& x = request.inputs[0];
  const Shape& y = request.results[0].shape;
  const auto blocks = channel_blocks(request.input_layout(0));
  if (blocks && a.axis == 1) return make_blocked_slice(*blocks, a, make_slice_of(x, y, a));
  return make_slice_of(in_memory(x, request.input_layout(0)), y, a);
}

Kernel make_slice_scatter(const KernelRequest& request) {
  const auto a = attributes_as<SliceAttributes>(request.attributes.first(3));
  const AxisBytes y(in_memory(request.results[0], request.result_layout(0)), a.axis);
  if (request.results[0].shape.count() == 0 || request.inputs[0].shape.count() == 0) return {};
  return {.run = [a, y](const KernelArguments& at) {
    const std::int64_t start = slice_start(at, y.length, a);
    in_ranges(y.outer, y.length * y.inner, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        std::byte* row = at.results[0] + o * y.length * y.inner;
        const std::byte* from = at.inputs[0] + o * a.length * y.inner;
        std::memset(row, 0, static_cast<std::size_t>(y.length * y.inner));
        if (a.step == 1) {
          copy_bytes(from, a.length * y.inner, row + start * y.inner);
        } else {
          for (std::int64_t l = 0; l < a.length; ++l) {
            copy_bytes(from + l * y.inner, y.inner, row + (start + l * a.step) * y.inner);
          }
        }
      }
    });
  }};
}

Kernel make_concat(const KernelRequest& request) {
  const std::int64_t axis = attributes_as<AxisAttributes>(request.attributes).axis;
  const AxisBytes y(in_memory(request.results[0], request.result_layout(0)), axis);
  std::vector<std::int64_t> runs;
  for (std::size_t k = 0; k < request.inputs.size(); ++k) {
    const AxisBytes x(in_memory(request.inputs[k], request.input_layout(k)), axis);
    runs.push_back(x.length * x.inner);
  }
  if (request.results[0].shape.count() == 0) return {};
  return {.run = [y, runs = std::move(runs)](const KernelArguments& at) {
    in_ranges(y.outer, y.length * y.inner, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        std::byte* to = at.results[0] + o * y.length * y.inner;
        for (std::size_t k = 0; k < runs.size(); ++k) {
          if (runs[k] != 0) copy_bytes(at.inputs[k] + o * runs[k], runs[k], to);
          to += runs[k];
        }
      }
    });
  }};
}

// The reverse of concat.
Kernel make_split3(const KernelRequest& request) {
  const auto a = attributes_as<Split3Attributes>(request.attributes);
  const AxisBytes x(request.inputs[0], a.axis);
  const std::array<std::int64_t, 3> runs{a.lengths[0] * x.inner, a.lengths[1] * x.inner, a.lengths[2] * x.inner};
  if (request.inputs[0].shape.count() == 0) return {};
  return {.run = [x, runs](const KernelArguments& at) {
    in_ranges(x.outer, x.length * x.inner, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        const std::byte* from = at.inputs[0] + o * x.length * x.inner;
        for (std::size_t k = 0; k < 3; from += runs[k], ++k)
          if (runs[k] != 0) copy_bytes(from, runs[k], at.results[k] + o * runs[k]);
      }
    });
  }};
}

// Rows (of the last axis) of the padded shape, each either all padding or a row of x between two margins.
template <class T>
struct Pad {
  Shape x, y;
  std::vector<std::int64_t> before;

  // Axes without margins are joined to those in front of them.
  Pad(const Shape& from, const Shape& to, const std::vector<std::int64_t>& margins) {
    for (int i = 0; i < to.rank(); ++i) {
      const std::int64_t margin = margins[static_cast<std::size_t>(i)];
      if (i == 0 || margin != 0 || from[i] != to[i]) {
        x.push_back(from[i]);
        y.push_back(to[i]);
        before.push_back(margin);
        continue;
      }
      x.set(x.rank() - 1, x[-1] * from[i]);
      y.set(y.rank() - 1, y[-1] * to[i]);
      before.back() *= to[i];
    }
  }

  void run(const KernelArguments& at) const {
    const T value = *at.in<T>(1);
    const std::int64_t width = y[-1];
    const std::int64_t inside = x[-1];
    const std::int64_t left = before.back();
    in_ranges(y.count() / width, width * static_cast<std::int64_t>(sizeof(T)),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t row = begin; row < end; ++row) {
                  T* to = at.out<T>(0) + row * width;
                  const std::int64_t source = source_row(row);
                  if (source < 0) {
                    std::fill_n(to, width, value);
                    continue;
                  }
                  std::fill_n(to, left, value);
                  std::copy_n(at.in<T>(0) + source * inside, inside, to + left);
                  std::fill_n(to + left + inside, width - left - inside, value);
                }
              });
  }

  // The row of x behind a row of y, or -1.
  [[nodiscard]] std::int64_t source_row(std::int64_t row) const {
    std::int64_t source = 0;
    std::int64_t step = 1;
    for (int i = y.rank() - 2; i >= 0; --i) {
      const std::int64_t at = row % y[i] - before[static_cast<std::size_t>(i)];
      row /= y[i];
      if (at < 0 || at >= x[i]) return -1;
      source += at * step;
      step *= x[i];
    }
    return source;
  }
};

template <class T>
Kernel pad_of(const KernelRequest& request) {
  std::vector<std::int64_t> before;
  for (std::size_t i = 0; i < request.attributes.size(); i += 2) before.push_back(request.attributes[i]);
  if (const auto blocks = channel_blocks(request.input_layout(0))) {
    before[1] /= blocks->block;
    before.push_back(0);
  }
  const auto pad =
      std::make_shared<const Pad<T>>(in_memory(request.inputs[0], request.input_layout(0)).shape,
                                     in_memory(request.results[0], request.result_layout(0)).shape, before);
  return {.run = [pad](const KernelArguments& at) { pad->run(at); }};
}

Kernel make_pad(const KernelRequest& request) {
  if (request.results[0].shape.count() == 0 || request.results[0].shape.rank() == 0) return {};
  switch (size_of(request.results[0].dtype)) {
    case 1:
      return pad_of<std::uint8_t>(request);
    case 2:
      return pad_of<std::uint16_t>(request);
    case 4:
      return pad_of<std::uint32_t>(request);
    default:
      return pad_of<std::uint64_t>(request);
  }
}

const DefineKernel broadcast_to(cpu_backend(), "broadcast_to", make_broadcast_to);
const DefineKernel transpose(cpu_backend(), "transpose", make_transpose);
const DefineKernel flip(cpu_backend(), "flip", make_flip);
const DefineKernel slice(cpu_backend(), "slice", make_slice);
const DefineKernel slice_scatter(cpu_backend(), "slice_scatter", make_slice_scatter);
const DefineKernel concat(cpu_backend(), "concat", make_concat);
const DefineKernel split3(cpu_backend(), "split3", make_split3);
const DefineKernel pad(cpu_backend(), "pad", make_pad);

}  // namespace
}  // namespace narae::cpu
