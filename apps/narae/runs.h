#pragma once

#include <filesystem>
#include <string>

#include "narae/train/trained_model.h"

namespace narae::cli {

/// The run folder at the path `name`, or at `name` (recipe/run) below the project. Throws UsageError naming the nearest
/// run when neither holds a recipe.toml.
[[nodiscard]] std::filesystem::path find_run(const std::string& name, const std::filesystem::path& project = "runs");

/// The "best" or "last" model of a run, or the language model in a folder that Hugging Face's transformers saved, which
/// has one. Throws as find_run, load_trained and load_pretrained do.
[[nodiscard]] TrainedModel load_run(const std::string& name, const std::string& which);

}  // namespace narae::cli
