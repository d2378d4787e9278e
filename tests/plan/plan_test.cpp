// What the passes make of a recipe: steps, memory and the same bits.
#include "narae/plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "narae/core/log.h"
#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/graph/module_path.h"
#include "narae/ops/ops.h"
#include "narae/plan/cache.h"
#include "narae/plan/capture.h"
#include "narae/plan/execute.h"
#include "tests/plan/allocations.h"
#include "tests/plan/plans.h"

namespace narae::plan {
namespace {

constexpr RandomTensors random{3};

std::vector<float> values(const Tensor& x) {
  return x.to_vector<float>();
}

/// Computes what `f` writes down; no handle to a part of it is left, so nothing but the result is handed out.
template <class F>
std::vector<float> values_of(F f) {
  const Tensor result = f();
  return values(result);
}

/// Runs `f` under other options and puts the old ones back.
template <class F>
auto with_options(const PlanOptions& options, F f) {
  const PlanOptions before = plan_options();
  set_plan_options(options);
  auto result = f();
  set_plan_options(before);
  return result;
}

TEST(Plan, AnElementwiseChainIsOneLoop) {
  const Tensor x = random({5, 100}, 1);
  const Tensor row = random({100}, 2);
  const Tensor column = random({5, 1}, 3);
  static_cast<void>(values(tanh(x * row + column) * 2.0 - x));
  EXPECT_EQ(last_plan().steps, 1);
  EXPECT_EQ(last_plan().names[0], "loop[mul add tanh mul sub]");
}

TEST(Plan, BranchesThatMeetAgainAreOneLoopAndAProductBetweenThemSplitsIt) {
  const Tensor x = random({8, 8}, 1);
  const Tensor y = exp(x);
  static_cast<void>(values_of([&] { return sin(y) + cos(y) * y; }));
  EXPECT_EQ(last_plan().steps, 1);
  static_cast<void>(values_of([&] {
    const Tensor z = exp(x);
    return sin(z) + matmul(z, z);
  }));
  EXPECT_EQ(last_plan().steps, 3) << last_plan().text;  // exp and sin; the product; the sum
}

TEST(Plan, FusedLoopsGiveTheSameBits) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{1}, Shape{7}, Shape{3, 171}, Shape{1025}, Shape{4, 3, 65, 17}}) {
      const Tensor x = random(shape, 1, dtype);
      const Tensor y = random(shape, 2, dtype);
      Shape last_only(std::vector<std::int64_t>(static_cast<std::size_t>(shape.rank()), 1));
      last_only.set(-1, shape[-1]);
      const Tensor row = random(last_only, 3, dtype);
      const auto compute = [&] {
        const Tensor a = sigmoid(x * y + row);
        const Tensor b = where(greater(a, 0.5), log1p(a), erf(x) / (a + 1.0));
        return (maximum(a, b) - sqrt(abs(y)) * exp(-x) + gelu(b)).to_vector<double>();
      };
      const auto fused = compute();
      EXPECT_LE(last_plan().steps, 2);
      const auto unfused = with_options({.fuse = false}, compute);
      EXPECT_EQ(fused, unfused) << to_string(shape);
    }
  }
}

TEST(Plan, EqualExpressionsAreComputedOnceAndUnreadOnesNever) {
  const Tensor x = random({4, 4}, 1);
  const Tensor unread = matmul(x, x + 5.0);
  static_cast<void>(values(matmul(x, x) + matmul(x, x)));
  EXPECT_EQ(steps_named("matmul"), 1);
}

TEST(Plan, TransposesFoldIntoProducts) {
  const Tensor a = random({3, 4}, 1);
  const Tensor b = random({3, 5}, 2);
  const auto folded = values_of([&] { return matmul(t(a), b); });
  EXPECT_EQ(last_plan().steps, 1) << last_plan().text;
  EXPECT_EQ(steps_named("transpose"), 0);
  const Tensor copied = t(a).eval();
  const auto plain = values(matmul(copied, b));
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(folded[i], plain[i], 1e-5);
  static_cast<void>(values_of([&] { return t(t(a)) * 1.0; }));
  EXPECT_EQ(steps_named("transpose"), 0);
}

TEST(Plan, ReshapesCopyNothing) {
  const Tensor x = random({6, 4}, 1);
  static_cast<void>(values_of([&] { return reshape(matmul(x, t(x)), {2, 18}) * 2.0; }));
  EXPECT_EQ(last_plan().steps, 2) << last_plan().text;
  EXPECT_EQ(values(reshape(x, {4, 6})), values(x)) << "a view of a leaf is copied out";
}

TEST(Plan, MemoryOfAChainIsTwoBlocks) {
  Tensor x = random({64, 64}, 1);
  for (int i = 0; i < 20; ++i) x = matmul(x, x) * 0.01;
  static_cast<void>(values(x));
  EXPECT_LE(last_plan().arena_bytes, 3 * 64 * 64 * 4 + 4096) << "matrices plus a little for scalars and scratch";
}

TEST(Plan, UpdatesAreMadeInPlace) {
  const Tensor w = variable(random({32, 32}, 1), {.name = "w"});
  const Tensor momentum = variable(zeros({32, 32}), {.name = "momentum"});
  for (int i = 0; i < 2; ++i) {
    std::vector<Assignment> next;
    {
      const Tensor m = momentum * 0.9 + matmul(w, w);
      next = {{momentum, m}, {w, w - m * 0.1}};
    }
    update(next);
  }
  EXPECT_EQ(steps_named("copy"), 0) << last_plan().text;
  EXPECT_EQ(steps_named("loop"), 1) << last_plan().text;
}

TEST(Plan, AValueReadAfterItsVariableChangesIsComputedFirst) {
  const Tensor w = variable(Tensor::of({1, 2, 3}), {.name = "w"});
  const Tensor old_square = w * w;
  const std::vector<Assignment> next = {{w, w + old_square}};
  const std::vector<Tensor> also = {old_square};
  update(next, {}, also);
  EXPECT_EQ(values(old_square), (std::vector<float>{1, 4, 9}));
  EXPECT_EQ(values(w), (std::vector<float>{2, 6, 12}));
}

TEST(Plan, ConvolutionsKeepTheirLayoutFromOneToTheNext) {
  const Tensor x = random({2, 16, 9, 9}, 1);
  const Tensor a = variable(random({32, 16, 3, 3}, 2) * 0.1, {.name = "a"});
  const Tensor b = variable(random({16, 32, 3, 3}, 3) * 0.1, {.name = "b"});
  const auto step = [&] {
    Gradients g = grad(mean(square(conv2d(relu(conv2d(x, a, {}, {.padding = 1})), b, {}, {.padding = 1}))), {a, b});
    g.of = {};
    eval({g[0], g[1]});
    std::vector<float> result = values(g[0]);
    const std::vector<float> second = values(g[1]);
    result.insert(result.end(), second.begin(), second.end());
    return result;
  };
  const auto blocked = step();
  const auto plain = with_options({.layouts = false}, step);
  ASSERT_EQ(blocked.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(blocked[i], plain[i], 1e-5);
  static_cast<void>(step());
  EXPECT_LE(steps_named("reorder"), 4 + 2) << last_plan().text;  // two are of weights, whose plan changes none
  EXPECT_GE(steps_named("reorder"), 1) << last_plan().text;
}

// A residual block in training: convolutions, batch norm, ReLU, the shortcut and pooling stay on channels in blocks.
TEST(Plan, AResidualBlockKeepsOneLayout) {
  const Tensor x = random({4, 3, 12, 12}, 1);
  std::vector<Tensor> w;
  for (const Shape& shape : {Shape{16, 3, 3, 3}, Shape{16, 16, 3, 3}, Shape{16, 16, 3, 3}}) {
    w.push_back(variable(random(shape, w.size() + 2) * 0.2));
  }
  const Tensor gamma = variable(random({16}, 7));
  const Tensor beta = variable(random({16}, 8));
  const auto conv_norm = [&](const Tensor& t, int k) {
    return batch_norm(conv2d(t, w[static_cast<std::size_t>(k)], {}, {.padding = 1}), gamma, beta).y;
  };
  const auto block = [&](const Tensor& t) { return relu(conv_norm(relu(conv_norm(t, 1)), 2) + t); };
  const auto step = [&] {
    const std::vector<Tensor> wanted = {w[0], w[1], w[2], gamma, beta};
    Gradients g = grad(sum(square(global_avg_pool(block(max_pool2d(relu(conv_norm(x, 0)), 2))))), wanted);
    g.of = {};
    std::vector<Tensor> all;
    for (std::size_t i = 0; i < wanted.size(); ++i) all.push_back(g[i]);
    eval(all);
    std::vector<float> result;
    for (const Tensor& t : all) {
      const std::vector<float> part = values(t);
      result.insert(result.end(), part.begin(), part.end());
    }
    return result;
  };
  const auto blocked = step();
  // Behind the gradient of the global pooling, which starts from pictures of one pixel.
  EXPECT_LE(steps_named("reorder"), 1 + 3) << last_plan().text;  // and three of weights, whose plan changes none
  const auto plain = with_options({.layouts = false}, step);
  const auto unfused = with_options({.fuse = false}, step);
  ASSERT_EQ(blocked.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(blocked[i], plain[i], 2e-4 * (1 + std::abs(plain[i])));
  EXPECT_EQ(blocked, unfused);
}

TEST(Plan, TheReferenceBackendAgrees) {
  const Tensor x = random({4, 6}, 1);
  const Tensor w = random({6, 3}, 2);
  const auto compute = [&] { return values(softmax(matmul(x, w), 1) * exp(-square(sum(x)))); };
  const auto fast = compute();
  const auto plain = with_options({.fuse = false, .fast_kernels = false}, compute);
  for (std::size_t i = 0; i < fast.size(); ++i) EXPECT_NEAR(fast[i], plain[i], 1e-6);
}

TEST(Plan, SeveralThreadsRunOnePlan) {
  const Tensor w = random({16, 16}, 2);
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& result : results) {
    threads.emplace_back([&w, &result] {
      const NoGrad guard;
      for (int i = 0; i < 50; ++i) result = values(tanh(matmul(random({8, 16}, 7), w)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

TEST(Plan, ThreadsDoNotChangeTheBits) {
  const int before = thread_count();
  const Tensor x = random({300, 300}, 1);
  const auto compute = [&] {
    return values(concat({reshape(tanh(x) * x + 1.0, {-1}), reshape(sum(x, 1), {-1}), reshape(sum(x), {-1})}, 0));
  };
  set_thread_count(1);
  const auto one = compute();
  set_thread_count(2);
  const auto two = compute();
  set_thread_count(before);
  EXPECT_EQ(one, two);
}

TEST(Plan, TheCacheIsBounded) {
  const std::int64_t before = engine_counts().plans_built;
  for (std::int64_t n = 1; n <= static_cast<std::int64_t>(PlanCache::capacity) + 10; ++n)
    static_cast<void>(values(zeros({n}) + 1.0));
  const std::int64_t built = engine_counts().plans_built - before;
  EXPECT_GE(built, static_cast<std::int64_t>(PlanCache::capacity));
  static_cast<void>(values(zeros({static_cast<std::int64_t>(PlanCache::capacity) + 10}) + 1.0));
  EXPECT_EQ(engine_counts().plans_built - before, built) << "the newest is still there";
  static_cast<void>(values(zeros({1}) + 1.0));
  EXPECT_EQ(engine_counts().plans_built - before, built + 1) << "the oldest is gone";
}

TEST(Plan, ACachedStepAllocatesNothingInTheExecutor) {
  const Tensor w = variable(random({32, 32}, 1), {.name = "w"});
  const Tensor x = random({8, 32}, 2);
  const auto step = [&] {
    const Tensor loss = mean(square(tanh(matmul(x, w))));
    Gradients g = grad(loss, {w});
    const std::vector<Assignment> next = {{w, w - g[0] * 0.1}};
    g = {};
    update(next);
  };
  for (int i = 0; i < 3; ++i) step();
  const std::int64_t before = engine_counts().executor_allocations;
  for (int i = 0; i < 100; ++i) step();
  EXPECT_EQ(engine_counts().executor_allocations, before);
}

TEST(Plan, LoopsWithManyTilesAllocateNothing) {
  if (const std::string why = test::teams_are_made_anew(); !why.empty()) GTEST_SKIP() << why;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = random({300, 700}, 1, dtype);
    const auto compute = [&](double first) {
      Tensor y = x;
      for (int i = 0; i < 15; ++i) y = maximum(y * (first + i), x - (first - i));
      return y;
    };
    const std::vector<Tensor> asked = {compute(0.5)};
    Capture c;
    Execution e;
    std::shared_ptr<const Plan> plan;
    {
      const std::lock_guard lock(detail::graph_mutex());
      capture({asked, {}, {}}, c);
      plan = build_plan(to_program(c, {asked, {}, {}}), {});
    }
    EXPECT_EQ(plan->steps.size(), 1U);
    EXPECT_GE(plan->arena_bytes, 13 * 512 * size_of(dtype)) << "the tiles are not in the arena";
    for (int i = 0; i < 2; ++i) execute(*plan, c, e);  // buffers and free lists are made
    {
      const test::AllocationWatch watch;
      execute(*plan, c, e);
      const std::int64_t count = test::AllocationWatch::count();  // EXPECT_EQ allocates itself
      const std::string last = test::AllocationWatch::last();
      EXPECT_EQ(count, 0) << last;
    }
    const Tensor fused(Array{dtype, x.shape(), e.buffers[0]});
    const auto expected = with_options({.fuse = false}, [&] { return compute(0.5).to_vector<double>(); });
    EXPECT_EQ(fused.to_vector<double>(), expected);
  }
}

TEST(Plan, DirectConvolutionsTakeScratchForTheThreadsThereAre) {
  const int before = thread_count();
  const auto scratch = [&](int threads) {
    set_thread_count(threads);
    const Tensor x = random({32, 1, 64, 64}, 1);
    const Tensor w = random({4, 1, 5, 5}, 2);
    const std::vector<float> y = values_of([&] { return conv2d(x, w, {}, {.padding = 2}); });
    return std::pair(last_plan().arena_bytes, y);
  };
  const auto [one, y_one] = scratch(1);
  const auto [four, y_four] = scratch(4);
  const auto [sixteen, y_sixteen] = scratch(16);
  set_thread_count(before);
  EXPECT_LT(2 * one, four);
  EXPECT_LT(2 * four, sixteen);
  EXPECT_EQ(y_one, y_four);
  EXPECT_EQ(y_one, y_sixteen);
}

// An operator of one input whose kernel fails for negative numbers.
const Op& failing_op() {
  static const Op& op = [] {
    const auto infer = [](std::span<const Node* const> inputs, Attributes, int) {
      return Signature{inputs[0]->dtype, inputs[0]->shape};
    };
    const Op& made = define_op({.name = "test_failing", .infer = infer, .stops_gradient = true});
    reference_backend().define("test_failing", [](const KernelRequest& request) {
      const auto bytes = static_cast<std::size_t>(request.inputs[0].shape.count()) * sizeof(float);
      return Kernel{.run = [bytes](const KernelArguments& at) {
        if (*at.in<float>(0) < 0) throw Error("test_failing: a negative number");
        std::memcpy(at.results[0], at.inputs[0], bytes);
      }};
    });
    return made;
  }();
  return op;
}

TEST(Plan, AFailedEvaluationLetsGoOfEverything) {
  const std::int64_t nodes = live_nodes();
  const std::int64_t memory = memory_use().now;
  for (int i = 0; i < 3; ++i) {
    const Tensor x = Tensor::of({-1, 2});
    const Tensor large = zeros({1 << 16}) + 1.0;
    const Tensor y = apply(failing_op(), {x});
    EXPECT_THROW(eval({large, y}), Error);
  }
  EXPECT_EQ(live_nodes(), nodes);
  EXPECT_LT(memory_use().now - memory, 1 << 16);
}

TEST(Plan, AnUpdateThatIsBrokenOffSaysSo) {
  const Tensor a = variable(Tensor::of({1, 2}), {.name = "a"});
  const Tensor b = variable(Tensor::of({-1, 2}), {.name = "b"});
  const auto message = [](std::vector<Assignment> next) {
    try {
      update(next);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string nothing_stored = message({{b, apply(failing_op(), {b})}});
  EXPECT_NE(nothing_stored.find("negative"), std::string::npos) << nothing_stored;
  EXPECT_EQ(nothing_stored.find("broken off"), std::string::npos) << nothing_stored;
  Tensor next_a = a + 1.0;
  Tensor next_b = apply(failing_op(), {b + next_a * 0.0});
  std::vector<Assignment> next = {{a, next_a}, {b, next_b}};
  next_a = next_b = {};
  const std::string stored = message(std::move(next));
  EXPECT_NE(stored.find("broken off"), std::string::npos) << stored << last_plan().text;
}

TEST(Plan, ACachedPlanNamesTheModulesAtHand) {
  const Tensor x = Tensor::of({-1, 1});
  const auto run = [&](const std::string& network) {
    const Tensor w = variable(Tensor::of({1, 1}), {.name = "w"});
    const ModuleScope outer(network);
    const ModuleScope inner("root");
    const Tensor root = sqrt(x * w);
    const std::vector<Assignment> next = {{w, w + root}};
    return update(next, is_finite(sum(root))).first_non_finite;
  };
  EXPECT_NE(run("first").find("first.root"), std::string::npos);
  const std::int64_t plans = engine_counts().plans_built;
  EXPECT_NE(run("second").find("second.root"), std::string::npos);
  EXPECT_EQ(engine_counts().plans_built, plans) << "not the same plan";
}

TEST(Plan, DebugOutputNamesStepsAndPlans) {
  const int before = debug_level();
  set_debug_level(4);
  testing::internal::CaptureStderr();
  static_cast<void>(values(exp(random({3, 5}, 9)) * 3.0));
  static_cast<void>(values(exp(random({3, 5}, 9)) * 4.0));
  const std::string text = testing::internal::GetCapturedStderr();
  set_debug_level(before);
  for (const char* part : {"plan miss", "plan hit", "loop[exp mul]", "us", "GFLOP/s", "arena", "output %"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

TEST(Plan, VerifierFindsBrokenPrograms) {
  Program program;
  Value leaf;
  leaf.op = find_op("data");
  leaf.argument = 0;
  leaf.signature = {DType::f32, {2}};
  program.arguments.push_back({Argument::Kind::data, leaf.signature});
  Value twice;
  twice.op = find_op("add");
  twice.signature = leaf.signature;
  twice.inputs = {0, 0};
  program.values = {leaf, twice};
  program.outputs = {1};
  EXPECT_NO_THROW(verify(program, "test"));
  program.values[1].inputs = {0, 1};
  EXPECT_THROW(verify(program, "test"), Error) << "reads itself";
  program.values[1].inputs = {0, 0};
  program.values[1].signature.shape = {3};
  EXPECT_THROW(verify(program, "test"), Error) << "elementwise on two shapes";
  program.values[1].signature.shape = {2};
  program.outputs = {7};
  EXPECT_THROW(verify(program, "test"), Error) << "no such value";
  program.outputs = {1};
  program.stores = {{0, 1}};
  program.arguments[0].signature.dtype = DType::f64;
  EXPECT_THROW(verify(program, "test"), Error) << "stored as another type";
}

}  // namespace
}  // namespace narae::plan
