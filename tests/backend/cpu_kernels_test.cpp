// Every fast kernel against the reference kernel of the same request, with one and with two threads.
#include <gtest/gtest.h>

#include <thread>

#include "narae/core/error.h"
#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

class CpuKernels : public KernelTest {};

INSTANTIATE_TEST_SUITE_P(Types, CpuKernels, ::testing::Values(DType::f32, DType::f64),
                         [](const auto& at) { return std::string(name_of(at.param)); });

TEST_P(CpuKernels, Matmul) {
  const DType t = GetParam();
  const std::int64_t shapes[][4] = {{1, 1, 1, 1},      {1, 7, 5, 3},     {1, 64, 10, 256}, {1, 33, 130, 65},
                                    {3, 5, 4, 17},     {2, 1, 31, 129},  {1, 200, 1, 9},   {4, 24, 24, 24},
                                    {1, 150, 257, 70}, {1, 1, 500, 700}, {1, 2, 77, 3000}, {1, 3, 3, 65},
                                    {1, 4, 260, 131},  {1, 600, 520, 90}};
  for (const auto& [count, m, n, k] : shapes) {
    const std::int64_t batch = count;  // clang 14 does not capture structured bindings
    for (const std::int64_t ta : {0, 1}) {
      for (const std::int64_t tb : {0, 1}) {
        const auto shape = [&](std::int64_t rows, std::int64_t columns, bool transposed) {
          const Shape two = transposed ? Shape{columns, rows} : Shape{rows, columns};
          return batch == 1 ? two : Shape{batch, two[0], two[1]};
        };
        check({.op = "matmul",
               .words = {ta, tb},
               .inputs = {numbers(t, shape(m, k, ta == 1), 1), numbers(t, shape(k, n, tb == 1), 2)},
               .results = {{t, shape(m, n, false)}},
               .tolerance = sum_tolerance(t, k),
               .same_bits = t == DType::f64});
      }
    }
  }
  check({.op = "matmul",
         .words = {0, 0},
         .inputs = {numbers(t, {0, 3}), numbers(t, {3, 2})},
         .results = {{t, {0, 2}}},
         .may_be_absent = true});
}

TEST_P(CpuKernels, Linear) {
  const DType t = GetParam();
  const std::int64_t shapes[][3] = {{1, 1, 1},     {64, 256, 784}, {5, 10, 3},     {2, 33, 100},
                                    {1, 400, 513}, {4, 6, 20},     {600, 130, 400}};
  for (const auto& [n, outputs, inputs] : shapes) {
    check({.op = "linear",
           .words = {},
           .inputs = {numbers(t, {n, inputs}, 1), numbers(t, {outputs, inputs}, 2), numbers(t, {outputs}, 3)},
           .results = {{t, {n, outputs}}},
           .tolerance = sum_tolerance(t, inputs),
           .same_bits = t == DType::f64});
  }
}

TEST_P(CpuKernels, Conv2d) {
  const DType t = GetParam();
  struct Geometry {
    std::int64_t batch, channels, x[2], filters, w[2];
    std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
  };
  const Geometry geometries[] = {
      {2, 1, {28, 28}, 6, {5, 5}, 1, 2},      // LeNet-5
      {3, 6, {14, 14}, 16, {5, 5}},           //
      {64, 6, {14, 14}, 16, {5, 5}},          // several threads
      {1, 1, {1, 1}, 1, {1, 1}},              //
      {5, 3, {9, 7}, 4, {3, 2}, 2, 1},        // strides
      {2, 4, {11, 20}, 6, {3, 3}, 1, 2, 2},   // dilation
      {2, 4, {8, 9}, 6, {3, 3}, 1, 1, 1, 2},  // groups
      {1, 2, {6, 40}, 3, {4, 7}, 1, 3},       // wide rows and kernels
      {2, 16, {8, 8}, 32, {3, 3}, 1, 1},      // oneDNN in f32
      {2, 3, {17, 17}, 32, {3, 3}, 2, 1},     //
      {1, 32, {7, 7}, 16, {1, 1}},            //
      {2, 2, {10, 9}, 2, {3, 3}, 3, 0},       // the last row is never read
      {9, 5, {10, 10}, 6, {5, 5}, 1, 4},      // results behind each other without a gap
      {2, 1, {5, 6}, 3, {1, 1}, 1, 2},        // results wider than a row and the zeros behind it
      {2, 2, {3, 20}, 3, {3, 3}, 1, 7},       // rows of results that meet zeros alone
      {2, 2, {6, 7}, 4, {3, 2}, 1, 8, 3},     //
      {2, 2, {6, 7}, 4, {3, 2}, 2, 3},        //
  };
  for (const Geometry& g : geometries) {
    Conv2dAttributes a{{g.stride, g.stride}, {g.padding, g.padding}, {g.dilation, g.dilation}, g.groups, {0, 0}};
    std::int64_t y[2];
    for (int i = 0; i < 2; ++i) y[i] = (g.x[i] + 2 * g.padding - g.dilation * (g.w[i] - 1) - 1) / g.stride + 1;
    const Array x = numbers(t, {g.batch, g.channels, g.x[0], g.x[1]}, 1);
    const Array w = numbers(t, {g.filters, g.channels / g.groups, g.w[0], g.w[1]}, 2);
    const Array dy = numbers(t, {g.batch, g.filters, y[0], y[1]}, 3);
    const Array bias = numbers(t, {g.filters}, 4);
    const double forward = sum_tolerance(t, w.count() / g.filters);
    const bool own = t == DType::f64 || (g.groups == 1 && (g.channels < 16 || g.filters < 16) && g.filters < 32);
    const auto run = [&](const char* op, std::vector<Array> inputs, const Array& like, double bound) {
      check({.op = op,
             .words = words(a),
             .inputs = std::move(inputs),
             .results = {{t, like.shape}},
             .tolerance = bound,
             .same_bits = own});
    };
    run("conv2d", {x, w}, dy, forward);
    run("conv2d_bias", {x, w, bias}, dy, forward);
    a.extent[0] = g.x[0];
    a.extent[1] = g.x[1];
    run("conv2d_input_gradient", {dy, w}, x, sum_tolerance(t, w.count() * g.filters));
    a.extent[0] = g.w[0];
    a.extent[1] = g.w[1];
    run("conv2d_weight_gradient", {x, dy}, w, sum_tolerance(t, g.batch * y[0] * y[1]));
  }
}

TEST_P(CpuKernels, Reductions) {
  const DType t = GetParam();
  struct Axes {
    Shape shape;
    std::int64_t mask;
    bool may_be_absent = false;
  };
  const Axes cases[] = {{{5}, 1},
                        {{}, 0},
                        {{1, 1}, 3},
                        {{64, 256}, 1},
                        {{64, 256}, 2},
                        {{64, 10}, 3},
                        {{7, 6, 5, 5}, 0b1101},
                        {{64, 6, 28, 28}, 0b1101},
                        {{3, 5, 7}, 0b010},
                        {{3, 5, 7}, 0b101},
                        {{2, 3, 4, 5, 6}, 0b10101, true},
                        {{2, 3, 4, 5}, 0b0101},
                        {{4, 1, 9}, 0b010},
                        {{300, 3}, 1},
                        {{3, 100003}, 2},
                        {{70000}, 1},
                        {{1000, 67}, 1},
                        {{0, 3}, 1, true},
                        {{3, 0}, 1, true}};
  for (const Axes& c : cases) {
    for (const std::int64_t keep : {0, 1}) {
      const Shape result = reduced_shape(c.shape, {c.mask, keep});
      const std::int64_t n = c.shape.count() / std::max<std::int64_t>(result.count(), 1);
      for (const char* op : {"sum", "sum_of_squares", "prod", "max", "min"}) {
        const bool product = std::string(op) == "prod";
        const bool of_one_sign = product || std::string(op) == "sum_of_squares";  // results grow with n
        Array x = numbers(t, c.shape);
        if (product) {  // near 1, or the product of many is 0
          visit_dtype(t, [&](auto zero) {
            using T = decltype(zero);
            if constexpr (std::is_floating_point_v<T>)
              for (T& v : x.mutable_values<T>()) v = T(1) + v * T(0.001);
          });
        }
        KernelCase request{.op = op,
                           .words = {c.mask, keep},
                           .inputs = {x},
                           .results = {{t, result}},
                           .tolerance = of_one_sign                ? sum_tolerance(t, n)
                                        : std::string(op) == "sum" ? sum_tolerance(t, 64)
                                                                   : 0,
                           .may_be_absent = c.may_be_absent};
        check(request);
        if (x.count() < 8 || product) continue;
        request.inputs = {poisoned(numbers(t, c.shape))};
        request.tolerance = sum_tolerance(t, of_one_sign ? n : 64);
        check(request);
      }
    }
  }
}

TEST_P(CpuKernels, Positions) {
  const DType t = GetParam();
  for (const Shape& shape : {Shape{10}, Shape{64, 10}, Shape{3, 5, 7}, Shape{2, 20000}}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      Shape result;
      for (int i = 0; i < shape.rank(); ++i)
        if (i != axis) result.push_back(shape[i]);
      for (const char* op : {"argmax", "argmin"}) {
        for (const Array& x : {numbers(t, shape), integers(t, shape, 0, 3), poisoned(numbers(t, shape))}) {
          check({.op = op, .words = {axis, 0}, .inputs = {x}, .results = {{DType::i64, result}}});
        }
      }
    }
  }
}

TEST_P(CpuKernels, Softmax) {
  const DType t = GetParam();
  for (const Shape& shape : {Shape{1}, Shape{64, 10}, Shape{3, 5, 7}, Shape{2, 130, 3}, Shape{4, 100, 70},
                             Shape{5, 1000}, Shape{300, 257}}) {
    for (std::int64_t axis = 0; axis < shape.rank(); ++axis) {
      const double bound = sum_tolerance(t, 16);
      for (const char* op : {"softmax", "log_softmax"}) {
        check({.op = op, .words = {axis}, .inputs = {numbers(t, shape)}, .results = {{t, shape}}, .tolerance = bound});
        if (shape.count() < 8) continue;
        check({.op = op,
               .words = {axis},
               .inputs = {poisoned(numbers(t, shape))},
               .results = {{t, shape}},
               .tolerance = bound});
      }
      for (const char* op : {"softmax_gradient", "log_softmax_gradient"}) {
        check({.op = op,
               .words = {axis},
               .inputs = {numbers(t, shape, 1), numbers(t, shape, 2)},
               .results = {{t, shape}},
               .tolerance = 64 * sum_tolerance(t, shape[static_cast<int>(axis)])});  // times exp(y)
      }
    }
  }
}

TEST_P(CpuKernels, CrossEntropy) {
  const DType t = GetParam();
  for (const Shape& shape : {Shape{1, 1}, Shape{64, 10}, Shape{5, 33}, Shape{300, 1000}}) {
    for (const double smoothing : {0.0, 0.1, 1.0}) {
      const Array target = integers(DType::i64, {shape[0]}, -1, shape[1] + (shape[1] > 20 ? 2 : 0));
      Array weights = integers(t, {shape[1]}, 0, 3);
      const double bound = sum_tolerance(t, shape[1]);
      for (const std::int64_t ignored : {-1, 3, -100}) {
        std::vector<Array> inputs = {numbers(t, shape), target, weights, scalar(t, smoothing)};
        check({.op = "cross_entropy",
               .words = {ignored},
               .inputs = inputs,
               .results = {{t, {shape[0]}}},
               .tolerance = bound});
        inputs.push_back(numbers(t, {shape[0]}, 9));
        check({.op = "cross_entropy_gradient",
               .words = {ignored},
               .inputs = inputs,
               .results = {{t, shape}},
               .tolerance = bound});
      }
    }
  }
}

// Moved elements keep their bits, for every size of element.
TEST_P(CpuKernels, Views) {
  for (const DType t : {GetParam(), DType::u8, DType::f16}) {
    const auto any = [&](const Shape& shape) {
      Array a = integers(DType::u8, {shape.count() * static_cast<std::int64_t>(size_of(t))}, 0, 256);
      return Array{t, shape, a.buffer};
    };
    const auto run = [&](const char* op, std::vector<std::int64_t> w, std::vector<Array> inputs, const Shape& result) {
      check({.op = op,
             .words = std::move(w),
             .inputs = std::move(inputs),
             .results = {{t, result}},
             .may_be_absent = result.count() == 0});
    };
    run("broadcast_to", {3, 4}, {any({4})}, {3, 4});
    run("broadcast_to", {3, 4}, {any({3, 1})}, {3, 4});
    run("broadcast_to", {2, 3, 4, 5}, {any({3, 1, 5})}, {2, 3, 4, 5});
    run("broadcast_to", {300, 400}, {any({})}, {300, 400});
    run("broadcast_to", {0, 4}, {any({4})}, {0, 4});
    run("transpose", {1, 0}, {any({5, 7})}, {7, 5});
    run("transpose", {1, 0}, {any({300, 257})}, {257, 300});
    run("transpose", {0, 2, 1}, {any({3, 33, 40})}, {3, 40, 33});
    run("transpose", {2, 0, 1}, {any({3, 4, 5})}, {5, 3, 4});
    run("transpose", {0, 2, 1, 3}, {any({2, 3, 4, 5})}, {2, 4, 3, 5});
    run("transpose", {3, 1, 2, 0}, {any({6, 3, 4, 50})}, {50, 3, 4, 6});
    run("transpose", {}, {any({})}, {});
    run("flip", {0b01}, {any({4, 5})}, {4, 5});
    run("flip", {0b11}, {any({4, 5})}, {4, 5});
    run("flip", {0b10}, {any({200, 500})}, {200, 500});
    for (const double start : {0.0, 1.0, 3.0, -5.0, 100.0}) {
      const Array s = scalar(DType::i64, start);
      run("slice", words(SliceAttributes{1, 3, 1}), {any({4, 7, 2}), s}, {4, 3, 2});
      run("slice", words(SliceAttributes{1, 3, 2}), {any({4, 7, 2}), s}, {4, 3, 2});
      run("slice", words(SliceAttributes{0, 0, 1}), {any({4, 7}), s}, {0, 7});
      run("slice_scatter", {1, 3, 1, 7}, {any({4, 3, 2}), s}, {4, 7, 2});
      run("slice_scatter", {1, 3, 2, 7}, {any({4, 3, 2}), s}, {4, 7, 2});
    }
    run("concat", {1}, {any({3, 2, 2}), any({3, 0, 2}), any({3, 5, 2})}, {3, 7, 2});
    run("concat", {0}, {any({100, 200}), any({300, 200})}, {400, 200});
    check({.op = "split3",
           .words = {1, 2, 0, 5},
           .inputs = {any({3, 7, 2})},
           .results = {{t, {3, 2, 2}}, {t, {3, 0, 2}}, {t, {3, 5, 2}}},
           .same_bits = true});
    run("pad", {1, 2, 0, 3}, {any({4, 5}), any({})}, {7, 8});
    run("pad", {0, 0, 2, 2, 2, 2}, {any({60, 28, 28}), any({})}, {60, 32, 32});
    run("pad", {2, 1}, {any({0}), any({})}, {3});
  }
}

TEST_P(CpuKernels, Indexing) {
  const DType t = GetParam();
  for (const DType index : {DType::i32, DType::i64}) {
    const auto run = [&](const char* op, std::int64_t axis, const Shape& x, std::vector<Array> rest,
                         const Shape& result, double bound) {
      rest.insert(rest.begin(), numbers(t, x));
      check({.op = op,
             .words = {axis},
             .inputs = std::move(rest),
             .results = {{t, result}},
             .tolerance = bound,
             .may_be_absent = result.count() == 0});
    };
    // Some indices are out of range.
    run("take", 0, {10, 3}, {integers(index, {4, 2}, -2, 12)}, {4, 2, 3}, 0);
    run("take", 1, {5, 10, 3}, {integers(index, {7}, -1, 11)}, {5, 7, 3}, 0);
    run("take", 0, {100, 300}, {integers(index, {500}, 0, 100)}, {500, 300}, 0);
    run("take", 0, {10, 3}, {integers(index, {0}, 0, 1)}, {0, 3}, 0);
    run("index_add", 0, {10, 3}, {integers(index, {8}, -2, 12), numbers(t, {8, 3}, 5)}, {10, 3}, 0);
    run("index_add", 1, {4, 10, 5}, {integers(index, {30}, 0, 10), numbers(t, {4, 30, 5}, 5)}, {4, 10, 5}, 0);
    run("index_add", 0, {50, 700}, {integers(index, {400}, 0, 50), numbers(t, {400, 700}, 5)}, {50, 700}, 0);
    check({.op = "segment_sum",
           .words = {50},
           .inputs = {numbers(t, {400, 700}, 5), integers(index, {400}, -3, 52)},
           .results = {{t, {50, 700}}}});
    check({.op = "first_occurrence",
           .words = {300},
           .inputs = {integers(index, {500}, -3, 310)},
           .results = {{index, {500}}}});
    check({.op = "one_hot",
           .words = {10},
           .inputs = {integers(index, {64}, -1, 11)},
           .results = {{DType::f32, {64, 10}}}});
  }
}

TEST_P(CpuKernels, RandomNumbersAreThoseOfTheReference) {
  const DType t = GetParam();
  const std::vector<Array> key = {scalar(DType::i64, 12345), scalar(DType::i64, -3)};
  for (const std::int64_t n : {0, 1, 2, 3, 7, 64, 1021, 50000}) {
    check({.op = "random_uniform", .words = {}, .inputs = key, .results = {{t, {n}}}});
    check({.op = "random_normal", .words = {}, .inputs = key, .results = {{t, {n}}}});
    for (const double p : {0.0, 0.3, 1.0}) {
      check({.op = "dropout",
             .words = {},
             .inputs = {numbers(t, {n}), scalar(t, p), key[0], key[1]},
             .results = {{t, {n}}}});
    }
  }
}

// A kernel is shared by the threads of a program.
TEST_P(CpuKernels, RunFromSeveralThreadsAtOnce) {
  const DType t = GetParam();
  const Conv2dAttributes a{{1, 1}, {1, 1}, {1, 1}, 1, {0, 0}};
  const KernelCase cases[] = {
      {.op = "matmul",
       .words = {0, 1},
       .inputs = {numbers(t, {64, 128}, 1), numbers(t, {96, 128}, 2)},
       .results = {{t, {64, 96}}}},
      {.op = "conv2d",
       .words = words(a),
       .inputs = {numbers(t, {4, 16, 12, 12}, 1), numbers(t, {32, 16, 3, 3}, 2)},
       .results = {{t, {4, 32, 12, 12}}}},
      {.op = "softmax", .words = {1}, .inputs = {numbers(t, {200, 100})}, .results = {{t, {200, 100}}}}};
  for (const KernelCase& c : cases) {
    const Kernel kernel = make_kernel(cpu_backend(), c);
    const Array expected = run_kernel(kernel, c)[0];
    std::vector<int> wrong(4);
    std::vector<std::thread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&] {
        for (int repeat = 0; repeat < 20; ++repeat) count += same_bits(run_kernel(kernel, c)[0], expected) ? 0 : 1;
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const int count : wrong) EXPECT_EQ(count, 0) << c.name();
  }
}

TEST(CpuKernelTable, EveryKernelHasAReference) {
  for (const std::string_view op : cpu_backend().ops()) EXPECT_TRUE(reference_backend().has(op)) << op;
}

TEST(CpuKernelTable, TypesWithoutAFastKernelAreLeftToTheReference) {
  const KernelCase c{.op = "matmul",
                     .words = {0, 0},
                     .inputs = {numbers(DType::i64, {2, 2}), numbers(DType::i64, {2, 2})},
                     .results = {{DType::i64, {2, 2}}}};
  EXPECT_FALSE(make_kernel(cpu_backend(), c));
  EXPECT_TRUE(make_kernel(reference_backend(), c));
}

TEST(CpuKernelTable, WrongAttributesAreAnError) {
  const KernelCase c{.op = "matmul",
                     .words = {0},
                     .inputs = {numbers(DType::f32, {2, 2}), numbers(DType::f32, {2, 2})},
                     .results = {{DType::f32, {2, 2}}}};
  EXPECT_THROW((void)make_kernel(cpu_backend(), c), Error);
}

}  // namespace
}  // namespace narae::testing
