#include "narae/draw/tile.h"

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

}  // namespace

void check_tile(const Array& image, std::string_view drawing, std::size_t index) {
  const Shape& shape = image.shape;
  if (image.dtype != DType::u8 || shape.rank() != 3 || (shape[0] != 1 && shape[0] != 3) || shape[1] < 1 || shape[2] < 1)
    throw Error(fmt::format("{}: picture {} is {} {}, not u8 (1, height, width) or (3, height, width)", drawing, index,
                            name_of(image.dtype), to_string(shape)));
}

void draw_in_tile(Canvas& canvas, const Array& image, int x, int y, int size) {
  const std::int64_t longest = std::max(image.shape[1], image.shape[2]);
  const bool fits = longest <= size;
  const Array drawn = fits ? image : shrunk(image, (longest + size - 1) / size);
  const int scale = fits ? static_cast<int>(size / longest) : 1;
  const int height = static_cast<int>(drawn.shape[1]) * scale;
  const int width = static_cast<int>(drawn.shape[2]) * scale;
  canvas.blit(x + (size - width) / 2, y + (size - height) / 2, drawn, scale);
}

}  // namespace narae::draw
