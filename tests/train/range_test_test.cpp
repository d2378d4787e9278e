#include "narae/train/range_test.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/train/run_folder.h"
#include "narae/train/table.h"
#include "narae/train/trainer.h"
#include "tests/cli/command.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::read_whole;
using cli::temporary_folder;
using cli::write_whole;

Recipe points_recipe() {
  return parse_recipe(R"(
name = "points"
[model]
name = "mlp"
hidden = [16]
[data]
name = "synth:moons?train=400&test=40"
[train]
batch_size = 20
optimizer = { name = "sgd", lr = 0.1, momentum = 0.9 }
schedule = { name = "cosine", warmup_steps = 4 }
)",
                      "points.toml");
}

RangeTestOptions quiet(std::int64_t steps) {
  return {.steps = steps, .progress = {.quiet = true}};
}

// Flat at 2, falling around 1e-3, exploding from 1 on; with some noise.
RangeTest invented(double noise) {
  RangeTest test;
  for (int i = 0; i < 100; ++i) {
    const double decade = -7 + 0.08 * i;
    const double fall = 1.5 / (1 + std::exp(-4 * (decade + 3)));
    const double burst = decade > 0 ? 5 * decade * decade : 0;
    test.points.push_back({.lr = std::pow(10, decade), .loss = 2 - fall + burst + (i % 2 == 0 ? noise : -noise)});
  }
  return test;
}

TEST(RangeTest, SuggestsWhereTheLossFallsFastest) {
  for (const double noise : {0.0, 0.1}) {
    RangeTest test = invented(noise);
    judge_range_test(test);
    EXPECT_NEAR(std::log10(test.suggestion), -3, 0.35) << noise;
    EXPECT_GT(test.lowest_loss_at, 1e-2);
    EXPECT_LT(test.lowest_loss_at, 2);
    // The mean of neighbours takes the noise away.
    for (std::size_t i = 10; i < 30; ++i) EXPECT_NEAR(test.points[i].smoothed, 2, 0.03) << i;
  }
}

TEST(RangeTest, NoiseIsNoFall) {
  for (const int count : {25, 50, 100}) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      RandomStream random(seed, 7);
      RangeTest test;
      for (int i = 0; i < count; ++i) {
        const double decade = -7 + 8.0 * i / count;
        const double burst = decade > 0 ? 5 * decade * decade : 0;
        test.points.push_back({.lr = std::pow(10, decade), .loss = 2.3 + burst + 0.2 * random.normal()});
      }
      judge_range_test(test);
      EXPECT_EQ(test.suggestion, 0) << seed << " of " << count;
    }
  }
}

TEST(RangeTest, TheSuggestionIsNotOnThePlateau) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    RangeTest test = invented(0);
    RandomStream random(seed, 7);
    for (RangePoint& point : test.points) point.loss += 0.15 * random.normal();
    judge_range_test(test);
    EXPECT_NEAR(std::log10(test.suggestion), -3, 1) << seed;
  }
}

TEST(RangeTest, ALaterFallOfRatesThatAreTooHighDoesNotCount) {
  RangeTest test = invented(0.02);
  const std::size_t count = test.points.size();
  for (std::size_t i = 0; i < count; ++i) {
    const double decade = std::log10(test.points[i].lr);
    if (decade > -0.5) test.points[i].loss = decade < 0.2 ? 3 : 0.2;  // below what it was at -1
  }
  judge_range_test(test);
  EXPECT_NEAR(std::log10(test.suggestion), -3, 0.35);
  EXPECT_LT(test.lowest_loss_at, 1);
}

TEST(RangeTest, ALossThatNeverFallsHasNoSuggestion) {
  RangeTest test;
  for (int i = 0; i < 50; ++i) test.points.push_back({.lr = std::pow(10, -5 + 0.1 * i), .loss = 1 + 0.01 * i});
  judge_range_test(test);
  EXPECT_EQ(test.suggestion, 0);
  RangeTest empty;
  judge_range_test(empty);
  EXPECT_EQ(empty.suggestion, 0);
}

TEST(RangeTest, GrowsTheRateUntilTheLossExplodes) {
  const RangeTest test =
      find_learning_rate(points_recipe(), {.lowest = 1e-4, .highest = 1e4, .steps = 60, .progress = {.quiet = true}});
  ASSERT_GT(test.points.size(), 20U);
  EXPECT_LT(test.points.size(), 60U);
  EXPECT_TRUE(test.diverged);
  EXPECT_FALSE(test.interrupted);
  EXPECT_DOUBLE_EQ(test.points[0].lr, 1e-4);
  const double growth = std::pow(1e8, 1.0 / 59);
  for (std::size_t i = 1; i < test.points.size(); ++i) {
    EXPECT_NEAR(test.points[i].lr / test.points[i - 1].lr, growth, 1e-9);
  }
  EXPECT_GT(test.suggestion, 1e-3);
  EXPECT_LT(test.suggestion, test.lowest_loss_at);
  // A fresh network by the recipe's seed each time.
  const RangeTest again =
      find_learning_rate(points_recipe(), {.lowest = 1e-4, .highest = 1e4, .steps = 60, .progress = {.quiet = true}});
  EXPECT_EQ(again.suggestion, test.suggestion);
}

TEST(RangeTest, TheSuggestedRateTrains) {
  const RangeTest test = find_learning_rate(points_recipe(), quiet(100));
  ASSERT_GT(test.suggestion, 0);
  Recipe recipe = points_recipe();
  recipe.train.optimizer.lr = test.suggestion;
  recipe.train.epochs = 10;
  const TrainResult result = train(recipe, {.project = temporary_folder(), .progress = {.quiet = true}});
  EXPECT_GT(result.best.scores.accuracy, 0.8) << "at " << test.suggestion;
}

TEST(RangeTest, GoesOnOverEpochsAndCanBeInterrupted) {
  Recipe recipe = points_recipe();
  recipe.data.limit_train = 40;  // two steps an epoch
  EXPECT_EQ(find_learning_rate(recipe, {.lowest = 1e-6, .highest = 1e-4, .steps = 25, .progress = {.quiet = true}})
                .points.size(),
            25U);
  int asked = 0;
  RangeTestOptions options = quiet(50);
  options.interrupted = [&] { return ++asked == 7; };
  const RangeTest test = find_learning_rate(recipe, options);
  EXPECT_TRUE(test.interrupted);
  EXPECT_EQ(test.points.size(), 7U);
}

TEST(RangeTest, RefusesRangesThatAreNone) {
  const auto refused = [](const RangeTestOptions& options) {
    EXPECT_THROW(static_cast<void>(find_learning_rate(points_recipe(), options)), UsageError);
  };
  refused({.lowest = 0});
  refused({.lowest = 1, .highest = 1});
  refused({.highest = std::numeric_limits<double>::infinity()});
  refused({.steps = 24});
}

TEST(RangeTest, LeavesATableAndACurve) {
  RangeTest test = invented(0);
  judge_range_test(test);
  const fs::path project = temporary_folder();
  const fs::path folder = save_range_test(test, points_recipe(), {.project = project});
  EXPECT_EQ(folder, project / "points" / "find-lr");
  const Table table = read_table(folder / "find-lr.csv");
  ASSERT_EQ(table.rows.size(), 100U);
  EXPECT_EQ(table.number(99, "step"), 100);
  EXPECT_EQ(table.number(40, "lr"), test.points[40].lr);
  EXPECT_EQ(table.number(40, "smoothed_loss"), test.points[40].smoothed);
  const std::string svg = read_whole(folder / "find-lr.svg");
  EXPECT_SAYS(svg, "suggested: ");
  EXPECT_SAYS(svg, "points on ");
  // Another one beside it, or in its place.
  EXPECT_EQ(save_range_test(test, points_recipe(), {.project = project}), project / "points" / "find-lr-2");
  write_whole(folder / "find-lr.csv", "old");
  EXPECT_EQ(save_range_test(test, points_recipe(), {.project = project, .exist_ok = true}), folder);
  EXPECT_NE(read_whole(folder / "find-lr.csv"), "old");
  // A run's folder is not taken.
  write_whole(folder / "recipe.toml", "");
  EXPECT_THROW(static_cast<void>(save_range_test(test, points_recipe(), {.project = project, .exist_ok = true})),
               UsageError);
  for (const auto& entry : fs::directory_iterator(project / "points")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
  }
  EXPECT_FALSE(newest_run(project, "points", "run"));
  EXPECT_THROW(static_cast<void>(save_range_test(test, points_recipe(), {.project = project, .name = "a/b"})),
               UsageError);
}

TEST(RangeTest, WhereItCanNotBeWrittenNothingIsLeft) {
  RangeTest test = invented(0);
  judge_range_test(test);
  const fs::path project = temporary_folder();
  write_whole(project / "points", "a file");
  EXPECT_THROW(static_cast<void>(save_range_test(test, points_recipe(), {.project = project})), Error);
  EXPECT_EQ(read_whole(project / "points"), "a file");
}

}  // namespace
}  // namespace narae
