#include "narae/data/synth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "narae/core/error.h"
#include "narae/data/augment.h"
#include "narae/data/glyphs.h"
#include "narae/data/shapes.h"
#include "narae/data/transforms.h"

namespace narae {
namespace {

constexpr int side = 28;
using Canvas = std::array<float, side * side>;

float square(float x) {
  return x * x;
}

std::size_t index_of(int row, int column) {
  return static_cast<std::size_t>(row) * side + static_cast<std::size_t>(column);
}

struct Pen {
  float radius;    ///< pixels
  float softness;  ///< pixels from full to none
};

/// The point at t in [0, 1] between b and c on the Catmull-Rom curve through a, b, c, d.
GlyphPoint on_curve(GlyphPoint a, GlyphPoint b, GlyphPoint c, GlyphPoint d, float t) {
  const auto blend = [t](float p, float q, float r, float s) {
    return 0.5F * (2 * q + t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p))));
  };
  return {blend(a.x, b.x, c.x, d.x), blend(a.y, b.y, c.y, d.y)};
}

std::vector<GlyphPoint> flattened(const Stroke& stroke) {
  if (!stroke.curved) return stroke.points;
  constexpr int pieces = 5;
  const auto& p = stroke.points;
  std::vector<GlyphPoint> path{p.front()};
  for (std::size_t i = 0; i + 1 < p.size(); ++i) {
    const GlyphPoint before = p[i == 0 ? 0 : i - 1];
    const GlyphPoint after = p[std::min(i + 2, p.size() - 1)];
    for (int k = 1; k <= pieces; ++k) {
      path.push_back(on_curve(before, p[i], p[i + 1], after, static_cast<float>(k) / pieces));
    }
  }
  return path;
}

/// Brightens the pixels near the segment from a to b: full within the pen's radius, then falling linearly.
void draw_segment(Canvas& canvas, GlyphPoint a, GlyphPoint b, const Pen& pen) {
  const float reach = pen.radius + pen.softness / 2;
  const auto first = [&](float p, float q) { return std::max(0, static_cast<int>(std::ceil(std::min(p, q) - reach))); };
  const auto last = [&](float p, float q) {
    return std::min(side - 1, static_cast<int>(std::floor(std::max(p, q) + reach)));
  };
  const float dx = b.x - a.x;
  const float dy = b.y - a.y;
  const float length2 = std::max(dx * dx + dy * dy, 1e-9F);
  for (int row = first(a.y, b.y); row <= last(a.y, b.y); ++row) {
    for (int column = first(a.x, b.x); column <= last(a.x, b.x); ++column) {
      const float px = static_cast<float>(column) - a.x;
      const float py = static_cast<float>(row) - a.y;
      const float t = std::clamp((px * dx + py * dy) / length2, 0.0F, 1.0F);
      const float distance = std::sqrt(square(px - t * dx) + square(py - t * dy));
      const float ink = std::clamp((reach - distance) / pen.softness, 0.0F, 1.0F);
      float& pixel = canvas[index_of(row, column)];
      pixel = std::max(pixel, ink);
    }
  }
}

/// One pass of (b, 1 - 2b, b) along the rows and one along the columns.
void blur(Canvas& canvas, float b) {
  for (const int down : {0, 1}) {
    const Canvas source = canvas;
    const auto at = [&](int row, int column) {
      return std::max(row, column) >= side || std::min(row, column) < 0 ? 0.0F : source[index_of(row, column)];
    };
    for (int row = 0; row < side; ++row) {
      for (int column = 0; column < side; ++column) {
        const float neighbours = at(row - down, column - 1 + down) + at(row + down, column + 1 - down);
        canvas[index_of(row, column)] = b * neighbours + (1 - 2 * b) * at(row, column);
      }
    }
  }
}

std::string stream_name(const std::string& set, Split split) {
  return "synth:" + set + "/" + std::string(name_of(split));
}

GlyphPoint clean_point(PointSet set, std::int64_t label, RandomStream& random) {
  const float u = random.uniform();
  const float v = random.uniform();
  constexpr float pi = std::numbers::pi_v<float>;
  switch (set) {
    case PointSet::exclusive_or: {  // the quadrants in which the signs differ are class 1
      const float sign = random.uniform() < 0.5F ? -1.0F : 1.0F;
      return {sign * u, label == 1 ? -sign * v : sign * v};
    }
    case PointSet::moons:
      return label == 0 ? GlyphPoint{std::cos(pi * u), std::sin(pi * u)}
                        : GlyphPoint{1 - std::cos(pi * u), 0.5F - std::sin(pi * u)};
    case PointSet::circles: {
      const float radius = label == 0 ? 1.0F : 0.5F;
      return {radius * std::cos(2 * pi * u), radius * std::sin(2 * pi * u)};
    }
  }
  __builtin_unreachable();
}

}  // namespace

void draw_digit(int digit, RandomStream& random, std::span<std::uint8_t> picture) {
  if (digit < 0 || digit > 9 || picture.size() != side * side) {
    throw Error("draw_digit: digit " + std::to_string(digit) + " into " + std::to_string(picture.size()) +
                " pixels; 0 to 9 and 784 are needed");
  }
  const std::span<const Glyph> glyphs = glyphs_of(digit);
  const Glyph& glyph = glyphs[random.below(glyphs.size())];
  constexpr AugmentOptions handwriting{.translate = 0.08F, .rotate = 15, .scale = 0.18F, .stretch = 0.22F, .shear = 20};
  const Movement movement = random_movement(handwriting, side, side, random);
  // Points are moved forward, pictures are read backward: the inverse of the inverse.
  const Affine back = inverse_of(movement);
  const float determinant = back.xx * back.yy - back.xy * back.yx;
  const float height = random.uniform(17.0F, 19.5F);
  const float width = height * random.uniform(0.62F, 0.80F);
  const Pen pen{.radius = random.uniform(0.75F, 1.55F), .softness = random.uniform(0.9F, 1.6F)};
  constexpr float wobble = 0.042F;

  Canvas canvas{};
  for (Stroke stroke : glyph) {
    for (GlyphPoint& point : stroke.points) {
      const float x = (point.x - 0.5F + wobble * random.normal()) * width - back.x0;
      const float y = (point.y - 0.5F + wobble * random.normal()) * height - back.y0;
      point.x = (back.yy * x - back.xy * y) / determinant + (side - 1) / 2.0F;
      point.y = (back.xx * y - back.yx * x) / determinant + (side - 1) / 2.0F;
    }
    const std::vector<GlyphPoint> path = flattened(stroke);
    for (std::size_t i = 0; i + 1 < path.size(); ++i) draw_segment(canvas, path[i], path[i + 1], pen);
  }
  blur(canvas, random.uniform(0.0F, 0.16F));

  const float brightness = random.uniform(0.8F, 1.0F);
  const float noise = random.uniform(0.0F, 0.16F);
  for (std::size_t i = 0; i < canvas.size(); i += 2) {
    const std::uint32_t word = random.next_u32();  // two triangular numbers of two bytes each
    for (std::size_t k = 0; k < 2; ++k) {
      const std::uint32_t half = (word >> (16 * k)) & 0xffffU;
      const float triangular = (static_cast<float>(half & 0xffU) + static_cast<float>(half >> 8)) / 255.0F - 1.0F;
      const float value = std::clamp(brightness * canvas[i + k] + noise * triangular, 0.0F, 1.0F);
      picture[i + k] = static_cast<std::uint8_t>(std::lround(255.0F * value));
    }
  }
}

Dataset synth_digits(Split split, std::int64_t size, std::uint64_t seed) {
  const auto digits = [seed](Split which) {
    return [seed, stream = stream_name("digits", which)](std::int64_t i, std::span<const Slot> out) {
      RandomStream random = sample_stream(stream, seed, 0, i);
      const std::int64_t digit = i % 10;
      draw_digit(static_cast<int>(digit), random, out[0].values<std::uint8_t>());
      out[1].values<std::int64_t>()[0] = digit;
    };
  };
  const std::vector<Field> fields{{"image", DType::u8, {1, side, side}}, {"label", DType::i64, {}}};
  Dataset dataset = generated("synth:digits", fields, size, digits(split));
  for (int digit = 0; digit < 10; ++digit) dataset.classes.push_back(std::to_string(digit));
  // The same for every split and size: that of 1,000 training pictures.
  Dataset sample = generated("synth:digits", fields, 1000, digits(Split::train));
  measure(sample, sample.size());
  dataset.mean = sample.mean;
  dataset.stddev = sample.stddev;
  return dataset;
}

Dataset synth_shapes(Split split, std::int64_t size, std::int64_t side, std::uint64_t seed) {
  if (side < least_shapes_side || side > most_shapes_side) {
    throw Error("synth:shapes: pictures of " + std::to_string(side) + " pixels a side; " +
                std::to_string(least_shapes_side) + " to " + std::to_string(most_shapes_side) + " are possible");
  }
  const auto scenes = [seed](Split which, std::int64_t pixels) {
    return [seed, pixels, stream = stream_name("shapes", which)](std::int64_t i, std::span<const Slot> out) {
      RandomStream random = sample_stream(stream, seed, 0, i);
      const std::int64_t shape = i % std::ssize(shape_names);
      draw_shape(static_cast<int>(shape), pixels, random, out[0].values<std::uint8_t>());
      out[1].values<std::int64_t>()[0] = shape;
    };
  };
  const auto fields = [](std::int64_t pixels) {
    return std::vector<Field>{{"image", DType::u8, {3, pixels, pixels}}, {"label", DType::i64, {}}};
  };
  Dataset dataset = generated("synth:shapes", fields(side), size, scenes(split, side));
  dataset.classes.assign(shape_names.begin(), shape_names.end());
  // The same for every split, size and side: that of 1,000 small training pictures.
  Dataset sample = generated("synth:shapes", fields(32), 1000, scenes(Split::train, 32));
  measure(sample, sample.size());
  dataset.mean = sample.mean;
  dataset.stddev = sample.stddev;
  return dataset;
}

Dataset synth_points(PointSet set, Split split, std::int64_t size, std::uint64_t seed, float noise) {
  constexpr std::array names{"xor", "moons", "circles"};
  const std::string name = names[static_cast<std::size_t>(set)];
  if (!(noise >= 0)) throw Error("synth:" + name + ": noise of " + std::to_string(noise) + "; it must be at least 0");
  Dataset dataset =
      generated("synth:" + name, {{"image", DType::f32, {2}}, {"label", DType::i64, {}}}, size,
                [set, seed, noise, stream = stream_name(name, split)](std::int64_t i, std::span<const Slot> out) {
                  RandomStream random = sample_stream(stream, seed, 0, i);
                  const std::int64_t label = i % 2;
                  const GlyphPoint point = clean_point(set, label, random);
                  const std::span<float> xy = out[0].values<float>();
                  xy[0] = point.x + noise * random.normal();
                  xy[1] = point.y + noise * random.normal();
                  out[1].values<std::int64_t>()[0] = label;
                });
  dataset.classes = {"0", "1"};
  return dataset;
}

}  // namespace narae
