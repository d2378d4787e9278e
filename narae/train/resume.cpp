#include <algorithm>
#include <array>
#include <string_view>

#include "narae/core/error.h"
#include "narae/train/checkpoint.h"
#include "narae/train/trainer.h"

namespace narae {
namespace {

// What may change in the middle of a run: nothing that the finished steps depend on.
constexpr std::array<std::string_view, 13> changeable = {"description",
                                                         "data.name",
                                                         "data.workers",
                                                         "data.limit_val",
                                                         "data.strict",
                                                         "train.epochs",
                                                         "train.patience",
                                                         "train.min_delta",
                                                         "train.save_every",
                                                         "train.clip_norm",
                                                         "train.optimizer.lr",
                                                         "train.keep_checkpoints",
                                                         "train.checkpoint_activations"};

std::string key_of(const std::string& override_text) {
  return override_text.substr(0, override_text.find('='));
}

}  // namespace

Recipe resumed_recipe(const std::filesystem::path& run, std::span<const std::string> overrides) {
  const Recipe before = load_recipe(run.string());
  Recipe after = before;
  apply_overrides(after, overrides);
  if (checkpoints_in(run / "checkpoints").empty() || to_toml(after) == to_toml(before)) return after;

  std::vector<std::string> harmless;
  std::string others;
  for (const std::string& text : overrides) {
    const std::string key = key_of(text);
    if (std::find(changeable.begin(), changeable.end(), key) != changeable.end()) {
      harmless.push_back(text);
    } else {
      others += (others.empty() ? "" : ", ") + key;
    }
  }
  Recipe allowed = before;
  apply_overrides(allowed, harmless);
  if (to_toml(allowed) != to_toml(after)) {
    throw UsageError("--resume: " + others + " can't be changed in the middle of a run, whose recipe is " +
                     (run / "recipe.toml").string() + "; start a new run, with --weights " +
                     (run / "weights" / "last.safetensors").string() + " from its weights");
  }
  return after;
}

}  // namespace narae
