#pragma once

#include <CLI/CLI.hpp>
#include <array>

#include "narae/train/translation.h"

namespace narae::cli {

/// Adds --beams and --length-penalty, how a network looks for its answer to a text.
std::array<CLI::Option*, 2> add_search_flags(CLI::App& command, TranslationOptions& options);

}  // namespace narae::cli
