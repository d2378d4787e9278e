#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"
#include "narae/draw/tile.h"

namespace narae::draw {

Array contact_sheet(std::span<const SheetPicture> pictures, const ContactSheetOptions& options) {
  constexpr int gap = 8;
  if (pictures.empty()) throw Error("contact sheet: there is nothing to draw; give at least one picture");
  if (options.columns < 0 || options.tile_size < 16 || options.tile_size > 1024) {
    throw Error(
        fmt::format("contact sheet: {} columns of tiles of {} pixels; columns must be 0 (automatic) or more, "
                    "tiles 16 to 1024 pixels",
                    options.columns, options.tile_size));
  }
  for (std::size_t i = 0; i < pictures.size(); ++i) check_tile(pictures[i].image, "contact sheet", i);

  const int count = static_cast<int>(std::min<std::size_t>(pictures.size(), 1U << 20));
  const int columns =
      std::min(count, options.columns > 0 ? options.columns : static_cast<int>(std::ceil(std::sqrt(count))));
  const int rows = (count + columns - 1) / columns;
  const int size = options.tile_size;
  const int tile_height = size + 2 + line_height;
  const Heading heading{options.title, fmt::format("{} picture{}", count, count == 1 ? "" : "s")};
  const int top = picture_margin + heading.height();
  Canvas canvas(2 * picture_margin + std::max(columns * (size + gap) - gap, heading.width()),
                top + rows * (tile_height + gap) - gap + picture_margin);
  heading.draw(canvas);
  for (int i = 0; i < count; ++i) {
    const SheetPicture& picture = pictures[static_cast<std::size_t>(i)];
    const int x = picture_margin + (i % columns) * (size + gap);
    const int y = top + (i / columns) * (tile_height + gap);
    draw_in_tile(canvas, picture.image, x, y, size);
    canvas.text(x, y + size + 2, fitted(picture.caption, size), muted);
  }
  return canvas.array();
}

}  // namespace narae::draw
