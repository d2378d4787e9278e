#include "narae/ops/pool.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

struct Window {
  Shape x;
  Size2d kernel;
  Size2d stride;
  Size2d padding;
  bool ceil = false;
};

const Window windows[] = {
    {{2, 3, 6, 4}, 2, 2, 0},       {{1, 2, 7, 5}, 3, 2, 1},       {{2, 1, 5, 5}, {3, 2}, {1, 2}, {1, 0}},
    {{1, 1, 1, 1}, 1, 1, 0},       {{2, 17, 9, 9}, 3, 1, 1},      {{2, 3, 7, 5}, 2, 2, 0, true},
    {{1, 2, 8, 6}, 3, 2, 1, true}, {{1, 2, 8, 6}, 3, 2, 0, true}, {{1, 1, 4, 3}, 2, 3, 1, true},
};

}  // namespace

std::vector<OperatorCase> pooling_cases() {
  std::vector<OperatorCase> cases;
  for (const Window& w : windows) {
    const std::string label = to_string(w.x) + std::to_string(&w - windows);
    cases.push_back({.ops = {"max_pool2d", "max_unpool2d", "pool_select"},
                     .label = label,
                     .inputs = {{.shape = w.x}},
                     .function = [&w](Inputs x) {
                       const auto [values, indices] = max_pool2d_with_indices(
                           x[0], w.kernel, {.stride = w.stride, .padding = w.padding, .ceil_mode = w.ceil});
                       return Results{values, indices};
                     }});
    for (const bool count : {false, true}) {
      cases.push_back(
          {.ops = {"avg_pool2d", "avg_pool2d_gradient"},
           .label = label + (count ? " counting" : ""),
           .inputs = {{.shape = w.x}},
           .function = [&w, count](Inputs x) {
             return Results{avg_pool2d(
                 x[0], w.kernel,
                 {.stride = w.stride, .padding = w.padding, .ceil_mode = w.ceil, .count_include_pad = count})};
           }});
    }
  }
  for (const Size2d size : {Size2d(1), Size2d(2, 3), Size2d(7, 5)}) {
    cases.push_back({.ops = {"adaptive_avg_pool2d", "adaptive_avg_pool2d_gradient"},
                     .label = to_string(Shape{size.height, size.width}),
                     .inputs = {{.shape = {2, 3, 7, 5}}},
                     .function = [size](Inputs x) {
                       return Results{adaptive_avg_pool2d(x[0], size), global_avg_pool(x[0])};
                     }});
  }
  for (const Size2d size : {Size2d(1), Size2d(2, 3), Size2d(5, 4)}) {
    cases.push_back({.ops = {"adaptive_max_pool2d"},
                     .label = to_string(Shape{size.height, size.width}),
                     .inputs = {{.shape = {2, 3, 7, 5}}},
                     .function = [size](Inputs x) {
                       return Results{adaptive_max_pool2d(x[0], size), global_max_pool(x[0])};
                     }});
  }
  return cases;
}

}  // namespace narae::test
