#include <algorithm>
#include <cmath>
#include <cstdint>

#include "narae/backend/reference/floating.h"
#include "narae/graph/attributes.h"

namespace narae {
namespace {

using reference::for_floating;

// The part of the input that one output position looks at: [begin, end).
struct Range {
  std::int64_t begin, end;
};

Range window(const Pool2dAttributes& a, int axis, std::int64_t position, std::int64_t extent) {
  const std::int64_t begin = position * a.stride[axis] - a.padding[axis];
  return {std::max<std::int64_t>(begin, 0), std::min(begin + a.kernel[axis], extent)};
}

// Positions of a window in the padded input.
std::int64_t padded_length(const Pool2dAttributes& a, int axis, std::int64_t position, std::int64_t extent) {
  const std::int64_t begin = position * a.stride[axis] - a.padding[axis];
  return std::min(begin + a.kernel[axis], extent + a.padding[axis]) - begin;
}

// Output i of `outputs` covers floor(i h / outputs) ... ceil((i + 1) h / outputs).
Range adaptive_window(std::int64_t i, std::int64_t outputs, std::int64_t extent) {
  return {i * extent / outputs, ((i + 1) * extent + outputs - 1) / outputs};
}

// Planes of a (batch, channels, height, width) shape.
struct Planes {
  std::int64_t count, height, width;
  explicit Planes(const Shape& s) : count(s[0] * s[1]), height(s[2]), width(s[3]) {}
  [[nodiscard]] std::int64_t size() const { return height * width; }
};

// The first NaN, else the first maximum.
template <class T>
std::int64_t position_of_maximum(const T* plane, std::int64_t width, Range rows, Range columns) {
  std::int64_t best = rows.begin * width + columns.begin;
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    for (std::int64_t c = columns.begin; c < columns.end; ++c) {
      const std::int64_t at = r * width + c;
      if (std::isnan(plane[best])) return best;
      if (plane[at] > plane[best] || std::isnan(plane[at])) best = at;
    }
  }
  return best;
}

struct Window {
  Range rows, columns;
  std::int64_t padded_area = 0;  // with its padding, but not what lies beyond that
};

// x -> (y, indices); windows(p, q) gives the rows and the columns of output (p, q).
template <class T, class Windows>
void max_pool(const Planes& in, const Planes& out, const Windows& windows, const KernelArguments& at) {
  const T* x = at.in<T>(0);
  T* y = at.out<T>(0);
  std::int32_t* indices = at.out<std::int32_t>(1);
  for (std::int64_t plane = 0; plane < out.count; ++plane, x += in.size()) {
    for (std::int64_t p = 0; p < out.height; ++p) {
      for (std::int64_t q = 0; q < out.width; ++q) {
        const Window w = windows(p, q);
        const std::int64_t best = position_of_maximum(x, in.width, w.rows, w.columns);
        *y++ = x[best];
        *indices++ = static_cast<std::int32_t>(best);
      }
    }
  }
}

auto fixed_windows(const Pool2dAttributes& a, const Planes& in) {
  return [a, in](std::int64_t p, std::int64_t q) {
    return Window{window(a, 0, p, in.height), window(a, 1, q, in.width),
                  padded_length(a, 0, p, in.height) * padded_length(a, 1, q, in.width)};
  };
}

auto adaptive_windows(const Planes& in, const Planes& out) {
  return [in, out](std::int64_t p, std::int64_t q) {
    return Window{adaptive_window(p, out.height, in.height), adaptive_window(q, out.width, in.width)};
  };
}

template <class T, class Windows>
Kernel max_pool_kernel(const Planes& in, const Planes& out, const Windows& windows) {
  return {.run = [=](const KernelArguments& at) { max_pool<T>(in, out, windows, at); }};
}

// The mean of each window: its sum over divisor(window).
template <class T, class Windows, class Divisor>
Kernel average_kernel(const Planes& in, const Planes& out, const Windows& windows, const Divisor& divisor) {
  return {.run = [=](const KernelArguments& at) {
    const T* x = at.in<T>(0);
    T* y = at.out<T>(0);
    for (std::int64_t plane = 0; plane < out.count; ++plane, x += in.size()) {
      for (std::int64_t p = 0; p < out.height; ++p) {
        for (std::int64_t q = 0; q < out.width; ++q) {
          const Window w = windows(p, q);
          double sum = 0;
          for (std::int64_t r = w.rows.begin; r < w.rows.end; ++r)
            for (std::int64_t c = w.columns.begin; c < w.columns.end; ++c) sum += x[r * in.width + c];
          *y++ = static_cast<T>(sum / divisor(w));
        }
      }
    }
  }};
}

// dy -> dx: each dy is shared evenly by its window.
template <class T, class Windows, class Divisor>
Kernel average_gradient_kernel(const Planes& in, const Planes& out, const Windows& windows, const Divisor& divisor) {
  return {.run = [=](const KernelArguments& at) {
    const T* dy = at.in<T>(0);
    T* dx = at.out<T>(0);
    std::fill_n(dx, in.count * in.size(), T{0});
    for (std::int64_t plane = 0; plane < out.count; ++plane, dx += in.size()) {
      for (std::int64_t p = 0; p < out.height; ++p) {
        for (std::int64_t q = 0; q < out.width; ++q) {
          const Window w = windows(p, q);
          const T share = static_cast<T>(*dy++ / divisor(w));
          for (std::int64_t r = w.rows.begin; r < w.rows.end; ++r)
            for (std::int64_t c = w.columns.begin; c < w.columns.end; ++c) dx[r * in.width + c] += share;
        }
      }
    }
  }};
}

double area(const Window& w) {
  return static_cast<double>((w.rows.end - w.rows.begin) * (w.columns.end - w.columns.begin));
}

auto divisor_of(const Pool2dAttributes& a) {
  return [a](const Window& w) { return a.count_include_pad != 0 ? static_cast<double>(w.padded_area) : area(w); };
}

Kernel make_max_pool2d(const KernelRequest& request) {
  const Planes in(request.inputs[0].shape);
  const Planes out(request.results[0].shape);
  const auto a = attributes_as<Pool2dAttributes>(request.attributes);
  return for_floating(request.inputs[0].dtype,
                      [&](auto zero) { return max_pool_kernel<decltype(zero)>(in, out, fixed_windows(a, in)); });
}

Kernel make_adaptive_max_pool2d(const KernelRequest& request) {
  const Planes in(request.inputs[0].shape);
  const Planes out(request.results[0].shape);
  return for_floating(request.inputs[0].dtype,
                      [&](auto zero) { return max_pool_kernel<decltype(zero)>(in, out, adaptive_windows(in, out)); });
}

Kernel make_avg_pool2d(const KernelRequest& request) {
  const Planes in(request.inputs[0].shape);
  const Planes out(request.results[0].shape);
  const auto a = attributes_as<Pool2dAttributes>(request.attributes);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    return average_kernel<decltype(zero)>(in, out, fixed_windows(a, in), divisor_of(a));
  });
}

Kernel make_avg_pool2d_gradient(const KernelRequest& request) {
  const Planes in(request.results[0].shape);
  const Planes out(request.inputs[0].shape);
  const auto a = attributes_as<Pool2dAttributes>(request.attributes);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    return average_gradient_kernel<decltype(zero)>(in, out, fixed_windows(a, in), divisor_of(a));
  });
}

Kernel make_adaptive_avg_pool2d(const KernelRequest& request) {
  const Planes in(request.inputs[0].shape);
  const Planes out(request.results[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    return average_kernel<decltype(zero)>(in, out, adaptive_windows(in, out), area);
  });
}

Kernel make_adaptive_avg_pool2d_gradient(const KernelRequest& request) {
  const Planes in(request.results[0].shape);
  const Planes out(request.inputs[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    return average_gradient_kernel<decltype(zero)>(in, out, adaptive_windows(in, out), area);
  });
}

// (dy, indices) -> dx. Positions outside the plane are passed over.
Kernel make_max_unpool2d(const KernelRequest& request) {
  const Planes in(request.results[0].shape);
  const Planes out(request.inputs[0].shape);
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [in, out](const KernelArguments& at) {
      const T* dy = at.in<T>(0);
      const std::int32_t* indices = at.in<std::int32_t>(1);
      T* dx = at.out<T>(0);
      std::fill_n(dx, in.count * in.size(), T{0});
      for (std::int64_t i = 0; i < out.count * out.size(); ++i) {
        const std::int64_t position = indices[i];
        if (position >= 0 && position < in.size()) dx[i / out.size() * in.size() + position] += dy[i];
      }
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
      const T* x = at.in<T>(0);
      const std::int32_t* indices = at.in<std::int32_t>(1);
      T* y = at.out<T>(0);
      for (std::int64_t i = 0; i < out.count * out.size(); ++i) {
        const std::int64_t position = indices[i];
        const bool inside = position >= 0 && position < in.size();
        y[i] = inside ? x[i / out.size() * in.size() + position] : static_cast<T>(NAN);
      }
    }};
  });
}

const DefineKernel max_pool2d(reference_backend(), "max_pool2d", make_max_pool2d);
const DefineKernel adaptive_max_pool2d(reference_backend(), "adaptive_max_pool2d", make_adaptive_max_pool2d);
const DefineKernel max_unpool2d(reference_backend(), "max_unpool2d", make_max_unpool2d);
const DefineKernel pool_select(reference_backend(), "pool_select", make_pool_select);
const DefineKernel avg_pool2d(reference_backend(), "avg_pool2d", make_avg_pool2d);
const DefineKernel avg_pool2d_gradient(reference_backend(), "avg_pool2d_gradient", make_avg_pool2d_gradient);
const DefineKernel adaptive_avg(reference_backend(), "adaptive_avg_pool2d", make_adaptive_avg_pool2d);
const DefineKernel adaptive_avg_gradient(reference_backend(), "adaptive_avg_pool2d_gradient",
                                         make_adaptive_avg_pool2d_gradient);

}  // namespace
}  // namespace narae
