#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "narae/train/run_folder.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// runs/lenet5/a (98 %), runs/lenet5/b (97.5 %, another rate), runs/mlp/run (no results yet).
class RunsCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    add("runs/lenet5/a", "name = \"lenet5\"\n[model]\nname = \"lenet5\"\n[train]\nepochs = 3\n",
        "epoch,train_accuracy,val_loss,val_accuracy\n1,0.5,0.2,0.96\n2,0.99,0.1,0.98\n3,0.999,0.1,0.975\n");
    add("runs/lenet5/b",
        "name = \"lenet5\"\n[model]\nname = \"lenet5\"\n[train]\nepochs = 3\noptimizer = { lr = 0.5 }\n",
        "epoch,train_accuracy,val_loss,val_accuracy\n1,0.9,nan,0.975\n2,0.9");
    add("runs/mlp/run", "name = \"mlp\"\n", "");
  }
  void add(const std::string& run, const std::string& recipe, const std::string& results) const {
    for (const char* part : {"weights", "checkpoints"}) fs::create_directories(folder_ / run / part);
    write_whole(folder_ / run / "recipe.toml", recipe);
    if (!results.empty()) write_whole(folder_ / run / "results.csv", results);
  }
  [[nodiscard]] CommandResult runs(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "runs");
    return run_command(arguments, {.folder = folder_});
  }

  fs::path folder_ = temporary_folder();
};

TEST_F(RunsCommand, ListShowsBestAccuracyAndEpochs) {
  const CommandResult result = runs({"list"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"runs/lenet5/a", "98.00 %", "3/3", "runs/lenet5/b", "97.50 %", "1/3", "runs/mlp/run"}) {
    EXPECT_SAYS(result.out, part);
  }
  EXPECT_EQ(runs({}).out, result.out);
  const Json json = Json::parse(runs({"list", "--json"}).out);
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[0]["path"], "runs/lenet5/a");
  EXPECT_EQ(json[0]["best_accuracy"], 0.98);
  EXPECT_EQ(json[0]["epochs"], 3);
  EXPECT_TRUE(json[2]["best_accuracy"].is_null());
  EXPECT_EQ(Json::parse(runs({"--json"}).out), json);
}

TEST_F(RunsCommand, ProjectChoosesTheFolder) {
  fs::rename(folder_ / "runs", folder_ / "elsewhere");
  EXPECT_SAYS(runs({"list"}).out, "no runs in runs");
  EXPECT_SAYS(runs({"list", "--project", "elsewhere"}).out, "elsewhere/lenet5/a");
  EXPECT_SAYS(runs({"--project", "elsewhere"}).out, "elsewhere/lenet5/a");
  EXPECT_SAYS(runs({"show", "lenet5/a", "--project", "elsewhere"}).out, "98.00 %");
  EXPECT_SAYS(runs({"compare", "lenet5/a", "lenet5/b", "--project", "elsewhere"}).out, "98.00 %");
  EXPECT_EQ(runs({"rm", "lenet5/a", "--project", "elsewhere"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "elsewhere" / "lenet5" / "a"));
  EXPECT_EQ(runs({"--json", "list"}).exit_code, 2);
}

TEST_F(RunsCommand, ADamagedRunDoesNotHideTheOthers) {
  write_whole(folder_ / "runs/lenet5/a/recipe.toml", "[model\n");
  write_whole(folder_ / "runs/lenet5/b/results.csv", "epoch,val_accuracy\n1\n");
  const CommandResult result = runs({"list"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_SAYS(result.out, "damaged");
  EXPECT_SAYS(result.out, "recipe.toml:1:");
  EXPECT_SAYS(result.out, "results.csv");
  EXPECT_SAYS(result.out, "runs/mlp/run");
  EXPECT_EQ(runs({"show", "lenet5/a"}).exit_code, 2);
  EXPECT_EQ(runs({"show", "lenet5/b"}).exit_code, 1);
}

TEST_F(RunsCommand, ShowPrintsSettingsResultsAndFiles) {
  for (const char* name : {"lenet5/a", "runs/lenet5/a", "runs/lenet5/a/"}) {
    const CommandResult result = runs({"show", name});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    for (const char* part : {"runs/lenet5/a: best accuracy 98.00 %, 3 of 3 epochs", "[train.optimizer]", "0.975",
                             "recipe.toml", "results.csv"}) {
      EXPECT_SAYS(result.out, part);
    }
  }
  const Json json = Json::parse(runs({"show", "lenet5/b", "--json"}).out);
  EXPECT_EQ(json["settings"]["train.optimizer.lr"], "0.5");
  ASSERT_EQ(json["results"].size(), 1U);  // the second line is not complete
  EXPECT_EQ(json["results"][0]["val_accuracy"], 0.975);
  EXPECT_EQ(json["files"], Json({"recipe.toml", "results.csv"}));
}

TEST_F(RunsCommand, CompareShowsOnlyWhatDiffers) {
  const CommandResult result = runs({"compare", "lenet5/a", "lenet5/b"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"98.00 %", "97.50 %", "train.optimizer.lr", "0.01", "0.5"}) EXPECT_SAYS(result.out, part);
  EXPECT_EQ(result.out.find("train.epochs"), std::string::npos);
  const Json json = Json::parse(runs({"compare", "lenet5/a", "mlp/run", "--json"}).out);
  EXPECT_EQ(json["runs"].size(), 2U);
  EXPECT_EQ(json["different"]["model.name"], Json({"\"lenet5\"", "\"mlp\""}));
  EXPECT_EQ(json["different"]["model.hidden"], Json({"-", "[256]"}));
}

TEST_F(RunsCommand, CompareDrawsTheCurvesOfAllRuns) {
  const std::string header = "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds\n";
  write_whole(folder_ / "runs/lenet5/a/results.csv",
              header + "1,8,0.5,0.8,0.4,0.85,0.1,1\n2,16,0.3,0.9,0.3,0.9,0.1,1\n");
  write_whole(folder_ / "runs/lenet5/b/results.csv",
              header + "1,8,0.7,0.7,0.6,0.75,0.1,1\n2,16,0.6,0.8,0.5,0.8,0.1,1\n");
  const CommandResult result = runs({"compare", "lenet5/a", "lenet5/b", "mlp/run", "--save", "both.svg"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_SAYS(result.out, "accuracy 90.00 %");
  EXPECT_SAYS(result.out, "accuracy -");
  const std::string svg = read_whole(folder_ / "both.svg");
  for (const char* part : {"training loss", "accuracy on test or validation samples", ">lenet5/a<", ">lenet5/b<",
                           ">mlp/run<", "lenet5/a at 2: 0.3", "lenet5/b at 1: 0.75"}) {
    EXPECT_SAYS(svg, part);
  }
  const CommandResult bad = runs({"compare", "lenet5/a", "--save", "both.png"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_SAYS(bad.err, "must end in .svg");
  EXPECT_EQ(runs({"compare", "lenet5/a", "--save", "no/such/folder.svg"}).exit_code, 1);
}

TEST_F(RunsCommand, RmRemovesRunsAndNothingElse) {
  fs::create_directories(folder_ / "precious");
  write_whole(folder_ / "precious" / "file", "text");
  const CommandResult refused = runs({"rm", "precious", "lenet5/a"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_SAYS(refused.err, "'precious' is no run folder");
  write_whole(folder_ / "precious" / "recipe.toml", "name = 'x'\n");
  const CommandResult alike = runs({"rm", "precious"});
  EXPECT_EQ(alike.exit_code, 2);
  EXPECT_SAYS(alike.err, "no weights and checkpoints");
  EXPECT_TRUE(fs::exists(folder_ / "precious" / "file"));
  EXPECT_TRUE(fs::exists(folder_ / "runs/lenet5/a")) << "nothing is removed when one name is wrong";
  const CommandResult result = runs({"rm", "lenet5/a", "runs/lenet5/a/", "mlp/run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_SAYS(result.out, "removed runs/lenet5/a");
  EXPECT_FALSE(fs::exists(folder_ / "runs/lenet5/a"));
  EXPECT_FALSE(fs::exists(folder_ / "runs/mlp/run"));
  EXPECT_TRUE(fs::exists(folder_ / "runs/lenet5/b"));
}

TEST_F(RunsCommand, RmRefusesARunThatIsBeingTrained) {
  const RunFolder held = RunFolder::open(folder_ / "runs/lenet5/a");
  const CommandResult result = runs({"rm", "lenet5/a"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_SAYS(result.err, "another process");
  EXPECT_TRUE(fs::exists(folder_ / "runs/lenet5/a/recipe.toml"));
}

TEST_F(RunsCommand, UnknownRunsNameTheNearest) {
  const CommandResult result = runs({"show", "lenet5/c"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_SAYS(result.err, "did you mean 'lenet5/");
  EXPECT_EQ(runs({"show"}).exit_code, 2);
  EXPECT_EQ(runs({"show", "lenet5/a", "lenet5/b"}).exit_code, 2);
}

}  // namespace
}  // namespace narae::cli
