#pragma once

#include <filesystem>
#include <string>

namespace narae::cli {

/// The run folder at the path `name`, or at `name` (recipe/run) below the project. Throws UsageError naming the nearest
/// run when neither holds a recipe.toml.
[[nodiscard]] std::filesystem::path find_run(const std::string& name, const std::filesystem::path& project = "runs");

}  // namespace narae::cli
