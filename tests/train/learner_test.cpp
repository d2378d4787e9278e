// How the trainer makes a step: batches that are added up, the average of the weights, values computed twice.
#include "narae/train/learner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/io/safetensors.h"
#include "narae/ops/elementwise.h"
#include "narae/train/table.h"
#include "narae/train/task_data.h"
#include "narae/train/trainer.h"
#include "tests/cli/command.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::read_whole;
using cli::temporary_folder;

Recipe recipe_with(const std::vector<std::string>& overrides) {
  Recipe recipe = parse_recipe(R"(
name = "small"
[model]
name = "mlp"
hidden = [8]
[data]
name = "synth:moons?train=50&test=40"
[train]
epochs = 3
batch_size = 24
optimizer = { name = "adamw", lr = 0.01 }
schedule = { name = "cosine", warmup_steps = 4 }
)",
                               "small.toml");
  apply_overrides(recipe, overrides);
  return recipe;
}

TrainResult train_quietly(const Recipe& recipe, const fs::path& project) {
  return train(recipe, {.project = project, .progress = {.quiet = true}});
}

std::map<std::string, Array> weights_in(const fs::path& file) {
  return read_safetensors(file).tensors;
}

double largest_difference(const std::map<std::string, Array>& a, const std::map<std::string, Array>& b) {
  double largest = 0;
  for (const auto& [name, array] : a) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(array.count()); ++i) {
      const double difference = std::abs(array.values<float>()[i] - b.at(name).values<float>()[i]);
      largest = std::max(largest, difference);
    }
  }
  return largest;
}

TEST(Learner, AccumulatedBatchesAreOneLargeBatch) {
  // 50 samples: groups of 24, 24 and 2, whole or as batches of 8, 8, 8 | 8, 8, 8 | 2.
  const fs::path project = temporary_folder();
  const TrainResult whole = train_quietly(recipe_with({}), project);
  const TrainResult parts = train_quietly(recipe_with({"train.batch_size=8", "train.accumulate=3"}), project);
  EXPECT_EQ(whole.steps, 9);
  EXPECT_EQ(parts.steps, 9);
  // Sums in another order: rounding of float32, which Adam's division by small second moments makes larger.
  EXPECT_LT(largest_difference(weights_in(whole.run / "weights/last.safetensors"),
                               weights_in(parts.run / "weights/last.safetensors")),
            1e-4);
  const Table a = read_table(whole.run / "steps.csv");
  const Table b = read_table(parts.run / "steps.csv");
  ASSERT_EQ(b.rows.size(), 9U);
  for (std::size_t row = 0; row < 9; ++row) {
    EXPECT_NEAR(a.number(row, "loss"), b.number(row, "loss"), 1e-4) << "the mean over all samples of the step";
    EXPECT_NEAR(a.number(row, "grad_norm"), b.number(row, "grad_norm"), 1e-3);
    EXPECT_EQ(a.number(row, "lr"), b.number(row, "lr"));
  }
}

TEST(Learner, AccumulationMakesNoNewPlansFromTheSecondEpochOn) {
  const Recipe recipe = recipe_with({"train.batch_size=8", "train.accumulate=3", "train.ema=0.9"});
  const TaskData data = open_task_data(recipe);
  Learner learner(recipe, model_config(recipe, data.train));
  Loader loader = training_loader(recipe, data.train);
  EXPECT_EQ(learner.steps(loader.batches()), 3);
  learner.begin_training();
  std::int64_t plans = 0;
  for (int epoch = 0; epoch < 4; ++epoch) {
    Tally tally;
    int steps = 0;
    while (const auto step = learner.step(loader, 0.01, tally)) {
      EXPECT_TRUE(step->applied);
      ++steps;
    }
    EXPECT_EQ(steps, 3);
    EXPECT_EQ(tally.samples, 50);
    if (epoch == 0) plans = engine_counts().plans_built;
  }
  EXPECT_EQ(engine_counts().plans_built, plans);
}

TEST(Learner, TheAverageFollowsItsFormula) {
  const Recipe recipe = recipe_with({"train.ema=0.4"});
  const TaskData data = open_task_data(recipe);
  Learner learner(recipe, model_config(recipe, data.train));
  Loader loader = training_loader(recipe, data.train);
  ASSERT_NE(learner.average(), nullptr);
  EXPECT_EQ(&learner.judged(), learner.average());
  std::map<std::string, std::vector<double>> expected;
  for (const auto& [name, tensor] : learner.network().named_parameters()) expected[name] = tensor.to_vector<double>();
  learner.begin_training();
  Tally tally;
  for (int n = 1; n <= 8; ++n) {
    if (!learner.step(loader, 0.05, tally)) static_cast<void>(learner.step(loader, 0.05, tally));
    const double decay = std::min(0.4, (1.0 + n) / (10.0 + n));  // 2/11, 3/12, ...: 0.4 from the fifth on
    for (const auto& [name, tensor] : learner.network().named_parameters()) {
      const std::vector<double> weights = tensor.to_vector<double>();
      for (std::size_t i = 0; i < weights.size(); ++i) {
        expected[name][i] = decay * expected[name][i] + (1 - decay) * weights[i];
      }
    }
  }
  for (const auto& [name, tensor] : learner.average()->named_parameters()) {
    const std::vector<double> average = tensor.to_vector<double>();
    for (std::size_t i = 0; i < average.size(); ++i) EXPECT_NEAR(average[i], expected[name][i], 1e-6) << name;
  }
}

TEST(Learner, TheAverageIsJudgedAndSavedAndTrainingDoesNotNoticeIt) {
  const fs::path project = temporary_folder();
  const TrainResult plain = train_quietly(recipe_with({"model.dropout=0.3"}), project);
  const TrainResult averaged = train_quietly(recipe_with({"model.dropout=0.3", "train.ema=0.9"}), project);
  EXPECT_EQ(read_whole(plain.run / "steps.csv"), read_whole(averaged.run / "steps.csv"));
  const char* model = "checkpoints/000009/model.safetensors";
  EXPECT_EQ(read_whole(plain.run / model), read_whole(averaged.run / model));
  const auto average = weights_in(averaged.run / "checkpoints/000009/average.safetensors");
  EXPECT_EQ(largest_difference(average, weights_in(averaged.run / "weights/last.safetensors")), 0);
  EXPECT_GT(largest_difference(average, weights_in(plain.run / "weights/last.safetensors")), 1e-4);
  EXPECT_NE(plain.last.loss, averaged.last.loss) << "epochs are judged by the average";
  EXPECT_FALSE(fs::exists(plain.run / "checkpoints/000009/average.safetensors"));
}

TEST(Learner, EverythingTogetherResumesToTheSameBits) {
  const Recipe recipe =
      recipe_with({"train.batch_size=8", "train.accumulate=3", "train.ema=0.9", "train.checkpoint_activations=true",
                   "model.dropout=0.3", "train.optimizer.decay_norms=false", "train.optimizer.weight_decay=0.1"});
  const fs::path project = temporary_folder();
  const TrainResult whole = train_quietly(recipe, project);
  for (const int steps : {1, 2, 3, 4, 7}) {
    int left = steps;
    TrainOptions options{.project = project, .name = "half", .exist_ok = true, .progress = {.quiet = true}};
    options.interrupted = [&] { return left-- <= 0; };
    const TrainResult half = train(recipe, options);
    ASSERT_TRUE(half.interrupted) << steps;
    const TrainResult rest =
        train(resumed_recipe(half.run, {}), {.project = project, .resume = half.run, .progress = {.quiet = true}});
    EXPECT_EQ(rest.weights, whole.weights) << steps;
    EXPECT_EQ(read_whole(rest.run / "steps.csv"), read_whole(whole.run / "steps.csv")) << steps;
    for (const char* name :
         {"weights/best.safetensors", "weights/last.safetensors", "checkpoints/000009/model.safetensors",
          "checkpoints/000009/average.safetensors", "checkpoints/000009/optimizer.safetensors"}) {
      EXPECT_EQ(read_whole(rest.run / name), read_whole(whole.run / name)) << name << " " << steps;
    }
  }
}

TEST(Learner, ValuesThatAreComputedTwiceChangeNoBit) {
  const fs::path project = temporary_folder();
  const std::vector<std::string> net = {"model.hidden=8,8,8", "model.dropout=0.3"};
  std::vector<std::string> again = net;
  again.emplace_back("train.checkpoint_activations=true");
  const TrainResult kept = train_quietly(recipe_with(net), project);
  EXPECT_EQ(train_quietly(recipe_with(again), project).weights, kept.weights);
}

TEST(Learner, BatchesThatAreNotFiniteChangeNothing) {
  const Recipe recipe = recipe_with({"train.batch_size=8", "train.accumulate=3"});
  const TaskData data = open_task_data(recipe);
  Learner learner(recipe, model_config(recipe, data.train));
  Loader loader = training_loader(recipe, data.train);
  const Tensor bias = learner.network().parameters().back();
  bias.assign(bias * std::numeric_limits<double>::infinity());
  learner.begin_training();
  const std::vector<float> before = learner.network().parameters().front().to_vector<float>();
  Tally tally;
  const auto step = learner.step(loader, 0.1, tally);
  ASSERT_TRUE(step);
  EXPECT_FALSE(step->applied);
  EXPECT_NE(step->first_non_finite, "");
  EXPECT_EQ(learner.network().parameters().front().to_vector<float>(), before);
}

}  // namespace
}  // namespace narae
