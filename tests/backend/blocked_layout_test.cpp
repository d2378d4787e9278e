// Kernels on channels in blocks against the reference kernels, through the layouts that they ask for.
#include <gtest/gtest.h>

#include "narae/backend/cpu/channel_blocks.h"
#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

// The channels of the block of each case's values.
class BlockedKernels : public ::testing::TestWithParam<std::int64_t> {
 protected:
  ~BlockedKernels() override { set_thread_count(before_); }

  // `given`: the inputs that lie in blocks at first.
  void check(const KernelCase& c, std::initializer_list<std::size_t> given = {0}) {
    SCOPED_TRACE(c.name());
    std::vector<Signature> inputs;
    Op op;
    op.name = c.op;
    KernelRequest request = request_of(c, op, inputs);
    std::vector<Layout> lie(c.inputs.size(), Layout::row_major);
    for (const std::size_t i : given) lie[i] = *cpu::channel_blocked(c.inputs[i].shape, GetParam());
    request.input_layouts = lie;
    LayoutChoice choice;
    ASSERT_TRUE(cpu_backend().layouts().choose(request, choice));
    for (const std::size_t i : given) EXPECT_EQ(choice.inputs[i], lie[i]);
    request.input_layouts = choice.inputs;
    request.result_layouts = choice.results;
    const Kernel kernel = cpu_backend().make(request);
    ASSERT_TRUE(kernel);
    KernelCase blocked = c;
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      blocked.inputs[i] = in_layout(c.inputs[i], Layout::row_major, choice.inputs[i]);
    }
    const std::vector<Array> expected = run_kernel(make_kernel(reference_backend(), c), c);
    set_thread_count(1);
    const std::vector<Array> one = run_kernel(kernel, blocked);
    set_thread_count(2);
    const std::vector<Array> two = run_kernel(kernel, blocked);
    for (std::size_t k = 0; k < expected.size(); ++k) {
      expect_close(in_layout(one[k], choice.results[k], Layout::row_major), expected[k], c.tolerance,
                   "result " + std::to_string(k));
      EXPECT_TRUE(same_bits(one[k], two[k])) << "two threads give other bits";
    }
  }

 private:
  int before_ = thread_count();
};

INSTANTIATE_TEST_SUITE_P(Blocks, BlockedKernels, ::testing::Values(8, 16),
                         [](const auto& at) { return "of" + std::to_string(at.param); });

constexpr DType f32 = DType::f32;

TEST_P(BlockedKernels, BatchNorm) {
  for (const Shape& x : {Shape{4, 16, 5, 7}, Shape{40, 32, 3, 3}, Shape{1, 48, 30, 30}, Shape{3, 16, 20, 41}}) {
    const Shape c{x[1]};
    check({.op = "batch_norm_statistics",
           .words = {},
           .inputs = {numbers(f32, x)},
           .results = {{f32, c}, {f32, c}},
           .tolerance = sum_tolerance(f32, 256)});
    check({.op = "batch_norm_gradient",
           .words = {},
           .inputs = {numbers(f32, x), numbers(f32, c, 2), numbers(f32, c, 3), integers(f32, c, 1, 4),
                      scalar(f32, 1e-3), numbers(f32, x, 4)},
           .results = {{f32, x}, {f32, c}, {f32, c}},
           .tolerance = sum_tolerance(f32, x.count() / x[1])});
    check({.op = "sum",
           .words = words(ReduceAttributes{0b1101, 0}),
           .inputs = {numbers(f32, x)},
           .results = {{f32, c}},
           .tolerance = sum_tolerance(f32, 1000)});
    check({.op = "sum",
           .words = words(ReduceAttributes{0b1100, 1}),
           .inputs = {numbers(f32, x)},
           .results = {{f32, {x[0], x[1], 1, 1}}},
           .tolerance = sum_tolerance(f32, 256)});
  }
}

// One pass over the numbers must not lose a variance that is small beside the mean.
TEST_P(BlockedKernels, StatisticsFarFromZero) {
  Array x = numbers(f32, {8, 16, 9, 9});
  for (float& value : x.mutable_values<float>()) value = value * 0.1F + 300;
  check({.op = "batch_norm_statistics",
         .words = {},
         .inputs = {x},
         .results = {{f32, {16}}, {f32, {16}}},
         .tolerance = 1e-5});
}

TEST_P(BlockedKernels, Pooling) {
  struct Geometry {
    Shape x;
    std::int64_t kernel, stride, padding, include, ceil;
  };
  const Geometry geometries[] = {{{2, 16, 8, 8}, 2, 2, 0, 1, 0},  {{3, 32, 9, 7}, 3, 2, 1, 0, 0},
                                 {{2, 16, 8, 10}, 3, 2, 1, 1, 1}, {{1, 16, 6, 6}, 3, 1, 1, 1, 0},
                                 {{2, 16, 1, 1}, 2, 1, 1, 1, 0},  {{2, 32, 2, 2}, 2, 1, 0, 1, 0}};
  for (const Geometry& g : geometries) {
    Pool2dAttributes a{{g.kernel, g.kernel}, {g.stride, g.stride}, {g.padding, g.padding}, g.include, g.ceil, {0, 0}};
    Shape out = g.x;
    for (int i = 2; i < 4; ++i) {
      out.set(i, (g.x[i] + 2 * g.padding - g.kernel + (g.ceil != 0 ? g.stride - 1 : 0)) / g.stride + 1);
    }
    for (const Array& x : {numbers(f32, g.x), integers(f32, g.x, 0, 3), poisoned(numbers(f32, g.x))}) {
      check({.op = "max_pool2d", .words = words(a), .inputs = {x}, .results = {{f32, out}, {DType::i32, out}}});
    }
    const double bound = sum_tolerance(f32, 16);
    check({.op = "avg_pool2d",
           .words = words(a),
           .inputs = {numbers(f32, g.x)},
           .results = {{f32, out}},
           .tolerance = bound});
    a.extent[0] = g.x[2];
    a.extent[1] = g.x[3];
    check({.op = "avg_pool2d_gradient",
           .words = words(a),
           .inputs = {numbers(f32, out)},
           .results = {{f32, g.x}},
           .tolerance = bound});
    check({.op = "max_unpool2d",
           .words = {g.x[2], g.x[3]},
           .inputs = {numbers(f32, out), integers(DType::i32, out, -2, g.x[2] * g.x[3] + 2)},
           .results = {{f32, g.x}},
           .tolerance = bound},
          {1});
  }
}

TEST_P(BlockedKernels, AdaptivePooling) {
  for (const auto& [in, size] : {std::pair<Shape, Shape>{{2, 16, 7, 5}, {3, 2}},
                                 {{20, 32, 8, 8}, {1, 1}},
                                 {{1, 16, 5, 6}, {9, 6}},
                                 {{2, 16, 1, 1}, {3, 4}}}) {
    const Shape out{in[0], in[1], size[0], size[1]};
    const std::vector<std::int64_t> to = {size[0], size[1]};
    const double bound = sum_tolerance(f32, in[2] * in[3]);
    check({.op = "adaptive_avg_pool2d",
           .words = to,
           .inputs = {numbers(f32, in)},
           .results = {{f32, out}},
           .tolerance = bound});
    check({.op = "adaptive_max_pool2d",
           .words = to,
           .inputs = {numbers(f32, in)},
           .results = {{f32, out}, {DType::i32, out}}});
    check({.op = "adaptive_avg_pool2d_gradient",
           .words = {in[2], in[3]},
           .inputs = {numbers(f32, out)},
           .results = {{f32, in}},
           .tolerance = bound});
  }
}

TEST_P(BlockedKernels, JoinedAndCut) {
  const Shape x{3, 32, 5, 4};
  for (const std::int64_t axis : {0, 1, 2, 3}) {
    Shape other = x;
    other.set(static_cast<int>(axis), 48);
    Shape joined = x;
    joined.set(static_cast<int>(axis), x[static_cast<int>(axis)] + 48);
    check({.op = "concat",
           .words = {axis},
           .inputs = {numbers(f32, x), numbers(f32, other, 2)},
           .results = {{f32, joined}}},
          {1});
  }
  check({.op = "concat",
         .words = {3},
         .inputs = {numbers(f32, {3, 16, 1, 1}), numbers(f32, {3, 16, 1, 2}, 2)},
         .results = {{f32, {3, 16, 1, 3}}}},
        {0, 1});
  check({.op = "pad",
         .words = {0, 0, 0, 0, 1, 0, 2, 1},
         .inputs = {numbers(f32, {2, 32, 1, 1}), scalar(f32, 3)},
         .results = {{f32, {2, 32, 2, 4}}}});
  for (const double start : {0.0, 16.0, 5.0, 100.0, -3.0}) {
    check({.op = "slice",
           .words = words(SliceAttributes{1, 16, 1}),
           .inputs = {numbers(f32, x), scalar(DType::i64, start)},
           .results = {{f32, {3, 16, 5, 4}}}});
  }
  for (const std::int64_t axis : {0, 2, 3}) {
    Shape half = x;
    half.set(static_cast<int>(axis), 2);
    check({.op = "slice",
           .words = words(SliceAttributes{axis, 2, 2}),
           .inputs = {numbers(f32, x), scalar(DType::i64, 1)},
           .results = {{f32, half}}});
    check({.op = "slice_scatter",
           .words = {axis, 2, 2, x[static_cast<int>(axis)]},
           .inputs = {numbers(f32, half), scalar(DType::i64, 1)},
           .results = {{f32, x}}});
  }
  check({.op = "pad",
         .words = {0, 0, 16, 32, 0, 0, 0, 0},
         .inputs = {numbers(f32, x), scalar(f32, 3)},
         .results = {{f32, {3, 80, 5, 4}}}});
  check({.op = "pad",
         .words = {1, 0, 0, 0, 2, 1, 0, 3},
         .inputs = {numbers(f32, x), scalar(f32, 3)},
         .results = {{f32, {4, 32, 8, 7}}}});
}

TEST(BlockedLayouts, AreRefusedWhereChannelsDoNotFill) {
  EXPECT_FALSE(cpu::channel_blocked({2, 24, 5, 5}, 16).has_value());
  EXPECT_TRUE(cpu::channel_blocked({2, 24, 5, 5}, 8).has_value());
  EXPECT_FALSE(cpu::channel_blocked({24, 24}, 8).has_value());
  EXPECT_FALSE(cpu::channel_blocked({2, 0, 5, 5}, 16).has_value());
  EXPECT_FALSE(cpu::channel_blocked({2, 16, 0, 5}, 16).has_value());
  EXPECT_FALSE(cpu::channel_blocks(Layout::row_major).has_value());
}

}  // namespace
}  // namespace narae::testing
