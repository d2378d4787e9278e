#include "narae/train/task_data.h"

#include <algorithm>

#include "narae/core/error.h"
#include "narae/data/catalog.h"

namespace narae {
namespace {

constexpr std::int64_t evaluation_batch = 256;

// Pictures that differ in size become what the network usually takes.
PictureSize usual_size(const Recipe& recipe) {
  const Shape& usual = models::model_info(recipe.model.name).input;
  return usual.rank() == 3 ? PictureSize{usual[1], usual[2]} : SplitOptions{}.usual_size;
}

SplitOptions split_options(const Recipe& recipe) {
  return {.validation_fraction = recipe.data.val_fraction,
          .seed = static_cast<std::uint64_t>(recipe.train.seed),
          .size = recipe.data.size,
          .usual_size = usual_size(recipe),
          .fit = fit_options(recipe.data),
          .strict = recipe.data.strict,
          .max_pixels = recipe.data.max_pixels};
}

Dataset limited(const Dataset& dataset, std::int64_t limit) {
  return limit > 0 ? first(dataset, limit) : dataset;
}

void require_samples(const Dataset& dataset, const std::string& name, const char* purpose) {
  if (dataset.size() == 0) throw Error("dataset '" + name + "' has no samples " + purpose);
}

// "10: cat, dog, ..."
std::string listed(const std::vector<std::string>& classes) {
  constexpr std::size_t shown = 8;
  std::string text = std::to_string(classes.size()) + ":";
  for (std::size_t i = 0; i < std::min(shown, classes.size()); ++i) text += (i == 0 ? " " : ", ") + classes[i];
  return classes.size() > shown ? text + ", ..." : text;
}

const Shape& sample_shape(const Dataset& dataset) {
  return dataset.fields[field_index(dataset, "image")].shape;
}

}  // namespace

TaskData open_task_data(const Recipe& recipe) {
  const std::string& name = recipe.data.name;
  Splits splits = open_splits(name, split_options(recipe));
  const bool validates = splits.validation.size() > 0;
  if (recipe.data.val_fraction > 0 && !validates) {
    throw UsageError("data.val_fraction = " + std::to_string(recipe.data.val_fraction) + " of the " +
                     std::to_string(splits.train.size()) + " training samples of '" + name +
                     "' is not one sample; a larger share is wanted, or 0 to judge by the test samples");
  }
  TaskData data{.train = limited(splits.train, recipe.data.limit_train),
                .judged = limited(validates ? splits.validation : splits.test, recipe.data.limit_val),
                .judged_split = validates ? Split::validation : Split::test,
                .test = splits.test};
  require_samples(data.train, name, "to learn from");
  require_samples(data.judged, name,
                  "to judge epochs by; set some of the training samples aside, as --val-fraction 0.1");
  if (data.train.classes.empty()) throw Error("dataset '" + name + "' has no classes to tell apart");
  return data;
}

Dataset open_split(const Recipe& recipe, Split split, const Shape& input) {
  SplitOptions options = split_options(recipe);
  if (input.rank() == 3 && (input[0] == 1 || input[0] == 3)) options.input = input;
  // Which samples were set aside depends on which files turned out to be sound: they are found as in training.
  options.prepare = recipe.data.val_fraction > 0 && split != Split::test;
  return open_dataset(recipe.data.name, split, options);
}

Dataset describe_data(const Recipe& recipe) {
  SplitOptions options = split_options(recipe);
  options.validation_fraction = 0;
  options.prepare = false;
  return open_dataset(recipe.data.name, Split::train, options);
}

FitOptions fit_options(const DataRecipe& recipe) {
  return {.stretch = recipe.fit == "stretch", .crop = static_cast<float>(recipe.crop)};
}

models::ModelConfig model_config(const Recipe& recipe, const Dataset& dataset) {
  models::ModelConfig config;
  config.model = models::resolved({.name = recipe.model.name,
                                   .options = recipe.model.options,
                                   .input = sample_shape(dataset),
                                   .num_classes = static_cast<std::int64_t>(dataset.classes.size())});
  config.classes = dataset.classes;
  if (recipe.data.normalize) {
    config.mean = dataset.mean;
    config.stddev = dataset.stddev;
  }
  return config;
}

Loader training_loader(const Recipe& recipe, Dataset dataset) {
  return Loader(std::move(dataset), {.batch_size = recipe.train.batch_size,
                                     .shuffle = true,
                                     .seed = static_cast<std::uint64_t>(recipe.train.seed),
                                     .workers = static_cast<int>(recipe.data.workers),
                                     .prefetch = std::max(4, 2 * static_cast<int>(recipe.data.workers)),
                                     .normalize = recipe.data.normalize,
                                     .augment = recipe.data.augment});
}

Loader evaluation_loader(const models::ModelConfig& config, Dataset dataset, std::int64_t workers) {
  if (!(sample_shape(dataset) == config.model.input)) {
    throw Error("dataset '" + dataset.name + "' has samples " + to_string(sample_shape(dataset)) +
                ", but the network takes " + to_string(config.model.input));
  }
  if (std::ssize(dataset.classes) > config.model.num_classes) {
    throw Error("dataset '" + dataset.name + "' has " + std::to_string(dataset.classes.size()) +
                " classes, but the network tells " + std::to_string(config.model.num_classes) + " apart");
  }
  if (dataset.files && dataset.classes != config.classes) {
    throw Error("dataset '" + dataset.name + "' has the classes " + listed(dataset.classes) +
                ", but the network tells apart " + listed(config.classes));
  }
  // Normalised as in training, whatever the dataset's own statistics are.
  dataset.mean = config.mean;
  dataset.stddev = config.stddev;
  return Loader(std::move(dataset), {.batch_size = evaluation_batch, .workers = static_cast<int>(workers)});
}

}  // namespace narae
