#include "narae/train/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/models/registry.h"
#include "tests/house/places.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

std::string complaint(const std::string& text) {
  try {
    static_cast<void>(parse_recipe(text, "mine.toml"));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

std::string override_complaint(Recipe recipe, const std::vector<std::string>& overrides) {
  const std::string before = to_toml(recipe);
  try {
    apply_overrides(recipe, overrides);
  } catch (const UsageError& error) {
    EXPECT_EQ(to_toml(recipe), before) << "a refused override must change nothing";
    return error.what();
  }
  return "accepted";
}

void expect_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
}

Options::value_type option(const Recipe& recipe, const std::string& name) {
  for (const auto& o : recipe.model.options)
    if (o.first == name) return o;
  return {};
}

TEST(Recipe, EverySectionIsRead) {
  const Recipe recipe = parse_recipe(R"(
description = "a line"
task = "classify"
[model]
name = "mlp"
hidden = [64, 32]
[data]
name = "synth:xor"
val_fraction = 0.25
augment = { translate = 0.1, rotate = 10 }
[train]
epochs = 3
loss = "hinge"
optimizer = { name = "adam", lr = 1e-3, beta2 = 0.99 }
[train.schedule]
name = "multi_step"
milestones = [2, 4]
)",
                                     "dir/mine.toml");
  EXPECT_EQ(recipe.name, "mine");
  EXPECT_EQ(recipe.description, "a line");
  EXPECT_EQ(recipe.model.name, "mlp");
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(option(recipe, "hidden").second), (std::vector<std::int64_t>{64, 32}));
  EXPECT_EQ(recipe.data.name, "synth:xor");
  EXPECT_EQ(recipe.data.val_fraction, 0.25);
  EXPECT_EQ(recipe.data.augment.translate, 0.1F);
  EXPECT_EQ(recipe.data.augment.rotate, 10.0F);
  EXPECT_EQ(recipe.train.epochs, 3);
  EXPECT_EQ(recipe.train.loss, "hinge");
  EXPECT_EQ(recipe.train.optimizer.beta2, 0.99);
  EXPECT_EQ(recipe.train.schedule.milestones, (std::vector<std::int64_t>{2, 4}));
}

TEST(Recipe, WhatIsNotGivenIsTheDefaultAndTheModelsOptionsAreCompleted) {
  const Recipe recipe = parse_recipe("[model]\nname = \"lenet5\"\n", "mine.toml");
  EXPECT_EQ(recipe.train.batch_size, 64);
  EXPECT_EQ(recipe.train.optimizer.name, "sgd");
  EXPECT_EQ(recipe.model.options.size(), models::model_info("lenet5").options.size());
  EXPECT_EQ(std::get<std::string>(option(recipe, "activation").second), "tanh");
}

TEST(Recipe, PrintedRecipesAreReadBackTheSame) {
  for (const BuiltinRecipe& builtin : builtin_recipes()) {
    const Recipe recipe = load_recipe(std::string(builtin.name));
    EXPECT_EQ(recipe.name, builtin.name);
    EXPECT_FALSE(recipe.description.empty()) << builtin.name;
    const std::string text = to_toml(recipe);
    EXPECT_EQ(to_toml(parse_recipe(text, "other.toml")), text);
  }
  Recipe recipe = load_recipe("mlp");
  apply_overrides(recipe, std::vector<std::string>{"name=\"quo\\\"te 한글\"", "description=\"bell \\u0007 \\\\ \"",
                                                   "data.augment.shear=0.1", "train.optimizer.lr=0.1234567890123456",
                                                   "train.seed=9223372036854775807", "train.optimizer.momentum=0"});
  const std::string text = to_toml(recipe);
  EXPECT_EQ(to_toml(parse_recipe(text, "other.toml")), text);
  expect_says(text, {"shear = 0.1\n", "lr = 0.1234567890123456\n", "seed = 9223372036854775807\n", "momentum = 0.0\n"});
}

TEST(Recipe, PrintsOnlyWhatHasAnEffect) {
  Recipe recipe = parse_recipe("[train]\noptimizer = { name = \"adam\" }\n", "mine.toml");
  EXPECT_EQ(to_toml(recipe).find("momentum"), std::string::npos);
  EXPECT_NE(to_toml(recipe).find("beta1 = 0.9"), std::string::npos);
}

TEST(Recipe, ComplaintsNameFileLineColumnKeyAndTheNearestKey) {
  expect_says(complaint("[train]\nepochs = 3\nbatchsize = 4\n"),
              {"mine.toml:3:1", "train.batchsize", "did you mean 'train.batch_size'"});
  expect_says(complaint("lr = 0.1\n"), {"mine.toml:1:1", "did you mean 'train.optimizer.lr'"});
  expect_says(complaint("activation = \"relu\"\n"), {"did you mean 'model.activation'"});
  expect_says(complaint("[model]\nname = \"lenet5\"\nactivatoin = \"relu\"\n"),
              {"mine.toml:3:1", "activatoin", "did you mean 'activation'"});
  expect_says(complaint("[model]\nname = \"lenet4\"\n"), {"mine.toml:2:1", "lenet4", "did you mean 'lenet5'"});
  expect_says(complaint("[trian]\nepochs = 3\n"), {"mine.toml:1:", "trian"});
}

TEST(Recipe, ComplaintsSayWhatIsAllowed) {
  expect_says(complaint("[train]\nepochs = 0\n"), {"mine.toml:2:1", "train.epochs must be an integer from 1 to"});
  expect_says(complaint("[train]\nepochs = 1.5\n"), {"train.epochs must be an integer"});
  expect_says(complaint("[train]\nepochs = \"ten\"\n"), {"train.epochs must be an integer"});
  expect_says(complaint("[train]\nlabel_smoothing = 1\n"), {"must be a number from 0 to below 1"});
  expect_says(complaint("[train]\noptimizer = { lr = nan }\n"), {"train.optimizer.lr must be a number of at least 0"});
  expect_says(complaint("[train]\noptimizer = { lr = inf }\n"), {"train.optimizer.lr must be a number of at least 0"});
  expect_says(complaint("[train]\noptimizer = { name = \"sgdd\" }\n"), {"one of: sgd,", "did you mean 'sgd'"});
  expect_says(complaint("[data]\nnormalize = 1\n"), {"data.normalize must be true or false"});
  expect_says(complaint("[data]\nname = \"\"\n"), {"data.name must not be empty"});
  expect_says(complaint("[data]\naugment = { scale = 0.999999999999 }\n"), {"data.augment.scale must be"});
  expect_says(complaint("[train]\nschedule = { name = \"multi_step\", milestones = [1, 0] }\n"),
              {"a list of integers from 1 to 1000000"});
  expect_says(complaint("task = \"segment\"\n"), {"task", "must be one of: classify, classify_text"});
  expect_says(complaint("name = \"../out\"\n"), {"name must be fit for a folder's name"});
  expect_says(complaint("name = \"\"\n"), {"name must not be empty"});
  expect_says(complaint("[model]\nname = \"mlp\"\nhidden = [1, \"a\"]\n"), {"mine.toml:3:14", "integers only"});
  expect_says(complaint("[model]\nname = \"mlp\"\nhidden = 1979-05-27\n"), {"mine.toml:3:10", "no value"});
}

TEST(Recipe, ValuesAndSectionsAreNotMixedUp) {
  expect_says(complaint("model = \"lenet5\"\n"), {"mine.toml:1:1", "model is a section"});
  expect_says(complaint("[train]\noptimizer = \"sgd\"\n"), {"train.optimizer is a section"});
  expect_says(complaint("[train.epochs]\nx = 1\n"), {"mine.toml:1:1", "unknown section \"train.epochs\""});
  expect_says(complaint("[train.optimiser]\n"), {"unknown section", "did you mean 'train.optimizer'"});
}

TEST(Recipe, SettingsWithoutEffectAreRefused) {
  expect_says(complaint("[train]\noptimizer = { name = \"adam\", momentum = 0.9 }\n"),
              {"mine.toml:2:", "train.optimizer.momentum has no effect", "train.optimizer.name = sgd or rmsprop"});
  expect_says(complaint("[train]\nloss = \"hinge\"\nlabel_smoothing = 0.1\n"), {"train.loss = cross_entropy"});
}

TEST(Recipe, DamagedFilesGiveOneMessage) {
  expect_says(complaint("[train\nepochs = 3\n"), {"mine.toml:1:", "not a TOML recipe"});
  expect_says(complaint("[train]\nepochs ="), {"mine.toml:2:", "not a TOML recipe"});
  expect_says(complaint("[train]\nepochs = 3\nepochs = 4\n"), {"mine.toml:3:", "not a TOML recipe"});
  expect_says(complaint("description = \"\xff\xfe\"\n"), {"mine.toml:1:", "not a TOML recipe"});
  expect_says(complaint(std::string("a\0b = 1", 7)), {"not a TOML recipe"});
  expect_says(complaint("# é is fine here\nname = \"é\"\n  é = 1\n"), {"mine.toml:3:3", "a key of letters"});
  expect_says(complaint("name = \"\"\"a\nb\"\"\"\n"), {"mine.toml:1:8", "several lines"});
  expect_says(complaint("x = " + std::string(5000, '[')), {"not a TOML recipe"});
}

TEST(Recipe, LoadsFilesRunFoldersAndSaysWhatIsMissing) {
  const fs::path folder = fs::path(testing::TempDir()) / "narae-recipe-files";
  fs::create_directories(folder / "run");
  std::ofstream(folder / "mine.toml") << "[train]\nepochs = 7\n";
  std::ofstream(folder / "run" / "recipe.toml") << "name = \"lenet5\"\n[train]\nepochs = 9\n";
  EXPECT_EQ(load_recipe((folder / "mine.toml").string()).train.epochs, 7);
  EXPECT_EQ(load_recipe((folder / "run").string()).train.epochs, 9);
  EXPECT_EQ(load_recipe((folder / "run").string()).name, "lenet5");
  const auto message = [](const std::string& name) {
    try {
      static_cast<void>(load_recipe(name));
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  expect_says(message("lenet"), {"unknown recipe 'lenet'", "did you mean 'lenet5'"});
  expect_says(message("missing.toml"), {"missing.toml", "no such file"});
  expect_says(message(folder.string()), {folder.string(), "recipe.toml"});
  std::ofstream(folder / "large.toml") << std::string((1 << 20) + 1, '#');
  EXPECT_THROW(static_cast<void>(load_recipe((folder / "large.toml").string())), Error);
  fs::remove_all(folder);
}

TEST(RecipeOverride, ValuesAreReadByTheirType) {
  Recipe recipe = load_recipe("mlp");
  apply_overrides(recipe, std::vector<std::string>{"train.optimizer.lr=0.25", "train.epochs=2", "data.normalize=false",
                                                   "data.name=some/where else", "model.hidden=8,4",
                                                   "model.activation=tanh", "train.seed=5"});
  EXPECT_EQ(recipe.train.optimizer.lr, 0.25);
  EXPECT_EQ(recipe.train.epochs, 2);
  EXPECT_FALSE(recipe.data.normalize);
  EXPECT_EQ(recipe.data.name, "some/where else");
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(option(recipe, "hidden").second), (std::vector<std::int64_t>{8, 4}));
  EXPECT_EQ(std::get<std::string>(option(recipe, "activation").second), "tanh");
  apply_override(recipe, "model.hidden=16");
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(option(recipe, "hidden").second), (std::vector<std::int64_t>{16}));
  apply_override(recipe, "model.hidden=[]");
  EXPECT_TRUE(std::get<std::vector<std::int64_t>>(option(recipe, "hidden").second).empty());
  apply_override(recipe, "data.name=\"quoted\"");
  EXPECT_EQ(recipe.data.name, "quoted");
  apply_override(recipe, "data.name=true");
  EXPECT_EQ(recipe.data.name, "true");
}

TEST(RecipeOverride, AnotherOptimizerForgetsTheSettingsOfTheFormer) {
  Recipe recipe = load_recipe("mlp");
  ASSERT_EQ(recipe.train.optimizer.momentum, 0.9);
  const double lr = recipe.train.optimizer.lr;
  apply_override(recipe, "train.optimizer.name=adam");
  EXPECT_EQ(recipe.train.optimizer.momentum, 0);
  EXPECT_EQ(recipe.train.optimizer.lr, lr);
  apply_override(recipe, "train.optimizer.name=sgd");
  EXPECT_EQ(recipe.train.optimizer.momentum, 0);
}

TEST(RecipeOverride, AnotherModelForgetsTheOptionsOfTheFormer) {
  Recipe recipe = load_recipe("mlp");
  apply_overrides(recipe, std::vector<std::string>{"model.hidden=8", "model.name=mlp"});
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(option(recipe, "hidden").second), (std::vector<std::int64_t>{8}));
  apply_override(recipe, "model.name=lenet5");
  EXPECT_EQ(option(recipe, "hidden").first, "");
  EXPECT_EQ(option(recipe, "activation").first, "activation");
  expect_says(override_complaint(recipe, {"model.hidden=8"}), {"model.hidden=8", "hidden"});
}

TEST(RecipeOverride, ComplaintsQuoteTheArgument) {
  const Recipe recipe = load_recipe("lenet5");
  expect_says(override_complaint(recipe, {"train.optimizer.lr"}), {"train.optimizer.lr", "section.key=value"});
  expect_says(override_complaint(recipe, {"=3"}), {"section.key=value"});
  expect_says(override_complaint(recipe, {"lr=0.1"}), {"\"lr=0.1\"", "did you mean 'train.optimizer.lr'"});
  expect_says(override_complaint(recipe, {"train.optimizer=adam"}),
              {"train.optimizer is a section", "as in train.optimizer.name=..."});
  expect_says(override_complaint(recipe, {"data.augment=1"}), {"as in data.augment.resized_crop=..."});
  expect_says(override_complaint(recipe, {"train.epochs=0"}), {"\"train.epochs=0\"", "an integer from 1"});
  expect_says(override_complaint(recipe, {"train.epochs=1\ntrain.seed=2"}), {"train.epochs must be an integer"});
  expect_says(override_complaint(recipe, {"train.epochs="}), {"train.epochs must be an integer"});
  expect_says(override_complaint(recipe, {"train.optimizer.name=sgdd"}), {"did you mean 'sgd'"});
  expect_says(override_complaint(recipe, {"train.optimizer.momentum=0.5"}), {"has no effect", "sgd or rmsprop"});
  expect_says(override_complaint(recipe, {"model.activation=swish"}), {"activation", "one of:"});
  expect_says(override_complaint(recipe, {"model.gain=-1"}), {"\"model.gain=-1\"", "gain"});
  expect_says(override_complaint(recipe, {"model.activation=Ëlu"}), {"Ëlu", "one of:"});
  expect_says(override_complaint(recipe, {"data.name=\xff"}), {"data.name must be text"});
  EXPECT_EQ(override_complaint(recipe, {"train.optimizer.momentum=0.5", "train.optimizer.name=sgd"}), "accepted");
}

std::string first_model_of(const std::string& task) {
  for (const models::ModelInfo& info : models::models())
    if (std::find(info.tasks.begin(), info.tasks.end(), task) != info.tasks.end()) return info.name;
  return "";
}

TEST(RecipeKeys, EveryDefaultIsWhatTheKeyTakesAndEveryKeyIsDocumented) {
  std::set<std::string> seen;
  for (const RecipeKey& key : recipe_keys()) {
    EXPECT_FALSE(key.doc.empty()) << key.name;
    EXPECT_FALSE(key.type.empty()) << key.name;
    EXPECT_TRUE(seen.insert(key.name + " " + key.applies).second) << key.name;
    if (key.name == "name") continue;  // its default comes from the file's name
    Recipe recipe;
    std::vector<std::string> overrides;
    // "task = tag or forecast and train.loss = mse": the first value of each.
    std::string rest = key.applies;
    while (!rest.empty()) {
      const std::string part = rest.substr(0, rest.find(" and "));
      rest.erase(0, part.size() + (part.size() < rest.size() ? 5 : 0));
      const std::size_t equals = part.find(" = ");
      const std::string values = part.substr(equals + 3);
      const std::string value = values.substr(0, std::min(values.find(','), values.find(" or ")));
      overrides.push_back(part.substr(0, equals) + "=" + value);
      if (part.starts_with("model.name = ")) overrides.push_back("task=" + models::model_info(value).tasks.front());
      if (part.starts_with("task = ")) overrides.push_back("model.name=" + first_model_of(value));
    }
    overrides.push_back(key.name + "=" + key.initial);
    EXPECT_NO_THROW(apply_overrides(recipe, overrides)) << key.name << " = " << key.initial;
  }
}

TEST(RecipeKeys, TheDocumentationIsUpToDate) {
  const fs::path file = test_places::source_dir() / "docs" / "recipes.md";
  EXPECT_EQ(read_text(file), recipe_reference()) << "write it anew: narae recipes keys > docs/recipes.md";
}

}  // namespace
}  // namespace narae
