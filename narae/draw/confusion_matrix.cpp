#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"
#include "narae/draw/ticks.h"

namespace narae::draw {
namespace {

constexpr int margin = picture_margin;
constexpr int longest_name = 140;
constexpr int smallest_labelled = 18;  // a cell of this size can hold a count and has its own label
constexpr std::int64_t largest_count = std::int64_t{1} << 40;  // a million of them can be added
constexpr Color empty_cell{248, 249, 250};

struct Table {
  std::int64_t classes = 0;
  std::span<const std::int64_t> counts;
  std::vector<std::int64_t> row_sums = {};
  std::int64_t total = 0;
  std::int64_t right = 0;
  [[nodiscard]] std::int64_t at(std::int64_t row, std::int64_t column) const {
    return counts[static_cast<std::size_t>(row * classes + column)];
  }
};

Table read_table(const Array& counts, std::span<const std::string> class_names) {
  const Shape& shape = counts.shape;
  if (counts.dtype != DType::i64 || shape.rank() != 2 || shape[0] != shape[1] || shape[0] < 1 || shape[0] > 1000)
    throw Error(fmt::format("confusion matrix: the counts are {} {}, not i64 (classes, classes) with 1 to 1000 classes",
                            name_of(counts.dtype), to_string(shape)));
  if (!class_names.empty() && static_cast<std::int64_t>(class_names.size()) != shape[0])
    throw Error(fmt::format("confusion matrix: {} class names for counts {}; give one a class or none",
                            class_names.size(), to_string(shape)));
  Table table{.classes = shape[0], .counts = counts.values<std::int64_t>()};
  for (std::int64_t row = 0; row < table.classes; ++row) {
    std::int64_t sum = 0;
    for (std::int64_t column = 0; column < table.classes; ++column) {
      const std::int64_t n = table.at(row, column);
      if (n < 0 || n > largest_count)
        throw Error(
            fmt::format("confusion matrix: the count in row {}, column {} is {}, not 0 to 2^40", row, column, n));
      sum += n;
    }
    table.row_sums.push_back(sum);
    table.total += sum;
    table.right += table.at(row, row);
  }
  return table;
}

float share_of(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0F : static_cast<float>(part) / static_cast<float>(whole);
}

// Of incomplete shares none is rounded up to 100 %.
std::string percent(std::int64_t part, std::int64_t whole, int decimals) {
  if (whole == 0) return "-";
  const double scale = decimals == 1 ? 10 : 100;
  const double value = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  const double rounded = std::round(value * scale) / scale;
  return fmt::format("{:.{}f}%", part < whole && rounded >= 100 ? 100 - 1 / scale : rounded, decimals);
}

Color cell_color(const Table& table, std::int64_t row, std::int64_t column) {
  const std::int64_t n = table.at(row, column);
  if (n == 0) return empty_cell;
  const float share = share_of(n, table.row_sums[static_cast<std::size_t>(row)]);
  if (row == column) return map_color(ColorMap::blues, 0.1F + 0.75F * share);
  return map_color(ColorMap::oranges, 0.08F + 0.75F * std::sqrt(share));
}

std::string count_label(std::int64_t n) {
  return n < 10000 ? std::to_string(n) : short_number(static_cast<double>(n));
}

// Sizes in pixels that follow from the table.
struct Layout {
  int cell = 0;
  int every = 1;  // one row in so many has its label
  bool counts = false;
  bool upwards = false;  // column labels
  int name_width = 0;    // of a row's label
  int column_label_height = 0;
};

Layout lay_out(const Table& table, std::span<const std::string> names) {
  Layout layout;
  int widest_count = 0;
  for (const std::int64_t n : table.counts) widest_count = std::max(widest_count, width_of(count_label(n)));
  const int comfortable = std::max(34, widest_count + 10);
  layout.cell = std::clamp(static_cast<int>(1200 / table.classes), 2, comfortable);
  layout.counts = layout.cell >= std::max(smallest_labelled, widest_count + 4);
  layout.every = layout.cell >= line_height ? 1 : (line_height + layout.cell - 1) / layout.cell;
  int widest_name = 0;
  for (const std::string& name : names) widest_name = std::max(widest_name, std::min(width_of(name), longest_name));
  layout.name_width = widest_name;
  layout.upwards = widest_name > layout.cell - 6;
  layout.column_label_height = layout.upwards ? widest_name + 4 : line_height;
  return layout;
}

void draw_cells(Canvas& canvas, const Table& table, const Layout& layout, int left, int top) {
  const int seam = layout.cell >= 8 ? 1 : 0;
  for (std::int64_t row = 0; row < table.classes; ++row) {
    for (std::int64_t column = 0; column < table.classes; ++column) {
      const int x = left + static_cast<int>(column) * layout.cell;
      const int y = top + static_cast<int>(row) * layout.cell;
      const Color color = cell_color(table, row, column);
      canvas.rectangle({x, y, layout.cell - seam, layout.cell - seam}, color);
      const std::int64_t n = table.at(row, column);
      if (!layout.counts || n == 0) continue;
      const std::string label = count_label(n);
      canvas.text(x + (layout.cell - seam - width_of(label) + 1) / 2, y + (layout.cell - seam - text_height) / 2, label,
                  lightness(color) > 0.55F ? ink : white);
    }
  }
}

void draw_labels(Canvas& canvas, const Table& table, const Layout& layout, std::span<const std::string> names, int left,
                 int top) {
  const int side = static_cast<int>(table.classes) * layout.cell;
  for (std::int64_t i = 0; i < table.classes; i += layout.every) {
    const auto index = static_cast<std::size_t>(i);
    const std::string name = fitted(names[index], longest_name);
    const int offset = static_cast<int>(i) * layout.cell;
    const int text_offset = offset + (layout.cell - text_height) / 2;
    canvas.text(left - 6 - width_of(name), top + text_offset, name);
    if (layout.upwards) {
      canvas.text_upwards(left + text_offset, top - 5, name);
    } else {
      canvas.text(left + offset + (layout.cell - width_of(name)) / 2, top - line_height, name);
    }
    canvas.text(left + side + 8, top + text_offset, percent(table.at(i, i), table.row_sums[index], 1), muted);
  }
}

}  // namespace

Array confusion_matrix(const Array& counts, std::span<const std::string> class_names, const std::string& title) {
  const Table table = read_table(counts, class_names);
  std::vector<std::string> names(class_names.begin(), class_names.end());
  for (std::int64_t i = static_cast<std::int64_t>(names.size()); i < table.classes; ++i)
    names.push_back(std::to_string(i));
  const Layout layout = lay_out(table, names);

  const Heading heading{
      title, fmt::format("{} of {} right ({})", table.right, table.total, percent(table.right, table.total, 2))};
  const std::string note = "Colour: share of the row, errors on a square root scale.";
  const int side = static_cast<int>(table.classes) * layout.cell;
  const int left = margin + line_height + 4 + layout.name_width + 6;
  const int predicted_top = margin + heading.height();
  const int top = predicted_top + line_height + layout.column_label_height;
  const int recall_width = std::max(width_of("100.0%"), width_of("recall")) + 8;
  const int text_width = std::max(heading.width(), width_of(note));
  Canvas canvas(std::max(left + side + recall_width, margin + text_width) + margin,
                top + side + 8 + line_height + margin);

  heading.draw(canvas);
  const std::string_view predicted = "predicted";
  canvas.text(left + std::max(0, (side - width_of(predicted)) / 2), predicted_top, predicted, muted);
  canvas.text(left + side + 8, top - line_height, "recall", muted);
  const std::string_view truth = "truth";
  canvas.text_upwards(margin, top + (side + width_of(truth)) / 2, truth, muted);
  draw_cells(canvas, table, layout, left, top);
  draw_labels(canvas, table, layout, names, left, top);
  canvas.text(margin, top + side + 8, note, muted);
  return canvas.array();
}

}  // namespace narae::draw
