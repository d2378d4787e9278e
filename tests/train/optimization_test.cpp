#include "narae/train/optimization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "narae/core/error.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"

namespace narae {
namespace {

std::vector<double> rates(const TrainRecipe& recipe, std::int64_t steps_per_epoch, std::int64_t count) {
  const RateSchedule rate(recipe, steps_per_epoch);
  std::vector<double> result;
  for (std::int64_t step = 0; step < count; ++step) result.push_back(rate(step));
  return result;
}

void expect_rates(const TrainRecipe& recipe, const std::vector<double>& expected) {
  const std::vector<double> found = rates(recipe, 2, static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], 1e-12) << recipe.schedule.name << " " << i;
}

TEST(RateSchedule, EpochsAreTurnedIntoSteps) {
  TrainRecipe recipe{.epochs = 4, .optimizer = {.lr = 8}};
  recipe.schedule = {.name = "constant"};
  expect_rates(recipe, {8, 8, 8});
  recipe.schedule = {.name = "constant", .warmup_steps = 4};
  expect_rates(recipe, {2, 4, 6, 8, 8});
  recipe.schedule = {.name = "step", .every = 1, .gamma = 0.5};
  expect_rates(recipe, {8, 8, 4, 4, 2});
  recipe.schedule = {.name = "multi_step", .milestones = {1, 3}, .gamma = 0.5};
  expect_rates(recipe, {8, 8, 4, 4, 4, 4, 2});
  recipe.schedule = {.name = "exponential", .gamma = 0.5};
  expect_rates(recipe, {8, 8, 4, 4, 2});
  recipe.schedule = {.name = "cosine", .minimum = 2};
  EXPECT_NEAR(rates(recipe, 2, 9)[4], 5, 1e-12);
  EXPECT_NEAR(rates(recipe, 2, 9)[8], 2, 1e-12);
}

TEST(RateSchedule, AShortRunHasAShortWarmUp) {
  TrainRecipe recipe{.epochs = 2, .optimizer = {.lr = 1}};
  recipe.schedule = {.name = "cosine", .warmup_steps = 200};
  EXPECT_EQ(RateSchedule(recipe, 3).warmup_steps(), 3);
  recipe.epochs = 1;
  for (const char* name :
       {"constant", "step", "multi_step", "exponential", "cosine", "inverse_sqrt", "one_cycle", "plateau"}) {
    recipe.schedule = {.name = name, .warmup_steps = 5};
    EXPECT_GT(rates(recipe, 1, 1)[0], 0) << name;
  }
}

TEST(RateSchedule, APlateauIsWatchedAndKept) {
  TrainRecipe recipe{.optimizer = {.lr = 1}};
  recipe.schedule = {.name = "plateau", .factor = 0.5, .patience = 0};
  RateSchedule rate(recipe, 2);
  rate.report(1);
  EXPECT_EQ(rate(0), 1);
  rate.report(1);
  EXPECT_EQ(rate(1), 0.5);
  RateSchedule again(recipe, 2);
  again.load_state(rate.state());
  EXPECT_EQ(again(2), 0.5);
  recipe.optimizer.lr = 0.2;  // a fifth of the rate that the run was begun with
  RateSchedule slower(recipe, 2);
  slower.load_state(rate.state());
  EXPECT_DOUBLE_EQ(slower(2), 0.1);
}

TEST(RateSchedule, MoreEpochsLeaveTheWarmUpAsItWas) {
  TrainRecipe recipe{.epochs = 2, .optimizer = {.lr = 1}};
  recipe.schedule = {.name = "cosine", .warmup_steps = 200};
  const RateSchedule before(recipe, 4);
  EXPECT_EQ(before.warmup_steps(), 4);
  recipe.epochs = 50;
  RateSchedule after(recipe, 4);
  EXPECT_EQ(after.planned_epochs(), 50);
  after.load_state(before.state());
  EXPECT_EQ(after.planned_epochs(), 2);
  EXPECT_EQ(after.warmup_steps(), 4);
  for (std::int64_t step = 0; step < 4; ++step) EXPECT_EQ(after(step), before(step)) << step;
  for (std::int64_t step = 5; step < 200; ++step) EXPECT_LT(after(step), after(step - 1)) << step;
}

// One step from p = 3 with gradient 1.
double after_one_step(const TrainRecipe& recipe) {
  const Tensor p = variable(Tensor::of({3.0F}), {.name = "p"});
  const std::vector<Tensor> parameters = {p};
  const auto optimizer = make_optimizer(recipe, parameters);
  const Tensor penalty = loss_penalty(recipe, parameters);
  const Tensor loss = penalty.defined() ? sum(p) + penalty : sum(p);
  EXPECT_TRUE(optimizer->step(grad(loss, parameters)).applied);
  return p.item();
}

TEST(MakeOptimizer, EverySettingArrives) {
  TrainRecipe recipe;
  recipe.optimizer = {.name = "sgd", .lr = 0.5};
  EXPECT_NEAR(after_one_step(recipe), 2.5, 1e-6);
  recipe.l2 = 0.1;
  EXPECT_NEAR(after_one_step(recipe), 3 - 0.5 * 1.3, 1e-6);
  recipe.optimizer.weight_decay = 0.2;
  EXPECT_NEAR(after_one_step(recipe), 3 - 0.5 * 1.9, 1e-6);
  recipe = {.optimizer = {.name = "sgd", .lr = 0.5}, .l1 = 0.25};
  EXPECT_NEAR(after_one_step(recipe), 3 - 0.5 * 1.25, 1e-6);
  recipe = {.optimizer = {.name = "sgd", .lr = 0.5}, .clip_norm = 0.5};
  EXPECT_NEAR(after_one_step(recipe), 2.75, 1e-5);
  recipe = {.optimizer = {.name = "sgd", .lr = 0.5}, .clip_value = 0.2};
  EXPECT_NEAR(after_one_step(recipe), 2.9, 1e-6);
  recipe = {.optimizer = {.name = "adagrad", .lr = 0.5, .initial_accumulator = 3}};
  EXPECT_NEAR(after_one_step(recipe), 2.75, 1e-5);
  recipe = {.optimizer = {.name = "rmsprop", .lr = 0.5, .alpha = 0.75}};
  EXPECT_NEAR(after_one_step(recipe), 2, 1e-5);
  recipe = {.optimizer = {.name = "adam", .lr = 0.5}};
  EXPECT_NEAR(after_one_step(recipe), 2.5, 1e-5);
  recipe = {.optimizer = {.name = "adamw", .lr = 0.5, .weight_decay = 0.1}};
  EXPECT_NEAR(after_one_step(recipe), 3 * 0.95 - 0.5, 1e-5);
}

TEST(MakeOptimizer, BiasesAndNormsCanBeLeftOutOfDecay) {
  for (const std::string name : {"sgd", "adamw"}) {
    for (const bool decay_norms : {true, false}) {
      const Tensor weight = variable(Tensor::of({3.0F}, {1, 1}), {.name = "weight"});
      const Tensor bias = variable(Tensor::of({3.0F}), {.name = "bias"});
      TrainRecipe recipe{.optimizer = {.name = name, .lr = 0.5, .weight_decay = 0.1, .decay_norms = decay_norms}};
      recipe.l2 = name == "sgd" ? 0.02 : 0;  // a penalty is on everything
      const std::vector<Tensor> parameters = {bias, weight};
      const auto optimizer = make_optimizer(recipe, parameters);
      EXPECT_TRUE(optimizer->step(grad(sum(weight) * 0.0 + sum(bias) * 0.0, parameters)).applied);
      const double decayed = 3 - 0.5 * 0.1 * 3 - 0.5 * recipe.l2 * 3;
      EXPECT_NEAR(weight.item(), decayed, 1e-6) << name;
      EXPECT_NEAR(bias.item(), decay_norms ? decayed : 3 - 0.5 * recipe.l2 * 3, 1e-6) << name;
    }
  }
}

TEST(MakeOptimizer, TheL2PenaltyOfAdamWIsInTheLoss) {
  const Tensor p = variable(Tensor::of({3.0F, 4.0F}), {.name = "p"});
  const TrainRecipe recipe{.optimizer = {.name = "adamw"}, .l2 = 0.2};
  EXPECT_NEAR(loss_penalty(recipe, {p}).item(), 2.5, 1e-6);
  EXPECT_FALSE(loss_penalty({.optimizer = {.name = "sgd"}, .l2 = 0.2}, {p}).defined());
}

TEST(ClassificationLoss, LabelsAreSmoothedInTrainingOnly) {
  const TrainRecipe recipe{.label_smoothing = 0.2};
  const Tensor logits = Tensor::of({4.0F, 0.0F}, {1, 2});
  const std::vector<std::int64_t> zero = {0};
  const Tensor labels = Tensor::of<std::int64_t>(zero, {1});
  const double plain = task_loss(task_of("classify"), recipe, logits, labels, false).item();
  EXPECT_NEAR(plain, std::log1p(std::exp(-4.0)), 1e-6);
  EXPECT_NEAR(task_loss(task_of("classify"), recipe, logits, labels, true).item(), plain + 0.1 * 4, 1e-6);
  const TrainRecipe hinge{.loss = "hinge"};
  EXPECT_NEAR(task_loss(task_of("classify"), hinge, Tensor::of({0.0F, 0.5F}, {1, 2}), labels, true).item(), 0.75, 1e-6);
}

TEST(ClassificationLoss, SoftTargetsAreSharesOfClasses) {
  Array logits = Array::empty(DType::f32, {2, 3});
  const std::vector<float> values = {1, 2, 0.5F, -1, 0, 3};
  std::copy(values.begin(), values.end(), logits.mutable_values<float>().begin());
  Array shares = Array::zeros(DType::f32, {2, 3});
  shares.mutable_values<float>()[0] = 0.7F;  // sample 0: 70 % of class 0, 30 % of class 2
  shares.mutable_values<float>()[2] = 0.3F;
  shares.mutable_values<float>()[4] = 1;  // sample 1: class 1
  TrainRecipe recipe;
  const auto expected = [&](double smoothing) {
    double loss = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) sum += std::exp(values[3 * i + c]);
      for (std::size_t c = 0; c < 3; ++c) {
        const double share = (1 - smoothing) * shares.values<float>()[3 * i + c] + smoothing / 3;
        loss -= share * (values[3 * i + c] - std::log(sum)) / 2;
      }
    }
    return loss;
  };
  EXPECT_NEAR(task_loss(task_of("classify"), recipe, logits, shares, true).item(), expected(0), 1e-6);
  recipe.label_smoothing = 0.2;
  EXPECT_NEAR(task_loss(task_of("classify"), recipe, logits, shares, true).item(), expected(0.2), 1e-6);
  EXPECT_NEAR(task_loss(task_of("classify"), recipe, logits, shares, false).item(), expected(0),
              1e-6);  // judged without
  // Whole shares are class numbers.
  Array labels = Array::empty(DType::i64, {2});
  labels.mutable_values<std::int64_t>()[0] = 2;
  labels.mutable_values<std::int64_t>()[1] = 1;
  Array whole = Array::zeros(DType::f32, {2, 3});
  whole.mutable_values<float>()[2] = 1;
  whole.mutable_values<float>()[4] = 1;
  EXPECT_NEAR(task_loss(task_of("classify"), recipe, logits, whole, true).item(),
              task_loss(task_of("classify"), recipe, logits, labels, true).item(), 1e-6);
  recipe.loss = "hinge";
  EXPECT_THROW((void)task_loss(task_of("classify"), recipe, logits, shares, true), Error);
}

}  // namespace
}  // namespace narae
