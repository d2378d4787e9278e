#pragma once

#include <span>
#include <string>
#include <string_view>

#include "narae/data/dataset.h"

// The datasets that the program makes itself, by name.
namespace narae::detail {

inline constexpr std::string_view synth_prefix = "synth:";

struct SynthInfo {
  std::string_view name;
  std::string_view description;
};
[[nodiscard]] std::vector<SynthInfo> synth_sets();

/// `synth:digits`, or with settings `synth:digits?train=20000&seed=3`. Sets up to 256 MiB are drawn once and kept,
/// larger ones are drawn anew in every epoch. Throws UsageError for an unknown name or setting.
[[nodiscard]] Dataset open_synth(const std::string& name, Split split);

}  // namespace narae::detail
