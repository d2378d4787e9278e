#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "narae/nn/module.h"

namespace narae::nn {

/// "features,fc.weight" taken apart at the commas: patterns as Module::freeze takes them. Throws UsageError for an
/// empty one between commas.
[[nodiscard]] NARAE_API std::vector<std::string> patterns_of(std::string_view list);

/// Puts layers with running statistics (batch norm) into evaluation mode when their own parameters, or all those of a
/// module around them, are frozen: a frozen trunk goes on computing what it computed when it was trained, and its
/// statistics stay as they are. To be called after `train()`, which sets the mode of all modules. Returns how many
/// layers it found.
NARAE_API int keep_frozen_statistics(const Module& network);

}  // namespace narae::nn
