#include "narae/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "narae/graph/eval.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"

namespace narae {
namespace {

Tensor vector_of(std::initializer_list<double> values) {
  return variable(
      Tensor::of(std::span<const double>(values.begin(), values.size()), {static_cast<std::int64_t>(values.size())}));
}

// Gradients that are given instead of derived.
Gradients given(const Tensor& of, std::initializer_list<double> values) {
  return {{}, {of}, {Tensor::of(std::span<const double>(values.begin(), values.size()), of.shape())}};
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(SGD, PenaltiesAndDampening) {
  const Tensor p = vector_of({1, -2});
  optim::SGD optimizer({p}, {.lr = 0.1, .momentum = 0.5, .dampening = 0.2, .weight_decay = 0.01, .l1 = 0.1});
  optimizer.step(given(p, {1, 1}));
  // g = 1 + 0.01 p + 0.1 sign(p); the first buffer is g itself.
  const double g0 = 1 + 0.01 + 0.1;
  EXPECT_DOUBLE_EQ(p.to_vector<double>()[0], 1 - 0.1 * g0);
  EXPECT_DOUBLE_EQ(p.to_vector<double>()[1], -2 - 0.1 * (1 - 0.02 - 0.1));
  optimizer.step(given(p, {0, 0}));
  const double value = 1 - 0.1 * g0;
  const double buffer = 0.5 * g0 + 0.8 * (0.01 * value + 0.1);
  EXPECT_NEAR(p.to_vector<double>()[0], value - 0.1 * buffer, 1e-15);
  EXPECT_EQ(optimizer.steps(), 2);
}

TEST(Optimizer, GroupsHaveTheirOwnRateAndDecay) {
  const Tensor a = vector_of({1});
  const Tensor b = vector_of({1});
  optim::SGD optimizer({{.parameters = {a}, .lr_scale = 0.1}, {.parameters = {b}, .weight_decay = 0.0}},
                       {.lr = 1, .weight_decay = 0.5});
  const Tensor loss = sum(a) + sum(b);
  optimizer.step(grad(loss, optimizer.parameters()));
  EXPECT_DOUBLE_EQ(a.item(), 1 - 0.1 * 1.5);
  EXPECT_DOUBLE_EQ(b.item(), 0);
}

TEST(Optimizer, RatesAreInputsAtRunTime) {
  const Tensor p = vector_of({1, 2});
  optim::AdamW optimizer({p}, {.lr = 0.1, .weight_decay = 0.1, .clip_norm = 1});
  optimizer.step(given(p, {1, 2}));
  const auto plans = engine_counts().plans_built;
  for (int i = 1; i < 20; ++i) {
    optimizer.set_lr(0.1 / i);
    optimizer.set_weight_decay(0.1 / i);
    optimizer.step(given(p, {1, 2}));
  }
  EXPECT_EQ(engine_counts().plans_built, plans);
}

TEST(Optimizer, ANonFiniteGradientChangesNothing) {
  const Tensor p = vector_of({1, 2});
  optim::Adam optimizer({p}, {.lr = 0.1});
  optimizer.step(given(p, {1, 1}));
  const auto before = p.to_vector<double>();
  const auto result = optimizer.step(given(p, {1, std::numeric_limits<double>::quiet_NaN()}));
  EXPECT_FALSE(result.applied);
  EXPECT_EQ(p.to_vector<double>(), before);
  EXPECT_EQ(optimizer.steps(), 1);
  EXPECT_TRUE(optimizer.step(given(p, {1, 1})).applied);
  EXPECT_NE(p.to_vector<double>(), before);
}

TEST(Optimizer, ANonFiniteLossChangesNothing) {
  const Tensor p = vector_of({1});
  optim::SGD optimizer({p}, {.lr = 0.1});
  const Tensor loss = sum(p) + std::numeric_limits<double>::infinity();
  EXPECT_FALSE(optimizer.step(grad(loss, {p})).applied);
  EXPECT_EQ(p.item(), 1);
}

TEST(Optimizer, ReportsTheNormBeforeClipping) {
  const Tensor p = vector_of({0, 0});
  optim::SGD optimizer({p}, {.lr = 1, .clip_norm = 1, .clip_value = 0.7});
  const auto result = optimizer.step(given(p, {3, 4}));
  EXPECT_DOUBLE_EQ(result.gradient_norm(), 5);
  EXPECT_NEAR(p.to_vector<double>()[0], -0.6, 1e-6);
  EXPECT_NEAR(p.to_vector<double>()[1], -0.7, 1e-12);
}

TEST(Optimizer, ParametersWithoutAGradientStay) {
  const Tensor a = vector_of({1});
  const Tensor b = vector_of({1});
  optim::SGD optimizer({a, b}, {.lr = 1, .momentum = 0.9});
  optimizer.step(given(b, {1}));
  EXPECT_EQ(a.item(), 1);
  EXPECT_EQ(b.item(), 0);
}

TEST(Optimizer, ResumesToTheSameBits) {
  const auto make = [](const Tensor& p) {
    return std::make_unique<optim::RMSprop>(std::vector<Tensor>{p},
                                            optim::RMSpropOptions{.lr = 0.01, .momentum = 0.9, .centered = true});
  };
  const Tensor p = vector_of({1, -1});
  const auto optimizer = make(p);
  const auto train = [](optim::Optimizer& o, const Tensor& w, int steps) {
    for (int i = 0; i < steps; ++i) o.step(grad(sum(square(w) * w), {w}));
  };
  train(*optimizer, p, 5);
  const optim::StateDict state = optimizer->state_dict();
  const Tensor q = variable(copy(p));
  const auto resumed = make(q);
  resumed->load_state_dict(state);
  train(*optimizer, p, 5);
  train(*resumed, q, 5);
  EXPECT_EQ(p.to_vector<double>(), q.to_vector<double>());
  EXPECT_EQ(resumed->steps(), 10);
}

TEST(Optimizer, StateIsNamedAfterTheParameters) {
  const nn::Sequential model{nn::Linear(2, 2)};
  optim::Adam optimizer(model.parameters());
  std::vector<std::string> names;
  for (const auto& [name, array] : optimizer.state_dict()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"step", "0.weight.exp_avg", "0.weight.exp_avg_sq", "0.bias.exp_avg",
                                             "0.bias.exp_avg_sq"}));
}

TEST(Optimizer, AStateThatDoesNotFitChangesNothing) {
  const Tensor p = variable(zeros({2}), {.name = "p"});
  optim::SGD optimizer({p}, {.lr = 1, .momentum = 0.9});
  optim::StateDict state = optimizer.state_dict();
  state[0].first = "stop";
  state[1].second = Array::zeros(DType::f32, {3});
  const std::string text = message_of([&] { optimizer.load_state_dict(state); });
  for (const char* part : {"missing: step", "unexpected: stop", "p.momentum_buffer is f32 (3,) instead of f32 (2,)"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Optimizer, RefusesWhatMakesNoSense) {
  const Tensor p = vector_of({1});
  const Tensor q = vector_of({1});
  EXPECT_THROW(optim::SGD({p}, {.lr = -1}), Error);
  EXPECT_THROW(optim::SGD({p}, {.nesterov = true}), Error);
  EXPECT_THROW(optim::SGD(std::vector<Tensor>{}, {.lr = 1}), Error);
  EXPECT_THROW(optim::SGD({p, p}, {.lr = 1}), Error);
  EXPECT_THROW(optim::SGD({zeros({1})}, {.lr = 1}), Error);
  EXPECT_THROW(optim::Adam({p}, {.beta1 = 1}), Error);
  optim::SGD optimizer({p}, {.lr = 1});
  EXPECT_THROW(optimizer.step(given(q, {1})), Error);
  EXPECT_THROW(optimizer.step({}), Error);
}

TEST(Optimizer, TheTenLineProgram) {
  manual_seed(1);
  const nn::Sequential model{nn::Linear(2, 16), nn::Tanh(), nn::Linear(16, 2)};
  optim::SGD optimizer(model.parameters(), {.lr = 0.5, .momentum = 0.9});
  const Tensor x = Tensor::of({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  const std::vector<std::int64_t> classes = {0, 1, 1, 0};
  const Tensor y = Tensor::of(std::span<const std::int64_t>(classes), {4});
  double last = 0;
  for (int i = 0; i < 200; ++i) {
    const Tensor loss = nn::cross_entropy(model(x), y);
    optimizer.step(grad(loss, model.parameters()));
    last = loss.item();
  }
  EXPECT_LT(last, 0.02);
}

}  // namespace
}  // namespace narae
