#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "narae/train/recipe.h"
#include "narae/train/table.h"
#include "tests/cli/train_command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;

TEST_F(TrainCommand, ARunWithoutCheckpointIsNotTakenByAnotherRecipe) {
  ASSERT_EQ(train_points({}).exit_code, 0);
  fs::remove_all(folder_ / "runs/mlp/run/checkpoints");
  const CommandResult other = train({"softmax", "--resume", "runs/mlp/run"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_SAYS(other.err, "is a run of recipe 'mlp'");
  EXPECT_TRUE(has("runs/mlp/run/weights/best.safetensors"));
}

TEST_F(TrainCommand, ARunGoesOnWithItsOwnSettings) {
  const std::string recipe = "[model]\nname = 'mlp'\nhidden = [4]\n[data]\nname = 'synth:moons?train=80&test=40'\n";
  write_whole(folder_ / "mine.toml", recipe + "[train]\nepochs = 1\n");
  ASSERT_EQ(train({"mine.toml"}).exit_code, 0);
  write_whole(folder_ / "mine.toml", recipe + "[train]\nepochs = 2\n");
  const CommandResult result = train({"mine.toml", "--resume"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_SAYS(result.err, "recipe.toml decides, where the file says otherwise about train.epochs");
}

TEST_F(TrainCommand, ResumeFindsTheRun) {
  const std::string whole = hash_in(train_points({}).out);
  // By folder, by recipe and by recipe/name; a finished run just says its result again.
  EXPECT_EQ(hash_in(train({"--resume", "runs/mlp/run"}).out), whole);
  EXPECT_EQ(hash_in(train({"--resume=mlp/run"}).out), whole);
  EXPECT_EQ(hash_in(train({"mlp", "--resume"}).out), whole);
  EXPECT_EQ(hash_in(train({"--resume", "mlp"}).out), whole);
  EXPECT_EQ(hash_in(train_points({"--resume"}).out), whole) << "the same command again";
  EXPECT_FALSE(has("runs/mlp/run-2"));
  // None of that name: a new one.
  EXPECT_SAYS(last_line(train_points({"--resume", "--name", "fresh"}).out), "runs/mlp/fresh  ");
  // More epochs, but no other batch.
  const CommandResult longer = train({"--resume", "runs/mlp/run", "--epochs", "3"});
  EXPECT_SAYS(longer.out, "epoch 3/3");
  const CommandResult refused = train({"--resume", "runs/mlp/run", "--batch-size", "7"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_SAYS(refused.err, "train.batch_size can't be changed");
  const CommandResult other = train({"softmax", "--resume", "runs/mlp/run"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_SAYS(other.err, "is a run of recipe 'mlp'");
}

TEST_F(TrainCommand, ResumeTakesTheLastRunWhateverItsName) {
  ASSERT_EQ(train_points({}).exit_code, 0);
  ASSERT_EQ(train_points({"--name", "wide", "model.hidden=16"}).exit_code, 0);
  EXPECT_SAYS(last_line(train({"mlp", "--resume"}).out), "runs/mlp/wide  ");
  EXPECT_SAYS(last_line(train({"mlp", "--resume", "--name", "run"}).out), "runs/mlp/run  ");
  ASSERT_EQ(train({"--resume", "runs/mlp/run", "--epochs", "3"}).exit_code, 0);
  EXPECT_SAYS(last_line(train({"mlp", "--resume"}).out), "runs/mlp/run  ");
  // A run that was killed before its first checkpoint starts afresh.
  ASSERT_EQ(train_points({"--name", "killed"}).exit_code, 0);
  fs::remove_all(folder_ / "runs/mlp/killed/checkpoints");
  const std::string afresh = train_points({"--resume"}).out;
  EXPECT_SAYS(afresh, "runs/mlp/killed: ");
  EXPECT_SAYS(afresh, "epoch 1/2");
  const CommandResult both = train({"--resume", "runs/mlp/run", "--name", "wide"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_SAYS(both.err, "--name: 'runs/mlp/run' goes on under its own name");
}

TEST_F(TrainCommand, EpochsThatWereSeenCanNotBeTakenBack) {
  ASSERT_EQ(train_points({}).exit_code, 0);
  const std::string before = read_whole(folder_ / "runs/mlp/run/recipe.toml");
  const CommandResult fewer = train({"--resume", "runs/mlp/run", "--epochs", "1"});
  EXPECT_EQ(fewer.exit_code, 2);
  EXPECT_SAYS(fewer.err, "has already seen 2 epochs");
  EXPECT_EQ(read_whole(folder_ / "runs/mlp/run/recipe.toml"), before);
}

TEST_F(TrainCommand, ResumingUnderOtherConditionsSaysSo) {
  ASSERT_EQ(train_points({"--threads", "1"}).exit_code, 0);
  EXPECT_SAYS(train({"--resume", "runs/mlp/run", "--epochs", "3", "--threads", "2"}).out, "threads 1 -> 2");
}

// Starts a long run and waits for its first steps.
struct Running {
  explicit Running(const fs::path& folder) : scratch(temporary_folder()) {
    child = start_command({"train", "mlp", "model.hidden=8", "--data", "synth:moons?train=80&test=40", "--batch-size",
                           "10", "--epochs", "100000", "--threads", "1"},
                          {.folder = folder}, scratch);
    for (int i = 0; i < 2000 && read_whole(folder / "runs/mlp/run/steps.csv").size() < 200; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CommandResult finish() {
    CommandResult result = finish_command(child, scratch);
    fs::remove_all(scratch);
    return result;
  }
  fs::path scratch;
  pid_t child;
};

TEST_F(TrainCommand, AnInterruptSavesAndExitsWith130) {
  Running running(folder_);
  kill(running.child, SIGINT);
  const CommandResult result = running.finish();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_SAYS(last_line(result.out), "interrupted after ");
  EXPECT_TRUE(has("runs/mlp/run/weights/last.safetensors"));
  const auto steps = read_table(folder_ / "runs/mlp/run/steps.csv").rows.size();
  char name[16];
  std::snprintf(name, sizeof name, "%06zu", steps);
  EXPECT_TRUE(has(std::string("runs/mlp/run/checkpoints/") + name)) << name;
}

TEST_F(TrainCommand, OnlyOneProcessTrainsInAFolder) {
  Running running(folder_);
  const CommandResult second = train({"--resume", "runs/mlp/run"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_SAYS(second.err, "another process");
  kill(running.child, SIGKILL);
  EXPECT_EQ(running.finish().exit_code, -SIGKILL);
}

}  // namespace
}  // namespace narae::cli
