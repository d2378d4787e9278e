#pragma once

#include <cstdint>

#include "narae/core/export.h"

namespace narae::draw {

/// An sRGB colour.
struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  friend constexpr bool operator==(const Color&, const Color&) = default;
};

inline constexpr Color white{255, 255, 255};
inline constexpr Color black{0, 0, 0};
inline constexpr Color ink{32, 36, 42};           ///< text
inline constexpr Color muted{112, 118, 128};      ///< secondary text
inline constexpr Color hairline{222, 225, 230};   ///< grids and separators
inline constexpr Color right_color{46, 139, 87};  ///< frame of a correct answer
inline constexpr Color wrong_color{205, 48, 48};  ///< frame of a wrong answer

/// (1 - amount) * a + amount * b, amount clamped to [0, 1].
[[nodiscard]] NARAE_API Color mix(Color a, Color b, float amount);

/// Perceived lightness in [0, 1] (Rec. 709 weights on the stored values): above 0.6, dark text reads better.
[[nodiscard]] NARAE_API float lightness(Color color);

enum class ColorMap : std::uint8_t {
  viridis,    ///< dark violet to yellow: magnitudes
  diverging,  ///< blue through near-white to red: signed values with their zero at 0.5
  blues,      ///< white to dark blue: shares, text stays readable
  oranges,    ///< white to dark orange: the counterpart of blues
};

/// The colour at `value`, clamped to [0, 1]; NaN is mid-grey.
[[nodiscard]] NARAE_API Color map_color(ColorMap map, float value);

/// One of eight colours that colour-blind people tell apart (Okabe and Ito, "Color Universal Design", 2008);
/// `index` wraps around.
[[nodiscard]] NARAE_API Color category_color(std::int64_t index);

}  // namespace narae::draw
