#pragma once

#include <cstddef>
#include <string>

#include "narae/draw/canvas.h"

namespace narae::draw {

/// Throws Error naming the drawing and the picture's number unless it is u8 (1, height, width) or (3, height, width).
void check_tile_image(const Array& image, const std::string& drawing, std::size_t index);

/// A picture in the middle of the area: as large as whole-number enlarging allows, or made smaller by averaging squares
/// of pixels.
void draw_tile_image(Canvas& canvas, const Array& image, const Rect& area);

}  // namespace narae::draw
