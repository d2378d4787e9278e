#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "narae/graph/profile.h"

namespace narae::cli {

/// `--profile FILE`: from then on the steps of all plans are timed; finish_profile() writes them to FILE.
void add_profile_flag(CLI::App& command);
/// Writes what --profile asked for, if it did: a Chrome trace (chrome://tracing, ui.perfetto.dev). Throws Error when
/// the file can't be written.
void finish_profile();

/// The steps of `rounds` equal rounds, those of one name and module together, the slowest first: time of a round,
/// share, GFLOP/s and GB/s.
[[nodiscard]] std::string step_table(const std::vector<ProfiledStep>& steps, int rounds, std::size_t most_rows);

/// One line of that table.
struct StepGroup {
  std::string name, module;
  std::int64_t count;            ///< steps of a round
  double seconds, flops, bytes;  ///< of a round
};
[[nodiscard]] std::vector<StepGroup> group_steps(const std::vector<ProfiledStep>& steps, int rounds);

}  // namespace narae::cli
