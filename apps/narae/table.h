#pragma once

#include <string>
#include <vector>

namespace narae::cli {

/// Rows of text under a headline, in columns as wide as they need to be.
[[nodiscard]] std::string table(const std::vector<std::string>& headline,
                                const std::vector<std::vector<std::string>>& rows);

}  // namespace narae::cli
