#pragma once

#include <limits>
#include <span>
#include <string>
#include <vector>

#include "narae/core/export.h"

namespace narae::draw {

/// One line of a chart. `x` may be empty: 1, 2, 3, ... then; otherwise it is as long as `y`. A value that is not
/// finite (or beyond 1e250, or not positive on a logarithmic axis) leaves a gap.
struct Series {
  std::string name;
  std::vector<double> y;
  std::vector<double> x = {};
  bool dashed = false;
};

/// A vertical line across a panel, with a few words beside its top.
struct Mark {
  double x = 0;
  std::string label = {};
};

/// A panel of line charts. A bound of the vertical axis that is NaN is chosen from the data.
struct Chart {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::vector<Series> series = {};
  bool log_x = false;
  bool log_y = false;
  double y_min = std::numeric_limits<double>::quiet_NaN();
  double y_max = std::numeric_limits<double>::quiet_NaN();
  std::vector<Mark> marks = {};  ///< those beyond the horizontal axis are left out
};

struct SvgOptions {
  std::string title = {};  ///< above all panels; none when empty
  int columns = 2;         ///< panels side by side
  int panel_width = 520;   ///< pixels, at least 200
  int panel_height = 360;  ///< pixels, at least 150
};

/// The panels as one self-contained SVG document, ready to be written to a file. Series of many points are thinned
/// to what a panel can show. Throws Error for a series whose x and y differ in length and for options out of range.
[[nodiscard]] NARAE_API std::string svg(std::span<const Chart> charts, const SvgOptions& options = {});

/// `text` made safe for XML content and attributes: markup is escaped, what XML 1.0 can't hold becomes U+FFFD.
[[nodiscard]] NARAE_API std::string escape_xml(std::string_view text);

}  // namespace narae::draw
