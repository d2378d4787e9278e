#pragma once

#include <array>
#include <cstdint>

namespace narae::draw {

/// Rows of a glyph: 8 of a capital letter and 2 below the base line.
inline constexpr int font_height = 10;
/// Height of a capital letter or digit.
inline constexpr int font_cap_height = 8;

/// One character of the bitmap font; bit x of rows[y] is the pixel in column x.
struct Glyph {
  int width = 0;
  std::array<std::uint16_t, font_height> rows{};
};

/// The glyph of a printable ASCII character; an empty box for any other.
[[nodiscard]] const Glyph& glyph_of(char32_t character);

}  // namespace narae::draw
