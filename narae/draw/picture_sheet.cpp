#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"
#include "narae/draw/tile_image.h"

namespace narae::draw {
namespace {

constexpr int margin = picture_margin;
constexpr int gap = 12;
constexpr Color backdrop{244, 245, 247};

}  // namespace

Array picture_sheet(std::span<const LabelledPicture> pictures, const PictureSheetOptions& options) {
  if (pictures.empty()) throw Error("picture sheet: there is nothing to draw; give at least one picture");
  if (options.columns < 0 || options.tile_size < 16 || options.tile_size > 1024) {
    throw Error(fmt::format(
        "picture sheet: {} columns of tiles of {} pixels; columns must be 0 (automatic) or more, tiles 16 to "
        "1024 pixels",
        options.columns, options.tile_size));
  }
  std::int64_t tallest = 1;
  std::int64_t widest = 1;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    check_tile_image(pictures[i].image, "picture sheet", i);
    tallest = std::max(tallest, pictures[i].image.shape[1]);
    widest = std::max(widest, pictures[i].image.shape[2]);
  }
  // Tiles have the form of the pictures: tile_size along the longer side.
  const std::int64_t longest = std::max(tallest, widest);
  const auto side = [&](std::int64_t extent) {
    return std::max(16, static_cast<int>(options.tile_size * extent / longest));
  };
  const int tile_width = side(widest);
  const int tile_height = side(tallest);
  const int count = static_cast<int>(std::min<std::size_t>(pictures.size(), 1U << 20));
  const int wanted = options.columns > 0 ? options.columns : static_cast<int>(std::ceil(std::sqrt(1.3 * count)));
  const int columns = std::min(wanted, count);
  const int rows = (count + columns - 1) / columns;
  const Heading heading{options.title, options.line};
  const bool notes = std::ranges::any_of(pictures, [](const LabelledPicture& p) { return !p.note.empty(); });
  const int caption_height = (notes ? 2 : 1) * line_height + 4;
  const int pitch = tile_height + caption_height + gap;
  const int top = margin + heading.height();
  Canvas canvas(2 * margin + std::max(columns * (tile_width + gap) - gap, heading.width()),
                top + rows * pitch - gap + margin);
  heading.draw(canvas);
  for (int i = 0; i < count; ++i) {
    const LabelledPicture& picture = pictures[static_cast<std::size_t>(i)];
    const Rect area{margin + i % columns * (tile_width + gap), top + i / columns * pitch, tile_width, tile_height};
    canvas.rectangle(area, backdrop);
    draw_tile_image(canvas, picture.image, area);
    canvas.frame({area.x - 1, area.y - 1, area.width + 2, area.height + 2}, hairline);
    const int text_top = area.y + area.height + 5;
    canvas.text(area.x, text_top, fitted(picture.label, tile_width), ink);
    canvas.text(area.x, text_top + line_height, fitted(picture.note, tile_width), muted);
  }
  return canvas.array();
}

}  // namespace narae::draw
