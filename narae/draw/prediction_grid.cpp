#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narae/core/error.h"
#include "narae/draw/canvas.h"
#include "narae/draw/heading.h"
#include "narae/draw/pictures.h"

namespace narae::draw {
namespace {

constexpr int margin = picture_margin;
constexpr int gap = 10;
constexpr int frame_width = 3;
constexpr int bar_height = 4;
constexpr int caption_height = 2 * line_height + 4;
constexpr Color backdrop{244, 245, 247};

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

void check_image(const Array& image, std::size_t index) {
  const Shape& shape = image.shape;
  if (image.dtype != DType::u8 || shape.rank() != 3 || (shape[0] != 1 && shape[0] != 3) || shape[1] < 1 || shape[2] < 1)
    throw Error(fmt::format("prediction grid: picture {} is {} {}, not u8 (1, height, width) or (3, height, width)",
                            index, name_of(image.dtype), to_string(shape)));
}

// The picture as large as whole-number scaling allows, in the middle of a square.
void draw_image(Canvas& canvas, const Array& image, int x, int y, int size) {
  const std::int64_t longest = std::max(image.shape[1], image.shape[2]);
  const bool fits = longest <= size;
  const Array drawn = fits ? image : shrunk(image, (longest + size - 1) / size);
  const int scale = fits ? static_cast<int>(size / longest) : 1;
  const int height = static_cast<int>(drawn.shape[1]) * scale;
  const int width = static_cast<int>(drawn.shape[2]) * scale;
  canvas.blit(x + (size - width) / 2, y + (size - height) / 2, drawn, scale);
}

void draw_tile(Canvas& canvas, const Prediction& prediction, int x, int y, int size) {
  const bool known = prediction.truth.has_value();
  const bool wrong = known && *prediction.truth != prediction.predicted;
  const Color color = !known ? muted : wrong ? wrong_color : right_color;
  const int outer = size + 2 * frame_width;
  canvas.rectangle({x, y, outer, outer}, backdrop);
  draw_image(canvas, prediction.image, x + frame_width, y + frame_width, size);
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
  for (std::size_t i = 0; i < predictions.size(); ++i) check_image(predictions[i].image, i);

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
