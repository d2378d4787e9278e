// Language models and classifiers of texts from the command line.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/train_command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TextCommand : public TrainCommand {
 protected:
  CommandResult run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return run_command(arguments, {.folder = folder_, .input = input});
  }
  // A language model of a text that repeats itself, and a classifier of the drawn-up reviews.
  void train_language_model() {
    std::string text;
    for (int i = 0; i < 60; ++i) text += "나래 is a wing\n";
    write_whole(folder_ / "text.txt", text);
    const CommandResult result =
        train({"char-lm", "--data", "text.txt", "--batch-size", "4", "--epochs", "12", "data.steps=16",
               "model.hidden=32", "model.embedding=16", "model.layers=1", "model.dropout=0", "--lr", "0.02"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
};

TEST_F(TextCommand, GenerateGoesOnWithAPrompt) {
  train_language_model();
  const std::string model = "runs/char-lm/run";
  const CommandResult greedy =
      run({"generate", model, "--prompt", "나래 i", "--max-tokens", "9", "--temperature", "0"});
  EXPECT_EQ(greedy.exit_code, 0) << greedy.err;
  EXPECT_EQ(greedy.out, "나래 is a wing\n\n");
  EXPECT_EQ(run({"generate", model, "--prompt", "-", "--max-tokens", "9", "--temperature", "0"}, "나래 i").out,
            greedy.out);

  const std::vector<std::string> drawn = {"generate", model,           "--prompt", "나",     "--max-tokens",
                                          "40",       "--temperature", "3",        "--seed", "5"};
  EXPECT_EQ(run(drawn).out, run(drawn).out) << "the same seed";
  std::vector<std::string> other = drawn;
  other.back() = "6";
  EXPECT_NE(run(drawn).out, run(other).out);
  std::vector<std::string> narrow = drawn;
  narrow.insert(narrow.end(), {"--top-k", "1"});
  EXPECT_NE(run(drawn).out, run(narrow).out);
  narrow[narrow.size() - 2] = "--top-p";
  narrow.back() = "0.01";
  EXPECT_EQ(run(narrow).out,
            run({"generate", model, "--prompt", "나", "--max-tokens", "40", "--temperature", "0"}).out);
  std::vector<std::string> last = drawn;
  last.emplace_back("--last");
  EXPECT_EQ(run(last).exit_code, 0);

  const Json json = Json::parse(
      run({"generate", model, "--prompt", "나", "--max-tokens", "3", "--num", "2", "--seed", "7", "--json"}).out);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[1]["seed"], 8);
  EXPECT_TRUE(json[0]["text"].get<std::string>().starts_with("나"));
}

TEST_F(TextCommand, GenerateRefusesWhatItCantDo) {
  train_language_model();
  const std::string model = "runs/char-lm/run";
  const CommandResult unknown = run({"generate", model, "--prompt", "Q"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_SAYS(unknown.err, "'Q' is not among its");
  EXPECT_SAYS(run({"generate", model, "--prompt", "\xff"}).err, "UTF-8");
  EXPECT_EQ(run({"generate", model, "--temperature", "-1"}).exit_code, 2);
  EXPECT_EQ(run({"generate", model, "--top-p", "2"}).exit_code, 2);
  EXPECT_EQ(run({"generate", model, "--top-k", "-2"}).exit_code, 2);
  EXPECT_EQ(run({"generate", model, "--max-tokens", "0"}).exit_code, 2);
  const CommandResult classes = run({"generate", model, "--class", "Korean"});
  EXPECT_EQ(classes.exit_code, 2);
  EXPECT_SAYS(classes.err, "texts without classes");
  EXPECT_EQ(run({"predict", model, "wing"}).exit_code, 2);
  ASSERT_EQ(train_points({}).exit_code, 0);
  EXPECT_SAYS(run({"generate", "runs/mlp/run"}).err, "is no language model");
}

TEST_F(TextCommand, EvalTellsThePerplexity) {
  train_language_model();
  const CommandResult text = run({"eval", "runs/char-lm/run"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_SAYS(text.out, "perplexity ");
  EXPECT_SAYS(text.out, " test tokens of ");
  const Json json = Json::parse(run({"eval", "runs/char-lm/run", "--json"}).out);
  EXPECT_NEAR(json["perplexity"].get<double>(), std::exp(json["loss"].get<double>()), 1e-9);
  EXPECT_EQ(run({"eval", "runs/char-lm/run", "--top", "3"}).exit_code, 2);
  EXPECT_EQ(run({"eval", "runs/char-lm/run", "--save", "a.png"}).exit_code, 2);
}

TEST_F(TextCommand, PredictReadsTextsAndFilesOfThem) {
  const CommandResult trained = train({"text-cnn", "--data", "synth:sentiment?train=400&test=50", "--epochs", "3",
                                       "model.filters=16", "model.embedding=16"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  write_whole(folder_ / "lines.txt", "the film was good\n\nthe plot was not good\n");
  const Json json = Json::parse(run({"predict", "runs/text-cnn/run", "so bad", "lines.txt", "--json"}).out);
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[1]["input"], "the film was good");
  double sum = 0;
  for (const auto& [name, probability] : json[0]["probabilities"].items()) sum += probability.get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
  const CommandResult evaluated = run({"eval", "runs/text-cnn/run"});
  EXPECT_SAYS(evaluated.out, "positive");
  write_whole(folder_ / "blank.txt", "\n  \n");
  const CommandResult nothing = run({"predict", "runs/text-cnn/run", "blank.txt"});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_SAYS(nothing.err, "there is no text in it");
  for (const char* name : {"linse.txt", "texts/lines"}) {
    const CommandResult missing = run({"predict", "runs/text-cnn/run", name});
    EXPECT_EQ(missing.exit_code, 1);
    EXPECT_SAYS(missing.err, std::string(name) + ": there is no such file");
  }
}

TEST_F(TextCommand, EvalTellsAForecastsErrorsInTheUnitsOfItsSeries) {
  std::string table = "value\n";
  for (int row = 0; row < 200; ++row) table += std::to_string(1000 + 100 * (row % 4)) + "\n";
  write_whole(folder_ / "series.csv", table);
  const CommandResult trained =
      train({"forecast", "--data", "series.csv", "--epochs", "2", "data.window=8", "data.horizon=4", "data.season=4",
             "model.season=4", "model.hidden=4", "data.val_fraction=0.2"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  for (const char* split : {"test", "validation"}) {
    const Json errors = Json::parse(run({"eval", "runs/forecast/run", "--split", split, "--json"}).out)["forecast"];
    EXPECT_EQ(errors["seasonal_naive"]["mae"], 0);
    EXPECT_GT(errors["naive"]["mae"], 100);
    EXPECT_GE(errors["network"]["rmse"], errors["network"]["mae"]);
    EXPECT_SAYS(run({"eval", "runs/forecast/run", "--split", split}).out, "seasonal naive   absolute error 0,");
  }
}

TEST_F(TextCommand, EvalRefusesTextsOfOtherClassesAndRunsOfOtherVocabularies) {
  std::string good;
  std::string bad;
  for (int i = 0; i < 20; ++i) good += "so good\n", bad += "so bad\n";
  for (const char* folder : {"opinions", "others"}) fs::create_directories(folder_ / folder);
  write_whole(folder_ / "opinions/bad.txt", bad);
  write_whole(folder_ / "opinions/good.txt", good);
  write_whole(folder_ / "others/ill.txt", bad);
  write_whole(folder_ / "others/well.txt", good + "very well\n");
  const std::vector<std::string> small = {"text-cnn",        "--epochs",          "1",
                                          "model.filters=4", "model.embedding=4", "model.heights=[1, 2]"};
  for (const char* data : {"opinions", "others"}) {
    std::vector<std::string> arguments = small;
    arguments.insert(arguments.end(), {"--data", data, "--name", data});
    const CommandResult result = train(arguments);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  EXPECT_EQ(run({"eval", "runs/text-cnn/opinions"}).exit_code, 0);
  const CommandResult other = run({"eval", "runs/text-cnn/opinions", "--data", "others"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_SAYS(other.err, "has the classes 2: ill, well, but the network tells apart 2: bad, good");

  std::vector<std::string> words = small;
  words.insert(words.end(), {"--data", "opinions", "--name", "words", "data.tokens=word"});
  ASSERT_EQ(train(words).exit_code, 0);
  const CommandResult together = run({"eval", "runs/text-cnn/opinions", "runs/text-cnn/words"});
  EXPECT_EQ(together.exit_code, 2);
  EXPECT_SAYS(together.err, "different vocabularies");
}

TEST_F(TextCommand, PlansAndSummariesSayWhatANetworkAnswersWith) {
  EXPECT_SAYS(train({"char-lm", "--dry-run"}).out, "validation samples of 44 tokens;");
  EXPECT_SAYS(train({"adding", "--dry-run"}).out, "samples of 1 number;");
  EXPECT_SAYS(train({"tagger", "--dry-run"}).out, "samples of 10 classes;");
  const std::string filters = run({"summary", "text-cnn"}).out;
  EXPECT_SAYS(filters, "convs.2");
  EXPECT_EQ(filters.find("takes no part"), std::string::npos) << filters;
}

TEST_F(TextCommand, BadTextsAreRefused) {
  write_whole(folder_ / "empty.txt", "");
  EXPECT_EQ(train({"char-lm", "--data", "empty.txt"}).exit_code, 1);
  write_whole(folder_ / "one.txt", std::string(5000, 'a'));
  const CommandResult one = train({"char-lm", "--data", "one.txt"});
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_SAYS(one.err, "one");
  write_whole(folder_ / "bytes.txt", "abc\nde\xff\xfe\n");
  EXPECT_SAYS(train({"char-lm", "--data", "bytes.txt"}).err, "bytes.txt:2");
  write_whole(folder_ / "long.txt", std::string(5000, 'a') + "b\n");
  const CommandResult length = train({"char-lm", "--data", "long.txt", "data.max_length=9"});
  EXPECT_EQ(length.exit_code, 2);
  EXPECT_SAYS(length.err, "data.max_length is of single texts");
  write_whole(folder_ / "broken.json", "{\"format\": 3}");
  EXPECT_SAYS(train({"char-lm", "data.vocabulary=broken.json"}).err, "broken.json");
  EXPECT_FALSE(has("runs"));
}

}  // namespace
}  // namespace narae::cli
