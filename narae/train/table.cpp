#include "narae/train/table.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "narae/core/error.h"
#include "narae/core/files.h"

namespace narae {
namespace {

constexpr std::size_t largest_table = std::size_t{1} << 30;  // bytes

std::vector<std::string> entries_of(std::string_view line) {
  std::vector<std::string> entries;
  for (;;) {
    const std::size_t comma = line.find(',');
    entries.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return entries;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

double Table::number(std::size_t row, std::string_view column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end() || row >= rows.size()) {
    throw Error("the table has no row " + std::to_string(row) + " with column '" + std::string(column) + "'");
  }
  const std::string& text = rows[row][static_cast<std::size_t>(found - columns.begin())];
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = result.ec == std::errc{} && result.ptr == text.data() + text.size();
  return whole ? value : std::numeric_limits<double>::quiet_NaN();
}

Table read_table(const std::filesystem::path& path) {
  const std::string text = read_text(path, largest_table);
  Table table;
  std::string_view rest = text;
  for (std::size_t number = 1;; ++number) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return table;
    std::vector<std::string> entries = entries_of(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (number == 1) {
      table.columns = std::move(entries);
    } else if (entries.size() == table.columns.size()) {
      table.rows.push_back(std::move(entries));
    } else {
      throw Error(path.string() + ":" + std::to_string(number) + ": " + std::to_string(entries.size()) +
                  " entries, but the first line names " + std::to_string(table.columns.size()));
    }
  }
}

}  // namespace narae
