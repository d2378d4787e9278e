#include "narae/train/task_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/data/catalog.h"
#include "narae/graph/eval.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/picture_folder_for_tests.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using namespace testing_files;

Recipe recipe_for(const std::string& data, std::vector<std::string> overrides = {}) {
  Recipe recipe = parse_recipe("[model]\nname = \"lenet5\"\n[train]\nbatch_size = 8\n", "colour.toml");
  overrides.push_back("data.name=" + data);
  apply_overrides(recipe, overrides);
  return recipe;
}

std::vector<float> first_batch(Loader loader) {
  const Batch batch = *loader.next();
  const auto values = batch.image.values<float>();
  return {values.begin(), values.end()};
}

const std::string shapes = "synth:shapes?train=24&test=16";

TEST(TaskData, EveryKeyOfTheAugmentationChangesTheTrainingBatches) {
  const TaskData data = open_task_data(recipe_for(shapes));
  const std::vector<float> plain = first_batch(training_loader(recipe_for(shapes), data.train));
  std::size_t keys = 0;
  for (const RecipeKey& key : recipe_keys()) {
    if (!key.name.starts_with("data.augment.")) continue;
    ++keys;
    const std::string value = key.type == "integer" ? "2" : key.name.find("flip") != std::string::npos ? "0.9" : "0.4";
    std::vector<std::string> overrides{key.name + "=" + value};
    // Its bound counts when parts are taken at all.
    const bool bound = key.name == "data.augment.resized_crop_ratio";
    if (bound) overrides = {key.name + "=3", "data.augment.resized_crop=0.4"};
    const Recipe recipe = recipe_for(shapes, overrides);
    const std::vector<float> changed = first_batch(training_loader(recipe, data.train));
    EXPECT_NE(changed, plain) << key.name;
    if (bound) {
      EXPECT_NE(changed,
                first_batch(training_loader(recipe_for(shapes, {"data.augment.resized_crop=0.4"}), data.train)));
    }
    // What is judged stays as it is.
    const models::ModelConfig config = model_config(recipe, data.train);
    EXPECT_EQ(first_batch(evaluation_loader(config, data.judged)),
              first_batch(evaluation_loader(model_config(recipe_for(shapes), data.train), data.judged)));
  }
  EXPECT_EQ(keys, 17U);
}

TEST(TaskData, MixedSamplesNeedCrossEntropy) {
  const Recipe recipe = recipe_for(shapes, {"data.augment.mixup=0.2"});
  Loader loader = training_loader(recipe, open_task_data(recipe).train);
  EXPECT_EQ(loader.next()->label.shape, (Shape{8, 10}));
  const std::string message = error_of([] {
    (void)recipe_for(shapes, {"data.augment.mixup=0.2", "train.loss=hinge"});
  });
  EXPECT_TRUE(contains(message, "data.augment.mixup has no effect here: it belongs to train.loss = cross_entropy"))
      << message;
}

TEST(TaskData, NetworksAreMadeForColour) {
  for (const char* model : {"lenet5", "mlp", "softmax"}) {
    Recipe recipe = recipe_for(shapes);
    apply_overrides(recipe, std::vector<std::string>{std::string("model.name=") + model, "data.size=16"});
    const TaskData data = open_task_data(recipe);
    const models::ModelConfig config = model_config(recipe, data.train);
    EXPECT_EQ(config.model.input, (Shape{3, 16, 16}));
    EXPECT_EQ(config.model.num_classes, 10);
    EXPECT_EQ(config.mean, data.train.mean);  // what is stored with the run
    EXPECT_EQ(config.mean.size(), 3U);
    Loader loader = training_loader(recipe, data.train);
    const NoGrad no_grad;
    EXPECT_EQ((*models::make_model(config.model))(loader.next()->image).shape(), (Shape{8, 10})) << model;
  }
}

TEST(TaskData, SizeFitAndCropSayHowPicturesAreFitted) {
  const fs::path folder = fresh_folder();
  write_classes(folder / "train", {"a", "b"}, 2, {3, 20, 40});
  write_classes(folder / "test", {"a", "b"}, 2, {3, 40, 20});
  const auto batch = [&](std::vector<std::string> overrides) {
    const Recipe recipe = recipe_for(folder.string(), std::move(overrides));
    const TaskData data = open_task_data(recipe);
    const models::ModelConfig config = model_config(recipe, data.train);
    // The test samples as prepared with the training samples, and as opened alone.
    std::vector<float> values = first_batch(evaluation_loader(config, data.judged));
    EXPECT_EQ(values, first_batch(evaluation_loader(config, open_split(recipe, Split::test, config.model.input))));
    EXPECT_EQ(describe_data(recipe).fields[0].shape, config.model.input);
    return values;
  };
  EXPECT_EQ(batch({}).size(), 4U * 3 * 20 * 40);  // the size that all training pictures have
  EXPECT_EQ(batch({"data.size=16"}).size(), 4U * 3 * 16 * 16);
  const auto cropped = batch({"data.size=16"});
  EXPECT_NE(batch({"data.size=16", "data.fit=stretch"}), cropped);
  EXPECT_NE(batch({"data.size=16", "data.crop=0.5"}), cropped);
  EXPECT_THROW(batch({"data.size=16", "data.fit=stretch", "data.crop=0.5"}), UsageError);
  // Where sizes differ, the network's usual one is taken.
  write_picture(folder / "train" / "a" / "other.png", flat_picture({3, 9, 9}, 7));
  EXPECT_EQ(batch({}).size(), 4U * 3 * 28 * 28);
}

TEST(TaskData, StrictAndMaxPixelsDecideWhatIsLeftOut) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 4, {3, 10, 10});
  write(folder / "a" / "damaged.png", "nothing");
  write_picture(folder / "b" / "large.png", flat_picture({3, 40, 40}, 9));
  const auto samples = [&](std::vector<std::string> overrides) {
    overrides.emplace_back("data.val_fraction=0.25");
    const TaskData data = open_task_data(recipe_for(folder.string(), overrides));
    return data.train.size() + data.judged.size();
  };
  EXPECT_EQ(samples({}), 9);
  EXPECT_EQ(samples({"data.max_pixels=1599"}), 8);
  EXPECT_TRUE(contains(error_of([&] { (void)samples({"data.strict=true"}); }), "damaged.png"));
}

TEST(TaskData, TheSamplesThatWereSetAsideAreFoundAgain) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 20, {3, 10, 10});
  // Damage that shows in decoding alone.
  std::string damaged = read_text(folder / "a" / "p3.png");
  damaged[damaged.find("IDAT") + 8] ^= 0x55;
  write(folder / "a" / "p3.png", damaged);
  const Recipe recipe = recipe_for(folder.string(), {"data.val_fraction=0.3", "data.size=12"});
  const TaskData data = open_task_data(recipe);
  EXPECT_EQ(data.train.size() + data.judged.size(), 39);
  for (const auto& [split, expected] : {std::pair{Split::train, &data.train}, {Split::validation, &data.judged}}) {
    const Dataset found = open_split(recipe, split, {3, 12, 12});
    ASSERT_EQ(found.size(), expected->size());
    const Array a = read_field(found, "image", 0, found.size());
    const Array b = read_field(*expected, "image", 0, found.size());
    EXPECT_TRUE(std::equal(a.buffer.data(), a.buffer.data() + a.bytes(), b.buffer.data()));
  }
}

TEST(TaskData, RunsWithOtherSeedsSetTheSameSamplesAside) {
  const fs::path folder = fresh_folder();
  std::string texts;
  for (int i = 0; i < 40; ++i) texts += "word" + std::to_string(i) + "\n";
  write(folder / "a.txt", texts);
  write(folder / "b.txt", texts);
  const auto held_out = [&](const std::vector<std::string>& settings) {
    Recipe recipe = parse_recipe("task = \"classify_text\"\n[model]\nname = \"text-cnn\"\n", "mine.toml");
    recipe.data.name = folder.string();
    for (const std::string& setting : settings) apply_override(recipe, setting);
    // Tokens are numbered as they come in the training texts, so the vocabulary tells which these are.
    return open_task_data(recipe).tokenizer->vocabulary.tokens();
  };
  EXPECT_EQ(held_out({"train.seed=1"}), held_out({"train.seed=2"}));
  EXPECT_NE(held_out({"data.split_seed=1"}), held_out({"data.split_seed=2"}));
}

TEST(TaskData, AFolderWithoutTestPicturesAsksForAShare) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 2);
  const std::string message = error_of([&] { (void)open_task_data(recipe_for(folder.string())); });
  EXPECT_TRUE(contains(message, "--val-fraction 0.1")) << message;
}

TEST(TaskData, OtherClassesAreNotJudged) {
  const fs::path folder = fresh_folder();
  write_classes(folder / "one" / "train", {"cat", "dog"}, 2);
  write_classes(folder / "two" / "train", {"cow", "dog"}, 2);
  const Recipe recipe = recipe_for((folder / "one").string(), {"data.size=12"});
  const models::ModelConfig config = model_config(recipe, open_split(recipe, Split::train, {3, 12, 12}));
  Recipe other = recipe;
  other.data.name = (folder / "two").string();
  const std::string message =
      error_of([&] { (void)evaluation_loader(config, open_split(other, Split::train, config.model.input)); });
  EXPECT_TRUE(contains(message, "has the classes 2: cow, dog, but the network tells apart 2: cat, dog")) << message;
}

}  // namespace
}  // namespace narae
