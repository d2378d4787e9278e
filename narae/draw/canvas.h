#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/draw/color.h"

namespace narae::draw {

/// A place on the canvas in pixels: x to the right, y downwards; the centre of the top left pixel is (0.5, 0.5).
struct Point {
  float x = 0;
  float y = 0;
};

/// Whole pixels [x, x + width) x [y, y + height).
struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// Pixels from one line of text to the next, times its scale.
inline constexpr int line_height = 13;
/// Pixels from the top of a line of text to its base line, times its scale.
inline constexpr int text_height = 8;

/// Width of `text` in pixels at a whole-number scale; 0 when it is empty.
[[nodiscard]] NARAE_API int width_of(std::string_view text, int scale = 1);

/// `text`, or as much of its beginning with "..." as fits into `width` pixels.
[[nodiscard]] NARAE_API std::string fitted(std::string_view text, int width, int scale = 1);

/// An RGB picture to draw on. Everything is clipped at its edges, nothing is ever drawn outside.
class NARAE_API Canvas {
 public:
  /// Throws Error unless width and height are at least 1 and the picture has at most 64 Mpixel.
  Canvas(int width, int height, Color background = white);

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  /// The colour of a pixel, which must lie on the canvas (throws Error otherwise).
  [[nodiscard]] Color at(int x, int y) const;
  /// The picture: u8 (3, height, width).
  [[nodiscard]] Array array() const;

  void fill(Color color);
  /// Blends a pixel: coverage 1 replaces it, 0 leaves it alone.
  void pixel(int x, int y, Color color, float coverage = 1.0F);
  /// An anti-aliased line with round ends; `width` in pixels. Points that are not finite draw nothing.
  void line(Point from, Point to, Color color, float width = 1.0F);
  /// A filled rectangle.
  void rectangle(Rect area, Color color);
  /// The border of a rectangle, `thickness` pixels wide, inside `area`.
  void frame(Rect area, Color color, int thickness = 1);
  /// A filled, anti-aliased circle.
  void circle(Point center, float radius, Color color);
  /// One line of text (UTF-8; what is no printable ASCII becomes a box) with its top left corner at (x, y).
  void text(int x, int y, std::string_view text, Color color = ink, int scale = 1);
  /// The same turned to read upwards: (x, y) is the bottom left corner of the turned line.
  void text_upwards(int x, int y, std::string_view text, Color color = ink, int scale = 1);
  /// A picture, u8 (1, h, w) or (3, h, w), each pixel drawn as a scale x scale square. Throws Error for others.
  void blit(int x, int y, const Array& image, int scale = 1);

 private:
  int width_;
  int height_;
  std::vector<Color> pixels_;
};

}  // namespace narae::draw
