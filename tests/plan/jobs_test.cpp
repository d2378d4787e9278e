// What the plans of whole training steps consist of: exact counts, so that a pass which stops working is seen. Times
// are for ./dev bench.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "narae/core/threads.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/models/gpt2.h"
#include "narae/models/lenet5.h"
#include "narae/models/mlp.h"
#include "narae/models/recurrent_language_model.h"
#include "narae/models/resnet.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"
#include "narae/plan/plan.h"

namespace narae::plan {
namespace {

struct Found {
  std::int64_t steps;
  std::int64_t reorders;
  std::int64_t allocations;  ///< of a step whose plan is there
  std::int64_t megabytes;    ///< of the arena, rounded up
};

template <class Loss>
Found train(const nn::Module& model, optim::Optimizer& optimizer, const Loss& loss_of) {
  const auto step = [&] {
    const Tensor loss = loss_of();
    optimizer.step(grad(loss, model.parameters()));
    return loss.item();
  };
  // The first step makes the optimiser's state, the second the plan of all later ones.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isfinite(step()));
  const std::int64_t before = engine_counts().executor_allocations;
  static_cast<void>(step());
  const std::int64_t allocations = engine_counts().executor_allocations - before;
  const PlanFacts facts = last_plan();
  return {facts.steps, std::count(facts.names.begin(), facts.names.end(), "reorder"), allocations,
          (facts.arena_bytes + 999'999) / 1'000'000};
}

template <class Model>
Found classify(const Model& model, const Shape& input, const optim::SGDOptions& options) {
  optim::SGD optimizer(model.parameters(), options);
  const Tensor x = normal(input).eval();
  const Tensor labels = zeros({input[0]}, DType::i64).eval();
  return train(model, optimizer, [&] { return nn::cross_entropy(model(x), labels); });
}

class Jobs : public ::testing::Test {
 protected:
  void SetUp() override { set_thread_count(2); }
  void TearDown() override { set_thread_count(threads_); }

 private:
  int threads_ = thread_count();
};

// Scratch memory of kernels depends on the instruction set: arenas have a bound.
void expect(const Found& found, std::int64_t steps, std::int64_t reorders, std::int64_t megabytes) {
  EXPECT_EQ(found.steps, steps) << last_plan().text;
  EXPECT_EQ(found.reorders, reorders) << last_plan().text;
  EXPECT_EQ(found.allocations, 0);
  EXPECT_LE(found.megabytes, megabytes);
}

TEST_F(Jobs, Mlp) {
  expect(classify(models::Mlp(784, 10), {64, 784}, {.lr = 0.05}), 28, 0, 2);
}

TEST_F(Jobs, LeNet5) {
  expect(classify(models::LeNet5({1, 28, 28}, 10), {64, 1, 28, 28}, {.lr = 0.05, .momentum = 0.9}), 62, 0, 5);
}

TEST_F(Jobs, ResNet18) {
  if (!__builtin_cpu_supports("avx512bw")) GTEST_SKIP() << "oneDNN chooses other layouts without AVX-512";
  const models::ResNet model(3, 10, {.blocks = {2, 2, 2, 2}, .width = 64, .stem = models::Stem::cifar});
  expect(classify(model, {8, 3, 32, 32}, {.lr = 0.05, .momentum = 0.9}), 356, 1, 120);
}

TEST_F(Jobs, Lstm) {
  models::RecurrentLanguageModelOptions options;
  const models::RecurrentLanguageModel model(500, options);
  optim::SGD optimizer(model.parameters(), {.lr = 0.1, .clip_norm = 5});
  const Tensor tokens = zeros({20, 35}, DType::i64).eval();
  const Tensor targets = zeros({20 * 35}, DType::i64).eval();
  expect(train(model, optimizer,
               [&] {
                 return nn::cross_entropy(reshape(model(tokens), {-1, 500}), targets);
               }),
         64, 0, 20);
}

TEST_F(Jobs, Gpt) {
  const models::Gpt2 model(500, {.width = 96, .layers = 3, .heads = 3, .context = 64});
  optim::AdamW optimizer(model.parameters(), {.lr = 1e-3});
  const Tensor tokens = zeros({4, 64}, DType::i64).eval();
  const Tensor targets = zeros({4 * 64}, DType::i64).eval();
  expect(train(model, optimizer,
               [&] {
                 return nn::cross_entropy(reshape(model({.x = tokens}).logits, {-1, 500}), targets);
               }),
         192, 0, 9);
}

}  // namespace
}  // namespace narae::plan
