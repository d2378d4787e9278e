// Results that are known beforehand: corner cases that two kernels could get wrong in the same way.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "narae/core/random.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

namespace narae {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

template <class T>
Tensor of(std::initializer_list<T> values) {
  return Tensor::of(std::span<const T>(values.begin(), values.size()), {static_cast<std::int64_t>(values.size())});
}

// Equal numbers; NaN equals NaN.
void expect_values(const Tensor& x, std::vector<double> want) {
  std::vector<double> got = x.to_vector<double>();
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (std::isnan(want[i]))
      EXPECT_TRUE(std::isnan(got[i])) << "element " << i << " is " << got[i];
    else
      EXPECT_FLOAT_EQ(static_cast<float>(got[i]), static_cast<float>(want[i])) << "element " << i;
  }
}

TEST(Values, IntegersDivideTowardsZeroAndByZeroToZero) {
  expect_values(of<std::int32_t>({7, -7, 5, 0}) / of<std::int32_t>({2, 2, 0, 0}), {3, -3, 0, 0});
  constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
  expect_values(of<std::int32_t>({least}) / of<std::int32_t>({-1}), {static_cast<double>(least)});
}

TEST(Values, RoundsHalvesToEven) {
  expect_values(round(Tensor::of({0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 2.4F})), {0, 2, 2, 0, -2, 2});
}

TEST(Values, CastsToIntegersStopAtTheEndsOfTheRange) {
  const Tensor x = Tensor::of({2.9F, -2.9F, 300, -300, 3e9F, -3e9F, nan, infinity, -infinity});
  constexpr double most = 2147483647;
  constexpr double least = -2147483648;
  expect_values(cast(x, DType::u8), {2, 0, 255, 0, 255, 0, 0, 255, 0});
  expect_values(cast(x, DType::i32), {2, -2, 300, -300, most, least, 0, most, least});
  expect_values(cast(Tensor::of({0.0F, -0.0F, 0.5F, nan}), DType::boolean), {0, 0, 1, 1});
  expect_values(cast(cast(Tensor::of({1, 0.1F, 70000, nan}), DType::f16), DType::f32), {1, 0.099975586, infinity, nan});
  expect_values(cast(cast(Tensor::of({1, 0.1F, 70000, nan}), DType::bf16), DType::f32), {1, 0.10009766, 70144, nan});
}

TEST(Values, NaNIsNeverHidden) {
  const Tensor x = Tensor::of({nan, 1});
  for (const auto f : {exp,  expm1, log,  log1p, sqrt, rsqrt,   reciprocal, sin,      cos,  erf,       abs, square,
                       sign, floor, ceil, round, relu, sigmoid, tanh,       softplus, gelu, gelu_tanh, silu}) {
    EXPECT_TRUE(std::isnan(f(x).to_vector<float>()[0]));
  }
  expect_values(maximum(x, 0), {nan, 1});
  expect_values(minimum(x, 0), {nan, 0});
  expect_values(not_equal(x, x), {1, 0});
  expect_values(is_finite(Tensor::of({nan, infinity, -infinity, 3e38F})), {0, 0, 0, 1});
  expect_values(exp(Tensor::of({89, 200, 1000, 1e9F, -1000, -1e9F})), {infinity, infinity, infinity, infinity, 0, 0});
  expect_values(exp(cast(Tensor::of({710, 2000, 1e5F, -1e5F}), DType::f64)), {infinity, infinity, infinity, 0});
  expect_values(log(Tensor::of({-1, 0, infinity})), {nan, -infinity, infinity});
  expect_values(log1p(Tensor::of({-2, -1, infinity})), {nan, -infinity, infinity});
  expect_values(max(x), {nan});
  expect_values(min(x), {nan});
  expect_values(argmax(Tensor::of({1, nan, 3, nan})), {1});
  expect_values(argmin(Tensor::of({1, nan, 3, nan})), {1});
}

TEST(Values, TanhIsOddAndAtMostOne) {
  expect_values(tanh(Tensor::of({infinity, -infinity, 3e38F, -3e38F, 1e-30F, -1e-30F})),
                {1, -1, 1, -1, 1e-30F, -1e-30F});
  EXPECT_TRUE(std::signbit(tanh(Tensor::of({-0.0F})).to_vector<float>()[0]));
  const Tensor x = arange(0, 40000) * 0.0005;
  const std::vector<float> right = tanh(x).to_vector<float>();
  const std::vector<float> left = tanh(-x).to_vector<float>();
  for (std::size_t i = 0; i < right.size(); ++i) {
    const double exact = std::tanh(static_cast<double>(static_cast<float>(i) * 0.0005F));
    ASSERT_LE(std::abs(right[i] - exact), 3.6e-7 * exact) << i;
    ASSERT_LE(right[i], 1) << i;
    ASSERT_EQ(left[i], -right[i]) << i;
  }
}

TEST(Values, ArgmaxTakesTheFirst) {
  expect_values(argmax(Tensor::of({1, 3, 3, 2})), {1});
  expect_values(argmin(Tensor::of({2, 1, 1, 3})), {1});
}

TEST(Values, SortIsStableAndPutsNaNLast) {
  const Tensor x = Tensor::of({2, nan, 1, 2, 1});
  expect_values(sort(x).values, {1, 1, 2, 2, nan});
  expect_values(sort(x).indices, {2, 4, 0, 3, 1});
  expect_values(sort(x, {.descending = true}).values, {2, 2, 1, 1, nan});
  expect_values(sort(x, {.descending = true}).indices, {0, 3, 2, 4, 1});
  expect_values(topk(x, 2).values, {2, 2});
  expect_values(topk(x, 1, 0, false).indices, {2});
}

TEST(Values, SlicesCountFromTheBack) {
  const Tensor x = arange(0, 6);
  expect_values(slice(x, 0, -3, 100), {3, 4, 5});
  expect_values(slice(x, 0, 1, -1, 2), {1, 3});
  expect_values(slice(x, 0, 4, 2), {});
  expect_values(dynamic_slice(x, 0, scalar_integer(5), 3), {3, 4, 5});
  expect_values(dynamic_slice(x, 0, scalar_integer(-2), 2), {0, 1});
  expect_values(slice_scatter(Tensor::of({1, 2}), 0, scalar_integer(1), 5, 2), {0, 1, 0, 2, 0});
  expect_values(roll(x, 0, 2), {4, 5, 0, 1, 2, 3});
  expect_values(roll(x, 0, -1), {1, 2, 3, 4, 5, 0});
  expect_values(pad(Tensor::of({1, 2}), {1, 2}, 9), {9, 1, 2, 9, 9});
  expect_values(flip(x, {0}), {5, 4, 3, 2, 1, 0});
}

TEST(Values, IndicesOutOfRangeReadNaNAndAddNothing) {
  const Tensor x = Tensor::of({1, 2, 3});
  const Tensor at = of<std::int64_t>({2, 3, -1});
  expect_values(take(x, at), {3, nan, nan});
  expect_values(gather(x, 0, at), {3, nan, nan});
  expect_values(index_add(x, 0, at, Tensor::of({10, 20, 30})), {1, 2, 13});
  expect_values(scatter_add(x, 0, at, Tensor::of({10, 20, 30})), {1, 2, 13});
  expect_values(segment_sum(Tensor::of({10, 20, 30}), at, 3), {0, 0, 10});
  expect_values(one_hot(at, 3), {0, 0, 1, 0, 0, 0, 0, 0, 0});
  expect_values(take(of<std::int32_t>({1, 2}), at), {0, 0, 0});
}

TEST(Values, EqualElementsShareTheCotangent) {
  const Tensor x = Tensor::of({1, 3, 3, 2});
  expect_values(grad(max(x), {x})[0], {0, 0.5, 0.5, 0});
  const Tensor y = Tensor::of({1, 3, 1, 2});
  expect_values(grad(sum(maximum(x, y)), {x})[0], {0.5, 0.5, 1, 0.5});
}

// As PyTorch has them: the left branch of ELU holds at 0, the bounds of clip belong to the part that is let through.
TEST(Values, GradientsAtTheEndsOfBranches) {
  const Tensor x = Tensor::of({-1, 0, 1});
  EXPECT_FLOAT_EQ(grad(sum(elu(x)), {x})[0].to_vector<float>()[1], 1);
  EXPECT_FLOAT_EQ(grad(sum(elu(x, 0.7)), {x})[0].to_vector<float>()[1], 0.7F);
  EXPECT_EQ(grad(sum(clip(x, -1, 1)), {x})[0].to_vector<float>(), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(grad(sum(clip(x, -0.5, 0.5)), {x})[0].to_vector<float>(), (std::vector<float>{0, 1, 0}));
}

TEST(Values, GradientsAtCornersAreFinite) {
  const Tensor zero = Tensor::of({0, 0});
  expect_values(grad(norm(zero), {zero})[0], {0, 0});
  expect_values(grad(standard_deviation(zero), {zero})[0], {0, 0});
  expect_values(grad(sum(pow(zero, 2)), {zero})[0], {0, 0});
  expect_values(grad(sum(pow(zero, 0)), {zero})[0], {0, 0});
  const Tensor large = Tensor::of({1000, -1000});
  expect_values(grad(sum(elu(large)), {large})[0], {1, 0});
  expect_values(grad(sum(softplus(large)), {large})[0], {1, 0});
  expect_values(grad(sum(sigmoid(large)), {large})[0], {0, 0});
  const Tensor x = Tensor::of({2, 0, 3, 0});
  expect_values(grad(prod(x), {x})[0], {0, 0, 0, 0});
  const Tensor one = Tensor::of({2, 0, 3});
  expect_values(grad(prod(one), {one})[0], {0, 6, 0});
}

TEST(Values, GradientsOfCastsComeBackInTheirType) {
  const Tensor x = Tensor::of({1.5F, -2});
  const Tensor y = sum(square(cast(x, DType::f64)));
  const Tensor dx = grad(y, {x})[0];
  EXPECT_EQ(dx.dtype(), DType::f32);
  expect_values(dx, {3, -4});
  // Nothing flows through integers.
  expect_values(grad(sum(cast(cast(x, DType::i32), DType::f32) * x), {x})[0], {1, -2});
}

TEST(Values, MakesSequencesAndIdentities) {
  expect_values(arange(1, 2, 0.25), {1, 1.25, 1.5, 1.75});
  expect_values(arange(5, 0, -2, DType::i64), {5, 3, 1});
  expect_values(arange(3, 3), {});
  expect_values(eye(2, 3), {1, 0, 0, 0, 1, 0});
  EXPECT_EQ(eye(4).shape(), (Shape{4, 4}));
  expect_values(full({2}, 7, DType::u8), {7, 7});
}

TEST(Values, ReducesOverAnyAxes) {
  const Tensor x = reshape(arange(0, 24), {2, 3, 4});
  expect_values(sum(x, {0, -1}), {60, 92, 124});
  expect_values(mean(x), {11.5});
  EXPECT_EQ(sum(x, 1, {.keep = true}).shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(sum(x, {}, {.keep = true}).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(sum(x, std::span<const std::int64_t>()).shape(), x.shape());
  expect_values(variance(Tensor::of({1, 2, 3, 4})), {5.0 / 3});
  expect_values(variance(Tensor::of({1, 2, 3, 4}), {}, {.correction = 0}), {1.25});
  expect_values(prod(zeros({0})), {1});
  expect_values(sum(zeros({0})), {0});
}

TEST(Values, NoNodeWhereNothingIsToDo) {
  const Tensor x = Tensor::of({1, 2});
  EXPECT_EQ(reshape(x, {2}).node(), x.node());
  EXPECT_EQ(broadcast_to(x, {2}).node(), x.node());
  EXPECT_EQ(cast(x, DType::f32).node(), x.node());
}

TEST(Values, ChangingNumbersMakesNoNewPlan) {
  const Tensor x = arange(0, 8);
  const auto step = [&](int i) {
    return (sum(clip(x * (0.1 * i), -i, i) + roll(x, 0, i % 3)) + sum(slice(x, 0, i % 4, i % 4 + 3)) +
            sum(pad(x, {1, 1}, i)) + sum(where(greater(x, i), x, i)) + sum(full({3}, i)))
        .item();
  };
  (void)step(1);
  const auto before = engine_counts().plans_built;
  for (int i = 2; i < 200; ++i) (void)step(i);
  EXPECT_EQ(engine_counts().plans_built, before);
}

TEST(RandomOperators, DependOnSeedAndCounterAlone) {
  manual_seed(3);
  const auto first = uniform({5}).to_vector<float>();
  const RandomState state = random_state();
  EXPECT_EQ(state.counter, 1U);
  const auto second = normal({5}).to_vector<float>();
  set_random_state(state);
  EXPECT_EQ(normal({5}).to_vector<float>(), second);
  manual_seed(3);
  EXPECT_EQ(uniform({5}).to_vector<float>(), first);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(first[i], uniform_from(philox(3, 0, i / 4)[i % 4]));
  manual_seed(4);
  EXPECT_NE(uniform({5}).to_vector<float>(), first);
}

TEST(RandomOperators, HaveTheRightMoments) {
  manual_seed(1);
  const auto check = [](const Tensor& x, double mean_wanted, double deviation_wanted) {
    const Tensor deviation = standard_deviation(x);
    EXPECT_NEAR(mean(x).item(), mean_wanted, 0.02);
    EXPECT_NEAR(deviation.item(), deviation_wanted, 0.02);
  };
  check(uniform({40000}, -1, 2), 0.5, 3 / std::sqrt(12));
  check(normal({40000}, 1, 2), 1, 2);
  check(normal({40001}, 0, 1, DType::f64), 0, 1);
  check(bernoulli({40000}, 0.2), 0.2, 0.4);
  const auto numbers = uniform({1000}).to_vector<float>();
  EXPECT_TRUE(std::all_of(numbers.begin(), numbers.end(), [](float u) { return u >= 0 && u < 1; }));
}

TEST(RandomOperators, ThreadsTakeDifferentCounters) {
  manual_seed(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) (void)next_random_key();
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(random_state().counter, 4000U);
}

// A chain of layers over a variable, each checkpointed or not.
Tensor chain(const Tensor& x, const Tensor& w, bool recompute) {
  Tensor y = x;
  for (int i = 0; i < 4; ++i) {
    const auto layer = [&](std::span<const Tensor> in) {
      Tensor h = in[0];
      for (int k = 0; k < 6; ++k) h = tanh(matmul(h, w));
      return h;
    };
    y = recompute ? checkpoint(layer, std::array{y}) : layer(std::array{y});
  }
  return sum(y);
}

TEST(Checkpoint, GivesTheGradientsOfVariablesInLessMemory) {
  const Tensor w = variable(uniform({64, 64}, -0.2, 0.2));
  const Tensor x = copy(uniform({256, 64}));
  std::array<std::vector<float>, 2> gradients;
  std::array<std::int64_t, 2> memory{};
  for (const bool recompute : {false, true}) {
    const Tensor loss = chain(x, w, recompute);
    const Tensor dw = grad(loss, {w})[0];
    eval({loss, dw});
    gradients[recompute ? 1 : 0] = dw.to_vector<float>();
    memory[recompute ? 1 : 0] = plan::last_plan().arena_bytes;
  }
  ASSERT_EQ(gradients[0].size(), gradients[1].size());
  // The layers' gradients are added up in another order.
  for (std::size_t i = 0; i < gradients[0].size(); ++i) EXPECT_NEAR(gradients[0][i], gradients[1][i], 1e-3);
  EXPECT_LT(memory[1], memory[0] * 2 / 3);
}

TEST(Checkpoint, RepeatsRandomNumbers) {
  const Tensor x = copy(ones({100}));
  manual_seed(9);
  const auto f = [](std::span<const Tensor> in) { return dropout(square(in[0]), 0.5); };
  const Tensor y = checkpoint(f, std::array{x});
  const Tensor dx = grad(sum(y), {x})[0];
  eval({y, dx});
  const auto values = y.to_vector<float>();
  const auto slopes = dx.to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_FLOAT_EQ(slopes[i], 2 * values[i]);
}

TEST(Checkpoint, OfAnInputIsTheInput) {
  const Tensor x = Tensor::of({1, 2});
  EXPECT_EQ(checkpoint([](std::span<const Tensor> in) { return in[0]; }, std::array{x}).node(), x.node());
  EXPECT_THROW((void)checkpoint([](std::span<const Tensor>) { return Tensor(); }, std::array{x}), Error);
}

}  // namespace
}  // namespace narae
