#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"
#include "narae/draw/tile_image.h"

namespace narae::draw {
namespace {

constexpr int margin = picture_margin;
constexpr int gap = 10;
constexpr int frame_width = 3;
constexpr int bar_height = 4;
constexpr int caption_height = 2 * line_height + 4;
constexpr Color backdrop{244, 245, 247};

void draw_tile(Canvas& canvas, const Prediction& prediction, int x, int y, int size) {
  const bool known = prediction.truth.has_value();
  const bool wrong = known && *prediction.truth != prediction.predicted;
  const Color color = !known ? muted : wrong ? wrong_color : right_color;
  const int outer = size + 2 * frame_width;
  canvas.rectangle({x, y, outer, outer}, backdrop);
  draw_tile_image(canvas, prediction.image, {x + frame_width, y + frame_width, size, size});
  canvas.frame({x, y, outer, outer}, color, frame_width);

  // A bar as long as the probability, just below the frame.
  const float probability =
      std::isfinite(prediction.probability) ? std::clamp(prediction.probability, 0.0F, 1.0F) : 0.0F;
  const int bar_top = y + outer + 2;
  canvas.rectangle({x, bar_top, outer, bar_height}, hairline);
  canvas.rectangle({x, bar_top, static_cast<int>(std::lround(probability * static_cast<float>(outer))), bar_height},
                   color);

  const int text_top = bar_top + bar_height + 4;
  const std::string percent = fmt::format("{:.1f}%", 100 * probability);
  const int percent_width = width_of(percent);
  canvas.text(x, text_top, fitted(prediction.predicted, outer - percent_width - 6), ink);
  canvas.text(x + outer - percent_width, text_top, percent, muted);
  if (wrong) canvas.text(x, text_top + line_height, fitted("truth: " + *prediction.truth, outer), wrong_color);
}

std::string count_of_right(std::span<const Prediction> predictions) {
  const auto known =
      std::count_if(predictions.begin(), predictions.end(), [](const auto& p) { return p.truth.has_value(); });
  const auto right = std::count_if(predictions.begin(), predictions.end(),
                                   [](const auto& p) { return p.truth.has_value() && *p.truth == p.predicted; });
  if (known == 0) return fmt::format("{} picture{}", predictions.size(), predictions.size() == 1 ? "" : "s");
  return fmt::format("{} of {} right ({:.1f}%)", right, known,
                     100.0 * static_cast<double>(right) / static_cast<double>(known));
}

}  // namespace

Array prediction_grid(std::span<const Prediction> predictions, const PredictionGridOptions& options) {
  if (predictions.empty()) throw Error("prediction grid: there is nothing to draw; give at least one prediction");
  if (options.columns < 0 || options.tile_size < 16 || options.tile_size > 1024)
    throw Error(
        fmt::format("prediction grid: {} columns of tiles of {} pixels; columns must be 0 (automatic) or more, "
                    "tiles 16 to 1024 pixels",
                    options.columns, options.tile_size));
  for (std::size_t i = 0; i < predictions.size(); ++i) check_tile_image(predictions[i].image, "prediction grid", i);

  const int count = static_cast<int>(std::min<std::size_t>(predictions.size(), 1U << 20));
  const int wanted = options.columns > 0 ? options.columns : static_cast<int>(std::ceil(std::sqrt(1.3 * count)));
  const int columns = std::min(wanted, count);
  const int rows = (count + columns - 1) / columns;
  const int tile_width = options.tile_size + 2 * frame_width;
  const int tile_height = tile_width + 2 + bar_height + caption_height;
  const Heading heading{options.title, count_of_right(predictions)};
  const int grid_width = columns * (tile_width + gap) - gap;
  const int top = margin + heading.height();
  Canvas canvas(2 * margin + std::max(grid_width, heading.width()), top + rows * (tile_height + gap) - gap + margin);
  heading.draw(canvas);
  for (int i = 0; i < count; ++i)
    draw_tile(canvas, predictions[static_cast<std::size_t>(i)], margin + (i % columns) * (tile_width + gap),
              top + (i / columns) * (tile_height + gap), options.tile_size);
  return canvas.array();
}

}  // namespace narae::draw
