#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "narae/models/config.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json summary(std::vector<std::string> arguments, const CommandOptions& options = {}) {
  arguments.insert(arguments.begin(), "summary");
  arguments.emplace_back("--json");
  const CommandResult result = run_command(arguments, options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return Json::parse(result.out);
}

TEST(SummaryCommand, PrintsATableWithTotals) {
  const CommandResult result = run_command({"summary", "lenet5"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* part : {"features.0", "Conv2d", "(1, 6, 28, 28)", "61,706", "416,520", "at the peak"}) {
    EXPECT_SAYS(result.out, part);
  }
}

TEST(SummaryCommand, JsonHoldsTheSameNumbers) {
  const Json json = summary({"lenet5"});
  EXPECT_EQ(json["model"], "lenet5");
  EXPECT_EQ(json["parameters"], 61706);
  EXPECT_EQ(json["multiply_adds"], 416520);
  EXPECT_EQ(json["layers"][0]["output"], Json({1, 6, 28, 28}));
  const Json& training = json["training"];
  EXPECT_EQ(training["batch_size"], 64);
  EXPECT_EQ(training["peak_bytes"],
            training["parameter_bytes"].get<std::int64_t>() + training["optimizer_bytes"].get<std::int64_t>() +
                training["batch_bytes"].get<std::int64_t>() + training["arena_bytes"].get<std::int64_t>());
}

TEST(SummaryCommand, InputAndClassesChangeTheNetwork) {
  const Json json = summary({"lenet5", "--input", "3x32x32", "--classes", "7"});
  EXPECT_EQ(json["input"], Json({1, 3, 32, 32}));
  EXPECT_EQ(json["layers"][0]["parameters"], 6 * 76);
  EXPECT_EQ(json["layers"].back()["output"], Json({1, 7}));
}

TEST(SummaryCommand, BatchSizeAndOptimizerDecideTheMemory) {
  const Json small = summary({"lenet5", "--batch-size", "8"})["training"];
  const Json large = summary({"lenet5", "--batch-size", "128"})["training"];
  EXPECT_EQ(small["batch_size"], 8);
  EXPECT_LT(small["arena_bytes"], large["arena_bytes"]);
  EXPECT_EQ(small["parameter_bytes"], large["parameter_bytes"]);
  const Json plain = summary({"lenet5", "train.optimizer.name=sgd"})["training"];
  const Json adam = summary({"lenet5", "train.optimizer.name=adam"})["training"];
  EXPECT_LT(plain["optimizer_bytes"], 61706);
  EXPECT_GE(adam["optimizer_bytes"], 2 * 4 * 61706);
}

TEST(SummaryCommand, WhatTrainingKeepsOrComputesTwiceDecidesTheMemory) {
  std::string hidden = "model.hidden=64";
  for (int i = 0; i < 24; ++i) hidden += ",64";
  const std::vector<std::string> deep = {"mlp", hidden, "--batch-size", "4096", "--input", "2"};
  const auto training = [&](const std::string& key) {
    std::vector<std::string> arguments = deep;
    if (!key.empty()) arguments.push_back(key);
    return summary(arguments)["training"];
  };
  const Json plain = training("");
  EXPECT_LT(training("train.checkpoint_activations=true")["arena_bytes"].get<double>(),
            plain["arena_bytes"].get<double>() / 2);
  const auto optimizer_bytes = [](const Json& json) { return json["optimizer_bytes"].get<std::int64_t>(); };
  const auto weights = plain["parameter_bytes"].get<std::int64_t>();
  EXPECT_EQ(optimizer_bytes(training("train.ema=0.9")), optimizer_bytes(plain) + weights);
  EXPECT_EQ(optimizer_bytes(training("train.accumulate=2")), optimizer_bytes(plain) + weights);
}

TEST(SummaryCommand, TheInputFollowsTheRecipesData) {
  EXPECT_EQ(summary({"mlp", "data.name=synth:moons"})["input"], Json({1, 2}));
  const CommandResult missing = run_command({"summary", "mlp", "data.name=no-such-set"});
  EXPECT_EQ(missing.exit_code, 0);
  EXPECT_SAYS(missing.out, "the data can't be read: dataset 'no-such-set'");
}

// A recipe may bear a model's name and build a smaller form of it.
TEST(SummaryCommand, AModelsNameIsTheModelItself) {
  EXPECT_EQ(summary({"resnet18"})["parameters"], 11'689'512);
  EXPECT_EQ(summary({"resnet18", "model.stem=cifar", "--classes", "10"})["parameters"], 11'173'962);
}

TEST(SummaryCommand, FrozenLayersAreNotTrained) {
  const Json whole = summary({"lenet5"});
  const Json frozen = summary({"lenet5", "train.freeze=features*"});
  EXPECT_EQ(frozen["parameters"], whole["parameters"]);
  EXPECT_EQ(frozen["trainable_parameters"], 61706 - (6 * 25 + 6) - (16 * 150 + 16));
  EXPECT_LT(frozen["training"]["peak_bytes"], whole["training"]["peak_bytes"]);
}

TEST(SummaryCommand, ANetworkThatCannotBeTrainedIsCountedAllTheSame) {
  const Json json = summary({"inception-v3", "--input", "3x80x80"});
  EXPECT_GT(json["parameters"], 27'000'000);
  EXPECT_NE(json["training"]["impossible"].get<std::string>().find("299x299"), std::string::npos);
  EXPECT_SAYS(run_command({"summary", "inception-v3", "--input", "3x80x80"}).out, "impossible");
}

TEST(SummaryCommand, TakesRecipeFilesAndRunFolders) {
  const fs::path folder = temporary_folder();
  write_whole(folder / "mine.toml", "[model]\nname = \"mlp\"\nhidden = [5]\n");
  EXPECT_EQ(summary({(folder / "mine.toml").string()})["parameters"], 784 * 5 + 5 + 5 * 10 + 10);
  fs::create_directory(folder / "run");
  write_whole(folder / "run" / "recipe.toml", "[model]\nname = \"mlp\"\nhidden = [5]\n[train]\nbatch_size = 3\n");
  models::ModelConfig config;
  config.model = {.name = "mlp", .options = {{"hidden", std::vector<std::int64_t>{5}}}, .input = {6}, .num_classes = 2};
  write_whole(folder / "run" / "config.json", models::to_json(config));
  const Json run = summary({(folder / "run").string()});
  EXPECT_EQ(run["parameters"], 6 * 5 + 5 + 5 * 2 + 2);
  EXPECT_EQ(run["training"]["batch_size"], 3);
}

TEST(SummaryCommand, SaysWhenAStrideDoesNotDivide) {
  EXPECT_SAYS(run_command({"summary", "lenet5", "--input", "1x29x29"}).out, "rounded down");
}

TEST(SummaryCommand, MistakesAreExplained) {
  for (const char* shape : {"", "x", "3x", "3x0x2", "axb", "3x224x224x", "1x1x1x1x1x1x1x1", "-1x2"}) {
    const CommandResult result = run_command({"summary", "lenet5", std::string("--input=") + shape});
    EXPECT_EQ(result.exit_code, 2) << shape;
    EXPECT_SAYS(result.err, "--input");
  }
  const CommandResult small = run_command({"summary", "lenet5", "--input", "1x5x5"});
  EXPECT_EQ(small.exit_code, 1);
  EXPECT_SAYS(small.err, "(1, 5, 5)");
  EXPECT_EQ(run_command({"summary", "lenet5", "--classes", "0"}).exit_code, 2);
  EXPECT_EQ(run_command({"summary", "lenet5", "--batch-size", "0"}).exit_code, 2);
  EXPECT_EQ(run_command({"summary", "no-such.toml"}).exit_code, 2);
  EXPECT_EQ(run_command({"summary", "lenet5", "model.gian=3"}).exit_code, 2);
}

}  // namespace
}  // namespace narae::cli
