#pragma once

#include <span>
#include <string>

#include "bench/compare.h"
#include "bench/machine.h"

namespace narae::bench {

/// A row of the table on a terminal, and the line above the first.
[[nodiscard]] std::string headline();
[[nodiscard]] std::string to_text(const Row& row, const Machine& machine);
/// Geometric mean of the ratios (cold start left out), rows below what they must reach.
[[nodiscard]] std::string verdict(std::span<const Row> rows);

/// Puts the rows between the marks of `sources`/docs/performance.md and draws docs/pictures/performance.svg. Throws
/// Error when the page or its marks are not there.
void write_report(std::span<const Row> rows, const Machine& machine, const std::string& sources, int threads);

}  // namespace narae::bench
