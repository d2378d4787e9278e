// Translators from the command line.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "narae/core/files.h"
#include "narae/data/image.h"
#include "narae/io/npy.h"
#include "tests/cli/train_command.h"

namespace narae::cli {
namespace {

using Json = nlohmann::json;

class TranslateCommand : public TrainCommand {
 protected:
  CommandResult run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return run_command(arguments, {.folder = folder_, .input = input});
  }
  void train_copier() {
    const CommandResult result = train({"transformer-copy", "--data", "synth:copy?train=1200&test=40&length=4",
                                        "--batch-size", "20", "--epochs", "20", "model.width=32", "model.layers=1",
                                        "model.heads=2", "--lr", "0.005", "train.schedule.warmup_steps=30"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE((result.out + result.err).find("test samples, greedy: exact "), std::string::npos) << result.out;
  }
  const std::string model_ = "runs/transformer-copy/run";
};

TEST_F(TranslateCommand, PredictAnswersTexts) {
  train_copier();
  EXPECT_EQ(run({"predict", model_, "dcba", "wxyz"}).out, "dcba\nwxyz\n");
  EXPECT_EQ(run({"predict", model_, "-", "--beams", "3"}, "dcba\n\nwxyz\n").out, "dcba\n\nwxyz\n") << "line by line";
  EXPECT_EQ(run({"predict", model_, "dcba", "--beams", "3", "--length-penalty", "0.5", "--last"}).out, "dcba\n");
  const Json json = Json::parse(run({"predict", model_, "dcba", "--json"}).out);
  EXPECT_EQ(json[0]["input"], "dcba");
  EXPECT_EQ(json[0]["answer"], "dcba");
  EXPECT_EQ(run({"predict", model_, "dcba", "--save", "x.png"}).exit_code, 2);
  EXPECT_EQ(run({"predict", model_, "dcba", "--beams", "0"}).exit_code, 2);
  EXPECT_EQ(run({"predict", model_, "dcba", "--length-penalty", "2"}).exit_code, 2) << "without beams";
  EXPECT_EQ(run({"predict", model_, "dcba", "--beams", "1", "--length-penalty", "2"}).exit_code, 2);
  const CommandResult generate = run({"generate", model_});
  EXPECT_EQ(generate.exit_code, 1);
  EXPECT_NE(generate.err.find("no language model"), std::string::npos) << generate.err;
}

TEST_F(TranslateCommand, EvalTellsBleuAndExactAnswers) {
  train_copier();
  const CommandResult text = run({"eval", model_, "--save", "answers.tsv", "--beams", "2"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("perplexity"), std::string::npos);
  EXPECT_NE(text.out.find(" % of 40"), std::string::npos) << text.out;
  EXPECT_TRUE(has("answers.tsv"));
  const Json json = Json::parse(run({"eval", model_, "--json", "--split", "validation"}).out)["translation"];
  EXPECT_EQ(json["samples"], 40);
  EXPECT_GT(json["exact"].get<double>(), 0.5);
  EXPECT_TRUE(json["bleu"].is_null()) << "no answer has four words";
  EXPECT_EQ(run({"eval", model_, "--save", "answers.png"}).exit_code, 2);
  const CommandResult numbers = run({"eval", model_, "--data", "synth:numbers?train=10&test=5"});
  EXPECT_EQ(numbers.exit_code, 0) << numbers.err;
}

TEST_F(TranslateCommand, AttentionIsDrawn) {
  train_copier();
  const CommandResult all = run({"inspect", "attention", model_, "--text", "dcba", "--json"});
  ASSERT_EQ(all.exit_code, 0) << all.err;
  const Json json = Json::parse(all.out);
  EXPECT_EQ(json["tokens"], (Json{"d", "c", "b", "a", "<eos>"}));
  EXPECT_EQ(json["answer"], (Json{"<bos>", "d", "c", "b", "a"}));
  EXPECT_EQ(json["layers"].size(), 3U) << "of the encoder, of the decoder, and from one to the other";
  const auto numbers = read_npz(folder_ / "attention.npz");
  EXPECT_EQ(numbers.at("tokens").shape, (Shape{1, 5}));
  const Array& crossed = numbers.at("transformer.decoder.layers.0.multihead_attn");
  EXPECT_EQ(crossed.shape, (Shape{1, 2, 5, 5}));
  const Array whole = read_png(folder_ / "attention.png");
  const CommandResult one = run({"inspect", "attention", model_, "--text", "dcba", "--answer", "ab", "--layer",
                                 "multihead_attn", "--head", "1", "--save", "one.png", "--last"});
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_NE(one.out.find("1 maps of 1 layers"), std::string::npos) << one.out;
  EXPECT_EQ(read_npz(folder_ / "one.npz").at("transformer.decoder.layers.0.multihead_attn").shape, (Shape{1, 2, 3, 5}));
  EXPECT_LT(read_png(folder_ / "one.png").shape[1], whole.shape[1]);
}

TEST_F(TranslateCommand, AttentionSaysWhatIsNotThere) {
  train_copier();
  const auto error = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"inspect", "attention", model_});
    const CommandResult result = run(flags);
    EXPECT_EQ(result.exit_code, 2) << result.out;
    return result.err;
  };
  const auto says = [&](const std::vector<std::string>& flags, const std::string& part) {
    const std::string text = error(flags);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  says({"--text", "ab", "--layer", "nowhere"}, "there are transformer.encoder.layers.0.self_attn");
  says({"--text", "ab", "--head", "2"}, "has heads 0 to 1");
  says({"--text", "ab", "--save", "x.svg"}, "must end in .png");
  says({"--text", std::string(600, 'a')}, "--text: 601 tokens; at most 512");
  says({"--text", "ab", "--answer", std::string(600, 'a')}, "--answer: 601 tokens");
}

TEST_F(TranslateCommand, OthersHaveNothingToSearchFor) {
  ASSERT_EQ(train_points({}).exit_code, 0);
  EXPECT_EQ(run({"predict", "mlp/run", "0.5,1", "--beams", "2"}).exit_code, 2);
  EXPECT_EQ(run({"eval", "mlp/run", "--beams", "2"}).exit_code, 2);
}

TEST_F(TranslateCommand, PairsAreShown) {
  const CommandResult shown = run({"datasets", "show", "synth:numbers"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_NE(shown.out.find(" -> "), std::string::npos);
  const Json json = Json::parse(run({"datasets", "show", "synth:add", "--json"}).out);
  EXPECT_EQ(json["kind"], "pairs");
  EXPECT_EQ(json["samples"]["train"], 50000);
  EXPECT_EQ(json["first"].size(), 5U);
}

TEST_F(TranslateCommand, SidesAreChosenByName) {
  std::filesystem::create_directory(folder_ / "pairs");
  const std::string english = "one two three four\n";
  const std::string german = "eins zwei drei vier\n";
  for (const auto& [name, content] : {std::pair{"train.en", english + english},
                                      {"train.de", german + german},
                                      {"val.en", english},
                                      {"val.de", german},
                                      {"test.en", english},
                                      {"test.de", german}}) {
    write_whole(folder_ / "pairs" / name, content);
  }
  const std::vector<std::string> base = {"transformer-copy", "--data",        "pairs",         "--epochs", "1",
                                         "model.width=8",    "model.heads=2", "data.source=de"};
  const CommandResult result = train(base);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string table = read_text(folder_ / "runs/transformer-copy/run/translations.tsv");
  EXPECT_NE(table.find("eins zwei drei vier\tone two three four\t"), std::string::npos) << table;
  const Json json = Json::parse(run({"eval", "transformer-copy/run", "--json"}).out)["translation"];
  EXPECT_TRUE(json["bleu"].is_number()) << "references have four words";
  std::vector<std::string> wrong = base;
  wrong.back() = "data.source=dd";
  const CommandResult refused = train(wrong);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("did you mean 'de'"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace narae::cli
