#pragma once

#include <string>
#include <string_view>

namespace narae::detail {

/// 'name' for a message: a name out of a file may be long or hold control characters, which a terminal would obey.
[[nodiscard]] inline std::string quote(std::string_view name) {
  constexpr std::size_t shown = 120;
  std::string text = "'";
  for (const char c : name.substr(0, shown)) {
    const auto code = static_cast<unsigned char>(c);
    text += code < 0x20 || code == 0x7f ? '?' : c;
  }
  return text + (name.size() > shown ? "...'" : "'");
}

}  // namespace narae::detail
