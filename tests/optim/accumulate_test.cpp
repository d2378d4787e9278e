// Gradients of several batches that make one update.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "narae/graph/eval.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"

namespace narae {
namespace {

nn::Sequential small_net() {
  manual_seed(11);
  return nn::Sequential{nn::Linear(4, 6, {.dtype = DType::f64}), nn::Tanh(), nn::Linear(6, 2, {.dtype = DType::f64})};
}

Tensor rows_of(std::int64_t begin, std::int64_t end) {
  std::vector<double> values;
  for (std::int64_t i = begin; i < end; ++i)
    for (int k = 0; k < 4; ++k) values.push_back(0.1 * static_cast<double>((7 * i + 3 * k) % 11) - 0.4);
  return Tensor::of<double>(values, {end - begin, 4});
}

Gradients gradients_of(const nn::Module& net, std::int64_t begin, std::int64_t end) {
  return grad(mean(square(net(rows_of(begin, end)) - 0.5)), net.parameters());
}

std::vector<double> weights_of(const nn::Module& net) {
  std::vector<double> all;
  for (const Tensor& p : net.parameters()) {
    const auto values = p.to_vector<double>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void expect_close(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-14) << i;
}

TEST(Accumulate, PartsOfABatchGiveTheUpdateOfTheWholeBatch) {
  const nn::Sequential whole = small_net();
  const nn::Sequential parts = small_net();
  optim::AdamW one(whole.parameters(), {.lr = 0.01, .weight_decay = 0.1, .clip_norm = 0.05});
  optim::AdamW other(parts.parameters(), {.lr = 0.01, .weight_decay = 0.1, .clip_norm = 0.05});
  std::int64_t plans = 0;
  for (int round = 0; round < 5; ++round) {
    const std::int64_t at = 10 * round;
    const optim::StepResult expected = one.step(gradients_of(whole, at, at + 10));
    if (round == 1) plans = engine_counts().plans_built;
    // Parts of different size: each counts by its samples.
    EXPECT_TRUE(other.accumulate(gradients_of(parts, at, at + 4), 4).applied);
    EXPECT_TRUE(other.accumulate(gradients_of(parts, at + 4, at + 8), 4).applied);
    const optim::StepResult result = other.step(gradients_of(parts, at + 8, at + 10), 2);
    EXPECT_TRUE(result.applied);
    EXPECT_NEAR(result.gradient_norm(), expected.gradient_norm(), 1e-12) << "the norm is that of the whole batch";
    expect_close(weights_of(parts), weights_of(whole));
    EXPECT_EQ(other.steps(), round + 1);
  }
  EXPECT_EQ(engine_counts().plans_built, plans) << "from the second round on, every plan is cached";
}

TEST(Accumulate, TheWeightsOfOtherRoundsMakeNoNewPlan) {
  const nn::Sequential net = small_net();
  optim::SGD optimizer(net.parameters(), {.lr = 0.01});
  const auto round = [&](double weight) {
    EXPECT_TRUE(optimizer.accumulate(gradients_of(net, 0, 3), weight).applied);
    EXPECT_TRUE(optimizer.step(gradients_of(net, 3, 6), weight + 1).applied);
  };
  round(1);
  const std::int64_t plans = engine_counts().plans_built;
  for (int i = 2; i < 20; ++i) round(i);
  EXPECT_EQ(engine_counts().plans_built, plans);
}

TEST(Accumulate, WhatIsNotFiniteIsLeftOut) {
  const nn::Sequential net = small_net();
  const nn::Sequential other = small_net();
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  optim::SGD expected(other.parameters(), {.lr = 0.1});
  EXPECT_TRUE(optimizer.accumulate(gradients_of(net, 0, 3), 3).applied);
  const Tensor poison = Tensor::of<double>(std::vector<double>{std::numeric_limits<double>::infinity()}, {});
  const optim::StepResult bad =
      optimizer.accumulate(grad(mean(square(net(rows_of(0, 2)))) * poison, net.parameters()), 2);
  EXPECT_FALSE(bad.applied);
  EXPECT_NE(bad.first_non_finite, "");
  EXPECT_FALSE(optimizer.step(grad(mean(square(net(rows_of(0, 2)))) * poison, net.parameters()), 2).applied);
  EXPECT_TRUE(optimizer.step(gradients_of(net, 3, 6), 3).applied);
  EXPECT_TRUE(expected.step(gradients_of(other, 0, 6)).applied);
  expect_close(weights_of(net), weights_of(other));
}

TEST(Accumulate, ALoadedStateBeginsANewRound) {
  const nn::Sequential net = small_net();
  const nn::Sequential other = small_net();
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  optim::SGD expected(other.parameters(), {.lr = 0.1});
  EXPECT_TRUE(optimizer.accumulate(gradients_of(net, 0, 3), 3).applied);
  optimizer.load_state_dict(optimizer.state_dict());
  EXPECT_TRUE(optimizer.step(gradients_of(net, 3, 6), 3).applied);
  EXPECT_TRUE(expected.step(gradients_of(other, 3, 6)).applied);
  EXPECT_EQ(weights_of(net), weights_of(other));
}

TEST(Accumulate, RefusesWhatMakesNoSense) {
  const nn::Sequential net = small_net();
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  for (const double weight : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(optimizer.accumulate(gradients_of(net, 0, 2), weight), Error);
    EXPECT_THROW(optimizer.step(gradients_of(net, 0, 2), weight), Error);
  }
  EXPECT_TRUE(optimizer.accumulate(gradients_of(net, 0, 2)).applied);
  const std::vector<Tensor> some = {net.parameters()[0]};
  EXPECT_THROW(optimizer.step(grad(mean(net(rows_of(0, 2))), some)), Error) << "other variables than accumulated";
  const std::vector<Tensor> twice = {some[0], some[0]};
  EXPECT_THROW(optimizer.accumulate(grad(mean(net(rows_of(0, 2))), twice)), Error);
  EXPECT_THROW(optimizer.accumulate({}), Error);
}

}  // namespace
}  // namespace narae
