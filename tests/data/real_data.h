#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace narae::testing_files {

/// The folder of a real dataset, if it is at hand.
inline std::optional<std::filesystem::path> real_data(const std::string& name) {
  const char* variable = std::getenv("NARAE_DATA");
  const std::filesystem::path root = variable == nullptr ? "" : variable;
  if (!root.empty() && std::filesystem::is_directory(root / name)) return root / name;
  return std::nullopt;
}

}  // namespace narae::testing_files
