// What attention layers do that PyTorch's values don't show: errors, dropout, names, positions in a cache.
#include <gtest/gtest.h>

#include <functional>

#include "narae/nn/nn.h"
#include "narae/ops/ops.h"

namespace narae::nn {
namespace {

void expect_error(const std::function<void()>& f, std::initializer_list<const char*> says) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    const std::string message = e.what();
    for (const char* part : says) EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(AttentionLayers, SayWhatIsWrong) {
  expect_error([] { MultiHeadAttention(10, 3); }, {"MultiHeadAttention", "10, 3 heads", "divide"});
  expect_error([] { MultiHeadAttention(12, 4, {.kv_heads = 3}); }, {"MultiHeadAttention", "over 3", "divide"});
  const MultiHeadAttention layer(12, 4, {.key_width = 5});
  const Tensor x = zeros({2, 3, 12});
  expect_error([&] { (void)layer(x, x, x); }, {"key", "(2, 3, 12)", "(batch, time, 5)"});
  expect_error([&] { (void)layer(x, zeros({2, 3, 5}), x, {.dropout = 0.1}); }, {"dropout", "layer"});
  expect_error([&] { (void)layer(x, zeros({2, 3, 5}), x, {.mask = zeros({3, 4})}); }, {"mask", "(2, 4, 3, 3)"});
  expect_error([] { (void)sinusoidal_positions(arange(0, 3, 1, DType::i64), 5); }, {"width of 5", "even"});
  expect_error([] { (void)LearnedPosition(4, 2)(zeros({1, 5, 2})); }, {"sequence of 5", "4 positions"});
  expect_error([] { RelativePositionBias(2, {.buckets = 3}); }, {"3 buckets"});
  expect_error([] { AttentionScore(ScoreKind::dot, 3, 4); }, {"dot, 3, 4", "equal widths"});
  expect_error([] { (void)score_kind("cosine"); }, {"cosine", "additive"});
  expect_error([] { (void)alibi_slopes(0); }, {"0 heads"});
}

std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, value] : module.state_dict()) names.push_back(name);
  return names;
}

TEST(AttentionLayers, HavePyTorchsNames) {
  const std::vector<std::string> attention = {"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"};
  EXPECT_EQ(names_of(MultiHeadAttention(4, 2)), attention);
  EXPECT_EQ(names_of(TransformerEncoderLayer(4, 2, {.feed_forward = 3, .bias = false})),
            (std::vector<std::string>{"self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight",
                                      "linear2.weight", "norm1.weight", "norm2.weight"}));
}

// Dropout drops while training and not in evaluation; the same draws give the same result.
TEST(AttentionLayers, DropoutBelongsToTraining) {
  const TransformerEncoderLayer layer(8, 2, {.feed_forward = 16, .dropout = 0.5});
  const Tensor x = uniform({2, 6, 8}).eval();
  const auto run = [&] {
    manual_seed(3);
    return layer(x).to_vector<float>();
  };
  const std::vector<float> trained = run();
  EXPECT_EQ(run(), trained);
  layer.eval();
  const std::vector<float> evaluated = run();
  EXPECT_NE(evaluated, trained);
  manual_seed(4);
  EXPECT_EQ(layer(x).to_vector<float>(), evaluated);
}

// Each layer's probabilities, in the order in which they were asked for, with the path of the layer; the innermost
// record alone takes notes.
TEST(AttentionRecord, NotesWhatEachHeadLooksAt) {
  const nn::MultiHeadAttention layer(8, 2);
  const nn::Sequential network{nn::MultiHeadAttention(8, 2), layer};
  const Tensor x = normal({3, 5, 8});
  const Tensor before = network(x);
  const AttentionRecord record;
  (void)network(x);
  (void)layer(x, x, x, {.causal = true});
  {
    const AttentionRecord inner;
    (void)network(x);
    EXPECT_EQ(inner.entries().size(), 2U);
  }
  ASSERT_EQ(record.entries().size(), 3U);
  const Tensor& causal = record.entries()[2].probabilities;
  EXPECT_EQ(causal.shape(), (Shape{3, 2, 5, 5}));
  EXPECT_EQ(record.entries()[0].module, "0");
  EXPECT_EQ(record.entries()[2].module, "1") << "under its last name, for it was called by itself";
  const std::vector<float> rows = sum(causal, {3}).to_vector<float>();
  for (const float row : rows) EXPECT_NEAR(row, 1, 1e-5);
  EXPECT_EQ(causal.to_vector<float>()[1], 0) << "the first query sees the first key alone";
  EXPECT_EQ(network(x).to_vector<float>(), before.to_vector<float>());
}

// A decoder that is given its positions: those of a step are those of the whole sequence.
TEST(AttentionLayers, PositionsOfAStepAreThoseOfTheSequence) {
  const Tensor x = uniform({2, 6, 4}).eval();
  const Tensor places = Tensor::of<std::int64_t>(std::vector<std::int64_t>{3, 3}, {2});
  const Tensor step = narrow(x, 1, 3, 1);
  const auto expect_same = [&](const Tensor& of_step, const Tensor& of_all) {
    EXPECT_EQ(of_step.to_vector<float>(), narrow(of_all, 1, 3, 1).to_vector<float>());
  };
  const SinusoidalPosition sinusoidal;
  expect_same(sinusoidal(step, reshape(places, {2, 1})), sinusoidal(x));
  const LearnedPosition learned(6, 4);
  expect_same(learned(step, reshape(places, {2, 1})), learned(x));
  const RelativePositionBias bias(2, {.buckets = 8, .max_distance = 20, .bidirectional = false});
  EXPECT_EQ(narrow(bias(1, 6, places), 0, 0, 1).to_vector<float>(), narrow(bias(6, 6), 2, 3, 1).to_vector<float>());
}

}  // namespace
}  // namespace narae::nn
