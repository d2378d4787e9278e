#pragma once

#include <optional>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/dataset.h"
#include "narae/data/loader.h"
#include "narae/data/series.h"
#include "narae/data/text_pairs.h"
#include "narae/models/config.h"
#include "narae/models/registry.h"
#include "narae/text/tokenizer.h"
#include "narae/train/recipe.h"

namespace narae {

/// The samples of a run.
struct TaskData {
  Dataset train;
  Dataset judged;      ///< what epochs are judged by: the validation samples, or the test samples without any
  Split judged_split;  ///< which of the two
  Dataset test;
  std::optional<text::Tokenizer> tokenizer = {};  ///< of texts
  std::optional<ForecastWindows> windows = {};    ///< of series
  std::optional<PairSplits> pairs = {};           ///< of pairs of texts, as they are written
  std::vector<std::string> remarks = {};          ///< what is to be said about them: texts that were cut, ...
};

/// Opens the recipe's data with its limits applied. Texts become tokens by `tokenizer`, by the recipe's vocabulary, or,
/// without either, by one learned from the training texts. Throws Error for sets without classes, without samples, or
/// without any to judge epochs by.
[[nodiscard]] NARAE_API TaskData open_task_data(const Recipe& recipe, const text::Tokenizer* tokenizer = nullptr);

/// One split of the recipe's data, whole, for a network that takes samples of shape `input`: pictures of a folder are
/// brought to it. Where no samples were set aside, nothing is decoded before it is asked for. Texts become tokens by
/// the run's tokenizer. Throws Error for a split that there is none of.
[[nodiscard]] NARAE_API Dataset open_split(const Recipe& recipe, Split split, const Shape& input,
                                           const text::Tokenizer* tokenizer = nullptr);

/// The pairs of texts of one split, as they are written. Throws UsageError for a task other than `translate`, and Error
/// for a split that there is none of.
[[nodiscard]] NARAE_API TextPairs open_pair_texts(const Recipe& recipe, Split split);

/// The recipe's series in windows. Throws UsageError for a task other than `forecast`.
[[nodiscard]] NARAE_API ForecastWindows open_windows(const Recipe& recipe);

/// The form of the recipe's samples and their classes, without reading the samples: an unprepared training split.
[[nodiscard]] NARAE_API Dataset describe_data(const Recipe& recipe);

/// How the recipe brings pictures to the network's size.
[[nodiscard]] NARAE_API FitOptions fit_options(const DataRecipe& recipe);

/// The recipe's network for samples of this dataset, with the names of its classes and its normalisation.
[[nodiscard]] NARAE_API models::ModelConfig model_config(const Recipe& recipe, const Dataset& dataset);

/// Batches to learn from: shuffled and augmented as the recipe says.
[[nodiscard]] NARAE_API Loader training_loader(const Recipe& recipe, Dataset dataset);
/// Batches to be judged by: in order, as they are. Throws Error when the dataset's samples don't fit the network.
[[nodiscard]] NARAE_API Loader evaluation_loader(const models::ModelConfig& config, Dataset dataset,
                                                 std::int64_t workers = 1);

}  // namespace narae
