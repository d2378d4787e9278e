#pragma once

#include <algorithm>
#include <string>

#include "narae/draw/canvas.h"

namespace narae::draw {

/// Blank pixels around every picture of ours.
inline constexpr int picture_margin = 16;

/// The heading of a picture: a large title (left out when empty) above one small line.
struct Heading {
  std::string title;
  std::string line;

  [[nodiscard]] int height() const { return (title.empty() ? 0 : 26) + 22; }
  /// Pixels it would like to have; a longer title than 800 pixels is cut.
  [[nodiscard]] int width() const { return std::max(std::min(width_of(title, 2), 800), width_of(line)); }
  /// Draws it in the top left corner, inside the margin; returns the top of its small line.
  int draw(Canvas& canvas) const {
    canvas.text(picture_margin, picture_margin, fitted(title, canvas.width() - 2 * picture_margin, 2), ink, 2);
    const int top = picture_margin + height() - 22;
    canvas.text(picture_margin, top, line, muted);
    return top;
  }
};

}  // namespace narae::draw
