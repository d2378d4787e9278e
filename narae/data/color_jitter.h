#pragma once

#include <cstdint>
#include <span>

#include "narae/core/export.h"
#include "narae/core/random.h"

namespace narae {

struct AugmentOptions;

// Changes of a picture's colours in place, for planes of floats from 0 (black) to `white`; results are clamped to this
// range. A factor of 1 changes nothing. The definitions are those of torchvision and Pillow; grey is Rec. 601 luma.

/// Every value times `factor`.
NARAE_API void adjust_brightness(std::span<float> picture, float white, float factor);
/// Every value's distance from the mean grey of the picture times `factor`.
NARAE_API void adjust_contrast(std::span<float> picture, std::int64_t channels, float white, float factor);
/// Every value's distance from its pixel's grey times `factor`; of three channels.
NARAE_API void adjust_saturation(std::span<float> picture, float white, float factor);
/// Turns the hue (of hue, saturation, value) by `turn` of a circle: a third makes red green; of three channels.
NARAE_API void adjust_hue(std::span<float> picture, float white, float turn);

/// Draws the changes that the options ask for and makes them in random order.
NARAE_API void jitter_colors(std::span<float> picture, std::int64_t channels, float white,
                             const AugmentOptions& options, RandomStream& random);

}  // namespace narae
