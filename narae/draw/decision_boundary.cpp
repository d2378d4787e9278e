#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"
#include "narae/draw/ticks.h"

namespace narae::draw {
namespace {

constexpr int margin = picture_margin;
constexpr int axis_width = 44;   // room for the labels of the vertical axis
constexpr int axis_height = 22;  // and of the horizontal one
constexpr int longest_side = 560;
constexpr int shortest_side = 140;
constexpr Color class_colors[] = {{0, 114, 178}, {213, 94, 0}};
constexpr Color undecided{250, 250, 248};
constexpr Color unknown{200, 200, 200};

// The probabilities as a function of the position in the grid: x in [0, columns - 1], y in [0, rows - 1].
struct Grid {
  std::span<const float> values;
  int rows = 0;
  int columns = 0;
  [[nodiscard]] float at(int row, int column) const {
    return values[static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column)];
  }
  [[nodiscard]] float interpolated(float x, float y) const {
    const int column = std::clamp(static_cast<int>(x), 0, columns - 2);
    const int row = std::clamp(static_cast<int>(y), 0, rows - 2);
    const float u = std::clamp(x - static_cast<float>(column), 0.0F, 1.0F);
    const float v = std::clamp(y - static_cast<float>(row), 0.0F, 1.0F);
    return (1 - v) * ((1 - u) * at(row, column) + u * at(row, column + 1)) +
           v * ((1 - u) * at(row + 1, column) + u * at(row + 1, column + 1));
  }
};

// The rectangle that shows the plane.
struct Plot {
  Rect area;
  float x_min, x_max, y_min, y_max;
  [[nodiscard]] Point of(float x, float y) const {
    return {static_cast<float>(area.x) + (x - x_min) / (x_max - x_min) * static_cast<float>(area.width),
            static_cast<float>(area.y) + (y_max - y) / (y_max - y_min) * static_cast<float>(area.height)};
  }
  // The position of grid point (column, row): the grid's edges are the plot's.
  [[nodiscard]] Point of_grid(const Grid& grid, float column, float row) const {
    return {
        static_cast<float>(area.x) + column / static_cast<float>(grid.columns - 1) * static_cast<float>(area.width),
        static_cast<float>(area.y) + (1 - row / static_cast<float>(grid.rows - 1)) * static_cast<float>(area.height)};
  }
};

void check(const DecisionBoundary& b) {
  const Shape& grid = b.probability.shape;
  if (b.probability.dtype != DType::f32 || grid.rank() != 2 || grid[0] < 2 || grid[1] < 2 || grid[0] > 16384 ||
      grid[1] > 16384)
    throw Error(
        fmt::format("decision boundary: the probabilities are {} {}, not f32 (rows, columns) with 2 to 16384 "
                    "rows and columns",
                    name_of(b.probability.dtype), to_string(grid)));
  const bool points = b.points.shape.rank() != 0;
  const bool labels = b.labels.shape.rank() != 0;
  const bool good_points = b.points.dtype == DType::f32 && b.points.shape.rank() == 2 && b.points.shape[1] == 2;
  const bool good_labels = b.labels.dtype == DType::i64 && b.labels.shape.rank() == 1;
  if (points != labels || (points && (!good_points || !good_labels || b.points.shape[0] != b.labels.shape[0])))
    throw Error(fmt::format(
        "decision boundary: points {} {} with labels {} {}; give f32 (n, 2) with i64 (n), or neither",
        name_of(b.points.dtype), to_string(b.points.shape), name_of(b.labels.dtype), to_string(b.labels.shape)));
  const auto empty = [](float low, float high) { return !(low < high) || !std::isfinite(high - low); };
  if (empty(b.x_min, b.x_max) || empty(b.y_min, b.y_max))
    throw Error(fmt::format("decision boundary: x from {} to {} and y from {} to {} is no area", b.x_min, b.x_max,
                            b.y_min, b.y_max));
  if (b.class_names.size() != 2)
    throw Error(fmt::format("decision boundary: {} class names; there are two classes", b.class_names.size()));
  if (!labels) return;
  for (const std::int64_t label : b.labels.values<std::int64_t>())
    if (label != 0 && label != 1) throw Error(fmt::format("decision boundary: a label is {}, not 0 or 1", label));
}

Color region_color(float probability) {
  if (std::isnan(probability)) return unknown;
  const float certainty = 2 * std::clamp(probability, 0.0F, 1.0F) - 1;
  return mix(undecided, class_colors[certainty > 0 ? 1 : 0],
             0.08F * (certainty != 0 ? 1.0F : 0.0F) + 0.42F * std::abs(certainty));
}

void draw_regions(Canvas& canvas, const Grid& grid, const Plot& plot) {
  const Rect& area = plot.area;
  for (int y = 0; y < area.height; ++y) {
    for (int x = 0; x < area.width; ++x) {
      const float u = (static_cast<float>(x) + 0.5F) / static_cast<float>(area.width);
      const float v = 1 - (static_cast<float>(y) + 0.5F) / static_cast<float>(area.height);
      const float p =
          grid.interpolated(u * static_cast<float>(grid.columns - 1), v * static_cast<float>(grid.rows - 1));
      canvas.pixel(area.x + x, area.y + y, region_color(p));
    }
  }
}

// Marching squares: in each cell of the grid the contour joins the edges on which the probability crosses 1/2.
void draw_contour(Canvas& canvas, const Grid& grid, const Plot& plot) {
  constexpr float level = 0.5F;
  for (int row = 0; row + 1 < grid.rows; ++row) {
    for (int column = 0; column + 1 < grid.columns; ++column) {
      // Corners in the order in which they lie around the cell.
      struct Corner {
        int column, row;
        float value;
      };
      std::array<Corner, 4> corners = {
          {{column, row, 0}, {column + 1, row, 0}, {column + 1, row + 1, 0}, {column, row + 1, 0}}};
      for (Corner& corner : corners) corner.value = grid.at(corner.row, corner.column) - level;
      std::array<Point, 4> crossings{};
      std::size_t count = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        const Corner& a = corners[i];
        const Corner& b = corners[(i + 1) % 4];
        if (!((a.value < 0) != (b.value < 0)) || std::isnan(a.value) || std::isnan(b.value)) continue;
        const float t = a.value / (a.value - b.value);
        crossings[count++] =
            plot.of_grid(grid, static_cast<float>(a.column) + t * static_cast<float>(b.column - a.column),
                         static_cast<float>(a.row) + t * static_cast<float>(b.row - a.row));
      }
      // Four crossings are a saddle: the middle decides which corners belong together.
      const float middle = (corners[0].value + corners[1].value + corners[2].value + corners[3].value) / 4;
      const std::size_t first = count == 4 && (middle < 0) != (corners[0].value < 0) ? 3 : 0;
      for (std::size_t i = 0; i + 1 < count; i += 2)
        canvas.line(crossings[(first + i) % count], crossings[(first + i + 1) % count], ink, 2);
    }
  }
}

void draw_points(Canvas& canvas, const DecisionBoundary& b, const Grid& grid, const Plot& plot) {
  if (b.points.shape.rank() == 0) return;
  const auto points = b.points.values<float>();
  const auto labels = b.labels.values<std::int64_t>();
  const float radius = labels.size() <= 300 ? 4.0F : labels.size() <= 1500 ? 3.0F : 2.2F;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float x = points[2 * i];
    const float y = points[2 * i + 1];
    if (!(x >= plot.x_min && x <= plot.x_max && y >= plot.y_min && y <= plot.y_max)) continue;
    const float p =
        grid.interpolated((x - plot.x_min) / (plot.x_max - plot.x_min) * static_cast<float>(grid.columns - 1),
                          (y - plot.y_min) / (plot.y_max - plot.y_min) * static_cast<float>(grid.rows - 1));
    const bool wrong = (p >= 0.5F) != (labels[i] == 1);
    const Point center = plot.of(x, y);
    canvas.circle(center, radius + (wrong ? 2.0F : 1.2F), wrong ? black : white);
    canvas.circle(center, radius, class_colors[labels[i]]);
  }
}

void draw_axes(Canvas& canvas, const Plot& plot) {
  const Rect& area = plot.area;
  const int bottom = area.y + area.height;
  for (const Tick& tick : linear_ticks(plot.x_min, plot.x_max, area.width / 80)) {
    const int x = static_cast<int>(std::lround(plot.of(static_cast<float>(tick.value), 0).x));
    canvas.rectangle({x, bottom, 1, 4}, muted);
    canvas.text(x - width_of(tick.label) / 2, bottom + 8, tick.label, muted);
  }
  for (const Tick& tick : linear_ticks(plot.y_min, plot.y_max, area.height / 60)) {
    const int y = static_cast<int>(std::lround(plot.of(0, static_cast<float>(tick.value)).y));
    canvas.rectangle({area.x - 5, y, 4, 1}, muted);
    canvas.text(area.x - 9 - width_of(tick.label), y - text_height / 2, tick.label, muted);
  }
  canvas.frame({area.x - 1, area.y - 1, area.width + 2, area.height + 2}, muted);
}

constexpr std::string_view contour_name = "p = 1/2";
constexpr std::string_view ring_name = "wrong side";

// Draws the legend from (x, y) on; with no canvas it only measures. Returns its right end.
int draw_legend(Canvas* canvas, const DecisionBoundary& b, int x, int y) {
  const auto entry = [&](std::string_view name, int symbol_width) {
    if (canvas != nullptr) canvas->text(x + symbol_width + 5, y, name, muted);
    x += symbol_width + 5 + width_of(name) + 16;
  };
  const auto dot = [&](Color color, float radius) {
    if (canvas != nullptr) canvas->circle({static_cast<float>(x) + 4, static_cast<float>(y) + 4}, radius, color);
  };
  for (std::size_t i = 0; i < 2; ++i) {
    dot(class_colors[i], 4);
    entry(fitted(b.class_names[i], 120), 8);
  }
  const Point middle{static_cast<float>(x), static_cast<float>(y) + 4};
  if (canvas != nullptr) canvas->line(middle, {middle.x + 16, middle.y}, ink, 2);
  entry(contour_name, 18);
  if (b.points.shape.rank() == 0) return x - 16;
  dot(black, 5);
  dot(white, 3);
  entry(ring_name, 9);
  return x - 16;
}

}  // namespace

Array decision_boundary(const DecisionBoundary& b) {
  check(b);
  const Grid grid{b.probability.values<float>(), static_cast<int>(b.probability.shape[0]),
                  static_cast<int>(b.probability.shape[1])};
  // Both axes have the same scale unless the area is very long.
  const float aspect = (b.y_max - b.y_min) / (b.x_max - b.x_min);
  const auto side = [](float ratio) {
    return std::clamp(static_cast<int>(static_cast<float>(longest_side) * std::min(ratio, 1.0F)), shortest_side,
                      longest_side);
  };
  const Heading heading{b.title, ""};
  const Plot plot{{margin + axis_width, margin + heading.height(), side(1 / aspect), side(aspect)},
                  b.x_min,
                  b.x_max,
                  b.y_min,
                  b.y_max};
  const int text_width = std::max(draw_legend(nullptr, b, 0, 0), heading.width());
  Canvas canvas(margin + std::max(axis_width + plot.area.width, text_width) + margin,
                plot.area.y + plot.area.height + axis_height + margin);
  draw_legend(&canvas, b, margin, heading.draw(canvas));
  draw_regions(canvas, grid, plot);
  draw_contour(canvas, grid, plot);
  draw_points(canvas, b, grid, plot);
  draw_axes(canvas, plot);
  return canvas.array();
}

}  // namespace narae::draw
