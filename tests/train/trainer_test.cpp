#include "narae/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/io/safetensors.h"
#include "narae/train/table.h"
#include "tests/cli/command.h"
#include "tests/data/picture_folder_for_tests.h"
#include "tests/train/runs_for_tests.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::read_whole;
using cli::temporary_folder;
using cli::write_whole;

// 60 points, 6 steps an epoch; dropout and an optimiser with state, so that a resume has all kinds of state to restore.
Recipe small_recipe() {
  return parse_recipe(R"(
name = "small"
[model]
name = "mlp"
hidden = [8]
dropout = 0.3
[data]
name = "synth:moons?train=60&test=40"
[train]
epochs = 3
batch_size = 10
optimizer = { name = "adamw", lr = 0.01 }
schedule = { name = "cosine", warmup_steps = 4 }
)",
                      "small.toml");
}

Recipe changed(Recipe recipe, std::vector<std::string> overrides) {
  apply_overrides(recipe, overrides);
  return recipe;
}

// Without the column of times.
std::string results_of(const fs::path& run) {
  std::string text;
  for (const auto& row : read_table(run / "results.csv").rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) text += row[i] + ",";
    text += "\n";
  }
  return text;
}

TEST(Train, LeavesEverythingThatARunFolderHolds) {
  const fs::path project = temporary_folder();
  const TrainResult result = train(small_recipe(), quiet(project));
  EXPECT_EQ(result.run, project / "small" / "run");
  EXPECT_EQ(result.epochs, 3);
  EXPECT_EQ(result.steps, 18);
  EXPECT_EQ(result.judged, "test");
  EXPECT_EQ(result.last.samples, 40);
  EXPECT_FALSE(result.interrupted);
  for (const char* name : {"recipe.toml", "config.json", "results.csv", "steps.csv", "curves.svg", "log.txt",
                           "summary.txt", "confusion.png", "boundary.png", "weights/best.safetensors",
                           "weights/last.safetensors", "checkpoints/000018/state.json"}) {
    EXPECT_TRUE(fs::exists(result.run / name)) << name;
  }
  const Table results = read_table(result.run / "results.csv");
  ASSERT_EQ(results.rows.size(), 3U);
  EXPECT_EQ(results.number(2, "step"), 18);
  EXPECT_EQ(results.number(2, "val_accuracy"), result.last.accuracy);
  const Table steps = read_table(result.run / "steps.csv");
  ASSERT_EQ(steps.rows.size(), 18U);
  EXPECT_NEAR(steps.number(0, "lr"), 0.01 / 4, 1e-12);
  EXPECT_NE(read_whole(result.run / "summary.txt").find(result.weights), std::string::npos);
  EXPECT_EQ(to_toml(load_recipe(result.run.string())), to_toml(small_recipe()));

  const std::string line = headline(result);
  EXPECT_TRUE(line.starts_with(result.run.string())) << line;
  EXPECT_TRUE(line.ends_with("weights " + result.weights)) << line;
}

TEST(Train, TheSameSeedGivesTheSameBitsWhateverTheWorkers) {
  const fs::path project = temporary_folder();
  const TrainResult one = train(small_recipe(), quiet(project));
  const TrainResult two = train(changed(small_recipe(), {"data.workers=3"}), quiet(project));
  const TrainResult three = train(changed(small_recipe(), {"data.workers=0"}), quiet(project));
  const TrainResult other = train(changed(small_recipe(), {"train.seed=1"}), quiet(project));
  EXPECT_EQ(two.run.filename(), "run-2");
  EXPECT_EQ(one.weights, two.weights);
  EXPECT_EQ(one.weights, three.weights);
  EXPECT_NE(one.weights, other.weights);
  EXPECT_EQ(results_of(one.run), results_of(two.run));
  EXPECT_EQ(read_whole(one.run / "steps.csv"), read_whole(two.run / "steps.csv"));
}

TEST(Train, ResumesToTheSameBitsFromEveryStep) {
  const fs::path project = temporary_folder();
  const TrainResult whole = train(small_recipe(), quiet(project));
  for (const int steps : {1, 3, 5, 6, 7, 11, 12, 17}) {
    int left = steps;
    TrainOptions options = quiet(project);
    options.name = "interrupted";
    options.exist_ok = true;
    // Asked once before the first step and once after every step but an epoch's last.
    options.interrupted = [&] { return left-- <= 0; };
    const TrainResult half = train(small_recipe(), options);
    ASSERT_TRUE(half.interrupted) << steps;
    ASSERT_GT(half.steps, 0);
    ASSERT_LT(half.steps, 18);
    EXPECT_NE(headline(half).find("interrupted"), std::string::npos);

    // More is in the tables than at the checkpoint, as after a kill.
    { std::ofstream(half.run / "steps.csv", std::ios::app) << "999,9,0.1"; }
    TrainOptions resumed = quiet(project);
    resumed.resume = half.run;
    const TrainResult rest = train(resumed_recipe(half.run, {}), resumed);
    EXPECT_EQ(rest.weights, whole.weights) << steps;
    EXPECT_EQ(rest.best.epoch, whole.best.epoch);
    EXPECT_EQ(rest.last.loss, whole.last.loss);
    EXPECT_EQ(results_of(rest.run), results_of(whole.run)) << steps;
    EXPECT_EQ(read_whole(rest.run / "steps.csv"), read_whole(whole.run / "steps.csv")) << steps;
    for (const char* name : {"weights/best.safetensors", "weights/last.safetensors"}) {
      EXPECT_EQ(read_whole(rest.run / name), read_whole(whole.run / name)) << name << " " << steps;
    }
  }
}

TEST(Train, ARunWithoutCheckpointBeginsAnewAndAFinishedOneStaysAsItIs) {
  const fs::path project = temporary_folder();
  const TrainResult whole = train(small_recipe(), quiet(project));
  TrainOptions options = quiet(project);
  options.resume = whole.run;
  const TrainResult again = train(resumed_recipe(whole.run, {}), options);
  EXPECT_EQ(again.steps, 18);
  EXPECT_EQ(again.weights, whole.weights);

  const fs::path empty = project / "small" / "empty";
  fs::create_directories(empty);
  write_whole(empty / "results.csv", "epoch,st");
  options.resume = empty;
  EXPECT_EQ(train(small_recipe(), options).weights, whole.weights);
  EXPECT_EQ(results_of(empty), results_of(whole.run));
}

TEST(Train, AMissingBestFileIsMadeGoodFromTheCheckpoint) {
  const fs::path project = temporary_folder();
  const Recipe recipe = changed(small_recipe(), {"train.epochs=1"});
  const TrainResult whole = train(recipe, quiet(project));
  const std::string best = read_whole(whole.run / "weights/best.safetensors");
  // Killed between the checkpoint of the best epoch and the weights.
  fs::remove(whole.run / "weights/best.safetensors");
  TrainOptions options = quiet(project);
  options.resume = whole.run;
  EXPECT_EQ(train(recipe, options).weights, whole.weights);
  EXPECT_EQ(read_whole(whole.run / "weights/best.safetensors"), best);
}

// Everything that has state of its own, at once.
TEST(Train, ResumesToTheSameBitsWithPlateauPatienceAugmentationAndClipping) {
  const fs::path project = temporary_folder();
  const Recipe recipe =
      changed(parse_recipe("[model]\nname = 'lenet5'\n[data]\nname = 'synth:digits?train=60&test=30'\n", "all.toml"),
              {"train.epochs=4",
               "train.batch_size=20",
               "train.optimizer.name=sgd",
               "train.optimizer.lr=0.05",
               "train.optimizer.momentum=0.9",
               "train.schedule.name=plateau",
               "train.schedule.patience=0",
               "train.schedule.threshold=0.5",
               "train.patience=3",
               "train.l1=0.0001",
               "train.l2=0.001",
               "train.clip_norm=1",
               "train.clip_value=0.5",
               "train.label_smoothing=0.1",
               "train.save_every=2",
               "data.workers=2",
               "data.val_fraction=0.2",
               "data.augment.translate=0.1",
               "data.augment.rotate=10",
               "data.augment.scale=0.1",
               "data.augment.stretch=0.1",
               "data.augment.shear=5"});
  const TrainResult whole = train(recipe, quiet(project));
  TrainOptions options = quiet(project);
  int left = 2;
  options.interrupted = [&] { return left-- <= 0; };
  TrainResult part = train(recipe, options);
  int parts = 1;
  for (; part.interrupted; ++parts) {
    left = 2;
    options.resume = part.run;
    part = train(resumed_recipe(part.run, {}), options);
    ASSERT_LT(parts, 20);
  }
  EXPECT_GT(parts, 2);
  EXPECT_EQ(part.weights, whole.weights);
  EXPECT_EQ(results_of(part.run), results_of(whole.run));
  EXPECT_EQ(read_whole(part.run / "steps.csv"), read_whole(whole.run / "steps.csv"));
}

TEST(Train, OtherDataThanTheRunsLeavesItsCheckpointsAlone) {
  const fs::path project = temporary_folder();
  const TrainResult whole = train(small_recipe(), quiet(project));
  TrainOptions options = quiet(project);
  options.resume = whole.run;
  const Recipe other = changed(load_recipe(whole.run.string()), {"data.name=synth:digits?train=60&test=40"});
  const std::string text = refusal([&] { static_cast<void>(train(other, options)); });
  EXPECT_NE(text.find("learns 2 classes"), std::string::npos) << text;
  for (const auto& checkpoint : fs::directory_iterator(whole.run / "checkpoints")) {
    EXPECT_EQ(checkpoint.path().extension(), "") << checkpoint.path();
  }
  EXPECT_EQ(train(resumed_recipe(whole.run, {}), options).weights, whole.weights);
}

TEST(Train, ResumingNeedsNoFileOfFirstWeightsAndMendsATable) {
  const fs::path project = temporary_folder();
  const TrainResult first = train(small_recipe(), quiet(project));
  fs::copy_file(first.run / "weights/last.safetensors", project / "first.safetensors");
  const Recipe recipe = changed(small_recipe(), {"train.weights=" + (project / "first.safetensors").string()});
  const TrainResult whole = train(recipe, quiet(project));
  fs::remove(project / "first.safetensors");
  write_whole(whole.run / "results.csv", "epo");
  TrainOptions options = quiet(project);
  options.resume = whole.run;
  const std::vector<std::string> longer = {"train.epochs=4"};
  EXPECT_EQ(train(resumed_recipe(whole.run, longer), options).epochs, 4);
  const Table table = read_table(whole.run / "results.csv");
  EXPECT_EQ(table.columns.front(), "epoch");
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.rows[0][0], "4");
}

TEST(Train, OnlyWhatTheFinishedStepsDoNotDependOnMayChange) {
  const fs::path project = temporary_folder();
  const TrainResult whole = train(small_recipe(), quiet(project));
  const std::vector<std::string> longer = {"train.epochs=4"};
  TrainOptions options = quiet(project);
  options.resume = whole.run;
  const TrainResult more = train(resumed_recipe(whole.run, longer), options);
  EXPECT_EQ(more.steps, 24);
  EXPECT_EQ(load_recipe(whole.run.string()).train.epochs, 4);
  const std::vector<std::string> recomputed = {"train.checkpoint_activations=true", "train.epochs=5"};
  EXPECT_EQ(train(resumed_recipe(whole.run, recomputed), options).epochs, 5);
  EXPECT_TRUE(load_recipe(whole.run.string()).train.checkpoint_activations);

  const std::vector<std::string> other = {"train.epochs=6", "train.batch_size=20"};
  const std::string text = refusal([&] { static_cast<void>(resumed_recipe(whole.run, other)); });
  EXPECT_NE(text.find("train.batch_size can't be changed"), std::string::npos) << text;
  const std::vector<std::string> same = {"train.batch_size=10", "train.seed=0"};
  EXPECT_EQ(to_toml(resumed_recipe(whole.run, same)), to_toml(load_recipe(whole.run.string())));
}

TEST(Train, StopsWithoutProgress) {
  const fs::path project = temporary_folder();
  const TrainResult result =
      train(changed(small_recipe(), {"train.epochs=50", "train.patience=2", "train.min_delta=1"}), quiet(project));
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.epochs, 3) << "the first epoch is progress, the next two are not";
  TrainOptions options = quiet(project);
  options.resume = result.run;
  EXPECT_EQ(train(resumed_recipe(result.run, {}), options).epochs, 3);
}

TEST(Train, StopsWhenTheLossIsNoLongerFinite) {
  const fs::path project = temporary_folder();
  const Recipe recipe = changed(small_recipe(), {"train.optimizer.name=sgd", "train.optimizer.lr=1e30"});
  const std::string text = refusal([&] { static_cast<void>(train(recipe, quiet(project))); });
  EXPECT_NE(text.find("step "), std::string::npos) << text;
  EXPECT_NE(text.find("no longer finite"), std::string::npos) << text;
  const fs::path run = project / "small" / "run";
  EXPECT_NE(text.find((run / "weights" / "last.safetensors").string()), std::string::npos) << text;
  for (const auto& [name, array] : read_safetensors(run / "weights" / "last.safetensors").tensors) {
    for (const float w : array.values<float>()) ASSERT_TRUE(std::isfinite(w)) << name;
  }
  EXPECT_NE(read_whole(run / "log.txt").find("no longer finite"), std::string::npos);
}

// The last update of an epoch may spoil the weights with finite gradients: no loss comes after it in training.
TEST(Train, SpoiledWeightsAreNotKept) {
  const fs::path project = temporary_folder();
  const Recipe recipe = changed(small_recipe(), {"train.optimizer.name=sgd", "train.optimizer.lr=1e39",
                                                 "train.schedule.warmup_steps=0", "train.batch_size=60"});
  const std::string text = refusal([&] { static_cast<void>(train(recipe, quiet(project))); });
  EXPECT_NE(text.find("loss is no longer finite"), std::string::npos) << text;
  EXPECT_NE(text.find("not saved"), std::string::npos) << text;
  EXPECT_EQ(text.find("--resume"), std::string::npos) << "there is no checkpoint: " << text;
  EXPECT_FALSE(fs::exists(project / "small/run/weights/last.safetensors"));
}

TEST(Train, AShareOfNoSampleIsRefused) {
  const std::string text =
      refusal([] { static_cast<void>(plan_training(changed(small_recipe(), {"data.val_fraction=0.001"}))); });
  EXPECT_NE(text.find("data.val_fraction"), std::string::npos) << text;
}

TEST(Train, ValidationSamplesComeFromTheTrainingSamples) {
  const fs::path project = temporary_folder();
  const TrainResult result =
      train(changed(small_recipe(), {"data.val_fraction=0.5", "data.limit_val=25"}), quiet(project));
  EXPECT_EQ(result.judged, "validation");
  EXPECT_EQ(result.steps, 9);
  EXPECT_EQ(result.last.samples, 25);
  ASSERT_TRUE(result.test);
  EXPECT_EQ(result.test->samples, 40);
  EXPECT_NE(headline(result).find("(test, best weights)"), std::string::npos) << headline(result);
}

TEST(Train, FrozenWeightsStayAndGivenWeightsAreStartedFrom) {
  const fs::path project = temporary_folder();
  const TrainResult first = train(small_recipe(), quiet(project));
  const auto start = read_safetensors(first.run / "weights/last.safetensors");
  const TrainResult result = train(
      changed(small_recipe(), {"train.weights=" + (first.run / "weights/last.safetensors").string(), "train.freeze=0"}),
      quiet(project));
  const auto end = read_safetensors(result.run / "weights/last.safetensors");
  const auto same = [&](const std::string& name) {
    const Array& a = start.tensors.at(name);
    const Array& b = end.tensors.at(name);
    return std::memcmp(a.buffer.data(), b.buffer.data(), a.bytes()) == 0;
  };
  EXPECT_TRUE(same("0.weight"));
  EXPECT_TRUE(same("0.bias"));
  EXPECT_FALSE(same("3.weight"));
  EXPECT_NE(refusal([&] {
              static_cast<void>(train(changed(small_recipe(), {"train.freeze=0,3"}), quiet(project)));
            }).find("leaves no parameter"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              static_cast<void>(train(changed(small_recipe(), {"train.freeze=head"}), quiet(project)));
            }).find("head"),
            std::string::npos);
}

TEST(Train, EveryOptimizerScheduleAndLossLearns) {
  const fs::path project = temporary_folder();
  const auto loss_after = [&](const std::vector<std::string>& overrides) {
    const TrainResult result =
        train(changed(changed(small_recipe(), {"model.dropout=0", "train.epochs=6"}), overrides), quiet(project));
    const Table steps = read_table(result.run / "steps.csv");
    return std::pair(steps.number(0, "loss"), result.last.loss);
  };
  for (const std::vector<std::string>& overrides : std::vector<std::vector<std::string>>{
           {"train.optimizer.name=sgd", "train.optimizer.lr=0.1"},
           {"train.optimizer.name=adagrad", "train.optimizer.lr=0.1"},
           {"train.optimizer.name=rmsprop", "train.optimizer.lr=0.01"},
           {"train.optimizer.name=adam", "train.optimizer.lr=0.02"},
           {"train.schedule.name=step"},
           {"train.schedule.name=multi_step", "train.schedule.milestones=2,4"},
           {"train.schedule.name=exponential", "train.schedule.gamma=0.8"},
           {"train.schedule.name=inverse_sqrt"},
           {"train.schedule.name=one_cycle"},
           {"train.schedule.name=plateau"},
           {"train.loss=hinge"},
           {"train.l2=0.01", "train.l1=0.001", "train.clip_norm=1", "train.label_smoothing=0.1"}}) {
    const auto [first, last] = loss_after(overrides);
    EXPECT_LT(last, 0.9 * first) << overrides[0];
  }
}

TEST(Train, BadDataLeavesNoFolder) {
  const fs::path project = temporary_folder();
  for (const char* name : {"data.name=/no/such/folder", "data.name=synth:xor?train=0"}) {
    EXPECT_THROW(static_cast<void>(train(changed(small_recipe(), {name}), quiet(project))), Error);
  }
  EXPECT_TRUE(fs::is_empty(project));
}

TEST(TrainPlan, SaysWhatWouldBeTrained) {
  const TrainPlan plan = plan_training(small_recipe());
  EXPECT_EQ(plan.parameters, 2 * 8 + 8 + 8 * 2 + 2);
  EXPECT_EQ(plan.train_samples, 60);
  EXPECT_EQ(plan.judged_samples, 40);
  EXPECT_EQ(plan.judged, "test");
  EXPECT_EQ(plan.classes, 2);
  EXPECT_EQ(plan.steps, 18);
  EXPECT_NE(plan.network.find("Dropout"), std::string::npos);
}

// LeNet-5 on 40 small scenes, everything augmented: 5 steps an epoch.
Recipe augmented_recipe() {
  return parse_recipe(R"(
name = "augmented"
[model]
name = "lenet5"
activation = "relu"
[data]
name = "synth:shapes?train=40&test=20&size=16"
[data.augment]
resized_crop = 0.5
crop_padding = 2
flip = 0.5
rotate = 10
brightness = 0.2
hue = 0.05
cutout = 0.2
mixup = 0.4
cutmix = 1
[train]
epochs = 2
batch_size = 8
label_smoothing = 0.1
optimizer = { name = "adamw", lr = 0.002 }
)",
                      "augmented.toml");
}

TEST(Train, AugmentedRunsAreTheSameWithAnyWorkersAndResumeToTheSameBits) {
  const fs::path project = temporary_folder();
  const TrainResult whole = train(augmented_recipe(), quiet(project));
  for (const char* workers : {"data.workers=0", "data.workers=3"}) {
    EXPECT_EQ(train(changed(augmented_recipe(), {workers}), quiet(project)).weights, whole.weights) << workers;
  }
  EXPECT_NE(train(changed(augmented_recipe(), {"data.augment.flip=0"}), quiet(project)).weights, whole.weights);
  EXPECT_NE(train(changed(augmented_recipe(), {"train.label_smoothing=0"}), quiet(project)).weights, whole.weights);
  for (const int steps : {2, 5, 7}) {
    int left = steps;
    TrainOptions options = quiet(project);
    options.name = "interrupted";
    options.exist_ok = true;
    options.interrupted = [&] { return left-- <= 0; };
    const TrainResult half = train(augmented_recipe(), options);
    ASSERT_TRUE(half.interrupted) << steps;
    TrainOptions resumed = quiet(project);
    resumed.resume = half.run;
    EXPECT_EQ(train(resumed_recipe(half.run, {}), resumed).weights, whole.weights) << steps;
  }
}

TEST(Train, TheLogSaysHowMuchOfTheTimeWentByWaitingForData) {
  const fs::path project = temporary_folder();
  const TrainResult result = train(small_recipe(), quiet(project));
  const std::string log = read_whole(result.run / "log.txt");
  EXPECT_NE(log.find("% of it waiting for data (1 workers)"), std::string::npos) << log;
}

TEST(Train, AFolderOfPicturesWithDamagedFilesIsLearned) {
  const fs::path project = temporary_folder();
  const fs::path folder = project / "colours";
  testing_files::write_classes(folder / "train", {"dark", "light"}, 12);
  testing_files::write_classes(folder / "test", {"dark", "light"}, 5);
  write_whole(folder / "train" / "dark" / "broken.png", "nothing");
  Recipe recipe = small_recipe();
  recipe.data.name = folder.string();
  const TrainResult result = train(recipe, quiet(project));
  EXPECT_EQ(result.last.samples, 10);
  EXPECT_EQ(result.best.scores.accuracy, 1);
  const std::string log = read_whole(result.run / "log.txt");
  EXPECT_NE(log.find("1 files are no sound pictures and are left out"), std::string::npos) << log;
  EXPECT_NE(log.find("broken.png"), std::string::npos) << log;
  EXPECT_TRUE(fs::exists(result.run / "predictions.png"));
}

}  // namespace
}  // namespace narae
