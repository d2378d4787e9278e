#include "narae/draw/tile_image.h"

#include <fmt/format.h>

#include <algorithm>

#include "narae/core/error.h"

namespace narae::draw {
namespace {

// Averages squares of factor x factor pixels (smaller ones at the right and lower edge).
Array shrunk(const Array& image, std::int64_t factor) {
  const std::int64_t channels = image.shape[0];
  const std::int64_t height = image.shape[1];
  const std::int64_t width = image.shape[2];
  const std::int64_t new_height = (height + factor - 1) / factor;
  const std::int64_t new_width = (width + factor - 1) / factor;
  Array result = Array::empty(DType::u8, {channels, new_height, new_width});
  const auto from = image.values<std::uint8_t>();
  const auto to = result.mutable_values<std::uint8_t>();
  std::size_t next = 0;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = 0; y < height; y += factor) {
      for (std::int64_t x = 0; x < width; x += factor) {
        const std::int64_t y_end = std::min(y + factor, height);
        const std::int64_t x_end = std::min(x + factor, width);
        std::int64_t sum = 0;
        for (std::int64_t v = y; v < y_end; ++v)
          for (std::int64_t u = x; u < x_end; ++u) sum += from[static_cast<std::size_t>((c * height + v) * width + u)];
        const std::int64_t count = (y_end - y) * (x_end - x);
        to[next++] = static_cast<std::uint8_t>((sum + count / 2) / count);
      }
    }
  }
  return result;
}

// How often `room` holds `extent`, and the smallest factor that makes it fit.
std::int64_t fits(std::int64_t room, std::int64_t extent) {
  return room / extent;
}
std::int64_t shrink_factor(std::int64_t room, std::int64_t extent) {
  return (extent + room - 1) / room;
}

}  // namespace

void check_tile_image(const Array& image, const std::string& drawing, std::size_t index) {
  const Shape& shape = image.shape;
  if (image.dtype != DType::u8 || shape.rank() != 3 || (shape[0] != 1 && shape[0] != 3) || shape[1] < 1 || shape[2] < 1)
    throw Error(fmt::format("{}: picture {} is {} {}, not u8 (1, height, width) or (3, height, width)", drawing, index,
                            name_of(image.dtype), to_string(shape)));
}

void draw_tile_image(Canvas& canvas, const Array& image, const Rect& area) {
  const std::int64_t scale = std::min(fits(area.height, image.shape[1]), fits(area.width, image.shape[2]));
  const std::int64_t factor =
      std::max(shrink_factor(area.height, image.shape[1]), shrink_factor(area.width, image.shape[2]));
  const Array drawn = scale >= 1 ? image : shrunk(image, factor);
  const int enlarged = static_cast<int>(std::max<std::int64_t>(scale, 1));
  const int height = static_cast<int>(drawn.shape[1]) * enlarged;
  const int width = static_cast<int>(drawn.shape[2]) * enlarged;
  canvas.blit(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, drawn, enlarged);
}

}  // namespace narae::draw
