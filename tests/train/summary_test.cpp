#include "narae/train/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/models/registry.h"
#include "narae/nn/nn.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/random.h"
#include "narae/ops/view.h"
#include "narae/optim/sgd.h"
#include "narae/plan/plan.h"

namespace narae {
namespace {

const LayerSummary& layer(const ModelSummary& summary, const std::string& name) {
  for (const LayerSummary& l : summary.layers)
    if (l.name == name) return l;
  throw Error("no layer " + name);
}

// 4 queries of 2 heads with 4 keys each, products of size 4 for the scores and 4 for the values.
TEST(Summary, LayersOfATransformerHaveTheirWholePath) {
  const auto model = models::make_model(
      {.name = "gpt",
       .options = {{"width", std::int64_t{8}}, {"layers", std::int64_t{2}}, {"heads", std::int64_t{2}}},
       .input = {4},
       .vocabulary = 11});
  const ModelSummary summary = summarize(*model, {1, 4}, DType::i64);
  EXPECT_EQ(layer(summary, "transformer.h.1.attn").multiply_adds, 4 * 2 * 4 * (4 + 4));
  EXPECT_EQ(layer(summary, "transformer.h.1.attn.c_proj").multiply_adds, 4 * 8 * 8);
  for (const LayerSummary& l : summary.layers) {
    if (l.type == "LayerNorm") EXPECT_EQ(l.note, "") << l.name;
  }
}

TEST(Summary, LeNetsLayersAreCounted) {
  const auto model = models::make_model({.name = "lenet5"});
  const ModelSummary summary = summarize(*model, {2, 1, 28, 28});
  EXPECT_EQ(summary.parameters, 61706);
  EXPECT_EQ(summary.trainable_parameters, 61706);
  EXPECT_EQ(summary.parameter_bytes, 61706 * 4);
  EXPECT_EQ(layer(summary, "features.0").type, "Conv2d");
  EXPECT_EQ(layer(summary, "features.0").output, (Shape{2, 6, 28, 28}));
  EXPECT_EQ(layer(summary, "features.0").parameters, (5 * 5 * 1 + 1) * 6);
  EXPECT_EQ(layer(summary, "features.0").multiply_adds, 2 * 28 * 28 * 6 * 25);
  EXPECT_EQ(layer(summary, "features.0").activation_bytes, 2 * 6 * 28 * 28 * 4);
  EXPECT_EQ(layer(summary, "features.1").activation_bytes, 0);  // in place
  EXPECT_EQ(layer(summary, "features.2").output, (Shape{2, 6, 14, 14}));
  EXPECT_EQ(layer(summary, "classifier.4").parameters, 84 * 10 + 10);
  EXPECT_EQ(layer(summary, "classifier.4").multiply_adds, 2 * 84 * 10);
  EXPECT_EQ(layer(summary, "classifier.4").note, "");
  EXPECT_EQ(summary.multiply_adds, 2 * 416520);
  std::int64_t bytes = summary.input_bytes;
  for (const LayerSummary& l : summary.layers) bytes += l.activation_bytes;
  EXPECT_EQ(summary.activation_bytes, bytes);
}

// SYSTEMS: 32x32x3 and ten 5x5 filters, S = 1, P = 2: 32x32x10, 760 parameters; six 1x1 filters: 24.
TEST(Summary, ConvolutionsFollowTheTextbook) {
  const nn::Sequential five{nn::Conv2d(3, 10, 5, {.padding = 2})};
  EXPECT_EQ(summarize(five, {1, 3, 32, 32}).layers.front().output, (Shape{1, 10, 32, 32}));
  EXPECT_EQ(summarize(five, {1, 3, 32, 32}).parameters, 760);
  const nn::Sequential one{nn::Conv2d(3, 6, 1)};
  EXPECT_EQ(summarize(one, {1, 3, 32, 32}).layers.front().output, (Shape{1, 6, 32, 32}));
  EXPECT_EQ(summarize(one, {1, 3, 32, 32}).parameters, 24);
  const nn::Sequential grouped{nn::Conv2d(4, 8, 3, {.groups = 2, .bias = false})};
  EXPECT_EQ(summarize(grouped, {1, 4, 5, 5}).multiply_adds, 8 * 3 * 3 * 2 * 9);
  // Each input pixel meets the whole kernel.
  const nn::Sequential transposed{nn::ConvTranspose2d(4, 8, 3, {.stride = 2, .groups = 2})};
  EXPECT_EQ(summarize(transposed, {1, 4, 5, 5}).multiply_adds, 4 * 5 * 5 * 4 * 9);
}

TEST(Summary, SaysWhenAStrideDoesNotDivide) {
  const nn::Sequential three{nn::Conv2d(1, 1, 3, {.stride = 3})};
  const ModelSummary summary = summarize(three, {1, 1, 7, 7});
  EXPECT_EQ(summary.layers.front().output, (Shape{1, 1, 2, 2}));
  EXPECT_EQ(summary.layers.front().note, "stride 3 does not divide 7 + 2*0 - 3 = 4, rounded down");
  EXPECT_NE(to_text(summary).find("rounded down"), std::string::npos);
  const nn::Sequential two{nn::Conv2d(1, 1, 3, {.stride = 2})};
  EXPECT_EQ(summarize(two, {1, 1, 7, 7}).layers.front().note, "");
  EXPECT_EQ(summarize(two, {1, 1, 7, 8}).layers.front().note,
            "width: stride 2 does not divide 8 + 2*0 - 3 = 5, rounded down");
  const nn::Sequential pool{nn::MaxPool2d(2)};
  EXPECT_EQ(summarize(pool, {1, 1, 5, 4}).layers.front().note,
            "height: stride 2 does not divide 5 + 2*0 - 2 = 3, rounded down");
  const nn::Sequential up{nn::MaxPool2d(2, {.ceil_mode = true})};
  EXPECT_EQ(summarize(up, {1, 1, 5, 4}).layers.front().output, (Shape{1, 1, 3, 2}));
  EXPECT_EQ(summarize(up, {1, 1, 5, 4}).layers.front().note,
            "height: stride 2 does not divide 5 + 2*0 - 2 = 3, rounded up");
}

struct Mixed : nn::Module {
  nn::Linear first = register_module("first", nn::Linear(4, 8));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.5));
  nn::Linear second = register_module("second", nn::Linear(8, 8));
  nn::Linear unused = register_module("unused", nn::Linear(3, 3));
  Tensor scale = register_parameter("scale", full({8}, 1));
  [[nodiscard]] Tensor forward(const Tensor& x) const override {
    const Tensor h = second(second(dropout(first(x))));
    return matmul(h * scale, h, {.transpose_b = true});
  }
};

TEST(Summary, OwnWorkSharedLayersAndIdleLayersHaveTheirRows) {
  const Mixed model;
  const ModelSummary summary = summarize(model, {2, 4});
  std::vector<std::string> names;
  for (const LayerSummary& l : summary.layers) names.push_back(l.name);
  EXPECT_EQ(layer(summary, "second").multiply_adds, 2 * 2 * 8 * 8);  // called twice
  EXPECT_EQ(layer(summary, "second").parameters, 72);
  EXPECT_EQ(layer(summary, "dropout").output, (Shape{2, 8}));
  EXPECT_EQ(layer(summary, "").parameters, 8);
  EXPECT_EQ(layer(summary, "").multiply_adds, 2 * 2 * 8);
  EXPECT_EQ(layer(summary, "").output, (Shape{2, 2}));
  EXPECT_EQ(layer(summary, "unused").parameters, 12);
  EXPECT_EQ(layer(summary, "unused").note, "takes no part in evaluation");
  EXPECT_EQ(summary.parameters, 40 + 72 + 12 + 8);
  EXPECT_LT(std::find(names.begin(), names.end(), "dropout"), std::find(names.begin(), names.end(), "second"));
}

TEST(Summary, LeavesModelModesStatisticsAndRandomNumbersAsTheyWere) {
  const nn::Sequential model{nn::Linear(4, 4), nn::BatchNorm1d(4), nn::Dropout(0.5), nn::Linear(4, 3)};
  model[1].eval();
  static_cast<void>(model.state_dict());
  const nn::StateDict before = model.state_dict();
  const RandomState random = random_state();
  static_cast<void>(summarize(model, {2, 4}));
  static_cast<void>(training_memory(model, {8, 4}));
  EXPECT_EQ(random_state().counter, random.counter);
  EXPECT_TRUE(model.is_training());
  EXPECT_FALSE(model[1].is_training());
  EXPECT_TRUE(model[2].is_training());
  const nn::StateDict after = model.state_dict();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(std::memcmp(before[i].second.buffer.data(), after[i].second.buffer.data(), before[i].second.bytes()), 0)
        << before[i].first;
  }
  EXPECT_TRUE(Tensor(model(Tensor(Array::zeros(DType::f32, {2, 4})))).array().shape == (Shape{2, 3}));
}

TEST(Summary, FrozenParametersAreNotTrainable) {
  const auto model = models::make_model({.name = "lenet5"});
  model->freeze("features");
  EXPECT_EQ(summarize(*model, {1, 1, 28, 28}).trainable_parameters, 61706 - 156 - 2416);
}

TEST(Summary, AnInputThatDoesNotFitIsRefused) {
  const auto model = models::make_model({.name = "mlp"});
  EXPECT_THROW(static_cast<void>(summarize(*model, {1, 1, 30, 30})), Error);
}

TEST(Summary, ThePlannedTrainingMemoryIsThatOfARealStep) {
  const auto model = models::make_model({.name = "lenet5"});
  const std::int64_t built = engine_counts().evaluations;
  const TrainingMemory memory = training_memory(*model, {64, 1, 28, 28});
  EXPECT_EQ(memory.parameters, 61706 * 4);
  EXPECT_EQ(memory.batch, 64 * (28 * 28 * 4 + 8));
  EXPECT_EQ(engine_counts().evaluations, built) << "nothing is to be computed";

  optim::SGD optimizer(model->parameters(), {.lr = 0.1});
  const Tensor loss = nn::cross_entropy((*model)(Tensor(Array::zeros(DType::f32, {64, 1, 28, 28}))),
                                        Tensor(Array::zeros(DType::i64, {64})));
  optimizer.step(grad(loss, model->parameters()));
  const plan::PlanFacts facts = plan::last_plan();
  const auto real = static_cast<double>(facts.arena_bytes + facts.output_bytes);
  EXPECT_NEAR(static_cast<double>(memory.arena), real, 0.1 * real);
}

TEST(Summary, BytesAreReadable) {
  EXPECT_EQ(readable_bytes(0), "0 B");
  EXPECT_EQ(readable_bytes(999), "999 B");
  EXPECT_EQ(readable_bytes(1000), "1.0 kB");
  EXPECT_EQ(readable_bytes(999960), "1.0 MB");
  EXPECT_EQ(readable_bytes(1234567890), "1.2 GB");
}

}  // namespace
}  // namespace narae
