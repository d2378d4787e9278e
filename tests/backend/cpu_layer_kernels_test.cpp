// The fast kernels of pooling and normalisation against the reference kernels.
#include <gtest/gtest.h>

#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

class CpuLayerKernels : public KernelTest {};

INSTANTIATE_TEST_SUITE_P(Types, CpuLayerKernels, ::testing::Values(DType::f32, DType::f64),
                         [](const auto& at) { return std::string(name_of(at.param)); });

TEST_P(CpuLayerKernels, Pooling) {
  const DType t = GetParam();
  struct Geometry {
    std::int64_t planes[2], x[2], kernel, stride, padding, include;
    bool ceil = false;
  };
  const Geometry geometries[] = {
      {{2, 3}, {28, 28}, 2, 2, 0, 1},      {{1, 1}, {2, 2}, 2, 2, 0, 1},      {{64, 6}, {14, 14}, 2, 2, 0, 1},
      {{2, 2}, {7, 9}, 2, 2, 0, 0},        {{1, 2}, {40, 70}, 2, 2, 0, 1},    {{2, 2}, {9, 8}, 3, 2, 1, 0},
      {{1, 3}, {9, 8}, 3, 1, 1, 1},        {{0, 3}, {4, 4}, 2, 2, 0, 1},      {{2, 3}, {7, 9}, 2, 2, 0, 1, true},
      {{2, 2}, {8, 10}, 3, 2, 1, 1, true}, {{1, 2}, {8, 7}, 3, 2, 0, 0, true}};
  for (const Geometry& g : geometries) {
    Pool2dAttributes a{{g.kernel, g.kernel}, {g.stride, g.stride}, {g.padding, g.padding}, g.include, g.ceil, {0, 0}};
    std::int64_t y[2];
    for (int i = 0; i < 2; ++i) y[i] = (g.x[i] + 2 * g.padding - g.kernel + (g.ceil ? g.stride - 1 : 0)) / g.stride + 1;
    const Shape in{g.planes[0], g.planes[1], g.x[0], g.x[1]};
    const Shape out{g.planes[0], g.planes[1], y[0], y[1]};
    const Array x = numbers(t, in);
    check({.op = "max_pool2d", .words = words(a), .inputs = {x}, .results = {{t, out}, {DType::i32, out}}});
    // Ties, and numbers that compare with nothing.
    check({.op = "max_pool2d",
           .words = words(a),
           .inputs = {integers(t, in, 0, 3)},
           .results = {{t, out}, {DType::i32, out}}});
    if (x.count() != 0) {
      check({.op = "max_pool2d",
             .words = words(a),
             .inputs = {poisoned(numbers(t, in))},
             .results = {{t, out}, {DType::i32, out}}});
    }
    check({.op = "avg_pool2d", .words = words(a), .inputs = {x}, .results = {{t, out}}, .tolerance = tolerance(t)});
    a.extent[0] = g.x[0];
    a.extent[1] = g.x[1];
    check({.op = "avg_pool2d_gradient",
           .words = words(a),
           .inputs = {numbers(t, out)},
           .results = {{t, in}},
           .tolerance = tolerance(t)});
    // Some positions are outside of the plane.
    const Array positions = integers(DType::i32, out, -2, g.x[0] * g.x[1] + 2);
    check({.op = "max_unpool2d",
           .words = {g.x[0], g.x[1]},
           .inputs = {numbers(t, out), positions},
           .results = {{t, in}},
           .tolerance = tolerance(t)});
    check({.op = "pool_select", .words = {}, .inputs = {x, positions}, .results = {{t, out}}});
  }
}

TEST_P(CpuLayerKernels, AdaptivePooling) {
  const DType t = GetParam();
  for (const auto& [in, size] : {std::pair<Shape, Shape>{{2, 3, 7, 5}, {3, 2}},
                                 {{40, 16, 8, 8}, {1, 1}},
                                 {{1, 2, 5, 6}, {9, 6}},
                                 {{3, 2, 20, 30}, {6, 6}},
                                 {{2, 1, 8, 6}, {4, 3}}}) {
    const Shape out{in[0], in[1], size[0], size[1]};
    const std::vector<std::int64_t> to = {size[0], size[1]};
    const double bound = sum_tolerance(t, in[2] * in[3]);
    check({.op = "adaptive_avg_pool2d",
           .words = to,
           .inputs = {numbers(t, in)},
           .results = {{t, out}},
           .tolerance = bound});
    check({.op = "adaptive_avg_pool2d_gradient",
           .words = {in[2], in[3]},
           .inputs = {numbers(t, out)},
           .results = {{t, in}},
           .tolerance = bound});
    for (const Array& x : {numbers(t, in), integers(t, in, 0, 3), poisoned(numbers(t, in))}) {
      check({.op = "adaptive_max_pool2d", .words = to, .inputs = {x}, .results = {{t, out}, {DType::i32, out}}});
    }
  }
}

TEST_P(CpuLayerKernels, BatchNorm) {
  const DType t = GetParam();
  for (const Shape& x :
       {Shape{4, 3}, Shape{64, 33}, Shape{2, 3, 5}, Shape{8, 4, 7, 9}, Shape{3, 2, 80, 80}, Shape{1, 2}}) {
    const Shape c{x[1]};
    const double bound = sum_tolerance(t, 256);
    const Array variance = integers(t, c, 1, 4);
    check({.op = "batch_norm_statistics",
           .words = {},
           .inputs = {numbers(t, x)},
           .results = {{t, c}, {t, c}},
           .tolerance = bound});
    check({.op = "batch_norm_gradient",
           .words = {},
           .inputs = {numbers(t, x), numbers(t, c, 2), numbers(t, c, 3), variance, scalar(t, 1e-3), numbers(t, x, 4)},
           .results = {{t, x}, {t, c}, {t, c}},
           .tolerance = sum_tolerance(t, x.count() / x[1])});
  }
}

TEST_P(CpuLayerKernels, LayerNorm) {
  const DType t = GetParam();
  for (const auto& [x, axes] : {std::pair{Shape{3, 5}, 1},
                                {Shape{64, 100}, 1},
                                {Shape{2, 3, 17}, 2},
                                {Shape{500, 67}, 1},
                                {Shape{1, 1}, 1},
                                {Shape{3, 9000}, 1}}) {
    Shape rows, row;
    for (int i = 0; i < x.rank(); ++i) (i < x.rank() - axes ? rows : row).push_back(x[i]);
    check({.op = "layer_norm",
           .words = {axes},
           .inputs = {numbers(t, x), numbers(t, row, 2), numbers(t, row, 3), scalar(t, 1e-3)},
           .results = {{t, x}, {t, rows}, {t, rows}},
           .tolerance = sum_tolerance(t, 256)});
    check(
        {.op = "layer_norm_gradient",
         .words = {axes},
         .inputs = {numbers(t, x), numbers(t, row, 2), numbers(t, rows, 3), integers(t, rows, 1, 3), numbers(t, x, 4)},
         .results = {{t, x}, {t, row}, {t, row}},
         .tolerance = sum_tolerance(t, 1000)});
  }
}

TEST_P(CpuLayerKernels, GroupNorm) {
  const DType t = GetParam();
  for (const auto& [x, groups] : {std::pair<Shape, std::int64_t>{{2, 6, 5, 7}, 3},
                                  {{33, 4, 20}, 1},
                                  {{3, 5, 9, 9}, 5},
                                  {{40, 12}, 4},
                                  {{1, 2, 80, 80}, 1}}) {
    const Shape c{x[1]};
    const Shape statistics{x[0], groups};
    const double bound = sum_tolerance(t, 256);
    const Array variance = integers(t, statistics, 1, 4);
    check({.op = "group_norm",
           .words = {groups},
           .inputs = {numbers(t, x), numbers(t, c, 2), numbers(t, c, 3), scalar(t, 1e-3)},
           .results = {{t, x}, {t, statistics}, {t, statistics}},
           .tolerance = bound});
    check({.op = "group_norm_gradient",
           .words = {groups},
           .inputs = {numbers(t, x), numbers(t, c, 2), numbers(t, statistics, 3), variance, scalar(t, 1e-3),
                      numbers(t, x, 4)},
           .results = {{t, x}, {t, c}, {t, c}},
           .tolerance = sum_tolerance(t, 1000)});
  }
}

TEST_P(CpuLayerKernels, RMSNorm) {
  const DType t = GetParam();
  for (const auto& [x, axes] : {std::pair{Shape{3, 5}, 1},
                                {Shape{64, 100}, 1},
                                {Shape{2, 3, 17}, 2},
                                {Shape{500, 67}, 1},
                                {Shape{1, 1}, 1},
                                {Shape{3, 9000}, 1}}) {
    Shape rows, row;
    for (int i = 0; i < x.rank(); ++i) (i < x.rank() - axes ? rows : row).push_back(x[i]);
    check({.op = "rms_norm",
           .words = {axes},
           .inputs = {numbers(t, x), numbers(t, row, 2), scalar(t, 1e-3)},
           .results = {{t, x}, {t, rows}},
           .tolerance = sum_tolerance(t, 256)});
    check({.op = "rms_norm_gradient",
           .words = {axes},
           .inputs = {numbers(t, x), numbers(t, row, 2), integers(t, rows, 1, 3), numbers(t, x, 4)},
           .results = {{t, x}, {t, row}},
           .tolerance = sum_tolerance(t, 1000)});
  }
}

TEST_P(CpuLayerKernels, LocalResponseNorm) {
  const DType t = GetParam();
  for (const auto& [x, size] : {std::pair<Shape, std::int64_t>{{2, 9, 11, 7}, 5},
                                {{40, 3, 5}, 4},
                                {{3, 4}, 9},
                                {{1, 20, 13, 10}, 1},
                                {{0, 3, 2, 2}, 3}}) {
    // 1 / base^beta with beta log(base) up to 3: exp turns an error of the exponent into one of the value.
    const double bound = sum_tolerance(t, 32);
    check({.op = "local_response_norm",
           .words = {size},
           .inputs = {numbers(t, x), scalar(t, 2), scalar(t, 0.75), scalar(t, 1)},
           .results = {{t, x}},
           .tolerance = bound});
    check({.op = "local_response_norm_gradient",
           .words = {size},
           .inputs = {numbers(t, x), scalar(t, 2), scalar(t, 0.75), scalar(t, 1), numbers(t, x, 4)},
           .results = {{t, x}},
           .tolerance = bound});
  }
}

}  // namespace
}  // namespace narae::testing
