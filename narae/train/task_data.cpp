#include "narae/train/task_data.h"

#include <algorithm>

#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/data/catalog.h"
#include "narae/train/sequence_data.h"
#include "narae/train/task.h"

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
          .seed = static_cast<std::uint64_t>(recipe.data.split_seed),
          .size = recipe.data.size,
          .usual_size = usual_size(recipe),
          .fit = fit_options(recipe.data),
          .strict = recipe.data.strict,
          .max_pixels = recipe.data.max_pixels};
}

// The first samples; of streams, whole batches; of single texts, which often lie class by class, ones drawn at random,
// in their order.
Dataset limited(const Dataset& dataset, std::int64_t limit) {
  if (limit == 0 || limit >= dataset.size()) return dataset;
  if (dataset.streams > 0) return first(dataset, (limit + dataset.streams - 1) / dataset.streams * dataset.streams);
  if (dataset.vocabulary == 0) return first(dataset, limit);
  std::vector<std::int64_t> positions = permutation(dataset.size(), RandomStream(0, hash_of("limit")));
  positions.resize(static_cast<std::size_t>(limit));
  std::sort(positions.begin(), positions.end());
  return subset(dataset, positions);
}

void require_samples(const Dataset& dataset, const std::string& name, const std::string& purpose) {
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

// Whether its samples are arrays of one shape, as pictures: what open_splits opens.
bool takes_samples(const Recipe& recipe) {
  return recipe.task == "classify" || recipe.task == "regress";
}

// All parts; `judged` holds the validation samples.
TaskData open_parts(const Recipe& recipe, const text::Tokenizer* tokenizer) {
  if (recipe.task == "forecast") return detail::open_series_data(recipe);
  if (!takes_samples(recipe)) return detail::open_text_data(recipe, tokenizer);
  Splits splits = open_splits(recipe.data.name, split_options(recipe));
  return {.train = splits.train, .judged = splits.validation, .judged_split = Split::validation, .test = splits.test};
}

// What a network answers with: a number for each class or token, or the label's own numbers.
std::int64_t answers_of(const Recipe& recipe, const Dataset& dataset) {
  switch (task_of(recipe.task).answers) {
    case Answers::next_tokens:
      return dataset.vocabulary;
    case Answers::numbers:
      return dataset.fields[field_index(dataset, "label")].shape.count();
    default:
      return std::ssize(dataset.classes);
  }
}

}  // namespace

TaskData open_task_data(const Recipe& recipe, const text::Tokenizer* tokenizer) {
  const std::string& name = recipe.data.name;
  TaskData data = open_parts(recipe, tokenizer);
  const bool validates = data.judged.size() > 0;
  if (recipe.data.val_fraction > 0 && !validates) {
    throw UsageError("data.val_fraction = " + std::to_string(recipe.data.val_fraction) + " of the " +
                     std::to_string(data.train.size()) + " training samples of '" + name +
                     "' is not one sample; a larger share is wanted, or 0 to judge by the test samples");
  }
  data.judged_split = validates ? Split::validation : Split::test;
  data.train = limited(data.train, recipe.data.limit_train);
  data.judged = limited(validates ? data.judged : data.test, recipe.data.limit_val);
  require_samples(data.train, name, "to learn from");
  require_samples(data.judged, name,
                  "to judge epochs by; set some of the training samples aside, as --val-fraction 0.1");
  const Answers answers = task_of(recipe.task).answers;
  const bool has_classes = answers == Answers::sample_classes || answers == Answers::position_classes;
  if (has_classes && data.train.classes.empty()) throw Error("dataset '" + name + "' has no classes to tell apart");
  return data;
}

Dataset open_split(const Recipe& recipe, Split split, const Shape& input, const text::Tokenizer* tokenizer) {
  if (!takes_samples(recipe)) {
    TaskData data = open_parts(recipe, tokenizer);
    Dataset& part = split == Split::train ? data.train : split == Split::validation ? data.judged : data.test;
    require_samples(part, recipe.data.name, "of the part '" + std::string(name_of(split)) + "'");
    return std::move(part);
  }
  SplitOptions options = split_options(recipe);
  if (input.rank() == 3 && (input[0] == 1 || input[0] == 3)) options.input = input;
  // Which samples were set aside depends on which files turned out to be sound: they are found as in training.
  options.prepare = recipe.data.val_fraction > 0 && split != Split::test;
  return open_dataset(recipe.data.name, split, options);
}

Dataset describe_data(const Recipe& recipe) {
  if (!takes_samples(recipe)) return open_parts(recipe, nullptr).train;
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
                                   .num_classes = answers_of(recipe, dataset),
                                   .vocabulary = dataset.vocabulary});
  config.classes = dataset.classes;
  if (recipe.data.normalize) {
    config.mean = dataset.mean;
    config.stddev = dataset.stddev;
  }
  return config;
}

Loader training_loader(const Recipe& recipe, Dataset dataset) {
  const bool streams = dataset.streams > 0;
  return Loader(std::move(dataset), {.batch_size = recipe.train.batch_size,
                                     .shuffle = !streams,
                                     .seed = static_cast<std::uint64_t>(recipe.train.seed),
                                     .workers = static_cast<int>(recipe.data.workers),
                                     .prefetch = std::max(4, 2 * static_cast<int>(recipe.data.workers)),
                                     .normalize = recipe.data.normalize,
                                     .augment = recipe.data.augment});
}

Loader evaluation_loader(const models::ModelConfig& config, Dataset dataset, std::int64_t workers) {
  const bool fits = dataset.vocabulary > 0 ? sample_shape(dataset).rank() == config.model.input.rank()
                                           : sample_shape(dataset) == config.model.input;  // texts differ in length
  if (!fits) {
    throw Error("dataset '" + dataset.name + "' has samples " + to_string(sample_shape(dataset)) +
                ", but the network takes " + to_string(config.model.input));
  }
  if (std::ssize(dataset.classes) > config.model.num_classes) {
    throw Error("dataset '" + dataset.name + "' has " + std::to_string(dataset.classes.size()) +
                " classes, but the network tells " + std::to_string(config.model.num_classes) + " apart");
  }
  // Numbered sets of pictures have classes by their numbers; those of folders and texts have names.
  const bool by_name = dataset.files != nullptr || dataset.vocabulary > 0;
  if (by_name && dataset.classes != config.classes) {
    throw Error("dataset '" + dataset.name + "' has the classes " + listed(dataset.classes) +
                ", but the network tells apart " + listed(config.classes));
  }
  // Normalised as in training, whatever the dataset's own statistics are.
  dataset.mean = config.mean;
  dataset.stddev = config.stddev;
  const std::int64_t batch = dataset.streams > 0 ? dataset.streams : evaluation_batch;
  return Loader(std::move(dataset), {.batch_size = batch, .workers = static_cast<int>(workers)});
}

}  // namespace narae
