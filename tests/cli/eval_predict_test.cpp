#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "narae/data/catalog.h"
#include "narae/data/image.h"
#include "tests/cli/command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Two runs that all tests of this file look at.
class TrainedRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder() = temporary_folder();
    const CommandResult digits =
        run_command({"train", "softmax", "--data", "synth:digits?train=400&test=100", "--epochs", "3", "--quiet"},
                    {.folder = folder()});
    ASSERT_EQ(digits.exit_code, 0) << digits.err;
    const CommandResult points =
        run_command({"train", "mlp", "--data", "synth:moons?train=400&test=100", "--val-fraction", "0.25", "--quiet"},
                    {.folder = folder()});
    ASSERT_EQ(points.exit_code, 0) << points.err;
    const Dataset test = open_dataset("synth:digits?train=400&test=100", Split::test);
    for (const std::int64_t i : {0, 1}) {
      const Array picture = read_field(test, "image", i, i + 1);
      write_png(folder() / ("digit" + std::to_string(i) + ".png"), {DType::u8, {1, 28, 28}, picture.buffer});
    }
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }

  static fs::path& folder() {
    static fs::path path;
    return path;
  }
  static CommandResult run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return run_command(arguments, {.folder = folder(), .input = input});
  }
};

TEST_F(TrainedRun, EvalJudgesTheBestWeightsByTheTestSamples) {
  const CommandResult result = run({"eval", "runs/softmax/run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("runs/softmax/run  accuracy ")) << result.out;
  EXPECT_SAYS(result.out, "(100 test samples of synth:digits?train=400&test=100, best weights)");
  const Json json = Json::parse(run({"eval", "softmax/run", "--json"}).out);
  EXPECT_EQ(json["weights"], "best");
  EXPECT_EQ(json["samples"], 100);
  EXPECT_EQ(json["split"], "test");
  EXPECT_EQ(json["recall"].size(), 10U);
  EXPECT_GT(json["accuracy"], 0.5);
  EXPECT_EQ(json["hash"].get<std::string>().size(), 16U);
}

TEST_F(TrainedRun, EvalTakesOtherWeightsSplitsAndData) {
  const auto json_of = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"eval", "runs/mlp/run", "--json"});
    const CommandResult result = run(flags);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  };
  EXPECT_EQ(json_of({"--split", "train"})["samples"], 300);
  EXPECT_EQ(json_of({"--split", "val"})["samples"], 100);
  EXPECT_EQ(json_of({"--last"})["weights"], "last");
  EXPECT_EQ(json_of({"--threads", "1"})["samples"], 100);
  const Json other = json_of({"--data", "synth:circles?test=30"});
  EXPECT_EQ(other["samples"], 30);
  EXPECT_LT(other["accuracy"], json_of({})["accuracy"]);
}

TEST_F(TrainedRun, EvalExplainsMistakes) {
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> mistakes = {
      {{"eval"}, 2, "run is required"},
      {{"eval", "runs/softmax/rnu"}, 2, "run"},
      {{"eval", "softmax/run", "--split", "tset"}, 2, "test"},
      {{"eval", "softmax/run", "--split", "val"}, 1, "validation"},
      {{"eval", "softmax/run", "--data", "synth:moons"}, 1, "(2,), but the network takes (1, 28, 28)"},
      {{"eval", "softmax/run", "--splt", "test"}, 2, "did you mean '--split'?"}};
  for (const auto& [arguments, code, part] : mistakes) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_SAYS(result.err, part);
  }
}

TEST_F(TrainedRun, PredictAnswersForPictures) {
  const CommandResult result = run({"predict", "runs/softmax/run", "digit0.png", "digit1.png"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("digit0.png  ")) << result.out;
  EXPECT_SAYS(result.out, "\ndigit1.png  ");
  const Json json = Json::parse(run({"predict", "softmax/run", "digit1.png", "--json"}).out);
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0]["input"], "digit1.png");
  EXPECT_EQ(json[0]["probabilities"].size(), 10U);
  double sum = 0;
  for (const auto& [name, p] : json[0]["probabilities"].items()) sum += p.get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ(json[0]["probability"], json[0]["probabilities"][json[0]["predicted"].get<std::string>()]);
  // The same through standard input.
  const Json piped =
      Json::parse(run({"predict", "softmax/run", "-", "--json"}, read_whole(folder() / "digit1.png")).out);
  EXPECT_EQ(piped[0]["probabilities"], json[0]["probabilities"]);
}

TEST_F(TrainedRun, PredictDrawsPicturesAndPoints) {
  EXPECT_EQ(run({"predict", "softmax/run", "digit0.png", "--save", "grid.png"}).exit_code, 0);
  EXPECT_EQ(read_png(folder() / "grid.png").shape[0], 3);
  EXPECT_EQ(run({"predict", "mlp/run", "--save", "plane.png", "--", "-1,0.5", "1,0"}).exit_code, 0);
  EXPECT_EQ(read_png(folder() / "plane.png").shape[0], 3);
  const CommandResult bad = run({"predict", "softmax/run", "digit0.png", "--save", "no/such/folder.png"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_SAYS(bad.err, "no/such/folder.png");
}

TEST_F(TrainedRun, PredictAnswersForPoints) {
  const CommandResult result = run({"predict", "mlp/run", "0,1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("0,1  0 ")) << "the upper moon is class 0: " << result.out;
  write_whole(folder() / "points.csv", "# x,y\n0,1\n1,-0.5\n");
  const Json json = Json::parse(run({"predict", "mlp/run", "points.csv", "--json", "--last"}).out);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[0]["predicted"], "0");
  EXPECT_EQ(json[1]["predicted"], "1");
  EXPECT_EQ(json[1]["input"], "1,-0.5");
  EXPECT_EQ(Json::parse(run({"predict", "mlp/run", "-", "--json"}, "1,-0.5\n").out)[0]["predicted"], "1");
}

TEST_F(TrainedRun, PredictExplainsMistakes) {
  write_whole(folder() / "text.png", "no picture");
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> mistakes = {
      {{"predict", "softmax/run"}, 2, "required"},
      {{"predict", "softmax/run", "missing.png"}, 1, "missing.png"},
      {{"predict", "softmax/run", "text.png"}, 1, "text.png"},
      {{"predict", "mlp/run", "1,2,3"}, 1, "3 numbers, but the network takes 2"},
      {{"predict", "mlp/run", "nothing.csv"}, 1, "no such file"},
      {{"predict", "mlp/rnu", "1,2"}, 2, "rnu"}};
  for (const auto& [arguments, code, part] : mistakes) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_SAYS(result.err, part);
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(TrainedRun, ARunThatIsNotCompleteIsSaid) {
  const fs::path damaged = folder() / "damaged";
  fs::copy(folder() / "runs/mlp/run", damaged, fs::copy_options::recursive);
  fs::resize_file(damaged / "weights/best.safetensors", 100);
  const CommandResult truncated = run({"predict", "damaged", "1,2"});
  EXPECT_EQ(truncated.exit_code, 1);
  EXPECT_SAYS(truncated.err, "best.safetensors");
  fs::remove(damaged / "weights/best.safetensors");
  EXPECT_SAYS(run({"eval", "damaged"}).err, "has not finished an epoch");
  EXPECT_EQ(run({"eval", "damaged", "--last"}).exit_code, 0);
}

}  // namespace
}  // namespace narae::cli
