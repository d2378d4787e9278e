// What a plan computes from variables alone is kept between its executions, until one of them changes.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <thread>
#include <vector>

#include "narae/core/random.h"
#include "narae/graph/eval.h"
#include "narae/graph/profile.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

namespace narae::plan {
namespace {

Tensor random(const Shape& shape, std::uint64_t stream) {
  RandomStream numbers(5, stream);
  Array a = Array::empty(DType::f32, shape);
  for (float& x : a.mutable_values<float>()) x = numbers.normal();
  return a;
}

class PreparedValuesTest : public ::testing::Test {
 protected:
  // A convolution whose weights are wanted in blocks, and factors of a normalisation.
  [[nodiscard]] std::vector<float> answer(double eps = 1e-5) const {
    const NoGrad no_gradients;
    const Tensor factors = reshape(rsqrt(variance_ + eps), {1, 32, 1, 1});
    return (conv2d(x_, w_, {}, {.padding = 1}) * factors).to_vector<float>();
  }
  [[nodiscard]] std::vector<float> plainly(double eps = 1e-5) const {
    const PlanOptions before = plan_options();
    set_plan_options({.fuse = false, .layouts = false, .fast_kernels = false});
    std::vector<float> result = answer(eps);
    set_plan_options(before);
    return result;
  }
  static std::int64_t steps_of(const std::function<void()>& work) {
    const Profile profile;
    work();
    return static_cast<std::int64_t>(profile.steps().size());
  }
  static void expect_near(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-3 * (1 + std::abs(b[i]))) << i;
  }

  const Tensor x_ = random({2, 32, 9, 9}, 1);
  Tensor w_ = variable(random({32, 32, 3, 3}, 2));
  Tensor variance_ = variable(square(random({32}, 3)) + 0.5);
};

// By the definition, in doubles.
std::vector<float> plain_conv(const Tensor& x, const Tensor& w) {
  const Tensor y = conv2d(cast(x, DType::f64), cast(w, DType::f64), {}, {.padding = 1});
  return cast(y, DType::f32).to_vector<float>();
}
bool same_numbers(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::abs(a[i] - b[i]) > 1e-3 * (1 + std::abs(b[i]))) return false;
  return a.size() == b.size();
}

TEST_F(PreparedValuesTest, LaterExecutionsLeaveItOut) {
  set_plan_options(plan_options());  // an empty cache
  const std::vector<float> first = answer();
  const std::int64_t all = last_plan().steps;
  const std::int64_t left = steps_of([&] { EXPECT_EQ(answer(), first); });
  EXPECT_LT(left, all);
  EXPECT_GE(left, 1);
  expect_near(first, plainly());
}

// Filters are kept transformed for Winograd's algorithm where pictures are large enough.
TEST_F(PreparedValuesTest, TransformedFiltersFollowTheirVariable) {
  const NoGrad no_gradients;
  const Tensor x = random({1, 64, 28, 28}, 4);
  Tensor w = variable(random({64, 64, 3, 3}, 5));
  const auto compute = [&] { return conv2d(x, w, {}, {.padding = 1}).to_vector<float>(); };
  const std::vector<float> first = compute();
  EXPECT_EQ(compute(), first);
  EXPECT_TRUE(same_numbers(first, plain_conv(x, w)));
  w.assign(random({64, 64, 3, 3}, 6));
  EXPECT_TRUE(same_numbers(compute(), plain_conv(x, w)));
}

// Filters that are a convolution's result lie in blocks themselves: they are not transformed from there.
TEST_F(PreparedValuesTest, FiltersMayBeResultsOfAConvolution) {
  const NoGrad no_gradients;
  const Tensor x = random({1, 64, 28, 28}, 4);
  const Tensor w = variable(random({64, 64, 3, 3}, 5));
  const Tensor mixed = variable(random({64, 64, 1, 1}, 6) * 0.1);
  const std::vector<float> merged = conv2d(x, conv2d(w, mixed), {}, {.padding = 1}).to_vector<float>();
  const Tensor filters = conv2d(cast(w, DType::f64), cast(mixed, DType::f64));
  EXPECT_TRUE(same_numbers(merged, plain_conv(x, filters)));
}

TEST_F(PreparedValuesTest, AVariableThatChangesIsPreparedAnew) {
  static_cast<void>(answer());
  static_cast<void>(answer());
  w_.assign(random({32, 32, 3, 3}, 9));
  expect_near(answer(), plainly());
  variance_.assign(square(random({32}, 10)) + 2.0);
  expect_near(answer(), plainly());
}

TEST_F(PreparedValuesTest, ANumberThatChangesIsPreparedAnew) {
  static_cast<void>(answer(1e-5));
  expect_near(answer(0.5), plainly(0.5));
  expect_near(answer(1e-5), plainly(1e-5));
}

// The plan of one network serves another of the same structure.
TEST_F(PreparedValuesTest, TwoNetworksDoNotShareIt) {
  const std::vector<float> one = answer();
  w_ = variable(random({32, 32, 3, 3}, 20));
  const std::vector<float> other = answer();
  EXPECT_NE(one, other);
  expect_near(other, plainly());
}

TEST_F(PreparedValuesTest, ThreadsWithNetworksOfTheirOwn) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&wrong, t] {
      const NoGrad no_gradients;
      const Tensor x = random({1, 32, 8, 8}, 100 + t);
      const Tensor w = variable(random({32, 32, 3, 3}, 200 + t));
      const auto run = [&] { return conv2d(x, w, {}, {.padding = 1}).to_vector<float>(); };
      const std::vector<float> expected = run();
      if (!same_numbers(expected, plain_conv(x, w))) ++wrong[t];
      for (int k = 0; k < 50; ++k) wrong[t] += run() == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

// Weights are not reordered again because of a number, or a random one, beside them.
TEST_F(PreparedValuesTest, NumbersBesideDoNotCount) {
  const NoGrad no_gradients;
  const auto steps = [&](double factor) {
    return steps_of([&] {
      static_cast<void>((conv2d(x_, w_, {}, {.padding = 1}) * factor + normal({2, 32, 9, 9})).to_vector<float>());
    });
  };
  static_cast<void>(steps(1));
  const std::int64_t later = steps(2);
  EXPECT_EQ(steps(3), later);
  EXPECT_EQ(last_plan().steps, later + 1);  // the reorder
  EXPECT_EQ(last_plan().prepared_bytes, 32 * 32 * 9 * 4);
}

// Nor because of a place in a table that is another one each time, as in generation.
TEST_F(PreparedValuesTest, PlacesBesideDoNotCount) {
  const NoGrad no_gradients;
  const Tensor table = variable(random({8, 32, 1, 1}, 40));
  const auto steps = [&](std::int64_t place) {
    return steps_of([&] {
      static_cast<void>((conv2d(x_, w_, {}, {.padding = 1}) + slice(table, 0, place, place + 1)).to_vector<float>());
    });
  };
  static_cast<void>(steps(1));
  const std::int64_t later = steps(2);
  EXPECT_EQ(steps(3), later);
  EXPECT_EQ(last_plan().steps, later + 1) << last_plan().text;  // the reorder
}

// A plan whose sources are others each time is made anew without them: the weights are kept again.
TEST_F(PreparedValuesTest, NumbersThatNeverStayAreLeftOut) {
  const NoGrad no_gradients;
  const Tensor table = variable(random({1, 32, 1, 1}, 41));
  const auto steps = [&](double time) {
    return steps_of([&] { static_cast<void>((conv2d(x_, w_, {}, {.padding = 1}) + table * time).to_vector<float>()); });
  };
  std::int64_t last = 0;
  for (int k = 0; k < 12; ++k) last = steps(k);
  EXPECT_EQ(last_plan().steps, last + 1) << last_plan().text;  // the reorder
  EXPECT_EQ(steps(12), last);
}

// So are weights that change before each run.
TEST_F(PreparedValuesTest, WeightsThatNeverStayAreNotKept) {
  for (int k = 0; k < 12; ++k) {
    w_.assign(random({32, 32, 3, 3}, 50 + static_cast<std::uint64_t>(k)));
    static_cast<void>(answer());
  }
  EXPECT_EQ(last_plan().prepared_bytes, 0) << last_plan().text;
  expect_near(answer(), plainly());
}

TEST_F(PreparedValuesTest, ALaterExecutionFetchesNoMemory) {
  static_cast<void>(answer());
  static_cast<void>(answer());
  const std::int64_t before = engine_counts().executor_allocations;
  static_cast<void>(answer());
  EXPECT_EQ(engine_counts().executor_allocations, before);
}

}  // namespace
}  // namespace narae::plan
