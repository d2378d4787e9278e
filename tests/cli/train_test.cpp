#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "narae/io/safetensors.h"
#include "narae/train/recipe.h"
#include "narae/train/table.h"
#include "tests/cli/idx_folder.h"
#include "tests/cli/train_command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

TEST_F(TrainCommand, EveryBuiltInRecipeRunsWithoutDataAtHand) {
  for (const BuiltinRecipe& recipe : builtin_recipes()) {
    const CommandResult result =
        train({std::string(recipe.name), "--epochs", "1", "--limit-train", "100", "--limit-val", "50"});
    EXPECT_EQ(result.exit_code, 0) << recipe.name << result.err;
    EXPECT_TRUE(has("runs/" + std::string(recipe.name) + "/run/curves.svg")) << recipe.name;
    const bool pictures = recipe_of("runs/" + std::string(recipe.name) + "/run").task == "classify";
    EXPECT_EQ(has("runs/" + std::string(recipe.name) + "/run/predictions.png"), pictures) << recipe.name;
  }
}

TEST_F(TrainCommand, TheLastLineNamesRunMetricAndWeights) {
  const CommandResult result = train_points({});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(last_line(result.out).starts_with("runs/mlp/run  accuracy ")) << result.out;
  EXPECT_EQ(hash_in(result.out).size(), 16U) << result.out;
  EXPECT_SAYS(result.out, "epoch 2/2");
  EXPECT_EQ(result.out.find('\r'), std::string::npos) << "no moving bar in a file";
}

TEST_F(TrainCommand, FlagsAreKeysOfTheRecipe) {
  const CommandResult result =
      train_points({"--epochs=3", "--batch-size=20", "--lr=0.02", "--seed=5", "--workers=0", "--patience=9",
                    "--val-fraction=0.25", "--limit-train=40", "--limit-val=15", "--save-every=1", "train.l2=0.001"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Recipe recipe = recipe_of("runs/mlp/run");
  EXPECT_EQ(recipe.data.name, "synth:moons?train=80&test=40");
  EXPECT_EQ(recipe.train.epochs, 3);
  EXPECT_EQ(recipe.train.batch_size, 20);
  EXPECT_EQ(recipe.train.optimizer.lr, 0.02);
  EXPECT_EQ(recipe.train.seed, 5);
  EXPECT_EQ(recipe.data.workers, 0);
  EXPECT_EQ(recipe.train.patience, 9);
  EXPECT_EQ(recipe.data.val_fraction, 0.25);
  EXPECT_EQ(recipe.data.limit_train, 40);
  EXPECT_EQ(recipe.data.limit_val, 15);
  EXPECT_EQ(recipe.train.save_every, 1);
  EXPECT_EQ(recipe.train.l2, 0.001);
  // And they work: 2 steps an epoch, a checkpoint after the first one of the last epoch, validation samples.
  EXPECT_EQ(read_table(folder_ / "runs/mlp/run/steps.csv").rows.size(), 6U);
  EXPECT_TRUE(has("runs/mlp/run/checkpoints/000005"));
  EXPECT_TRUE(has("runs/mlp/run/checkpoints/000006"));
  EXPECT_SAYS(result.out, "40 training and 15 validation samples");
}

TEST_F(TrainCommand, KeysWinOverFlags) {
  EXPECT_EQ(train_points({"--lr", "0.5", "train.optimizer.lr=0.25", "--dry-run"}).exit_code, 0);
  const CommandResult result = train_points({"--lr", "0.5", "train.optimizer.lr=0.25", "--dry-run"});
  EXPECT_SAYS(result.out, "lr = 0.25");
}

TEST_F(TrainCommand, ProjectNameAndExistOkChooseTheFolder) {
  EXPECT_EQ(train_points({"--project", "here/there", "--name", "mine"}).exit_code, 0);
  EXPECT_TRUE(has("here/there/mlp/mine/weights/last.safetensors"));
  EXPECT_SAYS(last_line(train_points({"--project", "here/there", "--name", "mine"}).out), "here/there/mlp/mine-2  ");
  write_whole(folder_ / "here/there/mlp/mine/notes", "kept");
  const CommandResult again = train_points({"--project", "here/there", "--name", "mine", "--exist-ok", "--seed", "3"});
  EXPECT_SAYS(last_line(again.out), "here/there/mlp/mine  ");
  EXPECT_EQ(recipe_of("here/there/mlp/mine").train.seed, 3);
  EXPECT_TRUE(has("here/there/mlp/mine/notes"));
  EXPECT_FALSE(has("here/there/mlp/mine-3"));
}

TEST_F(TrainCommand, SeedAndThreadsDecideTheWeights) {
  const std::string one = hash_in(train_points({"--threads", "1"}).out);
  EXPECT_EQ(hash_in(train_points({"--threads", "1"}).out), one);
  EXPECT_NE(hash_in(train_points({"--threads", "1", "--seed", "1"}).out), one);
  EXPECT_SAYS(read_whole(folder_ / "runs/mlp/run/log.txt"), "1 threads");
  EXPECT_EQ(train_points({"--threads", "0"}).exit_code, 2);
}

TEST_F(TrainCommand, QuietPrintsTheResultOnly) {
  const CommandResult result = train_points({"--quiet"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, last_line(result.out) + "\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(TrainCommand, JsonIsOneDocumentAndTheRestGoesToStandardError) {
  const CommandResult result = train_points({"--json", "--val-fraction", "0.5"});
  EXPECT_EQ(result.exit_code, 0);
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["run"], "runs/mlp/run");
  EXPECT_EQ(json["epochs"], 2);
  EXPECT_EQ(json["steps"], 8);
  EXPECT_EQ(json["judged"], "validation");
  EXPECT_EQ(json["interrupted"], false);
  EXPECT_EQ(json["last"]["samples"], 40);
  EXPECT_EQ(json["test"]["samples"], 40);
  EXPECT_GE(json["best"]["accuracy"], json["last"]["accuracy"]);
  EXPECT_EQ(json["weights"].get<std::string>().size(), 16U);
  EXPECT_SAYS(result.err, "epoch 2/2");
}

TEST_F(TrainCommand, DryRunWritesNothing) {
  const CommandResult result = train_points({"--dry-run", "--lr", "0.125"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_SAYS(result.out, "lr = 0.125");
  EXPECT_SAYS(result.out, "42 parameters; 80 training and 40 test samples of 2 classes; 16 steps.");
  EXPECT_TRUE(fs::is_empty(folder_));
  const Json json = Json::parse(train_points({"--dry-run", "--json"}).out);
  EXPECT_EQ(json["steps"], 16);
  EXPECT_EQ(json["parameters"], 42);
}

TEST_F(TrainCommand, DeviceIsTheCpu) {
  EXPECT_EQ(train_points({"--device", "cpu"}).exit_code, 0);
  const CommandResult result = train_points({"--device", "cuda"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_SAYS(result.err, "--device: 'cuda' is not supported; there is cpu");
}

TEST_F(TrainCommand, WeightsAndFreezeStartFromAnotherRun) {
  ASSERT_EQ(train_points({}).exit_code, 0);
  const CommandResult result =
      train_points({"--weights", "runs/mlp/run/weights/last.safetensors", "--freeze", "0.weight", "--freeze", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto before = read_safetensors(folder_ / "runs/mlp/run/weights/last.safetensors");
  const auto after = read_safetensors(folder_ / "runs/mlp/run-2/weights/last.safetensors");
  for (const auto& [name, array] : before.tensors) {
    const bool same = std::memcmp(array.buffer.data(), after.tensors.at(name).buffer.data(), array.bytes()) == 0;
    EXPECT_EQ(same, name != "0.bias") << name;
  }
  const CommandResult misfit = train({"mlp", "--weights", "runs/mlp/run/weights/last.safetensors"});
  EXPECT_EQ(misfit.exit_code, 1);
  EXPECT_SAYS(misfit.err, "last.safetensors");
  EXPECT_SAYS(misfit.err, "0.weight");
  EXPECT_EQ(train({"mlp", "--weights", "nothing.safetensors"}).exit_code, 1);
  EXPECT_EQ(train({"mlp", "--freeze", "head"}).exit_code, 2);
}

// Fine-tuning: another head on the layers of an earlier run.
TEST_F(TrainCommand, FreshTensorsAreNotTakenFromTheWeights) {
  ASSERT_EQ(train_points({}).exit_code, 0);
  const std::string weights = "runs/mlp/run/weights/last.safetensors";
  const std::vector<std::string> other = {"model.hidden=8,4", "--weights", weights};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), other.begin(), other.end());
    return more;
  };
  const CommandResult misfit = train_points(with({}));
  EXPECT_EQ(misfit.exit_code, 1);
  EXPECT_SAYS(misfit.err, "--fresh");
  const CommandResult tuned = train_points(with({"--fresh", "2.*", "--fresh", "4", "--freeze", "0"}));
  EXPECT_EQ(tuned.exit_code, 0) << tuned.err;
  const auto before = read_safetensors(folder_ / weights);
  const auto after = read_safetensors(folder_ / "runs/mlp/run-2/weights/last.safetensors");
  EXPECT_EQ(after.tensors.at("2.weight").shape, (Shape{4, 8}));
  const Array& kept = before.tensors.at("0.weight");
  EXPECT_EQ(std::memcmp(kept.buffer.data(), after.tensors.at("0.weight").buffer.data(), kept.bytes()), 0);
  EXPECT_EQ(recipe_of("runs/mlp/run-2").train.fresh, "2.*,4");
  EXPECT_EQ(train_points({"--fresh", "0"}).exit_code, 2);
  EXPECT_EQ(train_points({"--weights", weights, "--fresh", "head"}).exit_code, 2);
}

TEST_F(TrainCommand, PatienceStopsTheRun) {
  const CommandResult result = train_points({"--epochs", "50", "--patience", "1", "train.min_delta=1"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_SAYS(result.out, "no progress for 1 epochs");
  EXPECT_EQ(read_table(folder_ / "runs/mlp/run/results.csv").rows.size(), 2U);
}

TEST_F(TrainCommand, PointsTellALinearClassifierFromAHiddenLayer) {
  const auto accuracy = [&](const std::string& recipe, const std::string& data) {
    const CommandResult result = train({recipe, "--data", data, "--json", "--epochs", "10"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const Json json = Json::parse(result.out);
    EXPECT_TRUE(has(json["run"].get<std::string>() + "/boundary.png"));
    return json["last"]["accuracy"].get<double>();
  };
  EXPECT_LT(accuracy("perceptron", "synth:xor"), 0.7);
  EXPECT_LT(accuracy("softmax", "synth:circles"), 0.7);
  EXPECT_GT(accuracy("mlp", "synth:xor"), 0.9);
  EXPECT_GT(accuracy("mlp", "synth:circles"), 0.95);
  EXPECT_GT(accuracy("mlp", "synth:moons"), 0.95);
  EXPECT_GT(accuracy("softmax", "synth:moons"), 0.8);
}

TEST_F(TrainCommand, MistakesOfUseExitWith2) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{}, "which recipe?"},
      {{"lenet"}, "did you mean 'lenet5'?"},
      {{"mlp", "--epohcs", "3"}, "did you mean '--epochs'?"},
      {{"mlp", "train.epoch=3"}, "did you mean 'train.epochs'?"},
      {{"mlp", "--epochs", "three"}, "train.epochs must be an integer"},
      {{"mlp", "--epochs", "0"}, "train.epochs must be an integer"},
      {{"mlp", "--val-fraction", "1"}, "data.val_fraction"},
      {{"mlp", "--lr", "-1"}, "train.optimizer.lr"},
      {{"mlp", "model.num_classes=0"}, "the data decide it"},
      {{"mlp", "data.augment=0"}, "as in data.augment.resized_crop=..."},
      {{"mlp", "model.activation=rleu"}, "did you mean 'relu'?"},
      {{"mlp", "softmax"}, "one recipe at a time"},
      {{"mlp", "--data", "synth:xro"}, "did you mean 'synth:xor'?"},
      {{"mlp", "--data", "no-such-set"}, "NARAE_DATA"},
      {{"mlp", "--name", "a/b"}, "--project"},
      {{"--resume"}, "which run?"},
      {{"--resume", "runs/mlp/none"}, "runs/mlp/none"},
      {{"missing.toml"}, "there is no such file"},
  };
  for (const auto& [arguments, part] : mistakes) {
    const CommandResult result = train(arguments);
    EXPECT_EQ(result.exit_code, 2) << part << "\n" << result.err;
    EXPECT_SAYS(result.err, part);
    EXPECT_EQ(result.out, "") << part;
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(TrainCommand, TheNearestKeyIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"train.lr=0.1", "'train.optimizer.lr'"},
                                                                  {"lr=0.1", "'train.optimizer.lr'"},
                                                                  {"optimizer=adam", "'train.optimizer.name'"},
                                                                  {"train.epoch=1", "'train.epochs'"}};
  for (const auto& [word, wanted] : cases) {
    const CommandResult result = train({"mlp", word});
    EXPECT_EQ(result.exit_code, 2) << word;
    EXPECT_SAYS(result.err, "did you mean " + wanted);
  }
  const CommandResult nesterov = train(
      {"mlp", "train.optimizer.name=sgd", "train.optimizer.momentum=0", "train.optimizer.nesterov=true", "--dry-run"});
  EXPECT_EQ(nesterov.exit_code, 2);
  EXPECT_SAYS(nesterov.err, "train.optimizer.nesterov");
  EXPECT_EQ(train({"mlp", "--freeze", "nope", "--dry-run"}).exit_code, 2);
}

TEST_F(TrainCommand, MissingOrUnfitDataFails) {
  const CommandResult missing = train({"mlp", "--data", "./no/such/folder"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_SAYS(missing.err, "./no/such/folder");
  const CommandResult unfit = train({"lenet5", "--data", "synth:xor"});
  EXPECT_EQ(unfit.exit_code, 1);
  EXPECT_SAYS(unfit.err, "lenet5: it takes pictures");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(TrainCommand, AFolderThatCanNotBeMadeFails) {
  write_whole(folder_ / "runs", "a file");
  const CommandResult result = train_points({});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_SAYS(result.err, "--project");
  EXPECT_EQ(read_whole(folder_ / "runs"), "a file");
}

TEST_F(TrainCommand, AFolderThatMayNotBeWrittenFails) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::create_directories(folder_ / "closed");
  fs::permissions(folder_ / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  const CommandResult closed = train_points({"--project", "closed"});
  EXPECT_EQ(closed.exit_code, 1);
  EXPECT_SAYS(closed.err, "writable");
}

TEST_F(TrainCommand, AReadOnlyDiskFails) {
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", MS_RDONLY, "size=64k") != 0) GTEST_SKIP() << "tmpfs can't be mounted here";
  const CommandResult result = train_points({"--project", "disk"});
  umount(disk.c_str());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_SAYS(result.err, "read-only");
}

TEST_F(TrainCommand, AFullDiskFailsAndTheRunGoesOnWithMoreSpace) {
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=160k") != 0) GTEST_SKIP() << "tmpfs can't be mounted here";
  const CommandResult full = train_points({"--project", "disk", "--epochs", "40", "--save-every", "3"});
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_SAYS(full.err, "No space left on device");
  for (const auto& entry : fs::recursive_directory_iterator(disk)) {
    const std::string name = entry.path().filename();
    EXPECT_EQ(name.find(".tmp"), std::string::npos) << entry.path() << " is half written";
  }
  EXPECT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  const CommandResult rest = train({"--quiet", "--resume", "disk/mlp/run"});
  umount(disk.c_str());
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(hash_in(rest.out), hash_in(train_points({"--epochs", "40"}).out));
}

TEST_F(TrainCommand, ALossThatExplodesStopsTheRun) {
  const CommandResult result = train_points({"--lr", "1e30"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_SAYS(result.err, "no longer finite");
  EXPECT_SAYS(result.err, "step ");
  EXPECT_TRUE(has("runs/mlp/run/weights/last.safetensors"));
}

TEST_F(TrainCommand, ClosedStandardStreamsSpoilNoFile) {
  const std::string command = test_places::command_path() +
                              " train mlp model.hidden=8 --data 'synth:moons?train=80&test=40'"
                              " --epochs 1 <&- >&- 2>&-";
  EXPECT_EQ(std::system(("cd '" + folder_.string() + "' && " + command).c_str()), 0);
  EXPECT_TRUE(read_whole(folder_ / "runs/mlp/run/results.csv").starts_with("epoch,"));
  EXPECT_TRUE(read_whole(folder_ / "runs/mlp/run/steps.csv").starts_with("step,"));
}

TEST_F(TrainCommand, AFileThatMayNotGrowIsAnError) {
  const std::string command =
      std::string("ulimit -f 2; '") + test_places::command_path() + "' train mlp --data synth:moons --epochs 1";
  const int status = std::system(("cd '" + folder_.string() + "' && (" + command + ") >out 2>err").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_SAYS(read_whole(folder_ / "err"), "File too large");
  for (const auto& file : fs::recursive_directory_iterator(folder_)) {
    EXPECT_EQ(file.path().string().find(".tmp"), std::string::npos) << file.path();
  }
}

TEST_F(TrainCommand, ADatasetBesideIsFoundFromElsewhere) {
  make_idx_folder(folder_, "tiny");
  EXPECT_EQ(train({"mlp", "model.hidden=4", "--data", "tiny", "--epochs", "1"}).exit_code, 0);
  EXPECT_EQ(train({"mlp", "model.hidden=4", "data.name=./tiny", "--epochs", "1"}).exit_code, 0);
  for (const char* run : {"run", "run-2"}) {
    const CommandResult result = run_command({"eval", (folder_ / "runs/mlp" / run).string()}, {.folder = "/"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
}

TEST_F(TrainCommand, WhatCanBeKnownToFailFailsBeforeAFolderIsMade) {
  const std::vector<std::string> resnet = {
      "resnet18", "model.stem=imagenet", "--data", "synth:shapes?train=65&test=8", "--epochs", "1", "--batch-size"};
  const auto with = [](std::vector<std::string> words, const std::string& last) {
    words.push_back(last);
    return words;
  };
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> failures = {
      {with(resnet, "64"), 2, "train.batch_size = 64: of 65 training samples, the last batch of an epoch has 1"},
      {{"resnet18", "model.name=inception-v3", "--data", "synth:shapes?train=8&test=4&size=80"}, 1, "299"},
      {{"mlp", "--data", "synth:moons", "data.augment.cutmix=0.2"}, 1, "data.augment.cutmix: "},
      {{"mlp", "--data", "synth:moons", "data.augment.flip=0.5"}, 1, "data.augment.flip: "},
      {{"mlp", "--data", "synth:digits?train=20&test=10", "data.augment.hue=0.1"}, 1, "data.augment.hue: "}};
  for (const auto& [words, code, part] : failures) {
    for (const char* flag : {"--quiet", "--dry-run", "--find-lr"}) {
      const CommandResult result = train(with(words, flag));
      EXPECT_EQ(result.exit_code, code) << part << flag << result.err;
      EXPECT_SAYS(result.err, part);
    }
  }
  EXPECT_EQ(train(with(with(resnet, "63"), "--dry-run")).exit_code, 0);
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace narae::cli
