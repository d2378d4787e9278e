// Every task of sequences from its recipe to its last file, and back from a checkpoint.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/text/tokenizer.h"
#include "narae/train/evaluate.h"
#include "narae/train/generate.h"
#include "narae/train/recipe.h"
#include "narae/train/table.h"
#include "narae/train/task_data.h"
#include "narae/train/trained_model.h"
#include "narae/train/trainer.h"
#include "tests/cli/command.h"
#include "tests/train/runs_for_tests.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using cli::read_whole;
using cli::temporary_folder;
using cli::write_whole;

const std::string fable = [] {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "the fox saw the grapes and the grapes saw the fox\n";
  return text;
}();

// A language model of some 2,000 characters: 4 streams, 20 windows of 23 characters.
Recipe fable_recipe(const fs::path& folder, std::vector<std::string> overrides = {}) {
  write_whole(folder / "fable.txt", fable);
  Recipe recipe = parse_recipe(R"(
name = "fable"
task = "language_model"
[model]
name = "rnn-lm"
embedding = 8
hidden = 16
layers = 2
dropout = 0.2
[data]
steps = 23
[train]
epochs = 2
batch_size = 4
optimizer = { name = "adam", lr = 0.01 }
clip_norm = 1.0
)",
                               "fable.toml");
  overrides.push_back("data.name=" + (folder / "fable.txt").string());
  apply_overrides(recipe, overrides);
  return recipe;
}

TEST(TrainSequences, ALanguageModelLearnsGeneratesAndKeepsItsVocabulary) {
  const fs::path folder = temporary_folder();
  const TrainResult result = train(fable_recipe(folder, {"train.epochs=15", "model.dropout=0"}), quiet(folder));
  EXPECT_LT(result.last.loss, 0.5) << "the text repeats itself";
  const Table results = read_table(result.run / "results.csv");
  EXPECT_NEAR(results.number(0, "val_perplexity"), std::exp(results.number(0, "val_loss")), 1e-9);
  EXPECT_FALSE(fs::exists(result.run / "confusion.png"));
  EXPECT_NE(headline(result).find("perplexity"), std::string::npos);

  const TrainedModel model = load_trained(result.run);
  ASSERT_TRUE(model.tokenizer);
  EXPECT_EQ(model.tokenizer->vocabulary.size(), model.config.model.vocabulary);
  TextGenerator generator(model, {.text = "the fox"}, {.temperature = 0});
  std::string text;
  for (int i = 0; i < 12; ++i) text += generator.next().value();
  EXPECT_EQ(text, " saw the gra");
  // Read in one piece or token by token, a prompt leads to the same.
  TextGenerator letters(model, {.text = "the fox saw"}, {.temperature = 0});
  EXPECT_EQ(letters.next().value(), " ");
  EXPECT_EQ(letters.next().value(), "t");
  const std::string message = refusal([&] { TextGenerator(model, {.text = "q"}, {}); });
  EXPECT_NE(message.find("'q' is not among its 16 tokens"), std::string::npos) << message;
}

TEST(TrainSequences, ALanguageModelGoesOnFromTheMiddleOfAnEpochToTheSameBits) {
  const std::vector<std::vector<std::string>> variants = {
      {},
      {"train.accumulate=3", "train.ema=0.9"},
      {"model.tied=true", "model.embedding=16", "train.ema=0.9"},
      {"model.cell=gru", "model.variational=true"},
  };
  for (const std::vector<std::string>& overrides : variants) {
    SCOPED_TRACE(overrides.empty() ? "plain" : overrides.front());
    const fs::path folder = temporary_folder();
    const TrainResult whole = train(fable_recipe(folder, overrides), quiet(folder / "whole"));
    ASSERT_GE(whole.steps, 12);
    int asked = 0;
    TrainOptions options = quiet(folder / "parts");
    options.interrupted = [&] { return ++asked >= 5; };
    const TrainResult part = train(fable_recipe(folder, overrides), options);
    ASSERT_TRUE(part.interrupted);
    ASSERT_NE(part.steps % (whole.steps / 2), 0) << "in the middle of an epoch";
    bool carried = false;
    for (const auto& entry : fs::recursive_directory_iterator(part.run / "checkpoints")) {
      carried = carried || entry.path().filename() == "carried.safetensors";
    }
    EXPECT_TRUE(carried);
    TrainOptions resume = quiet(folder / "parts");
    resume.resume = part.run;
    EXPECT_EQ(train(fable_recipe(folder, overrides), resume).weights, whole.weights);
  }
}

TEST(TrainSequences, WhatIsCarriedOnIsComputedOnce) {
  // However many batches: the same plans, and nothing is computed from the text's beginning again.
  const fs::path folder = temporary_folder();
  for (const char* frozen : {"", "train.freeze=encoder,rnn"}) {
    std::vector<std::string> overrides = {"data.steps=2", "train.epochs=1"};
    if (*frozen != '\0') overrides.emplace_back(frozen);
    const auto before = engine_counts();
    const TrainResult result = train(fable_recipe(folder, overrides), quiet(folder));
    EXPECT_GT(result.steps, 60);
    EXPECT_LE(engine_counts().plans_built - before.plans_built, 14) << frozen;
  }
}

TEST(TrainSequences, CarriesTheStateFromBatchToBatch) {
  // With a window of one character, what came before is known through the carried state alone: within "the fox saw the
  // grapes", what follows "the " can't be guessed from it better than half of the time.
  const fs::path folder = temporary_folder();
  const TrainResult result =
      train(fable_recipe(folder, {"data.steps=2", "train.epochs=12", "model.dropout=0", "train.batch_size=2"}),
            quiet(folder));
  EXPECT_LT(result.last.loss, 1.1) << "letters alone leave more than 1.2 nats";
}

TEST(TrainSequences, AnotherVocabularyIsRefusedWhenARunGoesOn) {
  const fs::path folder = temporary_folder();
  const TrainResult result = train(fable_recipe(folder), quiet(folder));
  write_whole(folder / "other.txt", fable + "zebra");
  Recipe recipe = fable_recipe(folder, {"train.epochs=3"});
  recipe.data.name = (folder / "other.txt").string();
  TrainOptions resume = quiet(folder);
  resume.resume = result.run;
  const std::string message = refusal([&] { (void)train(recipe, resume); });
  EXPECT_NE(message.find("has another vocabulary than dataset"), std::string::npos) << message;
}

TEST(TrainSequences, AnotherRunsVocabularyCanBeTaken) {
  const fs::path folder = temporary_folder();
  const TrainResult first = train(fable_recipe(folder), quiet(folder));
  write_whole(folder / "short.txt", "the fox and the grapes and the fox and the grapes\nfox\n");
  Recipe recipe = fable_recipe(
      folder, {"train.batch_size=1", "data.steps=8", "data.vocabulary=" + (first.run / "vocabulary.json").string(),
               "train.weights=" + (first.run / "weights/best.safetensors").string()});
  recipe.data.name = (folder / "short.txt").string();
  const TrainResult second = train(recipe, quiet(folder / "second"));
  EXPECT_EQ(text::load_tokenizer(first.run / "vocabulary.json"), text::load_tokenizer(second.run / "vocabulary.json"));
}

TEST(TrainSequences, ATextCanBeAskedForByItsClass) {
  const fs::path folder = temporary_folder();
  fs::create_directories(folder / "animals");
  std::string cats;
  std::string dogs;
  for (int i = 0; i < 30; ++i) cats += "meow\nmeeow\n", dogs += "woof\nwooof\n";
  write_whole(folder / "animals/cat.txt", cats);
  write_whole(folder / "animals/dog.txt", dogs);
  Recipe recipe = fable_recipe(folder, {"train.epochs=20", "model.dropout=0"});
  recipe.data.name = (folder / "animals").string();
  const TrainResult result = train(recipe, quiet(folder));
  const TrainedModel model = load_trained(result.run);
  const auto sound_of = [&](const std::string& name) {
    TextGenerator generator(model, {.of_class = name}, {.temperature = 0});
    std::string text;
    for (auto piece = generator.next(); piece && text.size() < 20; piece = generator.next()) text += *piece;
    return text;
  };
  EXPECT_TRUE(sound_of("cat").starts_with("me")) << sound_of("cat");
  EXPECT_TRUE(sound_of("dog").starts_with("wo")) << sound_of("dog");
  EXPECT_LT(sound_of("dog").size(), 8U) << "<eos> ends it";
  const std::string message = refusal([&] { (void)sound_of("dig"); });
  EXPECT_NE(message.find("did you mean 'dog'?"), std::string::npos) << message;
}

TEST(TrainSequences, WordsAreSetApartByOneBlank) {
  const fs::path folder = temporary_folder();
  const TrainedModel model = load_trained(train(fable_recipe(folder, {"data.tokens=blanks"}), quiet(folder)).run);
  for (const char* prompt : {"the fox", "the fox ", "the fox\n"}) {
    TextGenerator generator(model, {.text = prompt}, {.temperature = 0});
    const std::string first = generator.next().value();
    const bool set_apart = std::string(prompt).back() == 'x' && first != "\n";
    EXPECT_EQ(first.starts_with(' '), set_apart) << "'" << prompt << "' is followed by '" << first << "'";
  }
}

TEST(TrainSequences, ACutTextOfAClassHasNoEnd) {
  const fs::path folder = temporary_folder();
  fs::create_directories(folder / "animals");
  write_whole(folder / "animals/cat.txt", "meow\nmeow\nmeow\n");
  write_whole(folder / "animals/dog.txt", "wow\nwow\nwow\n");
  Recipe recipe = fable_recipe(folder, {"data.max_length=3", "data.test_fraction=0.3"});
  recipe.data.name = (folder / "animals").string();
  const TaskData data = open_task_data(recipe);
  const auto end = data.tokenizer->vocabulary.find(text::Special::end);
  Loader loader = training_loader(recipe, data.train);
  std::int64_t ends = 0;
  std::int64_t counted = 0;
  for (const Batch& batch : loader) {
    for (const std::int64_t label : batch.label.values<std::int64_t>()) {
      ends += label == end ? 1 : 0;
      counted += label >= 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(data.train.size(), 4);
  EXPECT_EQ(ends, 2) << "of the dogs";
  EXPECT_EQ(counted, 2 * 3 + 2 * 4);
  ASSERT_FALSE(data.remarks.empty());
  EXPECT_NE(data.remarks[0].find("2 of 4 train texts are longer than data.max_length"), std::string::npos)
      << data.remarks[0];
}

TEST(TrainSequences, ALimitTakesTextsOfEveryClass) {
  const fs::path folder = temporary_folder();
  fs::create_directories(folder / "opinions");
  std::string good;
  std::string bad;
  for (int i = 0; i < 40; ++i) good += "so good\n", bad += "so bad\n";
  write_whole(folder / "opinions/bad.txt", bad);
  write_whole(folder / "opinions/good.txt", good);
  Recipe recipe = parse_recipe("task = \"classify_text\"\n[model]\nname = \"text-cnn\"\n", "opinions.toml");
  apply_overrides(recipe, std::vector<std::string>{"data.name=" + (folder / "opinions").string(),
                                                   "data.val_fraction=0.2", "data.limit_train=10", "data.limit_val=4"});
  const TaskData data = open_task_data(recipe);
  EXPECT_EQ(data.train.size(), 10);
  EXPECT_EQ(data.judged.size(), 4);
  for (const Dataset* part : {&data.train, &data.judged}) {
    std::int64_t second = 0;
    for (std::int64_t i = 0; i < part->size(); ++i) {
      second += (*part->labels)[static_cast<std::size_t>(part->stored_index(i))];
    }
    EXPECT_GT(second, 0);
    EXPECT_LT(second, part->size());
  }
}

TEST(TrainSequences, NetworksTogetherSeeWhereTextsEnd) {
  const fs::path folder = temporary_folder();
  const Recipe recipe = parse_recipe(R"(
task = "classify_text"
[model]
name = "rnn-classifier"
hidden = 8
embedding = 8
[data]
name = "synth:names?train=200&test=60"
[train]
epochs = 2
batch_size = 20
optimizer = { name = "adam", lr = 0.01 }
)",
                                     "names.toml");
  const TrainedModel model = load_trained(train(recipe, quiet(folder)).run);
  const Dataset dataset = open_split(recipe, Split::test, model.config.model.input, &*model.tokenizer);
  const auto loader = [&] { return evaluation_loader(model.config, dataset, 0); };
  Loader alone = loader();
  std::vector<Loader> both{};
  both.push_back(loader());
  both.push_back(loader());
  const std::vector<Member> members = {{model.network.get(), both.data()}, {model.network.get(), &both[1]}};
  const Evaluation one = evaluate(*model.network, alone, recipe);
  const Evaluation two = evaluate(members);
  EXPECT_NEAR(one.scores.loss, two.scores.loss, 1e-5) << "a network and itself";
  EXPECT_EQ(one.scores.accuracy, two.scores.accuracy);

  const auto shorter = [&] {
    Recipe cut = recipe;
    apply_override(cut, "data.max_length=2");
    return open_split(cut, Split::test, model.config.model.input, &*model.tokenizer);
  };
  Loader whole = loader();
  Loader other = evaluation_loader(model.config, shorter(), 0);
  const std::vector<Member> apart = {{model.network.get(), &whole}, {model.network.get(), &other}};
  EXPECT_NE(refusal([&] { (void)evaluate(apart); }).find("not given the same samples"), std::string::npos);
}

// A recipe of a task on its generated data, small enough for a test.
struct SmallTask {
  const char* task;
  const char* model;
  std::string data;
};

TEST(TrainSequences, EveryTaskRunsOnGeneratedDataWithEveryCell) {
  const std::vector<SmallTask> tasks = {{"classify_text", "rnn-classifier", "synth:sentiment?train=60&test=20"},
                                        {"classify_text", "text-cnn", "synth:names?train=60&test=20"},
                                        {"tag", "rnn-tagger", "synth:tags?train=40&test=20"},
                                        {"regress", "rnn-regressor", "synth:adding?length=10&train=60&test=20"},
                                        {"forecast", "rnn-regressor", "synth:series?rows=300"},
                                        {"language_model", "rnn-lm", "synth:text?characters=4000"}};
  const fs::path folder = temporary_folder();
  for (const SmallTask& small : tasks) {
    for (const char* cell : {"rnn", "relu-rnn", "lstm", "gru", "gru-before"}) {
      SCOPED_TRACE(std::string(small.task) + " " + small.model + " " + cell);
      Recipe recipe = parse_recipe("task = \"" + std::string(small.task) + "\"\n[model]\nname = \"" + small.model +
                                       "\"\n[data]\nname = \"" + small.data +
                                       "\"\n[train]\nepochs = 1\nbatch_size = 16\noptimizer = { name = \"adam\", lr = "
                                       "0.001 }\n",
                                   "small.toml");
      const bool recurrent = std::string(small.model) != "text-cnn";
      if (recurrent) apply_override(recipe, std::string("model.cell=") + cell);
      const TrainResult result = train(recipe, quiet(folder));
      EXPECT_TRUE(std::isfinite(result.last.loss));
      EXPECT_TRUE(fs::exists(result.run / "curves.svg"));
      EXPECT_EQ(fs::exists(result.run / "forecast.svg"), std::string(small.task) == "forecast");
      EXPECT_EQ(fs::exists(result.run / "vocabulary.json"),
                std::string(small.task) != "forecast" && std::string(small.task) != "regress");
      if (!recurrent) break;
    }
  }
}

TEST(TrainSequences, TextsOfAnyLengthUseFewPlans) {
  // Lengths differ from batch to batch, shapes only from bucket to bucket.
  const fs::path folder = temporary_folder();
  Recipe recipe = parse_recipe(R"(
task = "classify_text"
[model]
name = "rnn-classifier"
hidden = 8
embedding = 8
[data]
name = "synth:names?train=400&test=40"
[train]
epochs = 1
batch_size = 10
)",
                               "names.toml");
  (void)train(recipe, quiet(folder));
  const auto before = engine_counts().plans_built;
  apply_override(recipe, "train.epochs=3");
  (void)train(recipe, quiet(folder));
  EXPECT_LE(engine_counts().plans_built - before, 12);
}

TEST(TrainSequences, AForecastIsReportedBesideTheSimplestOnes) {
  const fs::path folder = temporary_folder();
  Recipe recipe = parse_recipe(R"(
task = "forecast"
[model]
name = "rnn-regressor"
hidden = 8
residual = "season"
season = 24
[data]
name = "synth:series?rows=400"
window = 24
horizon = 12
season = 24
[train]
epochs = 2
batch_size = 16
optimizer = { name = "adam", lr = 0.001 }
)",
                               "series.toml");
  const TrainResult result = train(recipe, quiet(folder));
  const std::string summary = read_whole(result.run / "summary.txt");
  for (const char* part : {"network  ", "naive  ", "seasonal naive"}) {
    EXPECT_NE(summary.find(part), std::string::npos) << part;
  }
  const Table table = read_table(result.run / "forecast.csv");
  EXPECT_GT(table.rows.size(), 11U);
  EXPECT_EQ(table.number(1, "row"), table.number(0, "row") + 1);
}

}  // namespace
}  // namespace narae
