#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/export.h"

namespace narae::text {

/// How fields stand in a line.
enum class TableFormat {
  tsv,  ///< between tabs; quotes mean nothing
  csv,  ///< between commas, RFC 4180: a field in double quotes may hold commas, line ends and doubled quotes
};

/// Takes one row: its fields, and the line in which it begins (from 1).
using RowHandler = std::function<void(const std::vector<std::string>& fields, std::size_t line)>;

/// Goes over the rows of a table; empty lines are passed over. `name` is the file's, for messages. Throws Error naming
/// file and line for a quote that is not closed, characters behind a closing quote, and invalid UTF-8.
NARAE_API void for_each_row(std::string_view text, TableFormat format, const std::string& name,
                            const RowHandler& handle);

}  // namespace narae::text
