#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace narae {

/// The value of a free option: what TOML can say in one line.
using OptionValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;

/// Options by name, in the order in which they were given.
using Options = std::vector<std::pair<std::string, OptionValue>>;

}  // namespace narae
