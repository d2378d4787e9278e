// Recurrent layers: options, first values, names, errors, and what truncated backpropagation keeps.
#include "narae/nn/recurrent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "narae/core/buffer.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/sgd.h"
#include "narae/train/summary.h"

namespace narae {
namespace {

std::vector<std::string> names_of(const nn::Module& layer) {
  std::vector<std::string> result;
  for (const auto& [name, value] : layer.state_dict()) result.push_back(name);
  return result;
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

void expect_error(const std::function<void()>& f, const std::vector<const char*>& parts) {
  const std::string message = error_of(f);
  for (const char* part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
}

Tensor lengths_of(std::initializer_list<std::int64_t> values) {
  return Tensor::of(std::span<const std::int64_t>(values.begin(), values.size()),
                    {static_cast<std::int64_t>(values.size())});
}

TEST(Recurrent, ParametersHavePyTorchsNamesInPyTorchsOrder) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_of(nn::GRU(2, 3)), (Names{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}));
  EXPECT_EQ(names_of(nn::RNN(2, 3, {.bias = nn::RecurrentBias::one})),
            (Names{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0"}));
  EXPECT_EQ(
      names_of(nn::LSTM(2, 3, {.layers = 2, .bias = nn::RecurrentBias::none, .bidirectional = true, .projection = 2})),
      (Names{"weight_ih_l0", "weight_hh_l0", "weight_hr_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
             "weight_hr_l0_reverse", "weight_ih_l1", "weight_hh_l1", "weight_hr_l1", "weight_ih_l1_reverse",
             "weight_hh_l1_reverse", "weight_hr_l1_reverse"}));
}

TEST(Recurrent, ParametersAreCountedAsInTheTextbooks) {
  constexpr std::int64_t inputs = 7;
  constexpr std::int64_t units = 5;
  constexpr std::int64_t one = units * inputs + units * units + units;
  std::int64_t gates = 1;
  for (const char* name : {"rnn", "gru", "lstm"}) {
    EXPECT_EQ(nn::make_recurrent(name, inputs, units, {.bias = nn::RecurrentBias::one}).parameter_count(), gates * one);
    EXPECT_EQ(nn::make_recurrent(name, inputs, units).parameter_count(), gates * (one + units));
    gates = gates == 1 ? 3 : 4;
  }
  // Embedding of 1000 words, a network with two biases, one output.
  const nn::Sequential model{nn::Embedding(1000, 64), nn::RNN(64, 64), nn::Linear(64, 1)};
  EXPECT_EQ(model.parameter_count(), 72385);
}

TEST(Recurrent, SummariesCountProductsAndNameTheBiases) {
  const nn::Sequential model{nn::Embedding(1000, 64), nn::LSTM(64, 32, {.layers = 2, .projection = 16})};
  const ModelSummary summary = summarize(model, {3, 10}, DType::i64);
  const LayerSummary& layer = summary.layers.at(1);
  EXPECT_EQ(layer.type, "LSTM");
  EXPECT_EQ(layer.details, "64, 32, 2 layers, projection 16, two biases");
  EXPECT_EQ(to_string(layer.output), "(3, 10, 16)");
  constexpr std::int64_t first = 4 * 32 * (64 + 16) + 16 * 32;
  constexpr std::int64_t second = 4 * 32 * (16 + 16) + 16 * 32;
  EXPECT_EQ(layer.multiply_adds, 30 * (first + second));
  EXPECT_EQ(summary.parameters, 64000 + first + second + 2 * 2 * 4 * 32);
}

TEST(Recurrent, FirstValues) {
  manual_seed(3);
  const nn::LSTM plain(4, 16);
  for (const Tensor& parameter : plain.parameters()) {
    const std::vector<double> values = parameter.to_vector<double>();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    EXPECT_GE(*low, -0.25) << parameter.name();
    EXPECT_LE(*high, 0.25) << parameter.name();
    EXPECT_LT(*low, -0.2) << parameter.name();
    EXPECT_GT(*high, 0.2) << parameter.name();
  }
  const auto parameter = [](const nn::Module& layer, std::size_t i) { return layer.parameters()[i]; };

  const nn::LSTM remembering(4, 16, {.forget_bias = 1.0});
  const Tensor bias = parameter(remembering, 2) + parameter(remembering, 3);
  EXPECT_EQ(min(slice(bias, 0, 16, 32)).item(), 1);
  EXPECT_EQ(max(slice(bias, 0, 16, 32)).item(), 1);
  EXPECT_LT(max(slice(bias, 0, 0, 16)).item(), 0.5);

  const nn::RNN identity(4, 6, {.nonlinearity = Nonlinearity::relu, .recurrent_start = nn::RecurrentStart::identity});
  EXPECT_EQ(max(abs(parameter(identity, 1) - eye(6))).item(), 0);
  EXPECT_EQ(max(abs(parameter(identity, 2))).item(), 0);

  const nn::GRU orthogonal(4, 6, {.recurrent_start = nn::RecurrentStart::orthogonal});
  for (const Tensor& gate : split(parameter(orthogonal, 1), 3, 0))
    EXPECT_LT(max(abs(matmul(gate, gate, {.transpose_b = true}) - eye(6))).item(), 1e-6);
}

TEST(Recurrent, OrderOfBatchAndTimeIsAChoice) {
  manual_seed(3);
  const nn::GRU batch_first(3, 5);
  const nn::GRU time_first(3, 5, {.batch_first = false});
  time_first.load_state_dict(batch_first.state_dict());
  const Tensor x = uniform({2, 7, 3});
  const nn::RecurrentOutput a = batch_first(x);
  const nn::RecurrentOutput b = time_first(transpose(x, 0, 1));
  EXPECT_EQ(to_string(a.y.shape()), "(2, 7, 5)");
  EXPECT_EQ(to_string(b.y.shape()), "(7, 2, 5)");
  EXPECT_EQ(max(abs(a.y - transpose(b.y, 0, 1))).item(), 0);
  EXPECT_EQ(max(abs(a.state.h - b.state.h)).item(), 0);
}

TEST(Recurrent, DropoutBetweenLayersIsForTrainingAlone) {
  manual_seed(3);
  const nn::LSTM layer(3, 8, {.layers = 2, .dropout = 0.5});
  const nn::LSTM none(3, 8, {.layers = 2});
  none.load_state_dict(layer.state_dict());
  const Tensor x = uniform({2, 7, 3}).eval();
  const auto distance = [&] { return max(abs(layer(x).y - none(x).y)).item(); };
  EXPECT_GT(distance(), 1e-3);
  EXPECT_GT(max(abs(layer(x).y - layer(x).y)).item(), 1e-3) << "two calls drop the same";
  layer.eval();
  EXPECT_EQ(distance(), 0);
  layer.train();
  // One layer hands nothing on: there is nothing to drop.
  const nn::LSTM single(3, 8, {.dropout = 0.5});
  EXPECT_EQ(max(abs(single(x).y - single(x).y)).item(), 0);
  // Everything dropped: the second layer sees zeros, whatever x is.
  const nn::LSTM deaf(3, 8, {.layers = 2, .dropout = 1});
  EXPECT_EQ(max(abs(deaf(x).y - deaf(2.0 * x).y)).item(), 0);
}

TEST(Recurrent, WhatLiesBehindASequenceHasNoInfluence) {
  manual_seed(3);
  const nn::GRU layer(3, 5, {.layers = 2, .bidirectional = true});
  const Tensor x = uniform({2, 6, 3}).eval();
  const Tensor lengths = lengths_of({6, 4});
  const nn::RecurrentOutput padded = layer(x, {}, lengths);
  const nn::RecurrentOutput alone = layer(slice(slice(x, 0, 1, 2), 1, 0, 4));
  EXPECT_LT(max(abs(slice(slice(padded.y, 0, 1, 2), 1, 0, 4) - alone.y)).item(), 1e-6);
  EXPECT_EQ(max(abs(slice(slice(padded.y, 0, 1, 2), 1, 4, 6))).item(), 0);
  EXPECT_LT(max(abs(slice(padded.state.h, 1, 1, 2) - alone.state.h)).item(), 1e-6);
}

TEST(Recurrent, OtherLengthsMakeNoNewPlan) {
  manual_seed(3);
  const nn::LSTM layer(3, 5, {.bidirectional = true});
  const Tensor x = uniform({2, 6, 3}).eval();
  const auto step = [&](std::int64_t a, std::int64_t b) {
    const Tensor loss = sum(square(layer(x, {}, lengths_of({a, b})).y));
    eval(grad(loss, layer.parameters()).values);
    return loss.item();
  };
  (void)step(6, 1);
  const std::int64_t plans = engine_counts().plans_built;
  EXPECT_NE(step(3, 2), step(2, 2));
  EXPECT_NE(step(1, 6), step(5, 4));
  EXPECT_EQ(engine_counts().plans_built, plans);
}

TEST(Recurrent, ACarriedStateKeepsMemoryFlatAndNeedsOnePlan) {
  manual_seed(3);
  const nn::LSTM layer(2, 4);
  const nn::Linear head(4, 1);
  std::vector<Tensor> parameters = layer.parameters();
  for (const Tensor& p : head.parameters()) parameters.push_back(p);
  optim::SGD optimizer(parameters, {.lr = 0.01});
  const Tensor x = uniform({3, 5, 2}).eval();
  nn::RecurrentState state{zeros({1, 3, 4}).eval(), zeros({1, 3, 4}).eval()};
  const auto step = [&] {
    const nn::RecurrentOutput out = layer(x, nn::detached(state));
    const Tensor loss = mean(square(head(out.y) - 0.3));
    optimizer.step(grad(loss, parameters));
    state = out.state;
  };
  for (int i = 0; i < 10; ++i) step();
  const std::int64_t nodes = live_nodes();
  const std::int64_t plans = engine_counts().plans_built;
  for (int i = 0; i < 10000; ++i) step();
  EXPECT_EQ(live_nodes(), nodes);
  EXPECT_EQ(engine_counts().plans_built, plans);
  EXPECT_TRUE(std::isfinite(sum(state.h).item()));
}

TEST(Recurrent, MistakesAreNamed) {
  const nn::LSTM layer(3, 5);
  const Tensor x = zeros({2, 6, 3});
  expect_error([&] { (void)layer(zeros({2, 6, 4})); }, {"LSTM", "(2, 6, 4)", "(batch, time, 3)"});
  expect_error([&] { (void)layer(zeros({6, 3})); }, {"LSTM", "(6, 3)", "(batch, time, 3)"});
  expect_error([&] { (void)layer(zeros({2, 0, 3})); }, {"LSTM", "(2, 0, 3)", "at least one"});
  expect_error([&] { (void)layer(x, {zeros({1, 3, 5}), {}}); }, {"state h", "(1, 3, 5)", "(1, 2, 5)"});
  expect_error([&] { (void)nn::GRU(3, 5)(x, {{}, zeros({1, 2, 5})}); }, {"GRU", "state c"});
  expect_error([&] { (void)layer(x, {}, lengths_of({6})); }, {"lengths", "(1,)", "(2,)"});
  expect_error([&] { (void)layer(x, {}, zeros({2})); }, {"lengths", "f32", "i64"});
  expect_error([&] { (void)layer(x, {}, lengths_of({6, 0})); }, {"sequence 1", "length 0", "1 to 6"});
  expect_error([&] { (void)layer(x, {}, lengths_of({7, 2})); }, {"sequence 0", "length 7", "1 to 6"});
  expect_error([] { (void)nn::make_recurrent("ltsm", 3, 5); }, {"ltsm", "lstm"});
  expect_error([] { nn::GRU(3, 5, {.projection = 2}); }, {"GRU", "projection"});
  expect_error([] { nn::LSTM(3, 5, {.projection = 6}); }, {"LSTM", "projection"});
  expect_error([] { nn::LSTM(3, 5, {.nonlinearity = Nonlinearity::relu}); }, {"LSTM", "nonlinearity"});
  expect_error([] { nn::RNN(3, 5, {.form = GruForm::reset_before}); }, {"RNN", "GRU"});
  expect_error([] { nn::RNN(3, 5, {.forget_bias = 1.0}); }, {"RNN", "forget gate"});
  expect_error([] { nn::LSTM(3, 5, {.bias = nn::RecurrentBias::none, .forget_bias = 1.0}); }, {"LSTM", "no bias"});
  expect_error([] { nn::LSTM(3, 5, {.dropout = 1.5}); }, {"LSTM", "dropout"});
  expect_error([] { nn::RNN(0, 5); }, {"RNN", "at least 1"});
  expect_error([] { nn::LSTM(3, 5, {.projection = 2, .recurrent_start = nn::RecurrentStart::identity}); },
               {"LSTM", "identity"});
  const nn::LSTMCell cell(3, 5);
  expect_error([&] { (void)cell(zeros({2, 4})); }, {"LSTMCell", "(2, 4)", "(batch, 3)"});
  expect_error([&] { (void)cell(zeros({2, 3}), {zeros({2, 4}), {}}); }, {"LSTMCell", "(2, 4)", "(2, 5)"});
}

// Running a cell by hand is running the layer.
TEST(Recurrent, CellsAreStepsOfLayers) {
  manual_seed(3);
  const nn::LSTM layer(3, 5);
  const nn::LSTMCell cell(3, 5);
  nn::StateDict weights = layer.state_dict();
  for (auto& [name, value] : weights) name = name.substr(0, name.size() - 3);
  cell.load_state_dict(weights);
  const Tensor x = uniform({2, 4, 3}).eval();
  nn::RecurrentState state;
  for (std::int64_t t = 0; t < 4; ++t) state = cell(squeeze(narrow(x, 1, t, 1), 1), state);
  const nn::RecurrentOutput all = layer(x);
  EXPECT_LT(max(abs(squeeze(all.state.h, 0) - state.h)).item(), 1e-6);
  EXPECT_LT(max(abs(squeeze(all.state.c, 0) - state.c)).item(), 1e-6);
}

}  // namespace
}  // namespace narae
