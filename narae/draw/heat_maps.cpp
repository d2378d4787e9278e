#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"

namespace narae::draw {
namespace {

constexpr int gap = 20;          // between maps
constexpr int widest_name = 96;  // pixels of a row's or a column's name
constexpr int title_height = line_height + 4;

void check(const HeatMap& map, std::size_t index) {
  const auto fail = [&](const std::string& what) { throw Error(fmt::format("heat maps: map {}: {}", index, what)); };
  const Shape& shape = map.values.shape;
  if (map.values.dtype != DType::f32 || shape.rank() != 2 || shape[0] < 1 || shape[1] < 1) {
    fail(fmt::format("values are {} {}, not f32 (rows, columns)", name_of(map.values.dtype), to_string(shape)));
  }
  if (!map.rows.empty() && std::ssize(map.rows) != shape[0]) {
    fail(fmt::format("{} names for {} rows", map.rows.size(), shape[0]));
  }
  if (!map.columns.empty() && std::ssize(map.columns) != shape[1]) {
    fail(fmt::format("{} names for {} columns", map.columns.size(), shape[1]));
  }
}

int widest_of(const std::vector<std::string>& names) {
  int widest = 0;
  for (const std::string& name : names) widest = std::max(widest, std::min(width_of(name), widest_name));
  return widest;
}

// Pixels of one map with its names; the same for all, so that they stand in rows and columns.
struct Layout {
  int cell = 0;
  int row_names = 0;     // width
  int column_names = 0;  // height
  int width = 0;
  int height = 0;
};

Layout lay_out(std::span<const HeatMap> maps) {
  Layout layout;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  int title = 0;
  for (const HeatMap& map : maps) {
    rows = std::max(rows, map.values.shape[0]);
    columns = std::max(columns, map.values.shape[1]);
    layout.row_names = std::max(layout.row_names, widest_of(map.rows));
    layout.column_names = std::max(layout.column_names, widest_of(map.columns));
    title = std::max(title, width_of(map.title));
  }
  const std::int64_t most = std::max(rows, columns);
  layout.cell = static_cast<int>(std::clamp<std::int64_t>(600 / most, 2, line_height + 1));
  if (layout.cell < line_height) layout.row_names = layout.column_names = 0;  // no room for names
  layout.width = std::max(title, layout.row_names + 4 + layout.cell * static_cast<int>(columns));
  layout.height = title_height + layout.column_names + 4 + layout.cell * static_cast<int>(rows);
  return layout;
}

void draw_map(Canvas& canvas, const HeatMap& map, const Layout& layout, int left, int top) {
  canvas.text(left, top, fitted(map.title, layout.width), ink);
  const int x0 = left + layout.row_names + 4;
  const int y0 = top + title_height + layout.column_names + 4;
  const std::int64_t rows = map.values.shape[0];
  const std::int64_t columns = map.values.shape[1];
  for (std::int64_t c = 0; layout.column_names > 0 && c < columns && !map.columns.empty(); ++c) {
    const std::string name = fitted(map.columns[static_cast<std::size_t>(c)], widest_name);
    canvas.text_upwards(x0 + static_cast<int>(c) * layout.cell + 2, y0 - 3, name, muted);
  }
  const auto values = map.values.values<float>();
  for (std::int64_t r = 0; r < rows; ++r) {
    const int y = y0 + static_cast<int>(r) * layout.cell;
    if (layout.row_names > 0 && !map.rows.empty()) {
      const std::string name = fitted(map.rows[static_cast<std::size_t>(r)], widest_name);
      canvas.text(x0 - 4 - width_of(name), y + (layout.cell - text_height) / 2, name, muted);
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      const float value = values[static_cast<std::size_t>(r * columns + c)];
      canvas.rectangle({x0 + static_cast<int>(c) * layout.cell, y, layout.cell, layout.cell},
                       map_color(ColorMap::blues, value));
    }
  }
  canvas.frame({x0 - 1, y0 - 1, layout.cell * static_cast<int>(columns) + 2, layout.cell * static_cast<int>(rows) + 2},
               hairline);
}

}  // namespace

Array heat_maps(std::span<const HeatMap> maps, const HeatMapsOptions& options) {
  if (maps.empty()) throw Error("heat maps: there is nothing to draw");
  if (options.columns < 0) throw Error(fmt::format("heat maps: {} maps side by side; at least 1", options.columns));
  for (std::size_t i = 0; i < maps.size(); ++i) check(maps[i], i);
  const Layout layout = lay_out(maps);
  const auto count = static_cast<int>(maps.size());
  const int across = options.columns > 0 ? std::min(options.columns, count)
                                         : static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
  const int down = (count + across - 1) / across;
  const Heading heading{options.title, options.line};
  Canvas canvas(std::max(across * (layout.width + gap) - gap, heading.width()) + 2 * picture_margin,
                2 * picture_margin + heading.height() + down * (layout.height + gap));
  heading.draw(canvas);
  for (int i = 0; i < count; ++i) {
    draw_map(canvas, maps[static_cast<std::size_t>(i)], layout, picture_margin + i % across * (layout.width + gap),
             picture_margin + heading.height() + 8 + i / across * (layout.height + gap));
  }
  return canvas.array();
}

}  // namespace narae::draw
