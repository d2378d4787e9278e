#pragma once

#include <span>
#include <vector>

namespace narae {

/// A point of a glyph: x to the right, y down, the box of the glyph is [0, 1] x [0, 1].
struct GlyphPoint {
  float x;
  float y;
};

/// One movement of the pen through its points: along a curve (Catmull and Rom) or along straight lines.
struct Stroke {
  bool curved;
  std::vector<GlyphPoint> points;
};

using Glyph = std::vector<Stroke>;

/// The ways in which the digit 0..9 is written.
[[nodiscard]] std::span<const Glyph> glyphs_of(int digit);

}  // namespace narae
