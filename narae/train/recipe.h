#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "narae/core/export.h"
#include "narae/data/augment.h"
#include "narae/data/image.h"
#include "narae/models/options.h"

namespace narae {

struct ModelRecipe {
  std::string name = "mlp";
  Options options = {};  ///< the other keys of [model]: all that the model has (see models::ModelInfo)
};

struct DataRecipe {
  std::string name = "synth:digits";  ///< what open_splits takes
  double val_fraction = 0;            ///< of the training samples, set aside for validation
  std::int64_t split_seed = 0;        ///< of the choice of the samples that are set aside
  std::int64_t limit_train = 0;       ///< only so many samples; 0: all
  std::int64_t limit_val = 0;         ///< the same for the samples that epochs are judged by
  std::int64_t workers = 1;           ///< threads that prepare batches
  bool normalize = true;              ///< by mean and deviation of the training pictures
  std::int64_t size = 0;              ///< pictures become size x size; 0: see SplitOptions
  std::string fit = "crop";           ///< how they are brought to a size: keeping proportions (crop) or not (stretch)
  double crop = 1;                    ///< of the shorter side, what is kept
  bool strict = false;                ///< damaged files are an error instead of being left out
  std::int64_t max_pixels = max_image_pixels;  ///< of a picture in a folder
  AugmentOptions augment = {};

  // Of texts.
  std::string tokens = "usual";  ///< "char", "word", "blanks", "bpe"; "usual": what the data usually go with
  bool lowercase = false;
  std::int64_t min_count = 1;       ///< rarer tokens are unknown ones
  std::int64_t max_vocabulary = 0;  ///< most frequent tokens, special ones included; 0: all, or text::usual_byte_pairs
  std::string vocabulary = {};      ///< what load_tokenizer reads; empty: the tokens of the training texts
  std::int64_t max_length = 0;      ///< tokens of a text that are read; 0: all
  std::int64_t steps = 64;          ///< of a running text, in one piece
  std::int64_t stride = 0;          ///< of windows of a running text, in random order; 0: it is read in order
  bool line_ends = true;            ///< of a language model's words: the end of a line is one, too
  double test_fraction = 0.1;       ///< of texts without a test part

  // Of pairs of texts.
  std::string source = {};  ///< the side that is read; empty: see PairSetOptions
  /// The side that it is turned into; of series the column to forecast, empty: the last one.
  std::string target = {};

  // Of series.
  std::int64_t window = 24;  ///< rows that are seen
  std::int64_t horizon = 1;  ///< rows that are forecast
  std::int64_t season = 0;   ///< rows of a season, for the forecast to compare with; 0: none
};

struct OptimizerRecipe {
  std::string name = "sgd";
  double lr = 0.01;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;  ///< L2 added to the gradient; decoupled for adamw
  bool decay_norms = true;  ///< weight decay on biases and normalisation as well (on tensors with less than two axes)
  double alpha = 0.99;      ///< rmsprop's memory
  bool centered = false;
  double lr_decay = 0;             ///< of adagrad
  double initial_accumulator = 0;  ///< of adagrad
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

/// The rate is set before every step; what counts in epochs is turned into steps.
struct ScheduleRecipe {
  std::string name = "constant";
  std::int64_t warmup_steps = 0;
  double minimum = 0;                         ///< cosine: the rate at the end; plateau: the lowest rate
  std::int64_t every = 1;                     ///< step: epochs between two decays
  std::vector<std::int64_t> milestones = {};  ///< multi_step: epochs at which the rate decays
  double gamma = 0.1;                         ///< step, multi_step: factor of a decay; exponential: of an epoch
  double warm_fraction = 0.3;                 ///< one_cycle
  double div_factor = 25;                     ///< one_cycle
  double final_div_factor = 1e4;              ///< one_cycle
  double factor = 0.1;                        ///< plateau
  std::int64_t patience = 10;                 ///< plateau: epochs
  double threshold = 1e-4;                    ///< plateau
  std::int64_t cooldown = 0;                  ///< plateau: epochs
};

struct TrainRecipe {
  std::int64_t epochs = 10;
  std::int64_t batch_size = 64;
  std::int64_t accumulate = 1;  ///< batches of an update
  double ema = 0;               ///< decay of the average of the weights that is judged and saved; 0: the weights are
  std::int64_t seed = 0;
  std::string loss = "cross_entropy";
  OptimizerRecipe optimizer = {};
  ScheduleRecipe schedule = {};
  double label_smoothing = 0;
  double l1 = 0;
  double l2 = 0;
  double clip_norm = 0;         ///< 0: off
  double clip_value = 0;        ///< 0: off
  std::int64_t patience = 0;    ///< epochs without progress before stopping; 0: never
  double min_delta = 0;         ///< smaller progress doesn't count for patience
  std::int64_t save_every = 0;  ///< steps between checkpoints within an epoch; 0: only at its end
  std::int64_t keep_checkpoints = 2;
  bool checkpoint_activations = false;  ///< compute values inside blocks twice instead of keeping them
  bool winograd = true;                 ///< 3 x 3 convolutions may use Winograd's algorithm (core/switches.h)
  bool tile_units = true;               ///< products may run on tile units (core/switches.h)
  std::string weights = {};             ///< file that the weights start from; empty: fresh ones
  std::string fresh = {};   ///< modules or patterns of tensors that are not taken from `weights`, with commas
  std::string freeze = {};  ///< modules or patterns of parameters that stay as they are, with commas between them
};

/// All that decides a training run, as plain values.
struct Recipe {
  std::string name = {};         ///< names the folder of its runs
  std::string description = {};  ///< one line for `narae recipes`
  std::string task = "classify";
  ModelRecipe model = {};
  DataRecipe data = {};
  TrainRecipe train = {};
};

/// A built-in recipe: the text of recipes/NAME.toml. The list is compiled in by the build.
struct BuiltinRecipe {
  std::string_view name;
  std::string_view text;
};
[[nodiscard]] NARAE_API std::span<const BuiltinRecipe> builtin_recipes();

/// Reads a recipe: a built-in name, a TOML file, or a run folder (its recipe.toml). Throws UsageError naming file, line
/// and column, the key, the nearest known key and what is allowed; Error when a file can't be read.
[[nodiscard]] NARAE_API Recipe load_recipe(const std::string& name_or_path);

/// The same for the text of a TOML file; `file` is what messages call it, its stem names a recipe without a name.
[[nodiscard]] NARAE_API Recipe parse_recipe(std::string_view text, const std::string& file);

/// Applies "train.optimizer.lr=0.01", one after the other. A name that is changed (of the model, the optimiser, the
/// schedule) leaves what only the former one knew at its default. Throws UsageError and leaves the recipe as it was for
/// an unknown key, a wrong value, or a key that has no effect with the names that hold in the end.
NARAE_API void apply_overrides(Recipe& recipe, std::span<const std::string> overrides);
NARAE_API void apply_override(Recipe& recipe, const std::string& override_text);

/// The recipe as TOML with everything that has an effect written out: parse_recipe gives the same recipe back.
[[nodiscard]] NARAE_API std::string to_toml(const Recipe& recipe);

/// Every key that has an effect, with its value as TOML writes it.
[[nodiscard]] NARAE_API std::vector<std::pair<std::string, std::string>> recipe_values(const Recipe& recipe);

/// One key of a recipe, for people.
struct RecipeKey {
  std::string name;     ///< "train.optimizer.lr"
  std::string type;     ///< "integer", "number", "text", "true or false", "list of integers"
  std::string allowed;  ///< "at least 1", "one of: sgd, adam"; empty: anything of its type
  std::string initial;  ///< the default, as TOML
  std::string applies;  ///< "train.optimizer.name = sgd or rmsprop"; empty: always
  std::string doc;
  friend bool operator==(const RecipeKey&, const RecipeKey&) = default;
};
[[nodiscard]] NARAE_API std::vector<RecipeKey> recipe_keys();

/// All keys as a Markdown document (docs/recipes.md).
[[nodiscard]] NARAE_API std::string recipe_reference();

}  // namespace narae
