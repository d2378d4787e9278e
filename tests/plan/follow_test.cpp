// Products and convolutions with what follows them in one step, and what plans fold, hand on and leave out for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"
#include "narae/plan/plan.h"
#include "tests/plan/plans.h"

namespace narae::plan {
namespace {

constexpr RandomTensors random{13};

constexpr PlanOptions plainly{.fuse = false, .layouts = false, .fast_kernels = false};

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  double most = 0;
  for (const float x : b) most = std::max<double>(most, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance * most) << i;
}

// relu(norm(conv(x)) + x), then its negative half, as a finished network computes them.
struct Block {
  Block(std::int64_t channels, std::int64_t side, bool bias, std::int64_t groups = 1)
      : conv(channels, channels, 3, {.padding = 1, .groups = groups, .bias = bias}),
        norm(channels),
        x(random({2, channels, side, side}, 5)) {
    conv.weight().assign(random(conv.weight().shape(), 6));
    norm.load_state_dict(std::map<std::string, Array>{{"weight", random({channels}, 7).array()},
                                                      {"bias", random({channels}, 8).array()},
                                                      {"running_mean", random({channels}, 9).array()},
                                                      {"running_var", (square(random({channels}, 10)) + 0.5).array()},
                                                      {"num_batches_tracked", scalar_integer(1).array()}});
    norm.eval();
  }
  [[nodiscard]] Tensor normal(const Tensor& z) const { return norm(conv(z)); }
  [[nodiscard]] std::vector<float> rectified() const {
    const NoGrad no_gradients;
    Tensor y = normal(x);
    y = relu(y);
    return y.to_vector<float>();
  }
  [[nodiscard]] std::vector<float> added() const {
    const NoGrad no_gradients;
    Tensor y = normal(x);
    y = y + x;
    y = relu(y);
    return y.to_vector<float>();
  }
  // The shortcut is a value of the plan's own that is read again behind the sum.
  [[nodiscard]] std::vector<float> twice() const {
    const NoGrad no_gradients;
    Tensor first = normal(x);
    first = relu(first);
    Tensor second = normal(first);
    second = second + first;
    second = relu(second);
    second = normal(second);
    second = second + first;
    first = {};
    second = relu(second);
    return second.to_vector<float>();
  }

  nn::Conv2d conv;
  nn::BatchNorm2d norm;
  Tensor x;
};

TEST(Follow, ConvolutionsTakeOverNormSumAndRectifier) {
  for (const std::int64_t side : {7, 28}) {
    for (const bool bias : {false, true}) {
      const Block block(32, side, bias);
      const std::vector<float> rectified = block.rectified();
      EXPECT_EQ(steps_named("conv2d_bias+loop[relu]"), 1) << last_plan().text;
      const std::vector<float> added = block.added();
      EXPECT_EQ(steps_named("conv2d_bias+loop[add relu]"), 1) << last_plan().text;
      const std::vector<float> twice = block.twice();
      EXPECT_EQ(steps_named("conv2d_bias+loop"), 3) << last_plan().text;
      EXPECT_EQ(block.twice(), twice) << "the sum must not change what it reads";
      const WithOptions options(plainly);
      expect_near(rectified, block.rectified(), 2e-5);
      expect_near(added, block.added(), 2e-5);
      expect_near(twice, block.twice(), 5e-5);
    }
  }
}

TEST(Follow, GroupsAndFewChannelsFoldAsWell) {
  for (const Block& block : {Block(32, 9, true, 4), Block(3, 9, false)}) {
    const std::vector<float> added = block.added();
    EXPECT_EQ(steps_named("conv2d_bias"), 1) << last_plan().text;
    const WithOptions options(plainly);
    expect_near(added, block.added(), 2e-5);
  }
}

TEST(Follow, FoldedWeightsFollowTheirVariables) {
  Block block(32, 9, true);
  static_cast<void>(block.added());
  block.norm.load_state_dict(std::map<std::string, Array>{{"weight", random({32}, 20).array()},
                                                          {"bias", random({32}, 21).array()},
                                                          {"running_mean", random({32}, 22).array()},
                                                          {"running_var", (square(random({32}, 23)) + 0.5).array()},
                                                          {"num_batches_tracked", scalar_integer(2).array()}});
  const std::vector<float> after = block.added();
  const WithOptions options(plainly);
  expect_near(after, block.added(), 2e-5);
}

// A convolution that somebody else reads keeps its result; channels scaled by what is no variable stay scaled.
TEST(Follow, WhatIsReadElsewhereIsNotFolded) {
  const NoGrad no_gradients;
  const Block block(32, 9, true);
  const Tensor scale = random({1, 32, 1, 1}, 30);
  const auto compute = [&] {
    Tensor y = block.conv(block.x);
    Tensor z = block.norm(y);
    y = y * 2.0;
    z = z + y;
    y = {};
    z = z * scale;
    return z.to_vector<float>();
  };
  const std::vector<float> result = compute();
  const WithOptions options(plainly);
  expect_near(result, compute(), 2e-5);
}

// The bias of every row is added with the product, also where the rows have been given back their axes.
TEST(Follow, ProductsTakeOverTheirBias) {
  const NoGrad no_gradients;
  const Tensor w = random({96, 130}, 2);
  const Tensor b = random({130}, 3);
  const auto compute = [&](const Tensor& x, bool bias_first) {
    Tensor y = matmul(x, w);
    y = bias_first ? b + y : y + b;
    return y.to_vector<float>();
  };
  for (const std::int64_t rows : {1, 3, 40}) {  // few rows have a kernel of their own
    const Tensor x = random({2, rows, 96}, 1);
    for (const bool bias_first : {false, true}) {
      const std::vector<float> joined = compute(x, bias_first);
      EXPECT_EQ(steps_named("matmul+loop[add]"), 1) << last_plan().text;
      const WithOptions apart(plainly);
      expect_near(joined, compute(x, bias_first), 1e-5);
    }
  }
}

// A layer of 256 x 512 weights and a batch of `size`.
struct Layer {
  explicit Layer(std::int64_t size, const optim::SGDOptions& options, double mean = 0)
      : w(variable(random({256, 512}, 1))), x((random({size, 512}, 2) + mean).eval()), sgd({w}, options) {}
  optim::StepResult step(double scale = 1) {
    const Tensor loss = mean(square(matmul(x * scale, w, {.transpose_b = true})));
    return sgd.step(grad(loss, {w}));
  }
  Tensor w, x;
  optim::SGD sgd;
};

TEST(Follow, AGradientOfASmallBatchGoesIntoItsUpdate) {
  for (const optim::SGDOptions& options :
       {optim::SGDOptions{.lr = 0.1}, optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01},
        optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .clip_norm = 0.5}}) {
    Layer joined(6, options);
    Layer plain(6, options);
    for (int k = 0; k < 3; ++k) {
      const double norm = joined.step().gradient_norm();
      EXPECT_EQ(steps_named("matmul+loop["), 1) << last_plan().text;
      const WithOptions apart(plainly);
      EXPECT_NEAR(plain.step().gradient_norm(), norm, 1e-4 * norm);
    }
    expect_near(joined.w.to_vector<float>(), plain.w.to_vector<float>(), 1e-5);
  }
}

// 300 rows of 256 numbers, of which a step looks up a few, some twice.
struct Table {
  explicit Table(const optim::SGDOptions& options) : w(variable(random({300, 256}, 1))), sgd({w}, options) {}
  optim::StepResult step(std::vector<std::int64_t> rows) {
    Array at = Array::empty(DType::i64, {static_cast<std::int64_t>(rows.size())});
    std::ranges::copy(rows, at.mutable_values<std::int64_t>().begin());
    const Tensor loss = mean(square(embedding(w, Tensor(at)) - 0.1));
    return sgd.step(grad(loss, {w}));
  }
  Tensor w;
  optim::SGD sgd;
};

TEST(Follow, AnEmbeddingsUpdateTouchesItsRowsAlone) {
  for (const optim::SGDOptions& options :
       {optim::SGDOptions{.lr = 10}, optim::SGDOptions{.lr = 10, .clip_norm = 0.01}}) {
    Table joined(options);
    Table plain(options);
    for (int k = 0; k < 3; ++k) {
      const std::vector<std::int64_t> rows = {7 + k, 299, 0, 7 + k, 299, 299, 12};
      const double norm = joined.step(rows).gradient_norm();
      EXPECT_EQ(steps_named("segment_sum+loop["), 1) << last_plan().text;
      EXPECT_LT(last_plan().arena_bytes, 300 * 256 * 4) << "the gradient is not stored";
      const WithOptions apart(plainly);
      EXPECT_NEAR(plain.step(rows).gradient_norm(), norm, 1e-5 * norm);
    }
    if (options.clip_norm == 0) EXPECT_EQ(joined.w.to_vector<float>(), plain.w.to_vector<float>());
    expect_near(joined.w.to_vector<float>(), plain.w.to_vector<float>(), 1e-6);
  }
}

// With momentum or weight decay all rows change: the whole gradient is wanted.
TEST(Follow, AnEmbeddingWhoseOtherRowsChangeIsUpdatedWhole) {
  for (const optim::SGDOptions& options :
       {optim::SGDOptions{.lr = 1, .momentum = 0.9}, optim::SGDOptions{.lr = 1, .weight_decay = 0.1}}) {
    Table joined(options);
    Table plain(options);
    for (int k = 0; k < 3; ++k) {
      static_cast<void>(joined.step({7, 299, 0, 7}));
      EXPECT_EQ(steps_named("segment_sum+loop["), 0) << last_plan().text;
      const WithOptions apart(plainly);
      static_cast<void>(plain.step({7, 299, 0, 7}));
    }
    expect_near(joined.w.to_vector<float>(), plain.w.to_vector<float>(), 1e-6);
  }
}

TEST(Follow, AnEmbeddingsRefusedStepChangesNothing) {
  Table table({.lr = 1});
  EXPECT_TRUE(table.step({1, 2, 3}).applied);
  const std::vector<float> before = table.w.to_vector<float>();
  EXPECT_FALSE(table.step({1, 300, 3}).applied) << "row 300 reads NaN";
  EXPECT_EQ(table.w.to_vector<float>(), before);
}

// Inputs far from zero: what is left of large numbers is the norm, in whichever order they are added.
TEST(Follow, NormsOfOffsetInputsAreRight) {
  Layer joined(6, {.lr = 1e-9}, 1000);
  const Tensor loss = mean(square(matmul(joined.x - 1000.0, joined.w, {.transpose_b = true})));
  const double norm = joined.sgd.step(grad(loss, {joined.w})).gradient_norm();
  const Tensor g = random({6, 256}, 4) - mean(random({6, 256}, 4), 0, {.keep = true});
  const Tensor product = sum(matmul(joined.x, joined.w, {.transpose_b = true}) * detach(g).eval());
  const double offset_norm = joined.sgd.step(grad(product, {joined.w})).gradient_norm();
  EXPECT_GT(steps_named("matmul+loop["), 0);
  const Tensor exact = matmul(cast(g, DType::f64), cast(joined.x, DType::f64), {.transpose_a = true});
  EXPECT_NEAR(offset_norm, std::sqrt(sum(square(exact)).item()), 1e-5 * offset_norm);
  EXPECT_GT(norm, 0);
}

TEST(Follow, TheNumberOfThreadsChangesNothing) {
  const int before = thread_count();
  std::vector<std::vector<float>> weights;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    Layer layer(6, {.lr = 0.1, .momentum = 0.9});
    for (int k = 0; k < 3; ++k) static_cast<void>(layer.step());
    weights.push_back(layer.w.to_vector<float>());
  }
  set_thread_count(before);
  EXPECT_EQ(weights[0], weights[1]);
  EXPECT_EQ(weights[0], weights[2]);
}

// Where variables change, what is not finite must reach the guard: there rectifiers stay loops of their own.
TEST(Follow, TrainingSeesWhatIsNotFinite) {
  const nn::Conv2d conv(32, 32, 3, {.padding = 1});
  const Tensor x = random({2, 32, 9, 9}, 1);
  conv.weight().assign(full(conv.weight().shape(), std::numeric_limits<double>::quiet_NaN()));
  optim::SGD sgd(conv.parameters(), {.lr = 0.1});
  const auto step = [&] {
    Tensor y = conv(x);
    y = relu(y);
    y = mean(square(y));
    return sgd.step(grad(y, conv.parameters()));
  };
  EXPECT_FALSE(step().applied);
  EXPECT_EQ(steps_named("conv2d_bias+loop"), 0) << last_plan().text;
}

TEST(Follow, ItIsNoLargerThanWithoutTheGradient) {
  Layer small(6, {.lr = 0.1, .momentum = 0.9});
  for (int k = 0; k < 2; ++k) static_cast<void>(small.step());
  EXPECT_LT(last_plan().arena_bytes, 256 * 512 * 4) << "the gradient is not stored";
  Layer large(64, {.lr = 0.1, .momentum = 0.9});
  for (int k = 0; k < 2; ++k) static_cast<void>(large.step());
  EXPECT_EQ(steps_named("matmul+loop["), 0) << "products of many terms are others' work";
}

TEST(Follow, ARefusedStepChangesNothing) {
  Layer layer(6, {.lr = 0.1, .momentum = 0.9});
  EXPECT_TRUE(layer.step().applied);
  const std::vector<float> before = layer.w.to_vector<float>();
  const optim::StepResult refused = layer.step(std::numeric_limits<double>::infinity());
  EXPECT_FALSE(refused.applied);
  EXPECT_NE(refused.first_non_finite, "");
  EXPECT_EQ(layer.w.to_vector<float>(), before);
  EXPECT_TRUE(layer.step().applied);
}

// The slope of tanh, 1 - y^2, and a rectifier's mask are computed where they are read; the same bits come out.
TEST(Follow, CheapValuesAreHandedToTheirReader) {
  const Tensor w = variable(random({8, 4, 3, 3}, 1));
  const Tensor x = variable(random({4, 4, 12, 12}, 2));
  const auto compute = [&](Tensor (*activation)(const Tensor&)) {
    Tensor y = activation(x);
    const Tensor loss = sum(square(conv2d(y, w, {}, {.padding = 1}))) + sum(square(avg_pool2d(y, 2)));
    const Gradients g = grad(loss, {x, w});
    y = {};
    eval(g.values);
    std::vector<float> all = g[0].to_vector<float>();
    const std::vector<float> rest = g[1].to_vector<float>();
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  };
  set_plan_options(plan_options());
  const std::vector<float> slopes = compute(tanh);
  EXPECT_EQ(steps_named("loop[tanh]"), 1) << last_plan().text;
  const std::vector<float> masks = compute(relu);
  EXPECT_EQ(steps_named("loop[relu]"), 1) << last_plan().text;
  const WithOptions apart({.fuse = false});
  EXPECT_EQ(compute(tanh), slopes);
  EXPECT_EQ(compute(relu), masks);
}

}  // namespace
}  // namespace narae::plan
