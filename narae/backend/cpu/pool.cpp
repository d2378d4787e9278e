// Pooling over planes and its gradients; 2 x 2 windows side by side, the usual case, on their own path, and channels in
// blocks, as convolutions leave them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/norm_rows.h"
#include "narae/backend/cpu/pool2x2.h"
#include "narae/backend/cpu/pool_windows.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

std::vector<PoolRange> fixed_ranges(const Pool2dAttributes& a, int axis, std::int64_t extent, std::int64_t outputs) {
  std::vector<PoolRange> ranges;
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t start = i * a.stride[axis] - a.padding[axis];
    PoolRange r{std::max<std::int64_t>(start, 0), std::min(start + a.kernel[axis], extent), 0};
    r.counted = a.count_include_pad != 0 ? std::min(a.kernel[axis], extent + a.padding[axis] - start) : r.end - r.begin;
    ranges.push_back(r);
  }
  return ranges;
}

std::vector<PoolRange> adaptive_ranges(std::int64_t extent, std::int64_t outputs) {
  std::vector<PoolRange> ranges;
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t begin = i * extent / outputs;
    const std::int64_t end = ((i + 1) * extent + outputs - 1) / outputs;
    ranges.push_back({begin, end, end - begin});
  }
  return ranges;
}

// Whole 2 x 2 windows side by side.
bool are_2x2(const PoolWindows& w) {
  const auto pairs = [](const std::vector<PoolRange>& ranges) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto begin = static_cast<std::int64_t>(2 * i);
      if (ranges[i].begin != begin || ranges[i].end != begin + 2 || ranges[i].counted != 2) return false;
    }
    return true;
  };
  return pairs(w.rows) && pairs(w.columns);
}

// Planes of one pooling, for the threads to share.
struct Pooling {
  std::shared_ptr<const PoolWindows> windows;
  std::int64_t planes;
  bool side_by_side;  // whole 2 x 2 windows

  Pooling(const KernelRequest& request, const Shape& in, const Shape& out)
      : windows(std::make_shared<const PoolWindows>(pool_windows(request, in, out))),
        planes(in[0] * in[1]),
        side_by_side(are_2x2(*windows)) {}
};

// Calls work(plane) for all planes, on several threads when they hold enough.
template <class Work>
void for_each_plane(std::int64_t planes, std::int64_t numbers_per_plane, const Work& work) {
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / std::max<std::int64_t>(numbers_per_plane, 1));
  parallel_for(planes, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) work(plane);
  });
}

// The first NaN, else the first maximum.
template <class T>
std::int64_t position_of_maximum(const T* plane, std::int64_t width, const PoolRange& rows, const PoolRange& columns) {
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
  const PoolWindows& w = *p.windows;
  if constexpr (std::is_same_v<T, float>) {
    if (p.side_by_side) return max_pool_2x2(x, w.in_width, w.out_height(), w.out_width(), y, indices);
  }
  w.for_each([&](std::int64_t at, const PoolRange& rows, const PoolRange& columns) {
    const std::int64_t best = position_of_maximum(x, w.in_width, rows, columns);
    y[at] = x[best];
    indices[at] = static_cast<std::int32_t>(best);
  });
}

template <class T>
T share_of(const PoolRange& rows, const PoolRange& columns) {
  return T{1} / static_cast<T>(rows.counted * columns.counted);
}

template <class T>
void avg_pool_plane(const Pooling& p, const T* x, T* y) {
  const PoolWindows& w = *p.windows;
  if constexpr (std::is_same_v<T, float>) {
    if (p.side_by_side) return avg_pool_2x2(x, w.in_width, w.out_height(), w.out_width(), y);
  }
  w.for_each([&](std::int64_t at, const PoolRange& rows, const PoolRange& columns) {
    if (columns.end - columns.begin == w.in_width) {  // whole rows lie in one piece
      const std::int64_t count = (rows.end - rows.begin) * w.in_width;
      const double sum = norm_rows<T>().sum(x + rows.begin * w.in_width, count);
      y[at] = static_cast<T>(sum) * share_of<T>(rows, columns);
      return;
    }
    T sum = 0;
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      for (std::int64_t c = columns.begin; c < columns.end; ++c) sum += x[r * w.in_width + c];
    y[at] = sum * share_of<T>(rows, columns);
  });
}

template <class T>
void avg_pool_gradient_plane(const Pooling& p, const T* dy, T* dx) {
  const PoolWindows& w = *p.windows;
  if constexpr (std::is_same_v<T, float>) {
    if (p.side_by_side) {
      if (4 * w.out_size() < w.in_size()) std::fill_n(dx, w.in_size(), 0.0F);
      return avg_pool_2x2_gradient(dy, w.in_width, w.out_height(), w.out_width(), dx);
    }
  }
  std::fill_n(dx, w.in_size(), T{0});
  w.for_each([&](std::int64_t at, const PoolRange& rows, const PoolRange& columns) {
    const T share = dy[at] * share_of<T>(rows, columns);
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      for (std::int64_t c = columns.begin; c < columns.end; ++c) dx[r * w.in_width + c] += share;
  });
}

template <class Make>
Kernel for_floating(DType dtype, const Make& make) {
  if (dtype == DType::f32) return make(float{});
  if (dtype == DType::f64) return make(double{});
  return {};
}

// x -> (y, indices)
Kernel make_max_pool(const KernelRequest& request) {
  const Pooling p(request, request.inputs[0].shape, request.results[0].shape);
  const std::int64_t in = p.windows->in_size();
  const std::int64_t out = p.windows->out_size();
  if (const auto blocks = channel_blocks(request.input_layout(0))) {
    return {.run = [p, b = *blocks, in, out](const KernelArguments& at) {
      const BlockPooling& pooling = block_pooling(b.block);
      for_each_plane(b.batch * b.blocks, in * b.block, [&](std::int64_t plane) {
        pooling.max(*p.windows, at.in<float>(0) + plane * in * b.block, at.out<float>(0) + plane * out * b.block,
                    at.out<std::int32_t>(1) + plane * out * b.block);
      });
    }};
  }
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [p, in, out](const KernelArguments& at) {
      for_each_plane(p.planes, in, [&](std::int64_t plane) {
        max_pool_plane(p, at.in<T>(0) + plane * in, at.out<T>(0) + plane * out, at.out<std::int32_t>(1) + plane * out);
      });
    }};
  });
}

Kernel make_avg_pool(const KernelRequest& request) {
  const Pooling p(request, request.inputs[0].shape, request.results[0].shape);
  const std::int64_t in = p.windows->in_size();
  const std::int64_t out = p.windows->out_size();
  if (const auto blocks = channel_blocks(request.input_layout(0))) {
    return {.run = [p, b = *blocks, in, out](const KernelArguments& at) {
      const BlockPooling& pooling = block_pooling(b.block);
      for_each_plane(b.batch * b.blocks, in * b.block, [&](std::int64_t plane) {
        pooling.average(*p.windows, at.in<float>(0) + plane * in * b.block, at.out<float>(0) + plane * out * b.block);
      });
    }};
  }
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [p, in, out](const KernelArguments& at) {
      for_each_plane(p.planes, in, [&](std::int64_t plane) {
        avg_pool_plane(p, at.in<T>(0) + plane * in, at.out<T>(0) + plane * out);
      });
    }};
  });
}

// dy -> dx
Kernel make_avg_pool_gradient(const KernelRequest& request) {
  const Pooling p(request, request.results[0].shape, request.inputs[0].shape);
  const std::int64_t in = p.windows->in_size();
  const std::int64_t out = p.windows->out_size();
  if (const auto blocks = channel_blocks(request.result_layout(0))) {
    return {.run = [p, b = *blocks, in, out](const KernelArguments& at) {
      const BlockPooling& pooling = block_pooling(b.block);
      for_each_plane(b.batch * b.blocks, in * b.block, [&](std::int64_t plane) {
        pooling.average_gradient(*p.windows, at.in<float>(0) + plane * out * b.block,
                                 at.out<float>(0) + plane * in * b.block);
      });
    }};
  }
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [p, in, out](const KernelArguments& at) {
      for_each_plane(p.planes, in, [&](std::int64_t plane) {
        avg_pool_gradient_plane(p, at.in<T>(0) + plane * out, at.out<T>(0) + plane * in);
      });
    }};
  });
}

// Planes whose pixels hold `lanes` numbers each: 1, or a block of channels.
struct Unpooling {
  std::int64_t planes, in, out, lanes;

  Unpooling(const Shape& whole, const Shape& pooled, const std::optional<ChannelBlocks>& blocks)
      : planes(pooled[0] * pooled[1]),
        in(whole[2] * whole[3]),
        out(pooled[2] * pooled[3]),
        lanes(blocks ? blocks->block : 1) {
    planes /= lanes;
  }
};

// (dy, indices) -> dx. Positions outside the plane are passed over.
Kernel make_max_unpool2d(const KernelRequest& request) {
  const Unpooling u(request.results[0].shape, request.inputs[0].shape, channel_blocks(request.result_layout(0)));
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [u](const KernelArguments& at) {
      for_each_plane(u.planes, (u.in + 2 * u.out) * u.lanes, [&](std::int64_t plane) {
        const T* dy = at.in<T>(0) + plane * u.out * u.lanes;
        const std::int32_t* indices = at.in<std::int32_t>(1) + plane * u.out * u.lanes;
        T* dx = at.out<T>(0) + plane * u.in * u.lanes;
        const auto size = static_cast<std::uint64_t>(u.in);
        const auto lanes = static_cast<std::uint64_t>(u.lanes);
        std::fill_n(dx, u.in * u.lanes, T{0});
        for (std::int64_t i = 0; i < u.out; ++i, dy += lanes, indices += lanes) {
          for (std::uint64_t l = 0; l < lanes; ++l) {
            const auto position = static_cast<std::uint64_t>(std::int64_t{indices[l]});  // negative ones become huge
            if (position < size) dx[position * lanes + l] += dy[l];
          }
        }
      });
    }};
  });
}

// (x, indices) -> y. Positions outside the plane give NaN.
Kernel make_pool_select(const KernelRequest& request) {
  const Unpooling u(request.inputs[0].shape, request.results[0].shape, {});
  return for_floating(request.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [u](const KernelArguments& at) {
      for_each_plane(u.planes, 2 * u.out, [&](std::int64_t plane) {
        const T* x = at.in<T>(0) + plane * u.in;
        const std::int32_t* indices = at.in<std::int32_t>(1) + plane * u.out;
        T* y = at.out<T>(0) + plane * u.out;
        const auto size = static_cast<std::uint64_t>(u.in);
        for (std::int64_t i = 0; i < u.out; ++i) {
          const auto position = static_cast<std::uint64_t>(std::int64_t{indices[i]});
          y[i] = position < size ? x[position] : std::numeric_limits<T>::quiet_NaN();
        }
      });
    }};
  });
}

const DefineKernel max_pool2d(cpu_backend(), "max_pool2d", make_max_pool);
const DefineKernel adaptive_max_pool2d(cpu_backend(), "adaptive_max_pool2d", make_max_pool);
const DefineKernel max_unpool2d(cpu_backend(), "max_unpool2d", make_max_unpool2d);
const DefineKernel pool_select(cpu_backend(), "pool_select", make_pool_select);
const DefineKernel avg_pool2d(cpu_backend(), "avg_pool2d", make_avg_pool);
const DefineKernel avg_pool2d_gradient(cpu_backend(), "avg_pool2d_gradient", make_avg_pool_gradient);
const DefineKernel adaptive_avg_pool2d(cpu_backend(), "adaptive_avg_pool2d", make_avg_pool);
const DefineKernel adaptive_avg_gradient(cpu_backend(), "adaptive_avg_pool2d_gradient", make_avg_pool_gradient);

}  // namespace

PoolWindows pool_windows(const KernelRequest& request, const Shape& in, const Shape& out) {
  if (request.op->name.starts_with("adaptive")) {
    return {in[2], in[3], adaptive_ranges(in[2], out[2]), adaptive_ranges(in[3], out[3])};
  }
  const auto a = attributes_as<Pool2dAttributes>(request.attributes);
  return {in[2], in[3], fixed_ranges(a, 0, in[2], out[2]), fixed_ranges(a, 1, in[3], out[3])};
}

}  // namespace narae::cpu
