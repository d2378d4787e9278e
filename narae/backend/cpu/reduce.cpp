// sum, sum of squares, prod, max, min over any axes, argmax and argmin. The order in which numbers are folded depends
// on the shape only.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "narae/backend/cpu/batch_norm_blocked.h"
#include "narae/backend/cpu/folds.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// Items of about 16k numbers are worth a thread.
std::int64_t grain_for(std::int64_t numbers_per_item) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(numbers_per_item, 1));
}

// Neighbouring axes that are both reduced or both kept, as one.
struct Group {
  std::int64_t extent, stride;
  bool reduced;
};

std::vector<Group> groups_of(const Shape& shape, std::int64_t mask) {
  const Shape strides = contiguous_strides(shape);
  std::vector<Group> groups;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    const bool reduced = (mask >> i & 1) != 0;
    if (!groups.empty() && groups.back().reduced == reduced) {
      groups.back().extent *= shape[i];
      groups.back().stride = strides[i];
    } else {
      groups.push_back({shape[i], strides[i], reduced});
    }
  }
  return groups;
}

template <class T>
struct Reduction {
  Folds<T> folds;
  std::vector<Group> kept;  // but the innermost one of `width`
  FoldSteps steps;          // but the innermost one of `length`
  std::int64_t results = 1;
  std::int64_t width = 1;   // neighbouring results
  std::int64_t length = 1;  // neighbouring numbers that are folded

  [[nodiscard]] const T* start(const T* x, std::int64_t result) const {
    for (std::size_t k = kept.size(); k-- > 0;) {
      x += result % kept[k].extent * kept[k].stride;
      result /= kept[k].extent;
    }
    return x;
  }

  void rows(const T* x, T* y) const {
    parallel_for(results, grain_for(steps.outer * steps.inner * length), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* from = start(x, r);
        double result = folds.first;
        for (std::int64_t i = 0; i < steps.outer; ++i) {
          for (std::int64_t j = 0; j < steps.inner; ++j) {
            result = folds.combine(result, folds.row(from + i * steps.outer_step + j * steps.inner_step, length));
          }
        }
        y[r] = static_cast<T>(result);
      }
    });
  }

  // Few long rows: each is cut into pieces of one size.
  static constexpr std::int64_t piece = 16384;
  [[nodiscard]] bool in_pieces() const {
    return width == 1 && steps.outer * steps.inner == 1 && results < 16 && length >= 2 * piece;
  }
  [[nodiscard]] std::int64_t pieces() const { return (length + piece - 1) / piece; }
  void long_rows(const T* x, T* y, double* partial) const {
    parallel_for(results * pieces(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const std::int64_t at = p % pieces() * piece;
        partial[p] = folds.row(start(x, p / pieces()) + at, std::min(piece, length - at));
      }
    });
    for (std::int64_t r = 0; r < results; ++r) {
      double result = partial[r * pieces()];
      for (std::int64_t p = 1; p < pieces(); ++p) result = folds.combine(result, partial[r * pieces() + p]);
      y[r] = static_cast<T>(result);
    }
  }

  void columns(const T* x, T* y) const {
    constexpr std::int64_t tile = 64;
    const std::int64_t tiles = (width + tile - 1) / tile;
    const std::int64_t outer = results / width;
    parallel_for(outer * tiles, grain_for(steps.outer * steps.inner * std::min(width, tile)),
                 [&](std::int64_t begin, std::int64_t end) {
                   while (begin < end) {  // the tiles of one outer result that are in the range
                     const std::int64_t o = begin / tiles;
                     const std::int64_t first = begin % tiles * tile;
                     const std::int64_t last = std::min(width, (std::min(end, (o + 1) * tiles) - o * tiles) * tile);
                     folds.columns(start(x, o) + first, steps, last - first, y + o * width + first);
                     begin = std::min(end, (o + 1) * tiles);
                   }
                 });
  }
};

template <class T>
Kernel reduce(const KernelRequest& request, const Folds<T>& folds) {
  const auto a = attributes_as<ReduceAttributes>(request.attributes);
  std::vector<Group> groups = groups_of(request.inputs[0].shape, a.axes);
  auto r = std::make_shared<Reduction<T>>(Reduction<T>{.folds = folds, .kept = {}, .steps = {}});
  r->results = request.results[0].shape.count();
  if (!groups.empty()) (groups.back().reduced ? r->length : r->width) = groups.back().extent;
  std::vector<Group> reduced;
  for (std::size_t i = 0; i + 1 < groups.size(); ++i) (groups[i].reduced ? reduced : r->kept).push_back(groups[i]);
  if (reduced.size() > 2) return {};
  if (!reduced.empty()) {
    r->steps.inner = reduced.back().extent;
    r->steps.inner_step = reduced.back().stride;
  }
  if (reduced.size() == 2) {
    r->steps.outer = reduced.front().extent;
    r->steps.outer_step = reduced.front().stride;
  }
  Kernel kernel;
  kernel.flops = static_cast<double>(request.inputs[0].shape.count());
  if (r->in_pieces()) {
    kernel.scratch_bytes = static_cast<std::size_t>(r->results * r->pieces()) * sizeof(double);
    kernel.run = [r](const KernelArguments& at) {
      r->long_rows(at.in<T>(0), at.out<T>(0), reinterpret_cast<double*>(at.scratch));
    };
  } else if (r->width == 1) {
    kernel.run = [r](const KernelArguments& at) { r->rows(at.in<T>(0), at.out<T>(0)); };
  } else {
    kernel.run = [r](const KernelArguments& at) { r->columns(at.in<T>(0), at.out<T>(0)); };
  }
  return kernel;
}

Kernel make_reduction(const KernelRequest& request) {
  if (request.inputs[0].shape.count() == 0) return {};
  if (const auto blocks = channel_blocks(request.input_layout(0))) {
    if (request.op->name != "sum") return {};
    const bool of_each_image = attributes_as<ReduceAttributes>(request.attributes).axes == 0b1100;
    return of_each_image ? make_blocked_plane_sum(*blocks) : make_blocked_channel_sum(*blocks);
  }
  if (request.inputs[0].dtype == DType::f32) return reduce(request, folds_f32(request.op->name));
  if (request.inputs[0].dtype == DType::f64) return reduce(request, folds_f64(request.op->name));
  return {};
}

// The first NaN of a line, else the first number that none surpasses.
template <class T, bool larger>
std::int64_t position(const T* x, std::int64_t length, std::int64_t stride) {
  std::int64_t best = 0;
  T leader = x[0];
  for (std::int64_t l = 1; l < length && !std::isnan(leader); ++l) {
    const T mine = x[l * stride];
    if (!(larger ? mine <= leader : mine >= leader)) {
      best = l;
      leader = mine;
    }
  }
  return best;
}

template <class T, bool larger>
Kernel make_position_of(const Shape& shape, int axis) {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (i < axis) outer *= shape[i];
    if (i > axis) inner *= shape[i];
  }
  const std::int64_t length = shape[axis];
  return {.run = [outer, inner, length](const KernelArguments& at) {
    parallel_for(outer * inner, grain_for(length), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* x = at.in<T>(0) + r / inner * length * inner + r % inner;
        at.out<std::int64_t>(0)[r] = position<T, larger>(x, length, inner);
      }
    });
  }};
}

template <bool larger>
Kernel make_position(const KernelRequest& request) {
  const Shape& shape = request.inputs[0].shape;
  const auto axis = static_cast<int>(request.attributes[0]);
  if (shape.count() == 0) return {};
  if (request.inputs[0].dtype == DType::f32) return make_position_of<float, larger>(shape, axis);
  if (request.inputs[0].dtype == DType::f64) return make_position_of<double, larger>(shape, axis);
  return {};
}

const DefineKernel sum(cpu_backend(), "sum", make_reduction);
const DefineKernel sum_of_squares(cpu_backend(), "sum_of_squares", make_reduction);
const DefineKernel prod(cpu_backend(), "prod", make_reduction);
const DefineKernel max(cpu_backend(), "max", make_reduction);
const DefineKernel min(cpu_backend(), "min", make_reduction);
const DefineKernel argmax(cpu_backend(), "argmax", make_position<true>);
const DefineKernel argmin(cpu_backend(), "argmin", make_position<false>);

}  // namespace
}  // namespace narae::cpu
