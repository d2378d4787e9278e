#pragma once

#include <CLI/CLI.hpp>

namespace narae::cli {

/// Adds `show` to the command `datasets`.
CLI::App* add_dataset_show(CLI::App& datasets);

}  // namespace narae::cli
