#include "narae/train/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>

#include "narae/core/error.h"
#include "narae/core/threads.h"
#include "narae/models/registry.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/optim/adam.h"
#include "narae/train/weights.h"
#include "tests/cli/command.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::temporary_folder;
using cli::write_whole;

// A network and an optimiser after `steps` updates.
struct Half {
  explicit Half(int steps)
      : model(models::make_model({.name = "mlp", .options = {}, .input = {3}, .num_classes = 2})),
        optimizer(model->parameters()) {
    for (int i = 0; i < steps; ++i) {
      const Tensor y = (*model)(Tensor::of({1, 2, 3}, {1, 3}));
      EXPECT_TRUE(optimizer.step(grad(sum(y * y), model->parameters())).applied);
    }
  }
  std::shared_ptr<nn::Module> model;
  optim::Adam optimizer;
};

TrainState some_state() {
  return {.step = 12,
          .loader = {.epoch = 3, .batch = 4},
          .random = {.seed = 0xfedcba9876543210ULL, .counter = 17},
          .epoch_tally = {.loss_sum = 0.1 + 0.2, .correct = 5, .samples = 7, .in_top5 = 6},
          .last = {.loss = 1.0 / 3, .accuracy = 0.7, .samples = 10, .top5 = 0.9},
          .best = {.epoch = 2, .scores = {.loss = 0.3, .accuracy = 0.75, .samples = 10}},
          .stopping = {{"best", 0.75}, {"bad", 1}},
          .schedule = {{"lr", 1e-3}},
          .results_bytes = 100,
          .steps_bytes = 2000,
          .seconds = 1.5,
          .conditions = current_conditions()};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& path : checkpoints_in(folder)) names.push_back(path.filename());
  return names;
}

void ignore(const std::string&) {}

TEST(Checkpoint, HoldsEverything) {
  const fs::path folder = temporary_folder();
  const Half saved(5);
  const TrainState state = some_state();
  save_checkpoint(folder, state, *saved.model, saved.optimizer, 2);

  Half loaded(0);
  ASSERT_NE(weights_hash(*loaded.model), weights_hash(*saved.model));
  const auto back = load_checkpoint(folder, *loaded.model, loaded.optimizer, ignore);
  ASSERT_TRUE(back);
  EXPECT_EQ(weights_hash(*loaded.model), weights_hash(*saved.model));
  const auto was = saved.optimizer.state_dict();
  const auto is = loaded.optimizer.state_dict();
  ASSERT_EQ(is.size(), was.size());
  for (std::size_t i = 0; i < was.size(); ++i) {
    EXPECT_EQ(is[i].first, was[i].first);
    ASSERT_EQ(is[i].second.bytes(), was[i].second.bytes());
    EXPECT_EQ(std::memcmp(is[i].second.buffer.data(), was[i].second.buffer.data(), was[i].second.bytes()), 0);
  }
  EXPECT_EQ(back->step, state.step);
  EXPECT_EQ(back->loader, state.loader);
  EXPECT_EQ(back->random.seed, state.random.seed);
  EXPECT_EQ(back->random.counter, state.random.counter);
  EXPECT_EQ(back->epoch_tally.loss_sum, state.epoch_tally.loss_sum);
  EXPECT_EQ(back->epoch_tally.correct, state.epoch_tally.correct);
  EXPECT_EQ(back->epoch_tally.samples, state.epoch_tally.samples);
  EXPECT_EQ(back->epoch_tally.in_top5, state.epoch_tally.in_top5);
  EXPECT_EQ(back->last.loss, state.last.loss);
  EXPECT_EQ(back->last.top5, state.last.top5);
  EXPECT_EQ(back->best.scores.top5, std::nullopt);
  EXPECT_EQ(back->best.epoch, state.best.epoch);
  EXPECT_EQ(back->best.scores.accuracy, state.best.scores.accuracy);
  EXPECT_EQ(back->stopping, state.stopping);
  EXPECT_EQ(back->schedule, state.schedule);
  EXPECT_EQ(back->results_bytes, state.results_bytes);
  EXPECT_EQ(back->steps_bytes, state.steps_bytes);
  EXPECT_EQ(back->seconds, state.seconds);
  EXPECT_EQ(difference(back->conditions, state.conditions), "");
}

TEST(Checkpoint, HoldsTheAverageOfTheWeights) {
  const fs::path folder = temporary_folder();
  const Half saved(3);
  const Half average(2);
  save_checkpoint(folder, some_state(), *saved.model, saved.optimizer, 2, average.model.get());
  Half loaded(0);
  const Half loaded_average(0);
  ASSERT_TRUE(load_checkpoint(folder, *loaded.model, loaded.optimizer, ignore, loaded_average.model.get()));
  EXPECT_EQ(weights_hash(*loaded.model), weights_hash(*saved.model));
  EXPECT_EQ(weights_hash(*loaded_average.model), weights_hash(*average.model));
  // A checkpoint of a run without one.
  const fs::path without = temporary_folder();
  save_checkpoint(without, some_state(), *saved.model, saved.optimizer, 2);
  EXPECT_THROW(
      static_cast<void>(load_checkpoint(without, *loaded.model, loaded.optimizer, ignore, loaded_average.model.get())),
      Error);
}

TEST(Checkpoint, TheNewestAreKept) {
  const fs::path folder = temporary_folder();
  const Half half(0);
  TrainState state = some_state();
  for (const std::int64_t step : {9, 10, 999999, 1000000}) {
    state.step = step;
    save_checkpoint(folder, state, *half.model, half.optimizer, 3);
  }
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"000010", "999999", "1000000"}));
}

TEST(Checkpoint, WhatAKilledProcessLeftIsNoCheckpoint) {
  const fs::path folder = temporary_folder();
  fs::create_directories(folder / ".000020-99.tmp");
  write_whole(folder / ".000020-99.tmp" / "model.safetensors", "half");
  fs::create_directories(folder / ".removed-000001");
  Half half(0);
  EXPECT_FALSE(load_checkpoint(folder, *half.model, half.optimizer, ignore));
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_FALSE(load_checkpoint(folder / "nothing", *half.model, half.optimizer, ignore));
}

TEST(Checkpoint, AnUnreadableOneIsPutAsideAndTheOneBeforeTaken) {
  const fs::path folder = temporary_folder();
  Half half(1);
  TrainState state = some_state();
  save_checkpoint(folder, state, *half.model, half.optimizer, 5);
  state.step = 13;
  save_checkpoint(folder, state, *half.model, half.optimizer, 5);
  const fs::path damaged = folder / "000013" / "optimizer.safetensors";
  fs::resize_file(damaged, fs::file_size(damaged) / 2);

  std::string warning;
  const auto back =
      load_checkpoint(folder, *half.model, half.optimizer, [&](const std::string& text) { warning = text; });
  ASSERT_TRUE(back);
  EXPECT_EQ(back->step, 12);
  EXPECT_NE(warning.find("000013"), std::string::npos) << warning;
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"000012"}));
  EXPECT_TRUE(fs::exists(folder / "000013.unreadable"));

  write_whole(folder / "000012" / "state.json", "{\"format\": 1}");
  EXPECT_THROW(static_cast<void>(load_checkpoint(folder, *half.model, half.optimizer, ignore)), Error);
  write_whole(folder / "000012" / "state.json", "{\"format\": 99}");
  EXPECT_THROW(static_cast<void>(load_checkpoint(folder, *half.model, half.optimizer, ignore)), Error);
}

TEST(Checkpoint, AFolderThatCanNotBeWrittenIsSaid) {
  const fs::path folder = temporary_folder();
  write_whole(folder / "file", "");
  const Half half(0);
  EXPECT_THROW(save_checkpoint(folder / "file", some_state(), *half.model, half.optimizer, 1), Error);
}

TEST(Checkpoint, ConditionsThatDifferAreNamed) {
  Conditions before = current_conditions();
  EXPECT_EQ(before.threads, thread_count());
  EXPECT_NE(before.instruction_set, "");
  const Conditions now = before;
  before.threads = 77;
  before.instruction_set = "abacus";
  before.switches = {"NARAE_X=1"};
  const std::string text = difference(before, now);
  EXPECT_NE(text.find("threads 77 -> " + std::to_string(now.threads)), std::string::npos) << text;
  EXPECT_NE(text.find("abacus -> " + now.instruction_set), std::string::npos) << text;
  EXPECT_NE(text.find("NARAE_X=1 -> "), std::string::npos) << text;
}

TEST(Weights, TheHashSeesNamesShapesAndBits) {
  manual_seed(5);
  const auto model = models::make_model({.name = "mlp", .options = {}, .input = {3}, .num_classes = 2});
  const std::string hash = weights_hash(*model);
  EXPECT_EQ(hash.size(), 16U);
  const fs::path path = temporary_folder() / "w.safetensors";
  save_weights(path, *model);
  const auto other = models::make_model({.name = "mlp", .options = {}, .input = {3}, .num_classes = 2});
  EXPECT_NE(weights_hash(*other), hash);
  load_weights(path, *other);
  EXPECT_EQ(weights_hash(*other), hash);
  auto state = other->state_dict();
  const Tensor bias = other->parameters().back();
  bias.assign(bias + 1e-6);
  EXPECT_NE(weights_hash(*other), hash);

  const auto wider = models::make_model({.name = "mlp", .options = {}, .input = {4}, .num_classes = 2});
  try {
    load_weights(path, *wider);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("w.safetensors"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("0.weight"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace narae
