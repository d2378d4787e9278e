// Turning texts into others: from pairs to answers, bits after a break, what is told about a run.
#include "narae/train/translation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "narae/core/files.h"
#include "narae/train/generate.h"
#include "narae/train/recipe.h"
#include "narae/train/task_data.h"
#include "narae/train/trainer.h"
#include "tests/cli/command.h"
#include "tests/train/runs_for_tests.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::temporary_folder;
using Texts = std::vector<std::string>;

Recipe letters_recipe(std::vector<std::string> overrides = {}) {
  Recipe recipe = parse_recipe(R"(
name = "letters"
task = "translate"
[model]
name = "transformer"
width = 32
layers = 1
heads = 2
dropout = 0.0
[data]
name = "synth:copy?train=1200&test=40&length=4"
[train]
epochs = 8
batch_size = 20
optimizer = { name = "adamw", lr = 0.005, weight_decay = 0.01 }
schedule = { name = "inverse_sqrt", warmup_steps = 30 }
clip_norm = 1.0
)",
                               "letters.toml");
  apply_overrides(recipe, overrides);
  return recipe;
}

TEST(TrainTranslation, LearnsToCopy) {
  const fs::path folder = temporary_folder();
  const TrainResult result = train(letters_recipe(), quiet(folder));
  EXPECT_LT(result.last.loss, 0.1);
  const TrainedModel model = load_trained(result.run);
  const nn::EncoderDecoder& network = translator_of(model);
  const Texts sources = {"dcba", "ab", "zz", "q", "wxyz"};
  const Texts answers = translate(network, *model.tokenizer, sources);
  EXPECT_EQ(answers[0], "dcba");
  EXPECT_EQ(answers[1], "ab");
  EXPECT_EQ(answers[4], "wxyz");
  EXPECT_EQ(translate(network, *model.tokenizer, sources, {.beams = 3})[0], "dcba");
  EXPECT_EQ(translate(network, *model.tokenizer, sources, {.max_tokens = 2})[0], "dc");
  EXPECT_TRUE(translate(network, *model.tokenizer, {}).empty());
  EXPECT_NE(refusal([&] { (void)translate(network, *model.tokenizer, sources, {.beams = 0}); }), "");
  EXPECT_NE(refusal([&] { (void)language_model_of(model); }).find("no language model"), std::string::npos);

  const std::string table = read_text(result.run / "translations.tsv");
  EXPECT_TRUE(table.starts_with("source\treference\tanswer\n"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 41);
  EXPECT_NE(read_text(result.run / "summary.txt").find("test samples, greedy: exact "), std::string::npos);
}

TEST(TrainTranslation, GoesOnFromTheMiddleOfAnEpochToTheSameBits) {
  const std::vector<std::string> overrides = {"model.dropout=0.2", "train.epochs=2", "train.label_smoothing=0.1"};
  const fs::path folder = temporary_folder();
  const TrainResult whole = train(letters_recipe(overrides), quiet(folder / "whole"));
  int asked = 0;
  TrainOptions options = quiet(folder / "parts");
  options.interrupted = [&] { return ++asked >= 12; };
  const TrainResult part = train(letters_recipe(overrides), options);
  ASSERT_TRUE(part.interrupted);
  TrainOptions rest = quiet(folder / "parts");
  rest.resume = part.run;
  EXPECT_EQ(train(resumed_recipe(part.run, {}), rest).weights, whole.weights);
}

TEST(TrainTranslation, TakesWordsAndBytePairs) {
  for (const char* tokens : {"word", "bpe"}) {
    const fs::path folder = temporary_folder();
    const std::vector<std::string> overrides = {"data.name=synth:numbers?train=200&test=10&length=3", "train.epochs=1",
                                                std::string("data.tokens=") + tokens, "data.max_vocabulary=300"};
    const TrainResult result = train(letters_recipe(overrides), quiet(folder));
    const TrainedModel model = load_trained(result.run);
    EXPECT_EQ(translate(translator_of(model), *model.tokenizer, Texts{"two hundred six"}).size(), 1U) << tokens;
  }
}

TEST(TranslationReport, CountsExactAnswers) {
  const TranslationReport letters = translation_report(Texts{"a", "b", "c"}, Texts{"a", "b", "d"});
  EXPECT_NEAR(letters.exact, 2.0 / 3, 1e-12);
  EXPECT_EQ(to_text(letters), "exact 66.67 % of 3");
  const TranslationReport words = translation_report(Texts{"ein Mann ist da."}, Texts{"ein Mann ist da."});
  EXPECT_EQ(to_text(words), "BLEU 100.00 (13a, cased, brevity penalty 1.000), exact 100.00 % of 1");
  EXPECT_THROW((void)translation_report(Texts{"a"}, Texts{}), Error);
}

// Overlapping windows in random order; a recurrent network takes nothing from one to the next.
TEST(TaskData, WindowsOfARunningTextMayOverlap) {
  Recipe recipe = load_recipe("char-lm");
  apply_overrides(recipe, std::vector<std::string>{"data.name=synth:text?characters=5000", "data.steps=32"});
  const std::int64_t once = open_task_data(recipe).train.size();
  apply_overrides(recipe, std::vector<std::string>{"data.stride=8"});
  const TaskData data = open_task_data(recipe);
  EXPECT_EQ(data.train.streams, 0);
  EXPECT_GT(data.judged.streams, 0) << "judged text is read in order";
  EXPECT_GT(data.train.size(), 3 * once);
  apply_overrides(recipe, std::vector<std::string>{"data.stride=33"});
  EXPECT_NE(refusal([&] { (void)open_task_data(recipe); }).find("data.stride = 33"), std::string::npos);
  apply_overrides(recipe, std::vector<std::string>{"data.stride=8", "data.name=synth:names"});
  EXPECT_NE(refusal([&] { (void)open_task_data(recipe); }).find("data.stride is of a running text"), std::string::npos);
}

TEST(TaskData, PairsOfTexts) {
  const TextPairs pairs = open_pair_texts(letters_recipe(), Split::validation);
  EXPECT_EQ(pairs.size(), 40);
  EXPECT_EQ(pairs.sources, pairs.targets);
  Recipe other = letters_recipe();
  other.task = "classify";
  EXPECT_NE(refusal([&] { (void)open_pair_texts(other, Split::test); }).find("no pairs of texts"), std::string::npos);
  EXPECT_NE(refusal([&] {
              (void)open_pair_texts(letters_recipe({"data.name=synth:copy?train=5&test=0"}), Split::test);
            }).find("no samples of the part 'test'"),
            std::string::npos);
}

}  // namespace
}  // namespace narae
