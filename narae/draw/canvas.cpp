#include "narae/draw/canvas.h"

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/font.h"
#include "narae/draw/utf8.h"

namespace narae::draw {
namespace {

constexpr std::int64_t max_pixels = std::int64_t{64} << 20;
constexpr int letter_spacing = 1;
static_assert(text_height == font_cap_height);

// The first and one past the last whole pixel that [low, high] touches, within [0, size).
struct PixelRange {
  int begin;
  int end;
};

PixelRange pixels_between(float low, float high, int size) {
  // Written so that NaN becomes 0.
  const auto bound = [size](float value) {
    return value > 0 ? (value < static_cast<float>(size) ? static_cast<int>(value) : size) : 0;
  };
  return {bound(std::floor(low)), bound(std::ceil(high))};
}

// Calls body(x, y) for every pixel of `area` on a canvas of that size. In 64 bits: x + width may overflow an int.
template <class Body>
void for_pixels(const Rect& area, int width, int height, Body&& body) {
  const auto clip = [](std::int64_t value, int size) {
    return static_cast<int>(std::clamp<std::int64_t>(value, 0, size));
  };
  const int x_end = clip(std::int64_t{area.x} + area.width, width);
  const int y_end = clip(std::int64_t{area.y} + area.height, height);
  for (int y = clip(area.y, height); y < y_end; ++y)
    for (int x = clip(area.x, width); x < x_end; ++x) body(x, y);
}

// Calls body(column, row) for every inked dot of a line of text, in dots from its top left corner.
template <class Body>
void for_dots(std::string_view text, Body&& body) {
  int left = 0;
  while (!text.empty()) {
    const Glyph& glyph = glyph_of(next_character(text));
    for (int row = 0; row < font_height; ++row)
      for (int column = 0; column < glyph.width; ++column)
        if ((glyph.rows[static_cast<std::size_t>(row)] >> column & 1U) != 0) body(left + column, row);
    left += glyph.width + letter_spacing;
  }
}

}  // namespace

int width_of(std::string_view text, int scale) {
  int width = text.empty() ? 0 : -letter_spacing;
  while (!text.empty()) width += glyph_of(next_character(text)).width + letter_spacing;
  return width * scale;
}

std::string fitted(std::string_view text, int width, int scale) {
  if (width_of(text, scale) <= width) return std::string(text);
  constexpr std::string_view dots = "...";
  const int room = width - width_of(dots, scale) - letter_spacing * scale;
  std::string_view rest = text;
  std::size_t kept = 0;
  while (!rest.empty()) {
    (void)next_character(rest);
    const std::size_t end = text.size() - rest.size();
    if (width_of(text.substr(0, end), scale) > room) break;
    kept = end;
  }
  return std::string(text.substr(0, kept)).append(dots);
}

Canvas::Canvas(int width, int height, Color background) : width_(width), height_(height) {
  if (width < 1 || height < 1 || std::int64_t{width} * height > max_pixels)
    throw Error("a canvas of " + std::to_string(width) + " x " + std::to_string(height) +
                " pixels: each side must be at least 1 and the picture at most 64 Mpixel");
  pixels_.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), background);
}

Color Canvas::at(int x, int y) const {
  if (x < 0 || y < 0 || x >= width_ || y >= height_)
    throw Error("pixel (" + std::to_string(x) + ", " + std::to_string(y) + ") of a canvas of " +
                std::to_string(width_) + " x " + std::to_string(height_) + " pixels");
  return pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)];
}

Array Canvas::array() const {
  Array result = Array::empty(DType::u8, {3, height_, width_});
  const auto values = result.mutable_values<std::uint8_t>();
  const std::size_t plane = pixels_.size();
  for (std::size_t i = 0; i < plane; ++i) {
    values[i] = pixels_[i].red;
    values[plane + i] = pixels_[i].green;
    values[2 * plane + i] = pixels_[i].blue;
  }
  return result;
}

void Canvas::fill(Color color) {
  std::fill(pixels_.begin(), pixels_.end(), color);
}

void Canvas::pixel(int x, int y, Color color, float coverage) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_ || !(coverage > 0.0F)) return;
  Color& target = pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)];
  target = coverage >= 1.0F ? color : mix(target, color, coverage);
}

// A pixel's coverage is taken from the distance d of its centre to the segment: clamp(width / 2 + 1/2 - d, 0, 1).
void Canvas::line(Point from, Point to, Color color, float width) {
  if (!std::isfinite(from.x) || !std::isfinite(from.y) || !std::isfinite(to.x) || !std::isfinite(to.y)) return;
  // Thinner than a pixel is drawn a pixel wide and fainter.
  const float strength = std::clamp(width, 0.0F, 1.0F);
  const float reach = std::max(width, 1.0F) / 2 + 0.5F;
  const float dx = to.x - from.x;
  const float dy = to.y - from.y;
  const float length_squared = dx * dx + dy * dy;
  const PixelRange rows = pixels_between(std::min(from.y, to.y) - reach, std::max(from.y, to.y) + reach, height_);
  for (int y = rows.begin; y < rows.end; ++y) {
    const float center_y = static_cast<float>(y) + 0.5F;
    // The part of the segment within reach of this row bounds the columns to look at.
    float t0 = 0;
    float t1 = 1;
    if (std::abs(dy) > 1e-6F) {
      const float a = (center_y - reach - from.y) / dy;
      const float b = (center_y + reach - from.y) / dy;
      t0 = std::clamp(std::min(a, b), 0.0F, 1.0F);
      t1 = std::clamp(std::max(a, b), 0.0F, 1.0F);
    }
    const float x0 = from.x + t0 * dx;
    const float x1 = from.x + t1 * dx;
    const PixelRange columns = pixels_between(std::min(x0, x1) - reach, std::max(x0, x1) + reach, width_);
    for (int x = columns.begin; x < columns.end; ++x) {
      const float px = static_cast<float>(x) + 0.5F - from.x;
      const float py = center_y - from.y;
      const float t = length_squared > 0 ? std::clamp((px * dx + py * dy) / length_squared, 0.0F, 1.0F) : 0.0F;
      pixel(x, y, color, strength * std::min(reach - std::hypot(px - t * dx, py - t * dy), 1.0F));
    }
  }
}

void Canvas::rectangle(Rect area, Color color) {
  for_pixels(area, width_, height_, [&](int x, int y) { pixel(x, y, color); });
}

void Canvas::frame(Rect area, Color color, int thickness) {
  const int t = std::min({thickness, (area.width + 1) / 2, (area.height + 1) / 2});
  if (t <= 0) return;
  rectangle({area.x, area.y, area.width, t}, color);
  rectangle({area.x, area.y + area.height - t, area.width, t}, color);
  rectangle({area.x, area.y, t, area.height}, color);
  rectangle({area.x + area.width - t, area.y, t, area.height}, color);
}

void Canvas::circle(Point center, float radius, Color color) {
  if (!std::isfinite(center.x) || !std::isfinite(center.y) || !(radius > 0)) return;
  const float reach = radius + 0.5F;
  const PixelRange rows = pixels_between(center.y - reach, center.y + reach, height_);
  const PixelRange columns = pixels_between(center.x - reach, center.x + reach, width_);
  for (int y = rows.begin; y < rows.end; ++y)
    for (int x = columns.begin; x < columns.end; ++x)
      pixel(x, y, color,
            reach - std::hypot(static_cast<float>(x) + 0.5F - center.x, static_cast<float>(y) + 0.5F - center.y));
}

void Canvas::text(int x, int y, std::string_view text, Color color, int scale) {
  for_dots(text, [&](int column, int row) { rectangle({x + column * scale, y + row * scale, scale, scale}, color); });
}

void Canvas::text_upwards(int x, int y, std::string_view text, Color color, int scale) {
  for_dots(text, [&](int column, int row) {
    rectangle({x + row * scale, y - (column + 1) * scale, scale, scale}, color);
  });
}

void Canvas::blit(int x, int y, const Array& image, int scale) {
  const Shape& shape = image.shape;
  if (image.dtype != DType::u8 || shape.rank() != 3 || (shape[0] != 1 && shape[0] != 3) || scale < 1)
    throw Error(
        "blit: a picture must be u8 of shape (1, height, width) or (3, height, width), drawn at scale 1 or "
        "more; this one is " +
        std::string(name_of(image.dtype)) + " " + to_string(shape) + " at scale " + std::to_string(scale));
  const auto values = image.values<std::uint8_t>();
  const auto height = shape[1];
  const auto width = shape[2];
  const auto plane = static_cast<std::size_t>(height * width);
  const std::size_t green = shape[0] == 3 ? plane : 0;
  const std::size_t blue = 2 * green;
  // Runs over the canvas, not over the picture: a picture far larger than the canvas costs nothing.
  const auto extent = [scale](std::int64_t size) {
    return static_cast<int>(std::min<std::int64_t>(size * scale, std::int64_t{1} << 30));
  };
  for_pixels({x, y, extent(width), extent(height)}, width_, height_, [&](int px, int py) {
    const std::int64_t row = (std::int64_t{py} - y) / scale;
    const std::int64_t column = (std::int64_t{px} - x) / scale;
    const auto i = static_cast<std::size_t>(row * width + column);
    pixel(px, py, {values[i], values[green + i], values[blue + i]});
  });
}

}  // namespace narae::draw
