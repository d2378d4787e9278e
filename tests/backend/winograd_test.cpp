// Convolutions by Winograd's algorithm against the reference kernels, which add up in f64. Its transforms of 6 x 6
// tiles make numbers several times as large, and rounding with them.
#include <gtest/gtest.h>

#include <algorithm>

#include "narae/backend/cpu/channel_blocks.h"
#include "narae/backend/cpu/winograd.h"
#include "narae/backend/cpu/winograd_filters.h"
#include "narae/core/switches.h"
#include "tests/backend/kernel_test.h"

namespace narae::testing {
namespace {

constexpr DType f32 = DType::f32;

struct Case {
  std::int64_t batch, channels, height, width, filters, padding;

  [[nodiscard]] Shape x() const { return {batch, channels, height, width}; }
  [[nodiscard]] Shape y() const { return {batch, filters, height + 2 * padding - 2, width + 2 * padding - 2}; }
  [[nodiscard]] Shape w() const { return {filters, channels, 3, 3}; }
  [[nodiscard]] Conv2dAttributes words() const { return {{1, 1}, {padding, padding}, {1, 1}, 1, {0, 0}}; }
  [[nodiscard]] cpu::ConvGeometry geometry() const {
    return {batch, channels, filters, {height, width}, {3, 3}, {y()[2], y()[3]}, words()};
  }
};

Array transformed(const Array& w, const cpu::WinogradFilters& filters) {
  const KernelCase c{.op = "reorder", .words = {}, .inputs = {w}, .results = {{f32, {filters.numbers()}}}};
  return run_kernel(cpu_backend().layouts().reorder({f32, w.shape}, Layout::row_major, winograd_layout(filters)), c)[0];
}

void expect_near(const Array& found, const Array& expected) {
  double largest = 0;
  double worst = 0;
  for (std::size_t i = 0; i < expected.values<float>().size(); ++i) {
    const double wanted = expected.values<float>()[i];
    const double error = std::abs(static_cast<double>(found.values<float>()[i]) - wanted);
    largest = std::max(largest, std::abs(wanted));
    worst = std::max(worst, std::isnan(error) ? 1e30 : error);
  }
  EXPECT_LE(worst, 1e-5 * largest);
}

// With channels in blocks of so many.
class Winograd : public ::testing::TestWithParam<std::int64_t> {
 protected:
  ~Winograd() override {
    set_thread_count(threads_);
    allow_winograd(allowed_);
  }

  [[nodiscard]] static Layout blocked(const Shape& shape) { return *cpu::channel_blocked(shape, GetParam()); }

  // A kernel's result with one and with two threads, row-major.
  static Array run(const Kernel& kernel, const KernelCase& c, Layout layout) {
    set_thread_count(1);
    const Array one = run_kernel(kernel, c)[0];
    set_thread_count(2);
    EXPECT_TRUE(same_bits(one, run_kernel(kernel, c)[0])) << "two threads give other bits";
    return in_layout(one, layout, Layout::row_major);
  }

 private:
  int threads_ = thread_count();
  bool allowed_ = winograd_allowed();
};

INSTANTIATE_TEST_SUITE_P(Blocks, Winograd, ::testing::Values(8, 16),
                         [](const auto& at) { return "of" + std::to_string(at.param); });

constexpr Case cases[] = {
    {16, 32, 15, 14, 64, 1},  // some tiles at a time
    {4, 64, 33, 30, 64, 1},   // in several turns; the gradient's tiles are too many
    {8, 64, 7, 9, 256, 1},    // some filters at a time
    {8, 256, 9, 6, 64, 1},    // likewise for the input gradient
    {16, 96, 10, 10, 64, 0},  // without padding, in parts of 48 channels
    {16, 128, 4, 4, 160, 1},  // groups of 32 filters
    {12, 112, 9, 7, 208, 1},  // of 16
    {64, 128, 3, 4, 128, 1},  // smaller than a tile
};

TEST_P(Winograd, AgreesWithDirectConvolution) {
  allow_winograd(true);
  for (const Case& c : cases) {
    SCOPED_TRACE(to_string(c.x()) + to_string(c.w()));
    const Array x = numbers(f32, c.x(), 1);
    const Array w = numbers(f32, c.w(), 2);
    const Array dy = numbers(f32, c.y(), 3);
    const Array bias = numbers(f32, {c.filters}, 4);
    const Layout x_layout = blocked(c.x());
    const Layout y_layout = blocked(c.y());
    const Array blocked_x = in_layout(x, Layout::row_major, x_layout);
    const Array blocked_dy = in_layout(dy, Layout::row_major, y_layout);
    const auto compare = [&](const char* op, cpu::ConvPass pass, std::vector<Array> plain, std::vector<Array> inputs,
                             const Array& like, Layout layout, Layout lasting = Layout::row_major) {
      SCOPED_TRACE(op);
      Conv2dAttributes a = c.words();
      if (pass != cpu::ConvPass::forward)
        for (int i = 0; i < 2; ++i) a.extent[i] = like.shape[2 + i];
      KernelCase request{.op = op, .words = words(a), .inputs = std::move(plain), .results = {{f32, like.shape}}};
      const Array expected = run_kernel(make_kernel(reference_backend(), request), request)[0];
      std::swap(request.inputs, inputs);
      std::vector<Array> found;
      for (const int threads : {1, 2}) {  // that the kernel is made for
        set_thread_count(threads);
        const Kernel kernel =
            make_winograd(c.geometry(), pass, request.inputs.size() == 3, {x_layout, y_layout, lasting});
        if (pass == cpu::ConvPass::weight_gradient && c.height == 33) {
          EXPECT_FALSE(kernel);
          request.inputs = inputs;
          found.push_back(run_kernel(make_kernel(cpu_backend(), request), request)[0]);  // oneDNN's
          continue;
        }
        ASSERT_TRUE(kernel);
        found.push_back(run(kernel, request, layout));
        EXPECT_TRUE(same_bits(found[0], found.back())) << "made for two threads it gives other bits";
      }
      expect_near(found[0], expected);
    };
    using enum cpu::ConvPass;
    compare("conv2d", forward, {x, w}, {blocked_x, w}, dy, y_layout);
    const cpu::WinogradFilters filters{.filters = c.filters, .channels = c.channels, .block = GetParam()};
    compare("conv2d_bias", forward, {x, w, bias}, {blocked_x, transformed(w, filters), bias}, dy, y_layout,
            winograd_layout(filters));
    compare("conv2d_input_gradient", input_gradient, {dy, w}, {blocked_dy, w}, x, x_layout);
    compare("conv2d_weight_gradient", weight_gradient, {x, dy}, {blocked_x, blocked_dy}, w, Layout::row_major);
  }
}

TEST_P(Winograd, AddsAndRectifiesBeforeItStores) {
  allow_winograd(true);
  const Case c = cases[2];
  const KernelCase request{.op = "conv2d",
                           .words = words(c.words()),
                           .inputs = {numbers(f32, c.x(), 1), numbers(f32, c.w(), 2)},
                           .results = {{f32, c.y()}}};
  const Array z = numbers(f32, c.y(), 3);
  Array expected = run_kernel(make_kernel(reference_backend(), request), request)[0];
  for (std::size_t i = 0; i < z.values<float>().size(); ++i) {
    float& y = expected.mutable_values<float>()[i];
    y = std::max(y + z.values<float>()[i], 0.0F);
  }
  const Kernel kernel = make_winograd(c.geometry(), cpu::ConvPass::forward, false, {blocked(c.x()), blocked(c.y())},
                                      {.adds = true, .rectifies = true});
  const Array x = in_layout(request.inputs[0], Layout::row_major, blocked(c.x()));
  Array y = in_layout(z, Layout::row_major, blocked(c.y()));  // what is added lies where the result will be
  const std::byte* const in[] = {x.buffer.data(), request.inputs[1].buffer.data()};
  std::byte* const out[] = {y.buffer.data()};
  const Buffer scratch = Buffer::allocate(kernel.scratch_bytes);
  kernel.run({in, out, scratch.data()});
  expect_near(in_layout(y, blocked(c.y()), Layout::row_major), expected);
}

TEST_P(Winograd, TheSwitchTurnsItOff) {
  const Case c = cases[0];
  allow_winograd(true);
  EXPECT_EQ(winograd_choice(c.geometry(), cpu::ConvPass::forward), cpu::WinogradChoice::own);
  allow_winograd(false);
  EXPECT_EQ(winograd_choice(c.geometry(), cpu::ConvPass::forward), cpu::WinogradChoice::none);
}

TEST(WinogradChoice, IsMadeByCost) {
  const auto choice = [](const Case& c, cpu::ConvPass pass, bool lasting = false) {
    return winograd_choice(c.geometry(), pass, lasting);
  };
  using enum cpu::WinogradChoice;
  const bool before = winograd_allowed();
  allow_winograd(true);
  EXPECT_EQ(choice({32, 512, 4, 4, 512, 1}, cpu::ConvPass::forward), own);
  EXPECT_EQ(choice({32, 512, 4, 4, 512, 1}, cpu::ConvPass::weight_gradient), own);
  EXPECT_EQ(choice({1, 512, 7, 7, 512, 1}, cpu::ConvPass::forward), none) << "four tiles for 262,144 filters";
  EXPECT_EQ(choice({1, 128, 10, 10, 128, 1}, cpu::ConvPass::forward), none);
  EXPECT_EQ(choice({1, 128, 10, 10, 128, 1}, cpu::ConvPass::forward, true), own) << "transformed once";
  EXPECT_EQ(choice({32, 64, 32, 32, 64, 1}, cpu::ConvPass::weight_gradient), onednn);
  EXPECT_EQ(choice({32, 40, 32, 32, 64, 1}, cpu::ConvPass::forward), none) << "40 is no multiple of 16";
  allow_winograd(before);
}

}  // namespace
}  // namespace narae::testing
