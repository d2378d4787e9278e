// A cached training step runs without touching the heap: memory was planned before the first one.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "narae/graph/eval.h"
#include "narae/models/registry.h"
#include "narae/nn/loss.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/optim/adam.h"
#include "narae/optim/sgd.h"
#include "tests/plan/allocations.h"

namespace narae {
namespace {

using test::AllocationWatch;

Array random_pictures(std::int64_t batch) {
  return uniform({batch, 1, 28, 28}).array();
}

Array some_labels(std::int64_t batch) {
  Array labels = Array::empty(DType::i64, {batch});
  for (std::int64_t i = 0; i < batch; ++i) labels.mutable_values<std::int64_t>()[static_cast<std::size_t>(i)] = i % 10;
  return labels;
}

// Allocations of the executor in 20 steps after the plan was made and its memory taken once.
struct Found {
  std::int64_t executor = 0;
  std::int64_t onednn = 0;
  std::string last;
};

Found in_cached_steps(const std::function<void()>& step) {
  for (int i = 0; i < 5; ++i) step();
  const AllocationWatch watch;
  detail::set_allocation_counter(AllocationWatch::count);
  const std::int64_t plans = engine_counts().plans_built;
  const std::int64_t before = engine_counts().executor_allocations;
  for (int i = 0; i < 20; ++i) step();
  Found found{.executor = engine_counts().executor_allocations - before,
              .onednn = AllocationWatch::count_of_onednn(),
              .last = AllocationWatch::last()};
  detail::set_allocation_counter(nullptr);
  testing::Test::RecordProperty("onednn_allocations", std::to_string(found.onednn));
  EXPECT_EQ(engine_counts().plans_built, plans) << "the step was not cached";
  return found;
}

Found in_training_steps(const std::string& name, bool adam) {
  manual_seed(1);
  const auto model = models::make_model({.name = name, .options = {}, .input = {1, 28, 28}, .num_classes = 10});
  std::unique_ptr<optim::Optimizer> optimizer;
  if (adam) {
    optimizer = std::make_unique<optim::AdamW>(model->parameters(), optim::AdamWOptions{});
  } else {
    optimizer = std::make_unique<optim::SGD>(model->parameters(), optim::SGDOptions{.lr = 0.01, .momentum = 0.9});
  }
  const Array pictures = random_pictures(64);
  const Array labels = some_labels(64);
  const std::vector<Tensor> parameters = model->parameters();
  return in_cached_steps([&] {
    const Tensor logits = (*model)(pictures);
    const Tensor loss = nn::cross_entropy(logits, labels);
    EXPECT_TRUE(optimizer->step(grad(loss, parameters)).applied);
    static_cast<void>(loss.item());
  });
}

TEST(Allocations, TheWatchSeesTheHeap) {
  if (!test::allocations_are_seen()) GTEST_SKIP() << "the sanitizer has an allocator of its own";
  const AllocationWatch watch;
  const std::int64_t before = AllocationWatch::count();
  const auto number = std::make_unique<volatile int>(1);
  EXPECT_EQ(AllocationWatch::count(), before + 1);
  void* volatile block = std::malloc(100);
  std::free(block);
  EXPECT_EQ(AllocationWatch::count(), before + 2);
}

TEST(Allocations, TheExecutorCountsThem) {
  if (!test::allocations_are_seen()) GTEST_SKIP() << "the sanitizer has an allocator of its own";
  const AllocationWatch watch;
  detail::set_allocation_counter(AllocationWatch::count);
  release_free_buffers();
  const std::int64_t before = engine_counts().executor_allocations;
  static_cast<void>((uniform({777, 13}) + 1.0).array());  // a plan of its own, with memory of its own
  EXPECT_GT(engine_counts().executor_allocations, before);
  detail::set_allocation_counter(nullptr);
}

TEST(Allocations, ACachedStepOfTheMlpMakesNoneInTheExecutor) {
  if (!test::allocations_are_seen()) GTEST_SKIP() << "the sanitizer has an allocator of its own";
  if (const std::string why = test::teams_are_made_anew(); !why.empty()) GTEST_SKIP() << why;
  for (const bool adam : {false, true}) {
    const Found found = in_training_steps("mlp", adam);
    EXPECT_EQ(found.executor, 0) << "in 20 steps, besides oneDNN's " << found.onednn << "; the last came from\n"
                                 << found.last;
  }
}

TEST(Allocations, ACachedStepOfLeNet5MakesNoneInTheExecutor) {
  if (!test::allocations_are_seen()) GTEST_SKIP() << "the sanitizer has an allocator of its own";
  if (const std::string why = test::teams_are_made_anew(); !why.empty()) GTEST_SKIP() << why;
  for (const bool adam : {false, true}) {
    const Found found = in_training_steps("lenet5", adam);
    EXPECT_EQ(found.executor, 0) << "in 20 steps, besides oneDNN's " << found.onednn << "; the last came from\n"
                                 << found.last;
  }
}

}  // namespace
}  // namespace narae
