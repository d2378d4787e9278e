#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narae/models/options.h"

namespace narae::detail {

/// Where something stands in a file, counted from 1; columns are characters.
struct TomlPosition {
  std::int64_t line = 1;
  std::int64_t column = 1;
};

struct TomlEntry {
  std::string key;  ///< with its sections: "train.optimizer.lr"
  OptionValue value;
  TomlPosition at;
};

struct TomlSection {
  std::string key;  ///< "train.optimizer"; also of an inline table
  TomlPosition at;
};

struct TomlFile {
  std::vector<TomlEntry> entries;  ///< in the order of the file
  std::vector<TomlSection> sections;
};

/// Reads what recipes need of TOML 1.0 (https://toml.io/en/v1.0.0): sections, inline tables, dotted keys of letters,
/// digits, '-' and '_', text of one line, decimal numbers, booleans and lists of integers. Throws UsageError naming
/// `file`, line and column for everything else.
[[nodiscard]] TomlFile parse_toml(std::string_view text, const std::string& file);

/// The value that the whole text is; nothing when it is none.
[[nodiscard]] std::optional<OptionValue> parse_toml_value(std::string_view text);

/// "mine.toml:7:3"
[[nodiscard]] std::string place(const std::string& file, const TomlPosition& at);

}  // namespace narae::detail
