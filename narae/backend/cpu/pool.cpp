// Pooling over planes and its gradients; 2 x 2 windows side by side, the usual case, on their own path.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "narae/backend/cpu/pool2x2.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// Planes of a (batch, channels, height, width) shape.
struct Planes {
  std::int64_t count, height, width;
  explicit Planes(const Shape& s) : count(s[0] * s[1]), height(s[2]), width(s[3]) {}
  [[nodiscard]] std::int64_t size() const { return height * width; }
};

// Calls work(plane) for all planes, on several threads when they hold enough.
template <class Work>
void for_each_plane(const Planes& planes, std::int64_t numbers_per_plane, const Work& work) {
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / std::max<std::int64_t>(numbers_per_plane, 1));
  parallel_for(planes.count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) work(plane);
  });
}

// The part of the input that one output position looks at: [begin, end). `padded`: its length with its padding.
struct Range {
  std::int64_t begin, end, padded;
};

struct Pooling {
  Pool2dAttributes a;
  Planes in, out;

  [[nodiscard]] Range window(int axis, std::int64_t position) const {
    const std::int64_t begin = position * a.stride[axis] - a.padding[axis];
    const std::int64_t extent = axis == 0 ? in.height : in.width;
    return {std::max<std::int64_t>(begin, 0), std::min(begin + a.kernel[axis], extent),
            std::min(a.kernel[axis], extent + a.padding[axis] - begin)};
  }
  // Whole 2 x 2 windows side by side.
  [[nodiscard]] bool is_2x2() const {
    const auto both = [](const std::int64_t* pair, std::int64_t value) { return pair[0] == value && pair[1] == value; };
    const bool whole = 2 * out.height <= in.height && 2 * out.width <= in.width;
    return whole && both(a.kernel, 2) && both(a.stride, 2) && both(a.padding, 0);
  }
  template <class T>
  [[nodiscard]] T share(const Range& rows, const Range& columns) const {
    const std::int64_t area = a.count_include_pad != 0 ? rows.padded * columns.padded
                                                       : (rows.end - rows.begin) * (columns.end - columns.begin);
    return T{1} / static_cast<T>(area);
  }
  // visit(number of the output position, rows, columns)
  template <class Visit>
  void for_each_window(const Visit& visit) const {
    for (std::int64_t p = 0; p < out.height; ++p) {
      const Range rows = window(0, p);
      for (std::int64_t q = 0; q < out.width; ++q) visit(p * out.width + q, rows, window(1, q));
    }
  }
};

// The first NaN, else the first maximum.
template <class T>
std::int64_t position_of_maximum(const T* plane, std::int64_t width, const Range& rows, const Range& columns) {
  std::int64_t best = rows.begin * width + columns.begin;
  T leader = plane[best];
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    for (std::int64_t c = columns.begin; c < columns.end; ++c) {
      const T mine = plane[r * width + c];
      if (std::isnan(leader) || mine <= leader || r * width + c == best) continue;
      best = r * width + c;
      leader = mine;
    }
  }
  return best;
}

template <class T>
void max_pool_plane(const Pooling& p, const T* x, T* y, std::int32_t* indices) {
  if constexpr (std::is_same_v<T, float>) {
    if (p.is_2x2()) return max_pool_2x2(x, p.in.width, p.out.height, p.out.width, y, indices);
  }
  p.for_each_window([&](std::int64_t at, const Range& rows, const Range& columns) {
    const std::int64_t best = position_of_maximum(x, p.in.width, rows, columns);
    y[at] = x[best];
    indices[at] = static_cast<std::int32_t>(best);
  });
}

template <class T>
void avg_pool_plane(const Pooling& p, const T* x, T* y) {
  if constexpr (std::is_same_v<T, float>) {
    if (p.is_2x2()) return avg_pool_2x2(x, p.in.width, p.out.height, p.out.width, y);
  }
  p.for_each_window([&](std::int64_t at, const Range& rows, const Range& columns) {
    T sum = 0;
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      for (std::int64_t c = columns.begin; c < columns.end; ++c) sum += x[r * p.in.width + c];
    y[at] = sum * p.share<T>(rows, columns);
  });
}

template <class T>
void avg_pool_gradient_plane(const Pooling& p, const T* dy, T* dx) {
  std::fill_n(dx, p.in.size(), T{0});
  if (p.is_2x2()) {
    for (std::int64_t i = 0; i < p.out.height; ++i, dy += p.out.width) {
      T* top = dx + 2 * i * p.in.width;
      T* bottom = top + p.in.width;
      for (std::int64_t q = 0; q < p.out.width; ++q) {
        const T share = dy[q] * T{0.25};
        top[2 * q] = top[2 * q + 1] = bottom[2 * q] = bottom[2 * q + 1] = share;
      }
    }
    return;
  }
  p.for_each_window([&](std::int64_t at, const Range& rows, const Range& columns) {
    const T share = dy[at] * p.share<T>(rows, columns);
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      for (std::int64_t c = columns.begin; c < columns.end; ++c) dx[r * p.in.width + c] += share;
  });
}

template <class Make>
Kernel for_floating(DType dtype, const Make& make) {
  if (dtype == DType::f32) return make(float{});
  if (dtype == DType::f64) return make(double{});
  return {};
}

Pooling pooling_of(const KernelRequest& request, const Shape& in, const Shape& out) {
  return {attributes_as<Pool2dAttributes>(request.attributes), Planes(in), Planes(out)};
}

// x -> (y, indices)
Kernel make_max_pool2d(const KernelRequest& request) {
  const Pooling p = pooling_of(request, request.inputs[0].shape, request.results[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [p](const KernelArguments& at) {
      for_each_plane(p.in, p.in.size(), [&](std::int64_t plane) {
        max_pool_plane(p, at.in<T>(0) + plane * p.in.size(), at.out<T>(0) + plane * p.out.size(),
                       at.out<std::int32_t>(1) + plane * p.out.size());
      });
    }};
  });
}

Kernel make_avg_pool2d(const KernelRequest& request) {
  const Pooling p = pooling_of(request, request.inputs[0].shape, request.results[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [p](const KernelArguments& at) {
      for_each_plane(p.in, p.in.size(), [&](std::int64_t plane) {
        avg_pool_plane(p, at.in<T>(0) + plane * p.in.size(), at.out<T>(0) + plane * p.out.size());
      });
    }};
  });
}

// dy -> dx
Kernel make_avg_pool2d_gradient(const KernelRequest& request) {
  const Pooling p = pooling_of(request, request.results[0].shape, request.inputs[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [p](const KernelArguments& at) {
      for_each_plane(p.in, p.in.size(), [&](std::int64_t plane) {
        avg_pool_gradient_plane(p, at.in<T>(0) + plane * p.out.size(), at.out<T>(0) + plane * p.in.size());
      });
    }};
  });
}

// (dy, indices) -> dx. Positions outside the plane are passed over.
Kernel make_max_unpool2d(const KernelRequest& request) {
  const Planes in(request.results[0].shape);
  const Planes out(request.inputs[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [in, out](const KernelArguments& at) {
      for_each_plane(in, in.size() + 2 * out.size(), [&](std::int64_t plane) {
        const T* dy = at.in<T>(0) + plane * out.size();
        const std::int32_t* indices = at.in<std::int32_t>(1) + plane * out.size();
        T* dx = at.out<T>(0) + plane * in.size();
        const auto size = static_cast<std::uint64_t>(in.size());
        std::fill_n(dx, in.size(), T{0});
        for (std::int64_t i = 0; i < out.size(); ++i) {
          const auto position = static_cast<std::uint64_t>(std::int64_t{indices[i]});  // negative ones become huge
          if (position < size) dx[position] += dy[i];
        }
      });
    }};
  });
}

// (x, indices) -> y. Positions outside the plane give NaN.
Kernel make_pool_select(const KernelRequest& request) {
  const Planes in(request.inputs[0].shape);
  const Planes out(request.results[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [in, out](const KernelArguments& at) {
      for_each_plane(out, 2 * out.size(), [&](std::int64_t plane) {
        const T* x = at.in<T>(0) + plane * in.size();
        const std::int32_t* indices = at.in<std::int32_t>(1) + plane * out.size();
        T* y = at.out<T>(0) + plane * out.size();
        const auto size = static_cast<std::uint64_t>(in.size());
        for (std::int64_t i = 0; i < out.size(); ++i) {
          const auto position = static_cast<std::uint64_t>(std::int64_t{indices[i]});
          y[i] = position < size ? x[position] : std::numeric_limits<T>::quiet_NaN();
        }
      });
    }};
  });
}

const DefineKernel max_pool2d(cpu_backend(), "max_pool2d", make_max_pool2d);
const DefineKernel max_unpool2d(cpu_backend(), "max_unpool2d", make_max_unpool2d);
const DefineKernel pool_select(cpu_backend(), "pool_select", make_pool_select);
const DefineKernel avg_pool2d(cpu_backend(), "avg_pool2d", make_avg_pool2d);
const DefineKernel avg_pool2d_gradient(cpu_backend(), "avg_pool2d_gradient", make_avg_pool2d_gradient);

}  // namespace
}  // namespace narae::cpu
