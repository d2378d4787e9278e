#include "narae/data/color_jitter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "narae/data/augment.h"

namespace narae {
namespace {

struct Planes {
  float* red;
  float* green;
  float* blue;
  std::size_t count;

  explicit Planes(std::span<float> picture)
      : red(picture.data()),
        green(red + picture.size() / 3),
        blue(green + picture.size() / 3),
        count(picture.size() / 3) {}
  [[nodiscard]] float grey(std::size_t i) const { return 0.299F * red[i] + 0.587F * green[i] + 0.114F * blue[i]; }
};

float mean_grey(std::span<float> picture, std::int64_t channels) {
  double sum = 0;
  if (channels == 3) {
    const Planes planes(picture);
    for (std::size_t i = 0; i < planes.count; ++i) sum += planes.grey(i);
    return static_cast<float>(sum / static_cast<double>(planes.count));
  }
  for (const float value : picture) sum += value;
  return static_cast<float>(sum / static_cast<double>(picture.size()));
}

// Red, green and blue of a hue in sixths of a circle: the largest, the smallest and one on its way between them.
std::array<float, 3> colors_of(float hue, float largest, float smallest) {
  const float sector = std::floor(hue);
  const float share = hue - sector;
  const float rising = smallest + (largest - smallest) * share;
  const float falling = largest - (largest - smallest) * share;
  switch (static_cast<int>(sector)) {
    case 0:
      return {largest, rising, smallest};
    case 1:
      return {falling, largest, smallest};
    case 2:
      return {smallest, largest, rising};
    case 3:
      return {smallest, falling, largest};
    case 4:
      return {rising, smallest, largest};
    default:
      return {largest, smallest, falling};
  }
}

// In sixths of a circle, from 0 to 6; red is 0.
float hue_of(float red, float green, float blue, float largest, float range) {
  if (largest == red) return (green - blue) / range + (green < blue ? 6.0F : 0.0F);
  if (largest == green) return (blue - red) / range + 2;
  return (red - green) / range + 4;
}

}  // namespace

void adjust_brightness(std::span<float> picture, float white, float factor) {
  for (float& value : picture) value = std::clamp(value * factor, 0.0F, white);
}

void adjust_contrast(std::span<float> picture, std::int64_t channels, float white, float factor) {
  const float base = (1 - factor) * mean_grey(picture, channels);
  for (float& value : picture) value = std::clamp(value * factor + base, 0.0F, white);
}

void adjust_saturation(std::span<float> picture, float white, float factor) {
  const Planes planes(picture);
  for (std::size_t i = 0; i < planes.count; ++i) {
    const float base = (1 - factor) * planes.grey(i);
    for (float* plane : {planes.red, planes.green, planes.blue}) {
      plane[i] = std::clamp(plane[i] * factor + base, 0.0F, white);
    }
  }
}

void adjust_hue(std::span<float> picture, float white, float turn) {
  const Planes planes(picture);
  const float sixths = 6 * (turn - std::floor(turn));
  for (std::size_t i = 0; i < planes.count; ++i) {
    const float red = planes.red[i];
    const float green = planes.green[i];
    const float blue = planes.blue[i];
    const float largest = std::max({red, green, blue});
    const float smallest = std::min({red, green, blue});
    if (largest == smallest) continue;  // grey has no hue
    float hue = hue_of(red, green, blue, largest, largest - smallest) + sixths;
    while (hue >= 6) hue -= 6;
    const auto turned = colors_of(hue, largest, smallest);
    planes.red[i] = std::clamp(turned[0], 0.0F, white);
    planes.green[i] = std::clamp(turned[1], 0.0F, white);
    planes.blue[i] = std::clamp(turned[2], 0.0F, white);
  }
}

void jitter_colors(std::span<float> picture, std::int64_t channels, float white, const AugmentOptions& options,
                   RandomStream& random) {
  enum Change { brightness, contrast, saturation, hue };
  // All numbers are drawn whatever the options are.
  std::array<Change, 4> order{brightness, contrast, saturation, hue};
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  const auto factor = [&](float most) { return random.uniform(std::max(0.0F, 1 - most), 1 + most); };
  const float brighter = factor(options.brightness);
  const float harder = factor(options.contrast);
  const float deeper = factor(options.saturation);
  const float turn = random.uniform(-options.hue, options.hue);
  for (const Change change : order) {
    if (change == brightness && options.brightness > 0) adjust_brightness(picture, white, brighter);
    if (change == contrast && options.contrast > 0) adjust_contrast(picture, channels, white, harder);
    if (change == saturation && options.saturation > 0) adjust_saturation(picture, white, deeper);
    if (change == hue && options.hue > 0) adjust_hue(picture, white, turn);
  }
}

}  // namespace narae
