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

TEST_F(TrainedRun, EvalTellsHowEachClassFares) {
  const CommandResult result = run({"eval", "softmax/run"});
  for (const char* part : {"top 5 ", "\nclass  precision  recall", "F1", "support", "\nmean "}) {
    EXPECT_SAYS(result.out, part);
  }
  const Json json = Json::parse(run({"eval", "softmax/run", "--json"}).out);
  ASSERT_EQ(json["classes"].size(), 10U);
  double recall = 0;
  std::int64_t support = 0;
  for (const Json& c : json["classes"]) {
    EXPECT_EQ(c["recall"], json["recall"][c["class"].get<std::string>()]);
    const double precision = c["precision"];
    const double own_recall = c["recall"];
    EXPECT_NEAR(c["f1"].get<double>(), 2 * precision * own_recall / (precision + own_recall), 1e-12);
    recall += own_recall * c["support"].get<double>();
    support += c["support"].get<std::int64_t>();
  }
  EXPECT_EQ(support, 100);
  EXPECT_NEAR(recall / 100, json["accuracy"].get<double>(), 1e-12);
  EXPECT_EQ(json["mean"]["support"], 100);
  EXPECT_GE(json["top5"], json["accuracy"]);
}

TEST_F(TrainedRun, EvalCountsTheKLikeliest) {
  const auto top = [&](const std::string& k) {
    return Json::parse(run({"eval", "softmax/run", "--top", k, "--json"}).out)["top" + k].get<double>();
  };
  EXPECT_EQ(top("1"), Json::parse(run({"eval", "softmax/run", "--json"}).out)["accuracy"].get<double>());
  EXPECT_GE(top("3"), top("1"));
  EXPECT_EQ(top("10"), 1);
  EXPECT_SAYS(run({"eval", "softmax/run", "--top", "3"}).out, "  top 3 ");
  EXPECT_EQ(run({"eval", "mlp/run"}).out.find("top"), std::string::npos) << "there are two classes only";
  const CommandResult many = run({"eval", "mlp/run", "--top", "3"});
  EXPECT_EQ(many.exit_code, 2);
  EXPECT_SAYS(many.err, "the top 3 of 2 classes");
  EXPECT_EQ(run({"eval", "mlp/run", "--top", "0"}).exit_code, 2);
}

TEST_F(TrainedRun, EvalDrawsTheConfusionMatrix) {
  EXPECT_EQ(run({"eval", "softmax/run", "--save", "confusion.png"}).exit_code, 0);
  const Array drawn = read_png(folder() / "confusion.png");
  EXPECT_EQ(drawn.shape[0], 3);
  EXPECT_GT(drawn.shape[1], 200);
  const CommandResult bad = run({"eval", "softmax/run", "--save", "confusion.svg"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_SAYS(bad.err, "must end in .png");
}

TEST_F(TrainedRun, EvalAveragesTheProbabilitiesOfSeveralRuns) {
  const auto train = [&](const std::string& recipe, const std::string& seed) {
    const CommandResult result = run({"train", recipe, "--data", "synth:digits?train=400&test=100", "--epochs", "2",
                                      "--quiet", "--name", "member", "--seed", seed, "--val-fraction", "0.25"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  };
  train("mlp", "1");
  const auto json_of = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "eval");
    arguments.emplace_back("--json");
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  };
  const Json one = json_of({"softmax/run"});
  const Json other = json_of({"mlp/member"});
  const Json both = json_of({"softmax/run", "mlp/member"});
  ASSERT_EQ(both["runs"].size(), 2U);
  EXPECT_EQ(both["runs"][0]["hash"], one["hash"]);
  EXPECT_EQ(both["runs"][1]["hash"], other["hash"]);
  EXPECT_EQ(both["samples"], 100);
  // -log of a mean is at most the mean of -log (Jensen).
  EXPECT_LE(both["loss"].get<double>(), (one["loss"].get<double>() + other["loss"].get<double>()) / 2 + 1e-6);
  // Two equal runs are that run.
  fs::copy(folder() / "runs/softmax/run", folder() / "runs/softmax/copy", fs::copy_options::recursive);
  const Json twice = json_of({"softmax/run", "softmax/copy"});
  EXPECT_EQ(twice["accuracy"], one["accuracy"]);
  EXPECT_NEAR(twice["loss"].get<double>(), one["loss"].get<double>(), 1e-6);
  EXPECT_SAYS(run({"eval", "softmax/run", "mlp/member"}).out, "runs/softmax/run + runs/mlp/member  accuracy ");

  const CommandResult classes = run({"eval", "softmax/run", "mlp/run", "--data", "synth:digits"});
  EXPECT_EQ(classes.exit_code, 2);
  EXPECT_SAYS(classes.err, "don't tell the same classes apart: 10 (first 0) and 2");
  const CommandResult unfit = run({"eval", "softmax/run", "mlp/member", "--split", "train"});
  EXPECT_EQ(unfit.exit_code, 2) << "one set a quarter of them aside";
  EXPECT_SAYS(unfit.err, "different validation samples");
  EXPECT_EQ(run({"train", "softmax", "--data", "synth:digits?train=200&test=100", "--epochs", "1", "--quiet", "--name",
                 "other"})
                .exit_code,
            0);
  const CommandResult data = run({"eval", "softmax/run", "softmax/other"});
  EXPECT_EQ(data.exit_code, 2);
  EXPECT_SAYS(data.err, "choose one with --data");
  EXPECT_EQ(run({"eval", "softmax/run", "softmax/other", "--data", "synth:digits?test=50"}).exit_code, 0);
}

TEST_F(TrainedRun, EvalExplainsMistakes) {
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> mistakes = {
      {{"eval"}, 2, "run is required"},
      {{"eval", "runs/softmax/rnu"}, 2, "run"},
      {{"eval", "softmax/run", "./runs/softmax/run"}, 2, "is given twice"},
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
