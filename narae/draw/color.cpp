#include "narae/draw/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace narae::draw {
namespace {

constexpr Color no_value{128, 128, 128};

// Key colours at equal distances. viridis is matplotlib's (CC0); diverging, blues and oranges follow
// ColorBrewer's RdBu, Blues and Oranges (Cynthia Brewer).
constexpr Color viridis_keys[] = {{68, 1, 84},    {71, 44, 122}, {59, 82, 139},  {44, 114, 142}, {33, 145, 140},
                                  {40, 174, 128}, {94, 201, 98}, {173, 220, 48}, {253, 231, 37}};
constexpr Color diverging_keys[] = {{33, 102, 172},  {67, 147, 195},  {146, 197, 222}, {209, 229, 240}, {247, 247, 247},
                                    {253, 219, 199}, {244, 165, 130}, {214, 96, 77},   {178, 24, 43}};
constexpr Color blues_keys[] = {{255, 255, 255}, {222, 235, 247}, {198, 219, 239}, {158, 202, 225}, {107, 174, 214},
                                {66, 146, 198},  {33, 113, 181},  {8, 81, 156},    {8, 48, 107}};
constexpr Color oranges_keys[] = {{255, 255, 255}, {254, 230, 206}, {253, 208, 162}, {253, 174, 107}, {253, 141, 60},
                                  {241, 105, 19},  {217, 72, 1},    {166, 54, 3},    {127, 39, 4}};

std::span<const Color> keys_of(ColorMap map) {
  switch (map) {
    case ColorMap::viridis:
      return viridis_keys;
    case ColorMap::diverging:
      return diverging_keys;
    case ColorMap::blues:
      return blues_keys;
    case ColorMap::oranges:
      return oranges_keys;
  }
  __builtin_unreachable();
}

}  // namespace

Color mix(Color a, Color b, float amount) {
  const float t = std::clamp(amount, 0.0F, 1.0F);
  const auto channel = [t](std::uint8_t from, std::uint8_t to) {
    const float value = static_cast<float>(from) + t * (static_cast<float>(to) - static_cast<float>(from));
    return static_cast<std::uint8_t>(std::lround(value));
  };
  return {channel(a.red, b.red), channel(a.green, b.green), channel(a.blue, b.blue)};
}

float lightness(Color color) {
  return (0.2126F * static_cast<float>(color.red) + 0.7152F * static_cast<float>(color.green) +
          0.0722F * static_cast<float>(color.blue)) /
         255.0F;
}

Color map_color(ColorMap map, float value) {
  if (std::isnan(value)) return no_value;
  const std::span<const Color> keys = keys_of(map);
  const float position = std::clamp(value, 0.0F, 1.0F) * static_cast<float>(keys.size() - 1);
  const std::size_t index = std::min(static_cast<std::size_t>(position), keys.size() - 2);
  return mix(keys[index], keys[index + 1], position - static_cast<float>(index));
}

Color category_color(std::int64_t index) {
  constexpr std::array<Color, 8> colors = {{{0, 114, 178},
                                            {213, 94, 0},
                                            {0, 158, 115},
                                            {204, 121, 167},
                                            {230, 159, 0},
                                            {86, 180, 233},
                                            {64, 64, 64},
                                            {240, 228, 66}}};
  const auto n = static_cast<std::int64_t>(colors.size());
  return colors[static_cast<std::size_t>(((index % n) + n) % n)];
}

}  // namespace narae::draw
