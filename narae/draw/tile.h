#pragma once

#include <string_view>

#include "narae/core/array.h"
#include "narae/draw/canvas.h"

namespace narae::draw {

/// Throws Error naming the drawing and the picture's index unless it is u8 (1 or 3, height, width).
void check_tile(const Array& image, std::string_view drawing, std::size_t index);

/// The picture as large as whole-number scaling allows, in the middle of a square of `size` pixels.
void draw_in_tile(Canvas& canvas, const Array& image, int x, int y, int size);

}  // namespace narae::draw
