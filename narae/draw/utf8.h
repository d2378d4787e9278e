#pragma once

#include <string_view>

namespace narae::draw {

/// What stands for a byte that is no valid UTF-8 (U+FFFD).
inline constexpr char32_t replacement_character = 0xFFFD;

/// Takes the next character off the front of `text`, which must not be empty. A byte that begins no valid
/// sequence (overlong forms, surrogates and values above U+10FFFF included) is taken alone as U+FFFD.
[[nodiscard]] constexpr char32_t next_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  char32_t value = length == 1 ? first : first & (0x7FU >> length);
  bool valid = length != 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xC0U) == 0x80U;
    value = (value << 6) | (byte(i) & 0x3FU);
  }
  constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  valid = valid && value >= smallest[length] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
  text.remove_prefix(valid ? length : 1);
  return valid ? value : replacement_character;
}

}  // namespace narae::draw
