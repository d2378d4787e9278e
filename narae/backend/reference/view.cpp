#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "narae/backend/reference/strides.h"
#include "narae/backend/reference/types.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::AxisView;
using reference::for_bytes;
using reference::for_each_element;

// The elements of input 0 as they are.
Kernel make_copy(const KernelRequest& request) {
  const auto bytes = static_cast<std::size_t>(request.results[0].shape.count()) * size_of(request.results[0].dtype);
  return {.run = [bytes](const KernelArguments& at) {
    if (bytes != 0) std::memcpy(at.results[0], at.inputs[0], bytes);
  }};
}

// Element i of the result is the element of x at `start` + sum of coordinate times stride.
Kernel strided_copy(const KernelRequest& request, const Shape& strides, std::int64_t start) {
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [shape = request.results[0].shape, strides, start](const KernelArguments& at) {
      const T* x = at.in<T>(0) + start;
      T* y = at.out<T>(0);
      for_each_element(shape, strides, [&](std::int64_t i, std::int64_t offset) { y[i] = x[offset]; });
    }};
  });
}

Kernel make_broadcast_to(const KernelRequest& request) {
  const Shape& from = request.inputs[0].shape;
  const Shape own = contiguous_strides(from);
  Shape strides = request.results[0].shape;
  const int added = strides.rank() - from.rank();
  for (int i = 0; i < strides.rank(); ++i) strides.set(i, i < added || from[i - added] == 1 ? 0 : own[i - added]);
  return strided_copy(request, strides, 0);
}

Kernel make_transpose(const KernelRequest& request) {
  const Shape own = contiguous_strides(request.inputs[0].shape);
  Shape strides = own;
  for (int i = 0; i < own.rank(); ++i)
    strides.set(i, own[static_cast<int>(request.attributes[static_cast<std::size_t>(i)])]);
  return strided_copy(request, strides, 0);
}

Kernel make_flip(const KernelRequest& request) {
  const Shape& shape = request.inputs[0].shape;
  Shape strides = contiguous_strides(shape);
  std::int64_t start = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if ((request.attributes[0] >> i & 1) == 0) continue;
    start += strides[i] * (shape[i] - 1);
    strides.set(i, -strides[i]);
  }
  return strided_copy(request, strides, start);
}

// The start that is nearest to the given one and keeps the slice inside.
std::int64_t slice_start(const KernelArguments& at, std::int64_t full, std::int64_t length, std::int64_t step) {
  const std::int64_t reach = length == 0 ? 0 : (length - 1) * step + 1;
  return std::clamp<std::int64_t>(*at.in<std::int64_t>(1), 0, full - reach);
}

Kernel make_slice(const KernelRequest& request) {
  const auto a = attributes_as<SliceAttributes>(request.attributes);
  const AxisView x(request.inputs[0].shape, a.axis);
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [a, x](const KernelArguments& at) {
      const std::int64_t start = slice_start(at, x.length, a.length, a.step);
      T* y = at.out<T>(0);
      for (std::int64_t o = 0; o < x.outer; ++o)
        for (std::int64_t l = 0; l < a.length; ++l)
          y = std::copy_n(at.in<T>(0) + x.offset(o, start + l * a.step, 0), x.inner, y);
    }};
  });
}

Kernel make_slice_scatter(const KernelRequest& request) {
  const auto a = attributes_as<SliceAttributes>(request.attributes.first(3));
  const AxisView y(request.results[0].shape, a.axis);
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [a, y](const KernelArguments& at) {
      const std::int64_t start = slice_start(at, y.length, a.length, a.step);
      const T* dy = at.in<T>(0);
      std::fill_n(at.out<T>(0), y.outer * y.length * y.inner, T{0});
      for (std::int64_t o = 0; o < y.outer; ++o) {
        for (std::int64_t l = 0; l < a.length; ++l, dy += y.inner) {
          std::copy_n(dy, y.inner, at.out<T>(0) + y.offset(o, start + l * a.step, 0));
        }
      }
    }};
  });
}

Kernel make_concat(const KernelRequest& request) {
  const std::int64_t axis = attributes_as<AxisAttributes>(request.attributes).axis;
  std::vector<AxisView> parts;
  for (const Signature& input : request.inputs) parts.emplace_back(input.shape, axis);
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [parts](const KernelArguments& at) {
      T* y = at.out<T>(0);
      for (std::int64_t o = 0; o < parts[0].outer; ++o) {
        for (std::size_t k = 0; k < parts.size(); ++k) {
          const std::int64_t run = parts[k].length * parts[k].inner;
          y = std::copy_n(at.in<T>(static_cast<int>(k)) + o * run, run, y);
        }
      }
    }};
  });
}

Kernel make_split3(const KernelRequest& request) {
  const auto a = attributes_as<Split3Attributes>(request.attributes);
  const AxisView x(request.inputs[0].shape, a.axis);
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [a, x](const KernelArguments& at) {
      const T* from = at.in<T>(0);
      for (std::int64_t o = 0; o < x.outer; ++o) {
        for (int k = 0; k < 3; ++k) {
          const std::int64_t run = a.lengths[k] * x.inner;
          std::copy_n(from, run, at.out<T>(k) + o * run);
          from += run;
        }
      }
    }};
  });
}

Kernel make_pad(const KernelRequest& request) {
  const Shape& shape = request.inputs[0].shape;
  const Shape strides = contiguous_strides(request.results[0].shape);
  std::int64_t start = 0;
  for (int i = 0; i < shape.rank(); ++i) start += strides[i] * request.attributes[static_cast<std::size_t>(i) * 2];
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [shape, strides, start, count = request.results[0].shape.count()](const KernelArguments& at) {
      std::fill_n(at.out<T>(0), count, *at.in<T>(1));
      const T* x = at.in<T>(0);
      for_each_element(shape, strides,
                       [&](std::int64_t i, std::int64_t offset) { at.out<T>(0)[start + offset] = x[i]; });
    }};
  });
}

Kernel make_roll(const KernelRequest& request) {
  const AxisView x(request.inputs[0].shape, attributes_as<AxisAttributes>(request.attributes).axis);
  return for_bytes(request.results[0].dtype, [&](auto zero) -> Kernel {
    using T = decltype(zero);
    return {.run = [x](const KernelArguments& at) {
      if (x.length == 0) return;
      const std::int64_t shift = (*at.in<std::int64_t>(1) % x.length + x.length) % x.length;
      for (std::int64_t o = 0; o < x.outer; ++o) {
        for (std::int64_t l = 0; l < x.length; ++l) {
          std::copy_n(at.in<T>(0) + x.offset(o, l, 0), x.inner, at.out<T>(0) + x.offset(o, (l + shift) % x.length, 0));
        }
      }
    }};
  });
}

const DefineKernel reshape(reference_backend(), "reshape", make_copy);
const DefineKernel detach(reference_backend(), "detach", make_copy);
const DefineKernel after(reference_backend(), "after", make_copy);
const DefineKernel checkpoint(reference_backend(), "checkpoint", make_copy);
const DefineKernel broadcast_to(reference_backend(), "broadcast_to", make_broadcast_to);
const DefineKernel transpose(reference_backend(), "transpose", make_transpose);
const DefineKernel flip(reference_backend(), "flip", make_flip);
const DefineKernel slice(reference_backend(), "slice", make_slice);
const DefineKernel slice_scatter(reference_backend(), "slice_scatter", make_slice_scatter);
const DefineKernel concat(reference_backend(), "concat", make_concat);
const DefineKernel split3(reference_backend(), "split3", make_split3);
const DefineKernel pad(reference_backend(), "pad", make_pad);
const DefineKernel roll(reference_backend(), "roll", make_roll);

}  // namespace
}  // namespace narae
