// narae tokenizer train, encode, decode, show; byte pairs in language models.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "narae/text/tokenizer.h"
#include "narae/text/utf8.h"
#include "tests/cli/train_command.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TokenizerCommand : public TrainCommand {
 protected:
  CommandResult run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return run_command(arguments, {.folder = folder_, .input = input});
  }
  CommandResult tokenizer(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "tokenizer");
    return run(arguments, input);
  }
  void write_text() {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "나래 is a wing, and a wing is 나래 again\n";
    write_whole(folder_ / "text.txt", text);
  }
};

TEST_F(TokenizerCommand, TrainsEncodesAndDecodes) {
  write_text();
  const CommandResult trained =
      tokenizer({"train", "text.txt", "--size", "275", "--special", "<|endoftext|>", "--save", "t"});
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_SAYS(trained.out, "t: 275 tokens, 18 merges, learned from 4500 bytes");
  for (const char* file : {"tokenizer.json", "vocab.json", "merges.txt"}) EXPECT_TRUE(has(std::string("t/") + file));

  const CommandResult encoded = tokenizer({"encode", "--tokenizer", "t", "a wing 😀", "나래<|endoftext|>"});
  EXPECT_EQ(encoded.exit_code, 0) << encoded.err;
  const std::string first = encoded.out.substr(0, encoded.out.find('\n'));
  EXPECT_TRUE(encoded.out.ends_with(" 0\n")) << encoded.out;
  EXPECT_EQ(tokenizer({"decode", "--tokenizer", "t", "-"}, first).out, "a wing 😀\n");
  EXPECT_EQ(tokenizer({"decode", "--tokenizer", "t/vocab.json", first}).out, "a wing 😀\n");
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "t/tokenizer.json", "-"}, "a wing 😀").out, first + "\n");
  EXPECT_SAYS(tokenizer({"encode", "--tokenizer", "t", "--tokens", "a wing"}).out, "a Ġ");
  EXPECT_EQ(tokenizer({"decode", "--tokenizer", "t", "0", "65"}).out, "a\n");
  EXPECT_EQ(tokenizer({"decode", "--tokenizer", "t", "0,65", "--keep-special"}).out, "<|endoftext|>a\n");
  const Json json = Json::parse(tokenizer({"encode", "--tokenizer", "t", "ab", "--json"}).out);
  EXPECT_EQ(json[0]["tokens"], (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Json::parse(tokenizer({"decode", "--tokenizer", "t", "65", "--json"}).out)["text"], "a");
  const Json shown = Json::parse(tokenizer({"show", "--tokenizer", "t", "--json"}).out);
  EXPECT_EQ(shown["tokens"], 275);
  EXPECT_EQ(shown["merges"], 18);
  EXPECT_EQ(shown["special"]["<|endoftext|>"], 0);
  EXPECT_SAYS(tokenizer({"show", "--tokenizer", "t"}).out, "bpe");
}

TEST_F(TokenizerCommand, EveryFlagOfTrainingDoesSomething) {
  write_whole(folder_ / "numbers.txt", "12345 12345 12345\nabc\n");
  ASSERT_EQ(tokenizer({"train", "numbers.txt", "--save", "gpt2"}).exit_code, 0);
  const CommandResult llama3 = tokenizer({"train", "numbers.txt", "--save", "llama3", "--pattern", "llama3"});
  EXPECT_SAYS(llama3.err, "10000 were asked for");
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "gpt2", "--tokens", "12345"}).out, "12345\n");
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "llama3", "--tokens", "12345"}).out, "123 45\n");
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "gpt2", "--tokens", "abc"}).out, "abc\n");
  ASSERT_EQ(tokenizer({"train", "numbers.txt", "--save", "twice", "--min-count", "2", "--threads", "1"}).exit_code, 0);
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "twice", "--tokens", "abc"}).out, "a b c\n");
  const Json json = Json::parse(
      tokenizer({"train", "-", "--save", "json", "--json", "--special", "<a>", "--special", "<b>"}, "xx xx").out);
  EXPECT_EQ(json["tokens"], 260);
  EXPECT_EQ(json["bytes"], 5);
}

TEST_F(TokenizerCommand, BeginsTextsAsTheFileSays) {
  write_text();
  ASSERT_EQ(tokenizer({"train", "text.txt", "--size", "260", "--special", "<s>", "--save", "t"}).exit_code, 0);
  Json json = Json::parse(read_whole(folder_ / "t/tokenizer.json"));
  json["post_processor"] = Json::parse(
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
          {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
          "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}})");
  write_whole(folder_ / "t/tokenizer.json", json.dump());
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "t", "b"}).out, "66\n");
  EXPECT_EQ(tokenizer({"encode", "--tokenizer", "t", "b", "--add-special"}).out, "0 66\n");
}

TEST_F(TokenizerCommand, RefusesWhatItCantDo) {
  write_text();
  EXPECT_EQ(run({"tokenizer"}).exit_code, 2);
  EXPECT_EQ(tokenizer({"train", "none.txt", "--save", "t"}).exit_code, 1);
  EXPECT_EQ(tokenizer({"train", "text.txt"}).exit_code, 2);
  EXPECT_EQ(tokenizer({"train", "text.txt", "--save", "t", "--size", "100"}).exit_code, 2);
  EXPECT_EQ(tokenizer({"train", "text.txt", "--save", "t", "--pattern", "gpt9"}).exit_code, 2);
  EXPECT_SAYS(tokenizer({"train", "text.txt", "--save", "t", "--size", "256", "--special", "<s>"}).err, "no room");
  EXPECT_FALSE(has("t"));
  const CommandResult missing = tokenizer({"encode", "--tokenizer", "t", "x"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_SAYS(missing.err, "no file or folder 't'");
  ASSERT_EQ(tokenizer({"train", "text.txt", "--save", "t", "--size", "260"}).exit_code, 0);
  EXPECT_SAYS(tokenizer({"encode", "--tokenizer", "t", "\xff"}).err, "UTF-8");
  EXPECT_SAYS(tokenizer({"decode", "--tokenizer", "t", "900"}).err, "no token 900");
  EXPECT_EQ(tokenizer({"decode", "--tokenizer", "t", "9x"}).exit_code, 2);
  write_whole(folder_ / "t/tokenizer.json", "{\"model\": {}}");
  const CommandResult broken = tokenizer({"show", "--tokenizer", "t"});
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_SAYS(broken.err, "tokenizer.json: not a tokenizer");
}

TEST_F(TokenizerCommand, ALanguageModelLearnsBytePairs) {
  write_text();
  const std::vector<std::string> small = {"word-lm",
                                          "--data",
                                          "text.txt",
                                          "--batch-size",
                                          "4",
                                          "--epochs",
                                          "10",
                                          "data.steps=12",
                                          "model.hidden=32",
                                          "model.layers=1",
                                          "model.embedding=16",
                                          "train.optimizer.name=adam",
                                          "--lr",
                                          "0.02",
                                          "data.tokens=bpe",
                                          "data.max_vocabulary=265"};
  const CommandResult trained = train(small);
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const std::string model = "runs/word-lm/run";
  EXPECT_TRUE(has(model + "/tokenizer.json"));
  EXPECT_FALSE(has(model + "/vocabulary.json"));
  EXPECT_SAYS(run({"eval", model}).out, "perplexity ");
  EXPECT_SAYS(tokenizer({"show", "--tokenizer", model}).out, "265");
  const CommandResult greedy =
      run({"generate", model, "--prompt", "나래 is a", "--max-tokens", "12", "--temperature", "0"});
  EXPECT_TRUE(greedy.out.starts_with("나래 is a wing")) << greedy.out << greedy.err;
  // Whatever is drawn, and wherever it ends, is valid UTF-8.
  const CommandResult wild = run({"generate", model, "--max-tokens", "300", "--temperature", "30"});
  EXPECT_EQ(wild.exit_code, 0) << wild.err;
  EXPECT_EQ(text::find_invalid_utf8(wild.out), std::string::npos);
  EXPECT_SAYS(wild.out, "\uFFFD");

  std::vector<std::string> resumed = small;
  resumed.emplace_back("--resume");
  resumed[6] = "11";
  EXPECT_EQ(train(resumed).exit_code, 0) << "the same corpus gives the same byte pairs";

  // Another run takes the same tokenizer, here from a folder as GPT-2's.
  fs::create_directories(folder_ / "gpt");
  ASSERT_EQ(tokenizer({"train", "text.txt", "--size", "270", "--save", "gpt"}).exit_code, 0);
  fs::remove(folder_ / "gpt/tokenizer.json");
  std::vector<std::string> other = small;
  other.insert(other.end(), {"--name", "other", "data.vocabulary=gpt"});
  ASSERT_EQ(train(other).exit_code, 0);
  EXPECT_EQ(text::load_tokenizer(folder_ / "runs/word-lm/other"), text::load_tokenizer(folder_ / "gpt"));
  std::vector<std::string> large = small;
  large.back() = "data.max_vocabulary=900";
  large[6] = "1";
  large.insert(large.end(), {"--name", "large"});
  ASSERT_EQ(train(large).exit_code, 0);
  EXPECT_SAYS(read_whole(folder_ / "runs/word-lm/large/log.txt"), "byte pairs instead of 900");
  std::vector<std::string> lower = small;
  lower.emplace_back("data.lowercase=true");
  EXPECT_EQ(train(lower).exit_code, 2);
}

TEST_F(TokenizerCommand, TextsOfClassesMayBeBytePairs) {
  const CommandResult names = train({"names-lm", "--epochs", "1", "data.tokens=bpe", "data.max_vocabulary=300",
                                     "--limit-train", "60", "--limit-val", "20"});
  ASSERT_EQ(names.exit_code, 0) << names.err;
  const CommandResult drawn = run({"generate", "runs/names-lm/run", "--max-tokens", "5", "--class", "none"});
  EXPECT_EQ(drawn.exit_code, 2);
  EXPECT_SAYS(drawn.err, "knows no class 'none'");
  EXPECT_EQ(run({"generate", "runs/names-lm/run", "--max-tokens", "5"}).exit_code, 0);
  const CommandResult films =
      train({"text-cnn", "--data", "synth:sentiment?train=200&test=50", "--epochs", "1", "model.filters=8",
             "model.embedding=8", "data.tokens=bpe", "data.lowercase=false"});
  ASSERT_EQ(films.exit_code, 0) << films.err;
  EXPECT_EQ(run({"predict", "runs/text-cnn/run", "so bad"}).exit_code, 0);
}

}  // namespace
}  // namespace narae::cli
