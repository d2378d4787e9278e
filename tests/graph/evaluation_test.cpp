// What is computed when: the semantics that everything else is built on.
#include "narae/graph/eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "narae/graph/grad.h"
#include "narae/graph/module_path.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

namespace narae {
namespace {

Tensor weights(const Shape& shape, float first, const std::string& name) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = first + 0.1F * static_cast<float>(i % 7) - 0.3F;
  return variable(Tensor::of<float>(values, shape), {.name = name});
}

struct Net {
  Tensor w1 = weights({4, 8}, 0.1F, "w1");
  Tensor w2 = weights({8, 2}, -0.05F, "w2");
  [[nodiscard]] Tensor operator()(const Tensor& x) const { return matmul(tanh(matmul(x, w1)), w2); }
  [[nodiscard]] std::vector<Tensor> parameters() const { return {w1, w2}; }
};

Tensor batch(std::int64_t rows, float shift = 0) {
  std::vector<float> values(static_cast<std::size_t>(rows * 4));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.25F * static_cast<float>(i % 5) - shift;
  return Tensor::of<float>(values, {rows, 4});
}

UpdateResult descend(Gradients gradients, double rate, bool guarded = false) {
  std::vector<Assignment> next;
  Tensor norm = sum(square(gradients.of));
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    next.push_back({gradients.variables[i], gradients.variables[i] - gradients.values[i] * rate});
    if (guarded) norm = norm + sum(square(gradients.values[i]));
  }
  const Tensor guard = guarded ? is_finite(norm) : Tensor();
  const std::vector<Tensor> also = {gradients.of};
  gradients = {};
  norm = {};
  return update(next, guard, also);
}

std::int64_t plans_built() {
  return engine_counts().plans_built;
}

TEST(Evaluation, LossPrintedBeforeAndAfterTheStepCostsNoSecondForward) {
  const Net net;
  const std::int64_t recomputed = engine_counts().recomputed;
  const Tensor loss = mean(square(net(batch(3))));
  const double before = loss.item();
  descend(grad(loss, net.parameters()), 0.1);
  const std::int64_t evaluations = engine_counts().evaluations;
  EXPECT_EQ(loss.item(), before);
  EXPECT_EQ(engine_counts().evaluations, evaluations) << "the step has computed the loss already";
  EXPECT_EQ(engine_counts().recomputed, recomputed);
  EXPECT_LT(mean(square(net(batch(3)))).item(), before);
}

TEST(Evaluation, ANodeComputedTwiceIsCounted) {
  const Net net;
  const Tensor hidden = net(batch(3));
  Tensor loss = mean(square(hidden));
  const std::int64_t recomputed = engine_counts().recomputed;
  {
    const NoGrad guard;
    static_cast<void>(hidden.array());
  }
  static_cast<void>(mean(abs(net(batch(2)))).item());
  EXPECT_EQ(engine_counts().recomputed, recomputed);
  const Tensor inner = matmul(batch(3), net.w1);
  static_cast<void>((inner + 1.0).eval());  // `inner` is still held: kept
  static_cast<void>((inner + 2.0).eval());
  EXPECT_EQ(engine_counts().recomputed, recomputed);
  const Tensor head = [&] { return tanh(matmul(batch(3), net.w1)); }();
  const Tensor a = head + 1.0;
  static_cast<void>(head.array());
  static_cast<void>(a.array());
  EXPECT_EQ(engine_counts().recomputed, recomputed);
}

TEST(Evaluation, TwoOptimisersOnOneGraph) {
  const Net generator;
  const Tensor d = weights({2, 1}, 0.4F, "d");
  const auto judge = [&](const Tensor& x) { return sigmoid(matmul(x, d)); };
  const std::int64_t recomputed = engine_counts().recomputed;
  for (int step = 0; step < 5; ++step) {
    const Tensor fake = generator(batch(3));
    const Tensor d_loss = mean(square(judge(fake)));
    descend(grad(d_loss, {d}), 0.1);
    const Tensor g_loss = mean(square(judge(fake) - 1.0));  // the judge's new version, the same fake pictures
    descend(grad(g_loss, generator.parameters()), 0.1);
  }
  EXPECT_EQ(engine_counts().recomputed, recomputed) << "the fake pictures were made twice";

  const Tensor fake = generator(batch(3));
  const Tensor stale = mean(square(judge(fake)));
  descend(grad(mean(judge(fake)), {d}), 0.1);
  try {
    static_cast<void>(stale.item());
    FAIL() << "a recipe on an old version was computed";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("'d'"), std::string::npos) << e.what();
  }
}

TEST(Evaluation, GradientsThatAreOnlyAddedUpKeepNoActivations) {
  const Net net;
  std::vector<Tensor> totals;
  for (int k = 0; k < 3; ++k) {
    Gradients g = grad(mean(square(net(batch(3)))), net.parameters());
    g.of = {};
    for (std::size_t i = 0; i < g.size(); ++i) {
      if (k == 0)
        totals.push_back(g[i]);
      else
        totals[i] = totals[i] + g[i];
    }
    eval(totals);
    EXPECT_LE(plan::last_plan().output_bytes, 2 * (4 * 8 + 8 * 2) * 4 + 4 + 64) << plan::last_plan().text;
  }
}

TEST(Evaluation, TruncatedBackpropagationKeepsMemoryFlat) {
  const Tensor w = weights({4, 4}, 0.1F, "w");
  Tensor state = zeros({3, 4});
  std::int64_t nodes = 0;
  std::int64_t memory = 0;
  std::int64_t plans = 0;
  for (int step = 0; step < 10000; ++step) {
    Tensor loss = scalar(0);
    for (int t = 0; t < 3; ++t) {
      state = tanh(matmul(state, w) + batch(3));
      loss = loss + mean(square(state));
    }
    descend(grad(loss, {w}), 1e-3);
    if (step == 10) {
      nodes = live_nodes();
      memory = memory_use().now;
      plans = plans_built();
    }
    if (step == 9999) {
      EXPECT_EQ(live_nodes(), nodes);
      EXPECT_EQ(memory_use().now, memory);
      EXPECT_EQ(plans_built(), plans);
    }
  }
}

TEST(Evaluation, TotalsOfLossesDoNotGrow) {
  const Net net;
  Tensor total = scalar(0);
  double expected = 0;
  std::int64_t nodes = 0;
  for (int step = 0; step < 200; ++step) {
    const Tensor loss = mean(square(net(batch(3))));
    descend(grad(loss, net.parameters()), 0.01);
    total = total + loss;
    expected += loss.item();
    if (step % 10 == 9) EXPECT_NEAR(total.item(), expected, 1e-5 * expected);
    if (step == 49) nodes = live_nodes();
    if (step == 199) EXPECT_EQ(live_nodes(), nodes);
  }
}

TEST(Evaluation, RunningStatisticsRunOnceInVersionOrder) {
  const Tensor running = variable(Tensor::of({0}, {1, 1}), {.name = "running", .trainable = false});
  const Tensor gain = variable(Tensor::of({1}, {1, 1}), {.name = "gain"});
  const auto normalise = [&](const Tensor& x) {
    const Tensor centre = mean(x, 0, {.keep = true});
    Tensor y = (x - centre) * gain;
    assign_with(y, running, running * 0.5 + centre * 0.5);
    return y;
  };
  const Tensor a = normalise(Tensor::of({1, 3}, {2, 1}));  // mean 2
  const Tensor b = normalise(Tensor::of({5, 7}, {2, 1}));  // mean 6
  const Tensor loss = sum(square(a)) + sum(square(b));
  static_cast<void>(loss.item());
  EXPECT_EQ(running.item(), 0.5 * (0.5 * 0 + 0.5 * 2) + 0.5 * 6);
  descend(grad(loss, {gain}), 0.1);
  EXPECT_EQ(running.item(), 3.5) << "the statistics were taken twice";
  const Tensor c = normalise(Tensor::of({1, 1}, {2, 1}));
  EXPECT_EQ(running.item(), 3.5 * 0.5 + 0.5) << "reading the variable computes its pending version";
  static_cast<void>(c.array());
  EXPECT_EQ(running.item(), 3.5 * 0.5 + 0.5);
}

TEST(Evaluation, AVersionThatDoesNotReadTheOneBefore) {
  const Tensor r = variable(Tensor::of({1, 2}), {.name = "r", .trainable = false});
  const Tensor x = Tensor::of({3, 4});
  assign_with({}, r, x * 2.0);
  EXPECT_EQ((r * 10.0).to_vector<float>(), (std::vector<float>{60, 80}));
  EXPECT_EQ(r.to_vector<float>(), (std::vector<float>{6, 8}));
  const Tensor y = x + 1.0;
  assign_with(y, r, y * 0.0 + 7.0);
  y.eval();
  EXPECT_EQ(r.to_vector<float>(), (std::vector<float>{7, 7}));
}

TEST(Evaluation, ANonFiniteLossLeavesTheWeightsAlone) {
  const Net net;
  const std::vector<float> before = net.w1.to_vector<float>();
  const Tensor poison = Tensor::of({std::numeric_limits<float>::infinity()}, {1, 1});
  Tensor loss;
  {
    const ModuleScope head("head");
    loss = mean(square(net(batch(3))));
    const ModuleScope inner("poisoned");
    loss = loss + sum(matmul(poison, Tensor::of({0}, {1, 1})));
  }
  const UpdateResult result = descend(grad(loss, net.parameters()), 0.1, true);
  EXPECT_FALSE(result.applied);
  EXPECT_NE(result.first_non_finite.find("head.poisoned"), std::string::npos) << result.first_non_finite;
  EXPECT_EQ(net.w1.to_vector<float>(), before);
  EXPECT_TRUE(std::isnan(loss.item()));

  const UpdateResult good = descend(grad(mean(square(net(batch(3)))), net.parameters()), 0.1, true);
  EXPECT_TRUE(good.applied);
  EXPECT_NE(net.w1.to_vector<float>(), before);
}

TEST(Evaluation, ChangingScalarsMakesNoNewPlan) {
  const Net net;
  std::int64_t plans = 0;
  for (int step = 0; step < 1000; ++step) {
    const double s = 0.001 * step;
    const Tensor x = clip(batch(3) * (1.0 + s), -1.0 - s, 1.0 + s);
    const Tensor loss = mean(square(slice(net(x), 0, step % 3, step % 3 + 1))) + s;
    descend(grad(loss, net.parameters()), 1e-3 * s);
    if (step == 0) plans = plans_built();
  }
  EXPECT_EQ(plans_built(), plans);
}

TEST(Evaluation, AShortLastBatchHasAPlanOfItsOwn) {
  const Net net;
  const auto epoch = [&] {
    for (const std::int64_t rows : {4, 4, 4, 3}) {
      descend(grad(mean(square(net(batch(rows)))), net.parameters()), 0.01);
    }
  };
  const std::int64_t before = plans_built();
  epoch();
  EXPECT_EQ(plans_built(), before + 2);
  epoch();
  EXPECT_EQ(plans_built(), before + 2);
}

TEST(Evaluation, EvaluatingBetweenStepsChangesNothing) {
  const auto train = [](bool evaluate) {
    const Net net;
    for (int step = 0; step < 20; ++step) {
      if (evaluate) {
        const NoGrad guard;
        static_cast<void>(mean(square(net(batch(7)))).item());
      }
      descend(grad(mean(square(net(batch(3, 0.1F)))), net.parameters()), 0.05);
    }
    return net.w1.to_vector<float>();
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(Evaluation, AFusedNodeCanBeDifferentiatedTwice) {
  const Tensor x = Tensor::of({0.1F, -0.4F, 0.7F}, {1, 3});
  const Tensor c = Tensor::of({1, 2, -1}, {1, 3});
  const Tensor once = sum(softmax(x, 1) * c);
  const Tensor first = grad(once, {x})[0];
  const Tensor second = grad(sum(first * first), {x})[0];
  // The same through the composition.
  const Tensor e = exp(x);
  const Tensor composed = sum(e / sum(e, 1, {.keep = true}) * c);
  const Tensor first_composed = grad(composed, {x})[0];
  const Tensor second_composed = grad(sum(first_composed * first_composed), {x})[0];
  const auto a = second.to_vector<double>();
  const auto b = second_composed.to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6);
  EXPECT_GT(std::abs(a[0]), 1e-3);
}

std::int64_t products_in_last_plan() {
  std::int64_t n = 0;
  for (const std::string& name : plan::last_plan().names) n += name == "matmul" ? 1 : 0;
  return n;
}

TEST(Evaluation, RecomputationSurvivesCommonSubexpressionElimination) {
  const Net net;
  const auto loss_of = [&](bool recompute) {
    const Tensor x = batch(3);
    const auto f = [&](std::span<const Tensor> in) { return net(in[0]); };
    const std::vector<Tensor> inputs = {x};
    return mean(square(recompute ? checkpoint(f, inputs) : f(inputs)));
  };
  const auto gradients = [&](bool recompute) {
    const Gradients g = grad(loss_of(recompute), net.parameters());
    eval({g[0], g[1]});
    return g[0].to_vector<float>();
  };
  const std::vector<float> kept = gradients(false);
  const std::int64_t products = products_in_last_plan();
  EXPECT_EQ(gradients(true), kept);
  EXPECT_GT(products_in_last_plan(), products) << "the recomputation was merged with the first computation";
}

TEST(Evaluation, AMillionNodes) {
  const std::int64_t before = live_nodes();
#if defined(__SANITIZE_ADDRESS__)
  constexpr int length = 50000;
#else
  constexpr int length = 1000000;
#endif
  {
    const Tensor w = variable(Tensor::of({0.5F}), {.name = "w"});
    Tensor x = w;
    for (int i = 0; i < length; ++i) x = -x;
    const Gradients g = grad(x, {w});
    eval({x, g[0]});
    EXPECT_EQ(x.item(), 0.5);
    EXPECT_EQ(g[0].item(), 1.0);
  }
  EXPECT_EQ(live_nodes(), before);
}

TEST(Evaluation, VersionsOfVariables) {
  const Tensor w = variable(Tensor::of({1, 2}), {.name = "w"});
  const Tensor snapshot = copy(w);
  const Tensor doubled = w * 2.0;
  static_cast<void>(doubled.array());
  const Tensor pending = w * 3.0;
  w.assign(w + 1.0);
  EXPECT_EQ(w.to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_EQ(snapshot.to_vector<float>(), (std::vector<float>{1, 2}));
  EXPECT_EQ(doubled.to_vector<float>(), (std::vector<float>{2, 4})) << "a computed value stays";
  EXPECT_THROW(static_cast<void>(pending.array()), Error);
  EXPECT_EQ((w * 2.0).to_vector<float>(), (std::vector<float>{4, 6}));
  EXPECT_THROW(w.assign(Tensor::of({1, 2, 3})), Error);
  EXPECT_THROW(doubled.assign(Tensor::of({1, 2})), Error);
}

TEST(Evaluation, SwappingTwoVariables) {
  const Tensor a = variable(Tensor::of({1, 2}), {.name = "a"});
  const Tensor b = variable(Tensor::of({3, 4}), {.name = "b"});
  const std::vector<Assignment> swap = {{a, b}, {b, a}};
  update(swap);
  EXPECT_EQ(a.to_vector<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(b.to_vector<float>(), (std::vector<float>{1, 2}));
  const std::vector<Assignment> crossed = {{a, b + 1.0}, {b, a + 1.0}};
  update(crossed);
  EXPECT_EQ(a.to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_EQ(b.to_vector<float>(), (std::vector<float>{4, 5}));
}

TEST(Evaluation, DifferentiatingADroppedRecipeNamesTheVariable) {
  const Net net;
  const Tensor loss = mean(square(net(batch(3))));
  descend(grad(loss, net.parameters()), 0.1);
  try {
    static_cast<void>(grad(loss, net.parameters()));
    FAIL() << "the recipe should be gone";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("'w"), std::string::npos) << e.what();
  }
}

TEST(Evaluation, UnrelatedTensorsHaveZeroGradients) {
  const Tensor w = variable(Tensor::of({1, 2}), {.name = "w"});
  const Tensor other = variable(Tensor::of({5}), {.name = "other"});
  const Gradients g = grad(sum(w * w), {other, w});
  EXPECT_EQ(g[0].to_vector<float>(), (std::vector<float>{0}));
  EXPECT_EQ(g[1].to_vector<float>(), (std::vector<float>{2, 4}));
  EXPECT_THROW(static_cast<void>(grad(w * 2.0, {w})), Error) << "not a scalar";
}

TEST(Evaluation, EvaluatingWithoutGradientsKeepsNoRecipe) {
  const Tensor w = variable(Tensor::of({1, 2}), {.name = "w"});
  Tensor x = w * 1.0;
  std::int64_t nodes = 0;
  {
    const NoGrad guard;
    for (int i = 0; i < 100; ++i) {
      x = x * 2.0;
      x.eval();
      if (i == 2) nodes = live_nodes();
    }
  }
  EXPECT_EQ(live_nodes(), nodes);
  EXPECT_THROW(static_cast<void>(grad(sum(x), {w})), Error);
}

}  // namespace
}  // namespace narae
