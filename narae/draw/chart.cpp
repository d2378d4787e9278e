#include "narae/draw/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "narae/core/error.h"
#include "narae/draw/color.h"
#include "narae/draw/ticks.h"
#include "narae/draw/utf8.h"

namespace narae::draw {
namespace {

constexpr int margin_left = 64;
constexpr int margin_right = 18;
constexpr int margin_top = 62;  // panel title and legend
constexpr int margin_bottom = 50;
constexpr int legend_line = 18;
constexpr int gap = 16;
constexpr int header_height = 40;
constexpr std::size_t most_markers = 40;
constexpr double largest_value = 1e250;

constexpr std::string_view style = R"(<style>
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #20242a; }
.header { font-size: 19px; font-weight: 600; }
.title { font-size: 15px; font-weight: 600; }
.label { font-size: 12px; fill: #5b626d; }
.tick { font-size: 11px; fill: #707680; font-variant-numeric: tabular-nums; }
.legend { font-size: 12px; }
.grid { stroke: #e6e8ec; stroke-width: 1; fill: none; }
.minor { stroke: #f2f3f5; stroke-width: 1; fill: none; }
.axis { stroke: #8a909a; stroke-width: 1; fill: none; }
.mark { stroke: #cd3030; stroke-width: 1.5; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
</style>
)";

std::string hex(Color c) {
  return fmt::format("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue);
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] bool empty() const { return low > high; }
};

// An axis maps values to pixels; `position` is in pixels from the axis's beginning.
struct Axis {
  Range range = {};
  bool logarithmic = false;
  double pixels = 0;
  [[nodiscard]] double scaled(double value) const { return logarithmic ? std::log10(value) : value; }
  // Not NaN or infinity, nor what would become one when an axis is widened.
  [[nodiscard]] bool shows(double value) const {
    return std::abs(value) <= largest_value && (!logarithmic || value >= 1 / largest_value);
  }
  [[nodiscard]] double position(double value) const {
    const double low = scaled(range.low);
    return pixels * (scaled(value) - low) / (scaled(range.high) - low);
  }
};

double x_at(const Series& series, std::size_t i) {
  return series.x.empty() ? static_cast<double>(i + 1) : series.x[i];
}

// A range with some room on both sides, never empty or without extent.
Range widened(Range range, bool logarithmic, double room) {
  if (range.empty()) return logarithmic ? Range{0.1, 1} : Range{0, 1};
  if (logarithmic) {
    const double decades = std::log10(range.high) - std::log10(range.low);
    const double factor = decades > 1e-9 ? std::pow(10.0, room * decades) : 2.0;
    return {range.low / factor, range.high * factor};
  }
  const double extent = range.high - range.low;
  // Values that agree but for rounding get the room of a constant: ticks need a step that doubles can hold.
  const double size = std::max(std::abs(range.low), std::abs(range.high));
  const double pad = extent > 1e-9 * size ? room * extent : size > 0 ? size / 10 : 0.5;
  // What is never negative keeps an axis that begins at zero.
  const double low = range.low >= 0 ? std::max(range.low - pad, 0.0) : range.low - pad;
  return {low, range.high + pad};
}

struct Axes {
  Axis x;
  Axis y;
  bool whole_x = true;  // every x is a whole number: no ticks in between
  bool empty = false;
};

Axes axes_of(const Chart& chart, double width, double height) {
  Axes axes{.x = {.logarithmic = chart.log_x, .pixels = width}, .y = {.logarithmic = chart.log_y, .pixels = height}};
  for (const Series& series : chart.series) {
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      const double x = x_at(series, i);
      if (!axes.x.shows(x) || !axes.y.shows(series.y[i])) continue;
      axes.x.range.include(x);
      axes.y.range.include(series.y[i]);
      axes.whole_x = axes.whole_x && x == std::floor(x);
    }
  }
  axes.empty = axes.x.range.empty();
  axes.x.range = widened(axes.x.range, chart.log_x, 0);
  axes.y.range = widened(axes.y.range, chart.log_y, 0.05);
  if (axes.y.shows(chart.y_min)) axes.y.range.low = chart.y_min;
  if (axes.y.shows(chart.y_max)) axes.y.range.high = chart.y_max;
  if (!(axes.y.range.low < axes.y.range.high))
    throw Error(
        fmt::format("chart '{}': its vertical axis would go from {} to {}; leave y_min and y_max out or make "
                    "y_min the smaller",
                    chart.title, axes.y.range.low, axes.y.range.high));
  return axes;
}

struct Position {
  double x = 0;
  double y = 0;
};

// At most four points for a pixel column - the first, the last and both extremes - show the same line.
std::vector<Position> thinned(std::span<const Position> points) {
  std::vector<Position> kept;
  for (std::size_t begin = 0; begin < points.size();) {
    const double column = std::floor(points[begin].x);
    std::size_t end = begin;
    std::size_t low = begin;
    std::size_t high = begin;
    for (; end < points.size() && std::floor(points[end].x) == column; ++end) {
      if (points[end].y < points[low].y) low = end;
      if (points[end].y > points[high].y) high = end;
    }
    std::size_t chosen[] = {begin, std::min(low, high), std::max(low, high), end - 1};
    const auto last = std::unique(std::begin(chosen), std::end(chosen));
    for (auto it = std::begin(chosen); it != last; ++it) kept.push_back(points[*it]);
    begin = end;
  }
  return kept;
}

using Output = std::back_insert_iterator<std::string>;

void draw_run(Output out, std::span<const Position> run, const std::string& color, bool dashed) {
  if (run.empty()) return;
  fmt::format_to(out, "<path class=\"line\" stroke=\"{}\"{} d=\"", color, dashed ? " stroke-dasharray=\"6 5\"" : "");
  const char* command = "M";
  for (const Position& p : thinned(run)) {
    fmt::format_to(out, "{}{:.1f} {:.1f}", command, p.x, p.y);
    command = "L";
  }
  // A lone point becomes visible as a dot with round ends.
  fmt::format_to(out, "{}\"/>\n", run.size() == 1 ? "h0" : "");
}

void draw_series(Output out, const Series& series, const Axes& axes, const std::string& color) {
  std::vector<Position> run;
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    const double x = x_at(series, i);
    if (axes.x.shows(x) && axes.y.shows(series.y[i])) {
      // Far outside a fixed axis there is nothing to see, and huge coordinates trouble renderers.
      const double y = axes.y.pixels - axes.y.position(series.y[i]);
      run.push_back({axes.x.position(x), std::clamp(y, -10 * axes.y.pixels, 10 * axes.y.pixels)});
    } else {
      draw_run(out, run, color, series.dashed);
      run.clear();
    }
  }
  draw_run(out, run, color, series.dashed);
  if (series.y.size() > most_markers) return;
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    const double x = x_at(series, i);
    if (!axes.x.shows(x) || !axes.y.shows(series.y[i])) continue;
    const double y = axes.y.pixels - axes.y.position(series.y[i]);
    if (y < 0 || y > axes.y.pixels) continue;
    fmt::format_to(out,
                   "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"><title>{} at {}: {:.5g}</title></circle>\n",
                   axes.x.position(x), y, color, escape_xml(series.name), short_number(x), series.y[i]);
  }
}

void draw_axes(Output out, const Axes& axes) {
  const double width = axes.x.pixels;
  const double height = axes.y.pixels;
  const int x_target = std::max(2, static_cast<int>(width / 75));
  const int y_target = std::max(2, static_cast<int>(height / 40));
  const Range& x = axes.x.range;
  const Range& y = axes.y.range;
  const auto x_ticks = axes.x.logarithmic ? log_ticks(x.low, x.high, x_target)
                                          : linear_ticks(x.low, x.high, x_target, axes.whole_x ? 1 : 0);
  const auto y_ticks = axes.y.logarithmic ? log_ticks(y.low, y.high, y_target) : linear_ticks(y.low, y.high, y_target);
  for (const Tick& tick : x_ticks) {
    const double at = axes.x.position(tick.value);
    fmt::format_to(out, "<path class=\"{}\" d=\"M{:.1f} 0V{:.1f}\"/>\n", tick.label.empty() ? "minor" : "grid", at,
                   height);
    if (!tick.label.empty())
      fmt::format_to(out, "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", at,
                     height + 17, tick.label);
  }
  for (const Tick& tick : y_ticks) {
    const double at = height - axes.y.position(tick.value);
    fmt::format_to(out, "<path class=\"{}\" d=\"M0 {:.1f}H{:.1f}\"/>\n", tick.label.empty() ? "minor" : "grid", at,
                   width);
    if (!tick.label.empty())
      fmt::format_to(out, "<text class=\"tick\" x=\"-8\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", at + 4,
                     tick.label);
  }
  fmt::format_to(out, "<path class=\"axis\" d=\"M0 0V{:.1f}H{:.1f}\"/>\n", height, width);
}

void draw_marks(Output out, const Chart& chart, const Axes& axes) {
  for (const Mark& mark : chart.marks) {
    if (!axes.x.shows(mark.x) || mark.x < axes.x.range.low || mark.x > axes.x.range.high) continue;
    const double x = axes.x.position(mark.x);
    const bool left = x > axes.x.pixels / 2;  // the words stand on the side with more room
    fmt::format_to(out, "<path class=\"mark\" stroke-dasharray=\"4 4\" d=\"M{:.1f} 0V{:.1f}\"/>\n", x, axes.y.pixels);
    fmt::format_to(out, "<text class=\"legend\" x=\"{:.1f}\" y=\"14\" text-anchor=\"{}\">{}</text>\n",
                   left ? x - 6 : x + 6, left ? "end" : "start", escape_xml(mark.label));
  }
}

// Where an entry of the legend stands; none for a series without a name.
struct LegendEntry {
  std::size_t series = 0;
  double x = 0;
  int row = 0;
};

// The legend stands between title and plot, in as many lines as it needs; what half the plot can't hold is left out.
std::vector<LegendEntry> legend_of(const Chart& chart, double width, int plot_height) {
  std::vector<LegendEntry> entries;
  double x = 0;
  int row = 0;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    std::string_view rest = chart.series[i].name;
    int characters = 0;
    for (; !rest.empty(); ++characters) (void)next_character(rest);
    if (characters == 0) continue;
    const double extent = 26 + 6.8 * characters + 18;  // an estimate: the browser chooses the font
    if (x > 0 && x + extent > width + margin_right) {
      x = 0;
      if (++row * legend_line > plot_height / 2) break;
    }
    entries.push_back({.series = i, .x = x, .row = row});
    x += extent;
  }
  return entries;
}

// Pixels of the lines of a legend beyond the first.
int further_lines(std::span<const LegendEntry> legend) {
  return legend.empty() ? 0 : legend.back().row * legend_line;
}

void draw_legend(Output out, const Chart& chart, std::span<const LegendEntry> legend) {
  for (const LegendEntry& entry : legend) {
    const Series& series = chart.series[entry.series];
    const int y = entry.row * legend_line - further_lines(legend) - 11;
    fmt::format_to(out, "<path class=\"line\" stroke=\"{}\"{} d=\"M{:.1f} {}h20\"/>\n",
                   hex(category_color(static_cast<std::int64_t>(entry.series))),
                   series.dashed ? " stroke-dasharray=\"6 5\"" : "", entry.x, y - 4);
    fmt::format_to(out, "<text class=\"legend\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", entry.x + 26, y,
                   escape_xml(series.name));
  }
}

void draw_chart(Output out, const Chart& chart, int number, int left, int top, const SvgOptions& options) {
  const double width = options.panel_width - margin_left - margin_right;
  const int room = options.panel_height - margin_top - margin_bottom;
  const std::vector<LegendEntry> legend = legend_of(chart, width, room);
  const int shift = further_lines(legend);
  const double height = room - shift;
  for (const Series& series : chart.series)
    if (!series.x.empty() && series.x.size() != series.y.size())
      throw Error(fmt::format("chart '{}': the series '{}' has {} x and {} y values; give as many of both, or no x",
                              chart.title, series.name, series.x.size(), series.y.size()));
  const Axes axes = axes_of(chart, width, height);
  fmt::format_to(out, "<g transform=\"translate({} {})\">\n", left + margin_left, top + margin_top + shift);
  fmt::format_to(out, "<text class=\"title\" x=\"0\" y=\"{}\">{}</text>\n", -36 - shift, escape_xml(chart.title));
  draw_legend(out, chart, legend);
  draw_axes(out, axes);
  if (axes.empty)
    fmt::format_to(out, "<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">no data yet</text>\n",
                   width / 2, height / 2);
  fmt::format_to(out, "<clipPath id=\"plot{}\"><rect x=\"-4\" y=\"-4\" width=\"{}\" height=\"{}\"/></clipPath>\n",
                 number, width + 8, height + 8);
  fmt::format_to(out, "<g clip-path=\"url(#plot{})\">\n", number);
  // The first series is drawn last, on top.
  for (std::size_t i = chart.series.size(); i-- > 0;)
    draw_series(out, chart.series[i], axes, hex(category_color(static_cast<std::int64_t>(i))));
  fmt::format_to(out, "</g>\n");
  draw_marks(out, chart, axes);
  fmt::format_to(out, "<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", width / 2,
                 height + 38, escape_xml(chart.x_label));
  fmt::format_to(
      out,
      "<text class=\"label\" transform=\"translate(-48 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n</g>\n",
      height / 2, escape_xml(chart.y_label));
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t c = next_character(text);
    const bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else if (c == '\'') {
      result += "&#39;";
    } else if (control || c == replacement_character || c == 0xFFFE || c == 0xFFFF) {
      result += "\xEF\xBF\xBD";
    } else {
      result += before.substr(0, before.size() - text.size());
    }
  }
  return result;
}

std::string svg(std::span<const Chart> charts, const SvgOptions& options) {
  if (options.columns < 1 || options.panel_width < 200 || options.panel_height < 150 || options.panel_width > 10000 ||
      options.panel_height > 10000)
    throw Error(
        fmt::format("svg: {} columns of panels of {} x {} pixels; use at least one column and panels of at "
                    "least 200 x 150 and at most 10000 x 10000 pixels",
                    options.columns, options.panel_width, options.panel_height));
  const int count = static_cast<int>(charts.size());
  const int columns = std::clamp(count, 1, options.columns);
  const int rows = std::max(1, (count + columns - 1) / columns);
  const int top = options.title.empty() ? gap : gap + header_height;
  const int width = columns * (options.panel_width + gap) + gap;
  const int height = top + rows * (options.panel_height + gap);
  std::string result;
  const auto out = std::back_inserter(result);
  fmt::format_to(out,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n",
                 width, height);
  result += style;
  fmt::format_to(out, "<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n", width, height);
  if (!options.title.empty())
    fmt::format_to(out, "<text class=\"header\" x=\"{}\" y=\"34\">{}</text>\n", gap + 8, escape_xml(options.title));
  for (int i = 0; i < count; ++i)
    draw_chart(out, charts[static_cast<std::size_t>(i)], i, gap + (i % columns) * (options.panel_width + gap),
               top + (i / columns) * (options.panel_height + gap), options);
  result += "</svg>\n";
  return result;
}

}  // namespace narae::draw
