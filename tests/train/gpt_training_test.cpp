// A transformer from its recipe to a text: windows without a carried state, bits after a break, generation with stops.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "narae/train/generate.h"
#include "narae/train/recipe.h"
#include "narae/train/text_score.h"
#include "narae/train/trained_model.h"
#include "narae/train/trainer.h"
#include "tests/cli/command.h"
#include "tests/train/runs_for_tests.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::temporary_folder;
using cli::write_whole;

const std::string fable = [] {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "the fox saw the grapes and the grapes saw the fox\n";
  return text;
}();

Recipe fable_recipe(const fs::path& folder, std::vector<std::string> overrides = {}) {
  write_whole(folder / "fable.txt", fable);
  Recipe recipe = parse_recipe(R"(
name = "fable"
task = "language_model"
[model]
name = "gpt"
width = 32
layers = 2
heads = 2
[data]
steps = 24
[train]
epochs = 2
batch_size = 4
optimizer = { name = "adamw", lr = 0.01, weight_decay = 0.01, decay_norms = false }
schedule = { name = "cosine", warmup_steps = 5 }
clip_norm = 1.0
)",
                               "fable.toml");
  overrides.push_back("data.name=" + (folder / "fable.txt").string());
  apply_overrides(recipe, overrides);
  return recipe;
}

TEST(TrainGpt, LearnsATextAndWritesIt) {
  for (const std::vector<std::string>& form :
       {std::vector<std::string>{}, {"model.form=llama", "model.kv_heads=1", "model.tied=false"}}) {
    SCOPED_TRACE(form.empty() ? "gpt2" : "llama");
    const fs::path folder = temporary_folder();
    std::vector<std::string> overrides = form;
    overrides.emplace_back("train.epochs=12");
    const TrainResult result = train(fable_recipe(folder, overrides), quiet(folder));
    EXPECT_LT(result.last.loss, 0.5) << "the text repeats itself";
    const TrainedModel model = load_trained(result.run);
    // Beyond the context of 24 characters.
    TextGenerator generator(model, {.text = "the fox saw"}, {.temperature = 0});
    std::string text = "the fox saw";
    while (text.size() < 100) text += generator.next().value();
    EXPECT_EQ(text, fable.substr(0, 100));
    TextGenerator searcher(model, {.text = "the fox saw"}, {});
    const auto found = searcher.search({.beams = 3, .max_tokens = 11});
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found.front().text, " the grapes");
    EXPECT_GT(found[0].score, found[1].score);
    const TextScore known = score_text(model, fable.substr(0, 400));
    const TextScore strange = score_text(model, "saw grapes fox the grapes the the saw\n");
    EXPECT_EQ(known.tokens, 399);
    EXPECT_LT(known.loss, 0.3);
    EXPECT_GT(strange.loss, 2 * known.loss);
    EXPECT_NEAR(known.bits_per_byte, known.loss * 399 / 400 / std::log(2), 1e-6);
  }
}

TEST(TrainGpt, GoesOnFromTheMiddleOfAnEpochToTheSameBits) {
  const std::vector<std::string> overrides = {"model.dropout=0.2", "train.accumulate=2"};
  const fs::path folder = temporary_folder();
  const TrainResult whole = train(fable_recipe(folder, overrides), quiet(folder / "whole"));
  int asked = 0;
  TrainOptions options = quiet(folder / "parts");
  options.interrupted = [&] { return ++asked >= 5; };
  const TrainResult part = train(fable_recipe(folder, overrides), options);
  ASSERT_TRUE(part.interrupted);
  TrainOptions resume = quiet(folder / "parts");
  resume.resume = part.run;
  EXPECT_EQ(train(fable_recipe(folder, overrides), resume).weights, whole.weights);
}

TEST(TrainGpt, TheCommandWritesUntilAStopString) {
  const fs::path folder = temporary_folder();
  const TrainResult result = train(fable_recipe(folder, {"train.epochs=12"}), quiet(folder));
  const auto run = [&](const std::vector<std::string>& arguments) {
    return cli::run_command(arguments, {.folder = folder});
  };
  const std::string path = result.run.string();
  const std::vector<std::string> greedy = {"generate",     path, "--prompt",      "the fox saw",
                                           "--max-tokens", "80", "--temperature", "0"};
  std::vector<std::string> stopped = greedy;
  stopped.insert(stopped.end(), {"--stop", "never", "--stop", "and the"});
  EXPECT_EQ(run(stopped).out, "the fox saw the grapes \n");
  EXPECT_TRUE(run(greedy).out.starts_with("the fox saw the grapes and the"));
  std::vector<std::string> fresh = greedy;
  fresh.insert(fresh.end(), {"--repetition-penalty", "1e6"});
  EXPECT_FALSE(run(fresh).out.starts_with("the fox saw the grapes")) << "no letter twice, while there are others";
  std::vector<std::string> both = greedy;
  both.insert(both.end(), {"--beams", "2"});
  EXPECT_EQ(run(both).exit_code, 2);
  EXPECT_EQ(run({"generate", path, "--beams", "2", "--num", "3"}).exit_code, 2);
  EXPECT_EQ(run({"generate", path, "--length-penalty", "2"}).exit_code, 2);
  EXPECT_EQ(run({"generate", path, "--stop", ""}).exit_code, 2);
  const std::string judged = run({"eval", path, "--text", (folder / "fable.txt").string()}).out;
  EXPECT_SAYS(judged, "bits a byte");
  EXPECT_SAYS(judged, "(2999 tokens of");
  EXPECT_EQ(run({"eval", path, "--text", "fable.txt", "--split", "test"}).exit_code, 2);
  EXPECT_SAYS(run({"eval", path, "--text", "missing.txt"}).err, "missing.txt");
}

}  // namespace
}  // namespace narae
