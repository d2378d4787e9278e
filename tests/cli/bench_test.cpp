// narae bench RUN and --profile FILE.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/train_command.h"

namespace narae::cli {
namespace {

using Json = nlohmann::json;
class BenchCommand : public TrainCommand {};

TEST_F(BenchCommand, TellsWhereARunsTimeGoes) {
  ASSERT_EQ(train_points({"--quiet"}).exit_code, 0);
  const CommandResult text =
      run_command({"bench", "runs/mlp/run", "--rounds", "3", "--batch-size", "4"}, {.folder = folder_});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_SAYS(text.out, "mlp, batch 4");
  EXPECT_SAYS(text.out, "linear");
  const CommandResult json = run_command({"bench", "mlp/run", "--rounds", "3", "--json"}, {.folder = folder_});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const Json document = Json::parse(json.out);
  EXPECT_EQ(document["batch_size"], 1);
  EXPECT_GT(document["samples_per_second"].get<double>(), 0);
  double flops = 0;
  for (const Json& step : document["steps"]) flops += step["flops"].get<double>();
  EXPECT_GE(flops, 2 * (2 * 8 + 8 * 2));  // its two products
}

TEST_F(BenchCommand, SaysWhatIsWrong) {
  const CommandResult none = run_command({"bench", "nothing"}, {.folder = folder_});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_SAYS(none.err, "nothing");
  const CommandResult rounds = run_command({"bench", "nothing", "--rounds", "0"}, {.folder = folder_});
  EXPECT_EQ(rounds.exit_code, 2);
  EXPECT_SAYS(rounds.err, "--rounds");
}

TEST_F(BenchCommand, ProfilesAreChromeTraces) {
  const CommandResult trained = train_points({"--quiet", "--profile", "trace.json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const Json trace = Json::parse(read_whole(folder_ / "trace.json"));
  std::int64_t steps = 0;
  std::int64_t evaluations = 0;
  bool named = false;
  for (const Json& event : trace["traceEvents"]) {
    EXPECT_EQ(event["ph"], "X");
    EXPECT_GE(event["dur"].get<double>(), 0);
    (event["cat"] == "step" ? steps : evaluations) += 1;
    named = named || (event["cat"] == "step" && !event["args"]["module"].get<std::string>().empty());
  }
  EXPECT_GE(evaluations, 16);  // two epochs of eight steps
  EXPECT_GT(steps, evaluations);
  EXPECT_TRUE(named);
  const CommandResult nowhere = train_points({"--profile", "no/such/folder/trace.json"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_SAYS(nowhere.err, "no/such/folder");
  const CommandResult weights = train_points({"--profile", "weights.safetensors"});
  EXPECT_EQ(weights.exit_code, 2);
  EXPECT_SAYS(weights.err, ".json");
}

}  // namespace
}  // namespace narae::cli
