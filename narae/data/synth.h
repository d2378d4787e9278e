#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"
#include "narae/core/random.h"
#include "narae/data/dataset.h"

namespace narae {

/// Draws a digit as a person might write it into a picture of 28 x 28, white on black: one of several forms of the
/// glyph, bent, stretched, sheared, rotated, moved, with a pen of random width, blur and pixel noise.
NARAE_API void draw_digit(int digit, RandomStream& random, std::span<std::uint8_t> picture);

/// `size` samples of drawn digits: image (1, 28, 28) u8, label () i64 (i modulo 10). Sample i is a pure function of
/// (seed, split, i) and is drawn when asked for. Throws Error for a negative size.
[[nodiscard]] NARAE_API Dataset synth_digits(Split split, std::int64_t size, std::uint64_t seed = 0);

/// Pixels a side that scenes of shapes may have.
inline constexpr std::int64_t least_shapes_side = 8;
inline constexpr std::int64_t most_shapes_side = 1024;

/// `size` scenes with a coloured shape (shape_names): image (3, side, side) u8, label () i64 (i modulo 10). Sample i is
/// a pure function of (seed, split, i, side) and is drawn when asked for. Throws Error for a negative size and a side
/// outside least_shapes_side ... most_shapes_side.
[[nodiscard]] NARAE_API Dataset synth_shapes(Split split, std::int64_t size, std::int64_t side = 32,
                                             std::uint64_t seed = 0);

/// Two classes of points in the plane: opposite quadrants, two interleaved half circles, a ring around a ring.
enum class PointSet { exclusive_or, moons, circles };

/// `size` points: image (2) f32, label () i64 (i modulo 2), with normal noise of deviation `noise` in both directions.
/// Sample i is a pure function of (set, seed, split, i). Throws Error for a negative size or noise.
[[nodiscard]] NARAE_API Dataset synth_points(PointSet set, Split split, std::int64_t size, std::uint64_t seed = 0,
                                             float noise = 0.1F);

}  // namespace narae
