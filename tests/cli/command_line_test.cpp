#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "narae/data/image.h"
#include "narae/train/recipe.h"
#include "tests/cli/command.h"
#include "tests/cli/idx_folder.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

TEST(CommandLine, HelpAndVersionGoToStandardOutput) {
  const CommandResult help = run_command({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* command :
       {"train", "eval", "predict", "forward", "summary", "inspect", "models", "recipes", "datasets", "runs"}) {
    EXPECT_SAYS(help.out, command);
    const CommandResult own = run_command({command, "--help"});
    EXPECT_EQ(own.exit_code, 0) << command;
    EXPECT_SAYS(own.out, "Usage");
    EXPECT_EQ(own.err, "") << command;
  }
  const CommandResult version = run_command({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_TRUE(version.out.starts_with("narae ")) << version.out;
  EXPECT_EQ(run_command({"-V"}).out, version.out);
}

TEST(CommandLine, WithoutACommandItPrintsHelpAndFails) {
  const CommandResult result = run_command({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_SAYS(result.err, "Subcommands");
}

struct Mistake {
  std::vector<std::string> arguments;
  std::string says;
};

TEST(CommandLine, MistakesNameTheNearestKnownWordAndExitWith2) {
  const Mistake mistakes[] = {
      {{"trian"}, "unknown command 'trian'; did you mean 'train'?"},
      {{"--verison"}, "unknown flag '--verison'; did you mean '--version'?"},
      {{"models", "--jsn"}, "unknown flag '--jsn'; did you mean '--json'?"},
      {{"models", "--jsn=1"}, "unknown flag '--jsn'; did you mean '--json'?"},
      {{"models", "extra"}, "one argument too many: 'extra'"},
      {{"recipes", "shwo"}, "unknown command 'shwo'; did you mean 'show'?"},
      {{"recipes", "show"}, "recipe is required"},
      {{"recipes", "--json", "show", "lenet5"}, "--json"},
      {{"datasets", "shwo"}, "unknown command 'shwo'; did you mean 'show'?"},
      {{"runs", "comapre"}, "unknown command 'comapre'; did you mean 'compare'?"},
      {{"summary"}, "what is required"},
      {{"summary", "lenet"}, "'lenet' is neither a model, a recipe nor a run folder; did you mean 'lenet5'?"},
      {{"summary", "lenet5", "--inptu", "1x2"}, "unknown flag '--inptu'; did you mean '--input'?"},
      {{"forward", "lenet5"}, "required"},
      {{"inspect", "fliters"}, "unknown command 'fliters'; did you mean 'filters'?"},
      {{"inspect", "filters", "--save", "sheet.svg"}, "'sheet.svg' must end in .png"},
  };
  for (const Mistake& mistake : mistakes) {
    const CommandResult result = run_command(mistake.arguments);
    EXPECT_EQ(result.exit_code, 2) << mistake.says;
    EXPECT_EQ(result.out, "") << mistake.says;
    EXPECT_SAYS(result.err, mistake.says);
    EXPECT_SAYS(result.err, "--help");
  }
}

TEST(CommandLine, AFullDiskBehindStandardOutputIsAFailure) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this machine has no /dev/full";
  const CommandResult result = run_command({"models"}, {.standard_output = "/dev/full"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_SAYS(result.err, "standard output can't be written");
}

TEST(CommandLine, ThreadsAreChecked) {
  for (const char* good : {"auto", "1", "2"}) {
    EXPECT_EQ(run_command({"summary", "softmax", "--threads", good}).exit_code, 0) << good;
  }
  for (const char* bad : {"0", "-1", "two", "1.5", "99999"}) {
    const CommandResult result = run_command({"summary", "softmax", "--threads", bad});
    EXPECT_EQ(result.exit_code, 2) << bad;
    EXPECT_SAYS(result.err, "neither auto nor a number");
  }
}

TEST(ModelsCommand, ListsModelsWithCountedParameters) {
  const CommandResult text = run_command({"models"});
  EXPECT_EQ(text.exit_code, 0);
  for (const char* part : {"perceptron", "softmax", "mlp", "lenet5", "61706", "203530"}) EXPECT_SAYS(text.out, part);
  const CommandResult json = run_command({"models", "--json"});
  EXPECT_EQ(json.err, "");
  bool found = false;
  for (const Json& model : Json::parse(json.out)) {
    if (model["name"] != "lenet5") continue;
    found = true;
    EXPECT_EQ(model["parameters"], 61706);
    EXPECT_EQ(model["input"], Json({1, 28, 28}));
    EXPECT_EQ(model["options"][0]["choices"], Json({"sigmoid", "tanh", "relu"}));
  }
  EXPECT_TRUE(found);
}

TEST(RecipesCommand, ListsEveryBuiltInRecipe) {
  const CommandResult text = run_command({"recipes"});
  const Json list = Json::parse(run_command({"recipes", "--json"}).out);
  ASSERT_EQ(list.size(), builtin_recipes().size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i]["name"], std::string(builtin_recipes()[i].name));
    EXPECT_SAYS(text.out, list[i]["name"].get<std::string>());
    EXPECT_SAYS(text.out, list[i]["description"].get<std::string>());
  }
}

TEST(RecipesCommand, ShowPrintsTheResolvedRecipeWithOverrides) {
  const CommandResult result = run_command({"recipes", "show", "lenet5", "train.epochs=3", "model.activation=relu"});
  EXPECT_EQ(result.exit_code, 0);
  const Recipe recipe = parse_recipe(result.out, "out.toml");
  EXPECT_EQ(recipe.name, "lenet5");
  EXPECT_EQ(recipe.train.epochs, 3);
  EXPECT_EQ(to_toml(recipe), result.out);
  const CommandResult wrong = run_command({"recipes", "show", "lenet5", "train.epoch=3"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_SAYS(wrong.err, "did you mean 'train.epochs'?");
  EXPECT_EQ(run_command({"recipes", "show", "lenet6"}).exit_code, 2);
}

TEST(RecipesCommand, KeysPrintsTheReference) {
  EXPECT_EQ(run_command({"recipes", "keys"}).out, recipe_reference());
  const Json keys = Json::parse(run_command({"recipes", "keys", "--json"}).out);
  EXPECT_EQ(keys.size(), recipe_keys().size());
  EXPECT_EQ(keys[0]["name"], "name");
}

TEST(DatasetsCommand, ListsGeneratedAndFoundSets) {
  const fs::path folder = temporary_folder();
  make_idx_folder(folder, "tiny");
  const CommandOptions options{.folder = folder, .environment = {"NARAE_DATA=" + folder.string()}};
  const CommandResult text = run_command({"datasets"}, options);
  EXPECT_EQ(text.exit_code, 0);
  for (const char* part : {"synth:digits", "synth:xor", "mnist", "tiny"}) EXPECT_SAYS(text.out, part);
  bool found = false;
  for (const Json& set : Json::parse(run_command({"datasets", "--json"}, options).out)) {
    if (set["name"] == "tiny") found = set["location"] == (folder / "tiny").string();
  }
  EXPECT_TRUE(found);
}

TEST(DatasetsCommand, ShowSaysWhatASetHolds) {
  const fs::path folder = temporary_folder();
  make_idx_folder(folder, "tiny");
  const CommandOptions options{.folder = folder, .environment = {"NARAE_DATA=" + folder.string()}};
  const CommandResult text = run_command({"datasets", "show", "tiny"}, options);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_SAYS(text.out, "6 samples to train with, 4 to test with");
  const Json json = Json::parse(run_command({"datasets", "show", "tiny", "--json"}, options).out);
  EXPECT_EQ(json["samples"]["train"], 6);
  EXPECT_EQ(json["fields"][0]["shape"], Json({1, 4, 4}));
  EXPECT_EQ(json["classes"].size(), 3U);
}

TEST(DatasetsCommand, SaveDrawsAsManySamplesOfTheSplitAsAsked) {
  const fs::path folder = temporary_folder();
  make_idx_folder(folder, "tiny");
  const CommandOptions options{.folder = folder};
  const auto draw = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"datasets", "show", (folder / "tiny").string(), "--save", "sheet.png"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = run_command(arguments, options);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read_png(folder / "sheet.png");
  };
  const Array all = draw({});
  const std::string drawn = read_whole(folder / "sheet.png");
  const Array one_row = draw({"--count", "1"});
  EXPECT_EQ(all.shape[0], 3);
  EXPECT_LT(one_row.shape[1], all.shape[1]);
  static_cast<void>(draw({"--split", "test"}));
  EXPECT_NE(read_whole(folder / "sheet.png"), drawn) << "other pictures";
  const CommandResult points = run_command({"datasets", "show", "synth:moons", "--save", "points.png"}, options);
  EXPECT_EQ(points.exit_code, 0) << points.err;
  EXPECT_EQ(read_png(folder / "points.png").shape[0], 3);
}

TEST(DatasetsCommand, ShowSaysWhatTextsAndSeriesHold) {
  const fs::path folder = temporary_folder();
  fs::create_directories(folder / "mail");
  write_whole(folder / "mail" / "train.tsv", "text\tlabel\n좋은 영화 .\tham\nbuy now\tspam\n");
  write_whole(folder / "mail" / "test.tsv", "text\tlabel\nbuy\tspam\n");
  write_whole(folder / "waves.csv", "t,height\na,1\nb,3\n");
  const CommandOptions options{.folder = folder, .environment = {"NARAE_DATA=" + folder.string()}};
  const auto show = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"datasets", "show"});
    return run_command(arguments, options);
  };
  const CommandResult mail = show({"mail"});
  EXPECT_EQ(mail.exit_code, 0) << mail.err;
  EXPECT_SAYS(mail.out, "2 texts to train with, 0 to validate with, 1 to test with");
  EXPECT_SAYS(mail.out, "ham: 좋은 영화 .");
  const Json json = Json::parse(show({"mail", "--json", "--split", "test"}).out);
  EXPECT_EQ(json["class_counts"], Json({{"ham", 0}, {"spam", 1}}));
  EXPECT_EQ(json["vocabulary"], 7);  // <pad>, <unk> and five words
  EXPECT_EQ(json["lengths"]["most"], 1);
  EXPECT_EQ(json["first"][0]["text"], "buy");

  const Json waves = Json::parse(show({"waves.csv", "--json"}).out);
  EXPECT_EQ(waves["rows"], 2);
  EXPECT_EQ(waves["columns"][0]["name"], "height");
  EXPECT_EQ(waves["columns"][0]["mean"], 2.0);
  const Json story = Json::parse(show({"synth:text?characters=5000", "--split", "test", "--json"}).out);
  EXPECT_GE(story["characters"], 500);
  EXPECT_EQ(story["kind"], "corpus");
  EXPECT_SAYS(show({"synth:tags?train=20&test=5"}).out, "20 sentences to train with");
  EXPECT_SAYS(show({"synth:adding"}).out, "image: f32 (100, 2)");

  EXPECT_SAYS(show({"mail", "--split", "validation"}).err, "has no validation samples");
  EXPECT_SAYS(show({"waves.csv", "--split", "test"}).err, "is one series");
  EXPECT_SAYS(show({"mail", "--save", "x.png"}).err, "nothing that could be drawn");
  EXPECT_SAYS(show({"mail", "--size", "8"}).err, "holds no pictures");
}

TEST(DatasetsCommand, MistakesAreExplained) {
  const fs::path folder = temporary_folder();
  const CommandOptions options{.folder = folder, .environment = {"NARAE_DATA=" + folder.string()}};
  const CommandResult unknown = run_command({"datasets", "show", "synth:digit"}, options);
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_SAYS(unknown.err, "did you mean 'synth:digits'?");
  const CommandResult missing = run_command({"datasets", "show", "mnsit"}, options);
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_SAYS(missing.err, "did you mean 'mnist'?");
  const CommandResult split = run_command({"datasets", "show", "synth:xor", "--split", "tset"}, options);
  EXPECT_EQ(split.exit_code, 2);
  EXPECT_EQ(run_command({"datasets", "show", "synth:xor", "--split", "validation"}, options).exit_code, 2);
  EXPECT_EQ(run_command({"datasets", "show", "synth:xor", "--count", "5"}, options).exit_code, 2);
  EXPECT_EQ(run_command({"datasets", "show", "synth:xor", "--save", "a.png", "--count", "0"}, options).exit_code, 2);
  for (const char* name : {"a7.jpg", "a7"}) {
    const CommandResult ending = run_command({"datasets", "show", "synth:xor", "--save", name}, options);
    EXPECT_EQ(ending.exit_code, 2);
    EXPECT_SAYS(ending.err, "must end in .png");
    EXPECT_FALSE(fs::exists(folder / name));
  }
  const CommandResult seed =
      run_command({"datasets", "show", "synth:shapes", "--save", "a.png", "--augment", "--seed", "-1"}, options);
  EXPECT_EQ(seed.exit_code, 2);
  EXPECT_SAYS(seed.err, "not in range 0 to 9223372036854775807");
  EXPECT_SAYS(run_command({"datasets", "show", "--help"}).out, "224 x 224 where they differ");
  EXPECT_EQ(run_command({"datasets", "show", "synth:shapes?size=1"}, options).exit_code, 2);
  EXPECT_EQ(run_command({"datasets", "show", "synth:shapes?train=99999999999"}, options).exit_code, 2);
  const CommandResult nowhere = run_command({"datasets", "show", "synth:xor", "--save", "no/folder/a.png"}, options);
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_SAYS(nowhere.err, "no/folder");
  make_idx_folder(folder, "short");
  fs::resize_file(folder / "short" / "train-images-idx3-ubyte", 40);
  const CommandResult damaged = run_command({"datasets", "show", "short"}, options);
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_SAYS(damaged.err, "train-images-idx3-ubyte");
}

}  // namespace
}  // namespace narae::cli
