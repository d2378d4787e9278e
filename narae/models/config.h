#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"
#include "narae/models/registry.h"

namespace narae::models {

/// A network and what its answers mean: what lies beside weights as config.json.
struct ModelConfig {
  ModelSpec model;
  std::vector<std::string> classes;  ///< names, one a class
  std::vector<float> mean;           ///< by which inputs (pixels in 0..1) are normalised; empty: they are not
  std::vector<float> stddev;
};

[[nodiscard]] NARAE_API std::string to_json(const ModelConfig& config);
/// Throws Error naming the file and what is missing or wrong; `file` is what messages call it.
[[nodiscard]] NARAE_API ModelConfig parse_config(std::string_view text, const std::string& file);
[[nodiscard]] NARAE_API ModelConfig read_config(const std::filesystem::path& path);

}  // namespace narae::models
