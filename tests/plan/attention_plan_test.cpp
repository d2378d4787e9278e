// What attention costs as a part of a plan: steps and memory.
#include <gtest/gtest.h>

#include <algorithm>

#include "narae/core/random.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

namespace narae::plan {
namespace {

Tensor random(const Shape& shape, std::uint64_t stream) {
  RandomStream numbers(3, stream);
  Array a = Array::empty(DType::f32, shape);
  for (float& x : a.mutable_values<float>()) x = numbers.normal();
  return a;
}

// Forward and backward of one sequence of `length` through two heads of 16.
PlanFacts facts_of(std::int64_t length, const AttentionOptions& options) {
  const Shape shape{1, length, 2, 16};
  const std::vector<Tensor> x = {variable(random(shape, 1)), variable(random(shape, 2)), variable(random(shape, 3))};
  const Tensor y = attention(x[0], x[1], x[2], options);
  const Gradients g = grad(sum(y * random(shape, 4)), x);
  eval(g.values);
  return last_plan();
}

TEST(AttentionPlan, MemoryGrowsLinearlyWithTheLength) {
  const std::vector<AttentionOptions> uses = {
      {.causal = true}, {.slopes = Tensor::of({0.5F, 0.25F}), .window = 100}, {.causal = true, .dropout = 0.1}};
  for (const AttentionOptions& options : uses) {
    const auto bytes = [&](std::int64_t length) { return static_cast<double>(facts_of(length, options).arena_bytes); };
    const double once = bytes(512);
    const double twice = bytes(1024);
    const double four_times = bytes(2048);
    EXPECT_NEAR(four_times - twice, 2 * (twice - once), 0.1 * (twice - once));
    EXPECT_LT(four_times, 2048.0 * 2048.0) << "less than a byte for each score of one head";
  }
}

TEST(AttentionPlan, IsOneStepForwardAndOneBackward) {
  const PlanFacts facts = facts_of(64, {.causal = true});
  const auto steps = [&](const char* name) {
    return std::count(facts.names.begin(), facts.names.end(), std::string(name));
  };
  EXPECT_EQ(steps("attention"), 1);
  EXPECT_EQ(steps("attention_gradient"), 1);
  EXPECT_LE(facts.names.size(), 4U);
}

// One plan for all steps of generation: where the cache ends, lengths, window, scale and dropout are inputs.
TEST(AttentionPlan, NumbersMakeNoNewPlan) {
  const Tensor key = random({2, 40, 2, 8}, 1);
  const Tensor value = random({2, 40, 2, 8}, 2);
  const Tensor query = random({2, 1, 2, 8}, 3);
  std::int64_t built = 0;
  for (std::int64_t step = 0; step < 30; ++step) {
    const std::vector<std::int64_t> places = {step, step + 7};
    const Tensor first = Tensor::of<std::int64_t>(places, {2});
    attention(query, key, value,
              {.causal = true,
               .lengths = first + 1.0,
               .first = first,
               .window = 3 + step,
               .scale = 0.1 * static_cast<double>(step),
               .dropout = 0.01 * static_cast<double>(step + 1)})
        .eval();
    if (step == 0) built = engine_counts().plans_built;
  }
  EXPECT_EQ(engine_counts().plans_built, built);
}

// Steps with a cache give what the whole sequence gives at once.
TEST(AttentionPlan, OneTokenAtATimeIsTheSameAsAllAtOnce) {
  const Shape shape{1, 30, 2, 8};
  const Tensor query = random(shape, 1);
  const Tensor key = random(shape, 2);
  const Tensor value = random(shape, 3);
  const std::vector<float> all = attention(query, key, value, {.causal = true}).to_vector<float>();
  for (std::int64_t step = 0; step < 30; ++step) {
    const Tensor one = attention(narrow(query, 1, step, 1), key, value,
                                 {.causal = true, .first = full({1}, static_cast<double>(step), DType::i64)});
    const std::vector<float> got = one.to_vector<float>();
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], all[static_cast<std::size_t>(step) * 16 + i], 2e-6);
  }
}

TEST(AttentionPlan, ProbabilitiesAreThoseOfTheResult) {
  const Tensor query = random({2, 5, 4, 8}, 1);
  const Tensor key = random({2, 6, 2, 8}, 2);
  const Tensor value = random({2, 6, 2, 3}, 3);
  const AttentionOptions options{.lengths = Tensor::of<std::int64_t>(std::vector<std::int64_t>{6, 0}, {2})};
  const std::vector<float> p = attention_probabilities(query, key, options).to_vector<float>();
  const std::vector<float> v = value.to_vector<float>();
  const std::vector<float> y = attention(query, key, value, options).to_vector<float>();
  ASSERT_EQ(p.size(), 2U * 4 * 5 * 6);
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t h = 0; h < 4; ++h)
      for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t d = 0; d < 3; ++d) {
          double sum = 0;
          for (std::size_t j = 0; j < 6; ++j)
            sum += static_cast<double>(p[((n * 4 + h) * 5 + i) * 6 + j] * v[((n * 6 + j) * 2 + h / 2) * 3 + d]);
          EXPECT_NEAR(y[((n * 5 + i) * 4 + h) * 3 + d], sum, 1e-5);
          if (n == 1) EXPECT_EQ(sum, 0);
        }
}

}  // namespace
}  // namespace narae::plan
