#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "narae/core/export.h"
#include "narae/core/random.h"

namespace narae {

/// What the scenes of synth:shapes show, by class.
inline constexpr std::array<std::string_view, 10> shape_names{"circle",   "ring", "crescent", "square", "bar",
                                                              "triangle", "star", "cross",    "arrow",  "heart"};

/// Draws a coloured shape somewhere in a scene: of random place, size, proportions, rotation and colour, before a
/// background of two colours with blurred things in it, behind a thin bar and dots that hide a little of it, with pixel
/// noise. `picture`: (3, side, side). The scene is the same for every side, but for its noise. Throws Error for a class
/// that there is none of, and for a picture that is not of side x side pixels in three channels.
NARAE_API void draw_shape(int shape, std::int64_t side, RandomStream& random, std::span<std::uint8_t> picture);

}  // namespace narae
