// What several threads may do at the same time: everything, as long as a variable belongs to one of them.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

std::vector<float> ramp(std::size_t n, float scale) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = scale * (static_cast<float>(i % 11) - 5);
  return values;
}

// Weights after some steps of gradient descent with running statistics.
std::vector<float> train(int model) {
  const Tensor w = variable(Tensor::of<float>(ramp(24, 0.1F), {4, 6}), {.name = "w"});
  const Tensor running = variable(zeros({1, 6}), {.name = "running", .trainable = false});
  const Tensor x = Tensor::of<float>(ramp(32, 0.1F * static_cast<float>(model + 1)), {8, 4});
  for (int step = 0; step < 60; ++step) {
    const Tensor y = tanh(matmul(x, w));
    assign_with(y, running, running * 0.9 + mean(y, 0, {.keep = true}) * 0.1);
    const Tensor loss = mean(square(y - 0.5));
    const std::vector<Assignment> next = {{w, w - grad(loss, {w})[0] * 0.1}};
    update(next);
  }
  std::vector<float> result = w.to_vector<float>();
  for (const float v : running.to_vector<float>()) result.push_back(v);
  return result;
}

TEST(Concurrency, DifferentModelsAreTrainedSideBySide) {
  std::vector<std::vector<float>> alone;
  for (int k = 0; k < 4; ++k) alone.push_back(train(k));
  const EngineCounts before = engine_counts();
  static_cast<void>(train(0));
  const std::int64_t evaluations = engine_counts().evaluations - before.evaluations;
  const std::int64_t nodes = live_nodes();

  std::vector<std::vector<float>> together(alone.size());
  const std::int64_t start = engine_counts().evaluations;
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < together.size(); ++k)
    threads.emplace_back([&, k] { together[k] = train(static_cast<int>(k)); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
  EXPECT_EQ(engine_counts().evaluations - start, 4 * evaluations) << "counts were lost";
  EXPECT_EQ(live_nodes(), nodes);
}

TEST(Concurrency, OneModelIsReadByMany) {
  const Tensor w = variable(Tensor::of<float>(ramp(24, 0.1F), {4, 6}), {.name = "w"});
  const auto predict = [&](int k) {
    const Tensor x = Tensor::of<float>(ramp(32, 0.1F * static_cast<float>(k + 1)), {8, 4});
    const Tensor y = tanh(matmul(x, w));
    const std::vector<float> gradient = grad(sum(y), {w})[0].to_vector<float>();
    return std::pair(y.to_vector<float>(), gradient);
  };
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&, k] {
      const auto first = predict(k);
      for (int i = 0; i < 50; ++i) ASSERT_EQ(predict(k), first);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Nodes that one thread wrote and another lets go of are counted, also when their thread has ended.
TEST(Concurrency, NodesMoveBetweenThreads) {
  const std::int64_t before = live_nodes();
  {
    Tensor y;
    std::thread([&] {
      const Tensor x = Tensor::of({1, 2, 3});
      y = x * 2.0 + x;
    }).join();
    EXPECT_GT(live_nodes(), before);
    EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{3, 6, 9}));
  }
  EXPECT_EQ(live_nodes(), before);
}

}  // namespace
}  // namespace narae
