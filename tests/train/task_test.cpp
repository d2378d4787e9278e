#include "narae/train/task.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"
#include "narae/train/batch_runner.h"
#include "narae/train/generate.h"
#include "narae/train/optimization.h"
#include "narae/train/recipe.h"

namespace narae {
namespace {

template <class T>
Array array_of(DType dtype, const Shape& shape, const std::vector<T>& values) {
  Array array = Array::empty(dtype, shape);
  std::copy(values.begin(), values.end(), array.mutable_values<T>().begin());
  return array;
}

Array tokens(const Shape& shape, const std::vector<std::int64_t>& values) {
  return array_of(DType::i64, shape, values);
}

std::string error_of(const std::string& recipe) {
  try {
    static_cast<void>(parse_recipe(recipe, "a.toml"));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Task, AreKnownByName) {
  for (const Task& task : tasks()) {
    EXPECT_EQ(task_of(task.name).doc, task.doc);
    EXPECT_FALSE(task.losses.empty());
    EXPECT_TRUE(task.data.starts_with("synth:")) << task.name;
  }
  EXPECT_THROW((void)task_of("clasify"), UsageError);
}

TEST(Task, MetricsSayWhatIsBetter) {
  const Scores low{.loss = 1, .accuracy = 0.25, .samples = 4, .absolute_error = 0.5};
  const Scores high{.loss = 2, .accuracy = 0.75, .samples = 4, .absolute_error = 3};
  EXPECT_TRUE(is_better(task_of("classify"), high, low));
  EXPECT_TRUE(is_better(task_of("language_model"), low, high));
  EXPECT_FALSE(is_better(task_of("language_model"), low, low));
  EXPECT_TRUE(is_better(task_of("forecast"), low, high));
  EXPECT_EQ(metric_text(task_of("tag"), high), "accuracy 75.00 %");
  EXPECT_EQ(metric_text(task_of("language_model"), high), "perplexity 7.389");
  EXPECT_EQ(metric_text(task_of("regress"), low), "absolute error 0.5");
}

TEST(Task, PositionsBehindTheEndCountNothing) {
  const Task& tag = task_of("tag");
  const Array labels = tokens({2, 2}, {1, 0, 1, -1});
  EXPECT_EQ(counted_labels(tag, labels), 3);
  Tally tally;
  add_answers(tally, tag, 0.5, array_of<float>(DType::f32, {2, 2, 2}, {0, 1, 0, 1, 0, 1, 9, 9}), labels);
  EXPECT_EQ(tally.scores().samples, 3);
  EXPECT_NEAR(tally.scores().accuracy, 2.0 / 3, 1e-12);
  EXPECT_NEAR(tally.scores().loss, 0.5, 1e-12);
  add_answers(tally, task_of("language_model"), 2, {}, tokens({1, 2}, {-1, -1}));
  EXPECT_EQ(tally.scores().samples, 3) << "a batch without labels changes nothing";
}

TEST(Task, NumbersAreJudgedByTheirMeanError) {
  const Task& regress = task_of("regress");
  Tally tally;
  const Array wanted = array_of<float>(DType::f32, {2, 2}, {0, 0, 0, 0});
  add_answers(tally, regress, 1, array_of<float>(DType::f32, {2, 2}, {1, -1, 2, 0}), wanted);
  EXPECT_EQ(tally.scores().samples, 2);
  EXPECT_NEAR(tally.scores().absolute_error, 1, 1e-12);
}

TEST(Task, LossOfSequencesIsTheMeanOverTheirLabels) {
  const TrainRecipe recipe;
  const Tensor logits(array_of<float>(DType::f32, {1, 3, 2}, {2, 0, 0, 1, 5, -5}));
  const auto surprise = [](double own, double other) { return std::log1p(std::exp(other - own)); };
  const double mean = (surprise(2, 0) + surprise(0, 1)) / 2;
  for (const char* name : {"tag", "language_model"}) {
    const Tensor loss = task_loss(task_of(name), recipe, logits, Tensor(tokens({1, 3}, {0, 0, -1})), true);
    EXPECT_NEAR(loss.item(), mean, 1e-6) << name;
  }
  TrainRecipe numbers;
  numbers.loss = "mse";
  const Tensor three(array_of<float>(DType::f32, {2, 1}, {3, -3}));
  const Tensor zero(array_of<float>(DType::f32, {2}, {0, 0}));
  EXPECT_NEAR(task_loss(task_of("regress"), numbers, three, zero, true).item(), 9, 1e-6);
  numbers.loss = "l1";
  EXPECT_NEAR(task_loss(task_of("regress"), numbers, three, zero, true).item(), 3, 1e-6);
}

TEST(Task, RecipesGetTheUsualLossAndData) {
  const Recipe recipe = parse_recipe("task = \"forecast\"\n[model]\nname = \"rnn-regressor\"\n", "a.toml");
  EXPECT_EQ(recipe.train.loss, "mse");
  EXPECT_EQ(recipe.data.name, "synth:series");
  EXPECT_EQ(parse_recipe(to_toml(recipe), "a.toml").train.loss, "mse");
}

TEST(Task, RecipesThatDontFitTheirTaskAreRefused) {
  const std::string forecast = "task = \"forecast\"\n[model]\nname = \"rnn-regressor\"\n";
  EXPECT_NE(error_of(forecast + "[train]\nloss = \"hinge\"\n").find("which has mse, l1"), std::string::npos);
  EXPECT_NE(error_of(forecast + "[data]\nlowercase = true\n").find("data.lowercase has no effect here"),
            std::string::npos);
  EXPECT_NE(error_of(forecast + "[data.augment]\nflip = 0.5\n").find("it belongs to task = classify"),
            std::string::npos);
  const std::string wrong = error_of("task = \"tag\"\n[model]\nname = \"lenet5\"\n");
  EXPECT_NE(wrong.find("a.toml:3:"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("for the task tag there are rnn-tagger"), std::string::npos) << wrong;
}

// Adds up the tokens that it has seen.
struct Counter : nn::SequenceModule {
  [[nodiscard]] nn::SequenceOutput run(const nn::SequenceInput& input) const override {
    Tensor sum = narae::sum(cast(input.x, DType::f32), {1});
    if (!input.state.empty()) sum = sum + input.state[0];
    return {.logits = sum, .state = {sum}};
  }
};

double answer_of(BatchRunner& runner, const Batch& batch) {
  return runner.answers(batch).front().logits.item();
}

TEST(BatchRunner, CarriesTheStateOfARunningText) {
  const Counter counter;
  const Batch batch{.image = tokens({1, 2}, {2, 3}), .label = tokens({1, 2}, {3, 4}), .goes_on = true};
  BatchRunner runner(counter, task_of("language_model"));
  EXPECT_EQ(answer_of(runner, batch), 5);
  EXPECT_EQ(answer_of(runner, batch), 10);
  const std::vector<Tensor> kept = runner.state();
  EXPECT_EQ(answer_of(runner, batch), 15);
  runner.set_state(kept);
  EXPECT_EQ(answer_of(runner, batch), 15);
  runner.reset();
  EXPECT_EQ(answer_of(runner, batch), 5);
  Batch single = batch;
  single.goes_on = false;
  EXPECT_EQ(answer_of(runner, single), 5) << "it takes nothing from the batch before";
  EXPECT_EQ(answer_of(runner, batch), 5) << "and hands nothing on";
}

TEST(BatchRunner, CarriesNothingFromSentenceToSentence) {
  const Counter counter;
  const Batch sentence{.image = tokens({1, 2}, {2, 3}), .label = tokens({1, 2}, {3, 4}), .lengths = tokens({1}, {2})};
  BatchRunner language(counter, task_of("language_model"));
  EXPECT_EQ(answer_of(language, sentence), 5);
  EXPECT_EQ(answer_of(language, sentence), 5);
  const Batch batch{.image = tokens({1, 2}, {2, 3}), .label = tokens({1}, {3})};
  BatchRunner classes(counter, task_of("classify_text"));
  EXPECT_EQ(answer_of(classes, batch), 5);
  EXPECT_EQ(answer_of(classes, batch), 5);
}

std::vector<int> drawn(const std::vector<float>& logits, const SamplingOptions& options, int times = 3000) {
  std::vector<int> counts(logits.size());
  RandomStream random(options.seed);
  for (int i = 0; i < times; ++i) ++counts[static_cast<std::size_t>(sample_token(logits, options, random))];
  return counts;
}

TEST(SampleToken, FollowsTheProbabilities) {
  const std::vector<float> logits = {std::log(0.5F), std::log(0.125F), std::log(0.375F)};
  const std::vector<int> counts = drawn(logits, {});
  EXPECT_NEAR(counts[0], 1500, 150);
  EXPECT_NEAR(counts[1], 375, 100);
  EXPECT_NEAR(counts[2], 1125, 150);
  // Squared and scaled to 1: 16 : 1 : 9.
  const std::vector<int> sharper = drawn(logits, {.temperature = 0.5});
  EXPECT_NEAR(sharper[0], 3000.0 * 16 / 26, 150);
  EXPECT_NEAR(sharper[1], 3000.0 * 1 / 26, 60);
}

TEST(SampleToken, KeepsToTheLikeliest) {
  const std::vector<float> logits = {std::log(0.5F), std::log(0.125F), std::log(0.375F)};
  EXPECT_EQ(drawn(logits, {.temperature = 0}), (std::vector<int>{3000, 0, 0}));
  EXPECT_EQ(drawn(logits, {.top_k = 1}), (std::vector<int>{3000, 0, 0}));
  EXPECT_EQ(drawn(logits, {.top_k = 2})[1], 0);
  EXPECT_EQ(drawn(logits, {.top_p = 0.4}), (std::vector<int>{3000, 0, 0}));
  const std::vector<int> two = drawn(logits, {.top_p = 0.8});
  EXPECT_EQ(two[1], 0);
  EXPECT_GT(two[2], 1000);
  constexpr float never = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(drawn({never, 0, never}, {}), (std::vector<int>{0, 3000, 0}));
  EXPECT_EQ(drawn({1, 1, 1}, {.temperature = 0}), (std::vector<int>{3000, 0, 0})) << "the first of equal ones";
}

TEST(SampleToken, TheSameSeedDrawsTheSame) {
  const std::vector<float> logits = {0, 0, 0, 0};
  EXPECT_EQ(drawn(logits, {.seed = 3}, 20), drawn(logits, {.seed = 3}, 20));
  EXPECT_NE(drawn(logits, {.seed = 3}, 20), drawn(logits, {.seed = 4}, 20));
}

TEST(SampleToken, RefusesWhatCantBe) {
  RandomStream random(0);
  const std::vector<float> logits = {0, 1};
  EXPECT_THROW((void)sample_token(logits, {.temperature = -1}, random), UsageError);
  EXPECT_THROW((void)sample_token(logits, {.top_k = -1}, random), UsageError);
  EXPECT_THROW((void)sample_token(logits, {.top_p = 0}, random), UsageError);
  EXPECT_THROW((void)sample_token(logits, {.top_p = 1.5}, random), UsageError);
  EXPECT_THROW((void)sample_token(std::vector<float>{0, std::nanf("")}, {}, random), Error);
}

}  // namespace
}  // namespace narae
