// narae train --find-lr
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "narae/train/table.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class FindLr : public testing::Test {
 protected:
  ~FindLr() override { fs::remove_all(folder_); }

  CommandResult find(std::vector<std::string> flags) {
    const std::vector<std::string> base = {"train",  "mlp", "model.hidden=8", "--data", "synth:moons?train=400",
                                           "--seed", "2",   "--batch-size",   "100",    "--find-lr"};
    flags.insert(flags.begin(), base.begin(), base.end());
    return run_command(flags, {.folder = folder_});
  }
  [[nodiscard]] bool has(const std::string& path) const { return fs::exists(folder_ / path); }

  const fs::path folder_ = temporary_folder();
};

TEST_F(FindLr, PrintsARateAndLeavesTheCurveAndNoRun) {
  const CommandResult result = find({});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_SAYS(result.out, "runs/mlp/find-lr  learning rate ");
  EXPECT_TRUE(has("runs/mlp/find-lr/find-lr.svg"));
  EXPECT_FALSE(has("runs/mlp/run"));
  EXPECT_FALSE(has("runs/mlp/find-lr/weights"));
  EXPECT_SAYS(run_command({"runs"}, {.folder = folder_}).out, "no runs in runs");
  EXPECT_SAYS(find({}).out, "runs/mlp/find-lr-2  ");
  EXPECT_SAYS(find({"--exist-ok"}).out, "runs/mlp/find-lr  ");
  EXPECT_SAYS(find({"--name", "rates", "--project", "elsewhere"}).out, "elsewhere/mlp/rates  ");
}

TEST_F(FindLr, StepsAndJson) {
  const CommandResult result = find({"--find-lr-steps", "40", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_LE(json["points"].size(), 40U);
  EXPECT_GT(json["points"].size(), 20U);
  EXPECT_GT(json["learning_rate"], 1e-6);
  EXPECT_LT(json["learning_rate"], 10);
  EXPECT_NEAR(json["points"][0]["lr"], 1e-7, 1e-12);
  const auto rows = read_table(folder_ / json["folder"].get<std::string>() / "find-lr.csv").rows;
  EXPECT_EQ(rows.size(), json["points"].size());
  // The recipe's own settings hold.
  EXPECT_NE(Json::parse(find({"--find-lr-steps", "40", "--json", "train.optimizer.name=adamw"}).out)["points"],
            json["points"]);
}

TEST_F(FindLr, ExplainsMistakes) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{"--find-lr-steps", "24"}, "give at least 25"},
      {{"--find-lr-steps", "many"}, "--find-lr-steps"},
      {{"--resume"}, "--resume excludes --find-lr"},
      {{"--dry-run"}, "--dry-run excludes --find-lr"},
      {{"--name", "a/b"}, "a/b"}};
  for (const auto& [flags, part] : mistakes) {
    const CommandResult result = find(flags);
    EXPECT_EQ(result.exit_code, 2) << part << result.err;
    EXPECT_SAYS(result.err, part);
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(run_command({"train", "mlp", "--find-lr-steps", "40"}, {.folder = folder_}).exit_code, 2);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(FindLr, SaysWhenThereIsNothingToSuggest) {
  // The whole noise of small batches and not enough steps for a fall.
  const CommandResult result = run_command({"train", "resnet20", "--data", "synth:shapes?train=64&test=32",
                                            "--batch-size", "4", "--find-lr", "--find-lr-steps", "25", "data.size=8"},
                                           {.folder = folder_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_SAYS(result.out, "no learning rate to suggest");
  EXPECT_TRUE(has("runs/resnet20/find-lr/find-lr.csv"));
}

TEST_F(FindLr, LeavesTheFoldersOfRunsAlone) {
  ASSERT_EQ(run_command({"train", "mlp", "model.hidden=8", "--data", "synth:moons?train=80&test=40", "--epochs", "1",
                         "--quiet"},
                        {.folder = folder_})
                .exit_code,
            0);
  const CommandResult result = find({"--name", "run", "--exist-ok"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_SAYS(result.err, "runs/mlp/run is the folder of a run");
  EXPECT_EQ(result.out, "");
  EXPECT_FALSE(has("runs/mlp/run/find-lr.csv"));
}

TEST_F(FindLr, AnInterruptWritesNothing) {
  const fs::path scratch = temporary_folder();
  const pid_t child = start_command({"train", "lenet5", "--find-lr", "--find-lr-steps", "1000000", "--threads", "1"},
                                    {.folder = folder_}, scratch);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  kill(child, SIGINT);
  const CommandResult result = finish_command(child, scratch);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_SAYS(result.out, "interrupted: nothing was written");
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace narae::cli
