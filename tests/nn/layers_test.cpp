// What the reference values don't cover: modes, statistics, initial values, bad input.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

TEST(Linear, DrawsItsParametersFromTheSeed) {
  manual_seed(3);
  const auto first = nn::Linear(100, 50).weight().to_vector<float>();
  const auto second = nn::Linear(100, 50).weight().to_vector<float>();
  manual_seed(3);
  EXPECT_EQ(nn::Linear(100, 50).weight().to_vector<float>(), first);
  EXPECT_NE(first, second);
  double largest = 0;
  double mean = 0;
  for (const float w : first) {
    largest = std::max(largest, std::abs(static_cast<double>(w)));
    mean += w / 5000.0;
  }
  EXPECT_LE(largest, 0.1);
  EXPECT_GT(largest, 0.099);
  EXPECT_NEAR(mean, 0, 5 * 0.1 / std::sqrt(3.0 * 5000));  // five standard deviations of the mean
}

TEST(Layers, RefuseWhatMakesNoSense) {
  EXPECT_THROW(nn::Linear(0, 1), Error);
  EXPECT_THROW(nn::Conv2d(3, 4, 3, {.groups = 2}), Error);
  EXPECT_THROW(nn::Conv2d(3, 4, {3, 0}), Error);
  EXPECT_THROW(nn::Embedding(0, 4), Error);
  EXPECT_THROW(nn::BatchNorm2d(0), Error);
  EXPECT_THROW(nn::LayerNorm(Shape{}), Error);
  EXPECT_THROW(nn::Dropout(1.5), Error);
  EXPECT_THROW(nn::Dropout2d(-0.1), Error);
  EXPECT_THROW(nn::StochasticDepth(2), Error);
  EXPECT_THROW(nn::BatchNorm2d(-1), Error);
  EXPECT_THROW(nn::InstanceNorm2d(0), Error);
  EXPECT_THROW(nn::GroupNorm(2, 3), Error);
  EXPECT_THROW(nn::RMSNorm(Shape{}), Error);
  EXPECT_THROW(nn::LocalResponseNorm(0), Error);
  EXPECT_THROW(nn::ConvTranspose2d(3, 4, 3, {.groups = 2}), Error);
  EXPECT_THROW(nn::SqueezeExcitation(4, 0), Error);
  EXPECT_THROW((void)nn::InstanceNorm2d(3)(zeros({2, 3, 4})), Error);
  EXPECT_THROW((void)nn::InstanceNorm2d(3)(zeros({2, 3, 1, 1})), Error);  // no variance
  const nn::BatchNorm1d untracked(3, {.track_running_stats = false});
  untracked.eval();
  EXPECT_THROW((void)untracked(zeros({1, 3})), Error);
  EXPECT_THROW(nn::Softplus(0), Error);
  EXPECT_THROW((void)nn::BatchNorm2d(3)(zeros({2, 3})), Error);
  EXPECT_THROW((void)nn::BatchNorm1d(3)(zeros({1, 3})), Error);  // one value a channel
  EXPECT_THROW((void)nn::Linear(3, 4)(zeros({2, 5})), Error);
  EXPECT_THROW((void)nn::Conv2d(1, 2, 5)(zeros({1, 1, 4, 4})), Error);
}

TEST(BatchNorm, StatisticsMoveOnceForEachTrainingBatch) {
  const nn::BatchNorm1d layer(1, {.momentum = 0.5});
  const auto buffers = layer.named_buffers();
  const auto running = [&](std::size_t i) { return buffers[i].second.to_vector<double>()[0]; };
  const Tensor x = Tensor::of({1, 3}, {2, 1});  // mean 2, unbiased variance 2
  const Tensor y = layer(x);
  (void)y.array();
  (void)y.array();
  EXPECT_DOUBLE_EQ(running(0), 1);
  EXPECT_DOUBLE_EQ(running(1), 1.5);
  EXPECT_EQ(running(2), 1);
  eval({layer(x), layer(x)});
  EXPECT_DOUBLE_EQ(running(0), 1.75);
  EXPECT_EQ(running(2), 3);
  layer.eval();
  (void)layer(x).array();
  EXPECT_EQ(running(2), 3);
}

TEST(BatchNorm, MomentumIsAnInputAtRunTime) {
  const Tensor x = Tensor::of({1, 3}, {2, 1});
  (void)nn::BatchNorm1d(1, {.momentum = 0.1})(x).array();
  const auto plans = engine_counts().plans_built;
  (void)nn::BatchNorm1d(1, {.eps = 1e-3, .momentum = 0.2})(x).array();
  EXPECT_EQ(engine_counts().plans_built, plans);
}

TEST(Dropout, DropsAndScalesWhileTraining) {
  manual_seed(1);
  const nn::Dropout layer(0.25);
  const auto values = layer(ones({1000})).to_vector<float>();
  int dropped = 0;
  for (const float v : values) {
    EXPECT_TRUE(v == 0 || std::abs(v - 4.0F / 3) < 1e-6F);
    dropped += v == 0 ? 1 : 0;
  }
  EXPECT_NEAR(dropped, 250, 70);  // five standard deviations
  layer.eval();
  EXPECT_EQ(layer(ones({3})).to_vector<float>(), (std::vector<float>{1, 1, 1}));
}

TEST(Dropout, TheGradientUsesTheSameMask) {
  manual_seed(2);
  const Tensor x = variable(full({64}, 3));
  const Tensor y = nn::Dropout(0.5)(x);
  const auto g = grad(sum(y), {x});
  const auto gradient = g[0].to_vector<float>();
  const auto value = y.to_vector<float>();
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(gradient[i], value[i] / 3);
}

// Each share of x that one number decides about is dropped or scaled as a whole.
void expect_whole_shares(const std::vector<float>& values, std::size_t shares, float scale, std::size_t& dropped) {
  const std::size_t size = values.size() / shares;
  dropped = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], values[i / size * size]);
    EXPECT_TRUE(values[i] == 0 || std::abs(values[i] - scale) < 1e-6F) << values[i];
    if (i % size == 0 && values[i] == 0) ++dropped;
  }
}

TEST(Dropout2d, DropsWholeChannels) {
  manual_seed(1);
  const nn::Dropout2d layer(0.25);
  std::size_t dropped = 0;
  expect_whole_shares(layer(ones({50, 20, 3, 2})).to_vector<float>(), 1000, 4.0F / 3, dropped);
  EXPECT_NEAR(static_cast<double>(dropped), 250, 70);  // five standard deviations
  layer.eval();
  EXPECT_EQ(layer(ones({1, 1, 1, 2})).to_vector<float>(), (std::vector<float>{1, 1}));
}

TEST(StochasticDepth, DropsRowsOrTheBatch) {
  manual_seed(1);
  std::size_t dropped = 0;
  const nn::StochasticDepth rows(0.25);
  expect_whole_shares(rows(ones({1000, 2, 3})).to_vector<float>(), 1000, 4.0F / 3, dropped);
  EXPECT_NEAR(static_cast<double>(dropped), 250, 70);  // five standard deviations
  const nn::StochasticDepth batch(0.5, StochasticDepthMode::batch);
  std::size_t batches = 0;
  for (int i = 0; i < 64; ++i) {
    expect_whole_shares(batch(ones({7, 3})).to_vector<float>(), 1, 2, dropped);
    batches += dropped;
  }
  EXPECT_NEAR(static_cast<double>(batches), 32, 20);  // five standard deviations
  rows.eval();
  EXPECT_EQ(rows(ones({2})).to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(nn::StochasticDepth(1)(ones({2})).to_vector<float>(), (std::vector<float>{0, 0}));
}

TEST(Sequential, RunsItsModulesInOrder) {
  nn::Sequential model{nn::Flatten(), nn::Linear(4, 2), nn::ReLU()};
  EXPECT_EQ(model(zeros({3, 2, 2})).shape(), Shape({3, 2}));
  model.push_back("head", nn::Linear(2, 1));
  EXPECT_EQ(model.size(), 4U);
  EXPECT_EQ(model.named_parameters().back().first, "head.bias");
  const nn::Sequential copy{model};  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_EQ(copy.size(), 4U);
}

TEST(Pooling, ModulesAgreeWithTheirFunctions) {
  const Tensor x = reshape(arange(0, 16), {1, 1, 4, 4});
  EXPECT_EQ(nn::AdaptiveMaxPool2d(2)(x).to_vector<float>(), (std::vector<float>{5, 7, 13, 15}));
  EXPECT_EQ(nn::GlobalAvgPool()(x).to_vector<float>(), std::vector<float>{7.5F});
  EXPECT_EQ(global_max_pool(x).to_vector<float>(), std::vector<float>{15});
}

TEST(Losses, RefuseShapesThatOnlyBroadcast) {
  EXPECT_THROW((void)nn::mse_loss(zeros({4, 1}), zeros({4})), Error);
  EXPECT_THROW((void)nn::l1_loss(zeros({4}), zeros({4}, DType::f64)), Error);
  EXPECT_THROW((void)nn::cross_entropy(zeros({4, 3}), zeros({5}, DType::i64)), Error);
  EXPECT_THROW((void)nn::cross_entropy(zeros({4, 3}), zeros({4}, DType::u8)), Error);
  EXPECT_THROW((void)nn::cross_entropy(zeros({4, 3}), zeros({4}, DType::i64), {.label_smoothing = 2}), Error);
  EXPECT_THROW((void)nn::cross_entropy(zeros({4, 3}), zeros({4}, DType::i64), {.class_weights = zeros({4})}), Error);
  EXPECT_THROW((void)nn::hinge_loss(zeros({4, 3}), zeros({4}, DType::i64), {.p = 3}), Error);
}

TEST(CrossEntropy, ATargetOutOfRangeGivesNaNForItsRow) {
  const std::vector<std::int64_t> classes = {0, 3, -1, -100};
  const Tensor target = Tensor::of(std::span<const std::int64_t>(classes), {4});
  const auto rows = nn::cross_entropy(zeros({4, 3}), target, {.reduction = nn::Reduction::none}).to_vector<float>();
  EXPECT_NEAR(rows[0], std::log(3.0), 1e-6);
  EXPECT_TRUE(std::isnan(rows[1]));
  EXPECT_TRUE(std::isnan(rows[2]));
  EXPECT_EQ(rows[3], 0);
}

TEST(CrossEntropy, ClassesMayBeMaskedOut) {
  const float masked = -std::numeric_limits<float>::infinity();
  const std::vector<std::int64_t> classes = {1};
  const Tensor logits = variable(Tensor::of({masked, 0, 0}, {1, 3}));
  const Tensor loss = nn::cross_entropy(logits, Tensor::of(std::span<const std::int64_t>(classes), {1}));
  const auto g = grad(loss, {logits});
  EXPECT_NEAR(loss.item(), std::log(2.0), 1e-6);
  const auto gradient = g[0].to_vector<float>();
  EXPECT_EQ(gradient[0], 0);
  EXPECT_NEAR(gradient[1], -0.5, 1e-6);
}

TEST(CrossEntropy, ProbabilitiesAndPicturesAreTargetsToo) {
  const Tensor logits = Tensor::of({1, 2, 3, 0, -1, 1}, {2, 3});
  const std::vector<std::int64_t> classes = {2, 0};
  const Tensor target = Tensor::of(std::span<const std::int64_t>(classes), {2});
  const double hard = nn::cross_entropy(logits, target, {.label_smoothing = 0.1}).item();
  const double soft = nn::cross_entropy(logits, one_hot(target, 3), {.label_smoothing = 0.1}).item();
  EXPECT_NEAR(hard, soft, 1e-6);
  // The same rows as pixels: (1, classes, 1, 2).
  const Tensor pixels = reshape(transpose(logits, {1, 0}), {1, 3, 1, 2});
  const Tensor by_pixel = nn::cross_entropy(pixels, reshape(target, {1, 1, 2}), {.label_smoothing = 0.1});
  EXPECT_NEAR(by_pixel.item(), hard, 1e-6);
}

}  // namespace
}  // namespace narae
