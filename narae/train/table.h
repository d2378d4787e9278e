#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"

namespace narae {

/// A table as training writes it (results.csv): names in the first line, then rows, with commas and without quotes.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  /// Throws Error when there is no such row or column; NaN when the entry is no number.
  [[nodiscard]] double number(std::size_t row, std::string_view column) const;
};

/// Reads a table; a last line that is not complete (its writer was killed) is left out. Throws Error naming the file
/// when it can't be read or a row has another number of entries than the first line.
[[nodiscard]] NARAE_API Table read_table(const std::filesystem::path& path);

}  // namespace narae
