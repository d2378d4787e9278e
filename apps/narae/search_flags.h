#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "narae/train/translation.h"

namespace narae::cli {

/// --beams and --length-penalty of a command.
struct SearchFlags {
  std::array<CLI::Option*, 2> options;

  [[nodiscard]] bool given() const {
    return std::any_of(options.begin(), options.end(), [](const CLI::Option* option) { return !option->empty(); });
  }
};

/// Adds them: how a network looks for its answer to a text.
SearchFlags add_search_flags(CLI::App& command, TranslationOptions& options);

}  // namespace narae::cli
