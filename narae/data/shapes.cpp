#include "narae/data/shapes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "narae/core/error.h"

namespace narae {
namespace {

constexpr float pi = std::numbers::pi_v<float>;

// x to the right, y down. Shapes lie about the origin within a circle of radius 1; scenes fill [0, 1] x [0, 1].
struct Point {
  float x;
  float y;
};

struct Color {
  float red;
  float green;
  float blue;
};

using Polygon = std::vector<Point>;

float squared(float x) {
  return x * x;
}

float length(Point p) {
  return std::sqrt(p.x * p.x + p.y * p.y);
}

float distance_to_segment(Point p, Point a, Point b) {
  const Point along{b.x - a.x, b.y - a.y};
  const Point from{p.x - a.x, p.y - a.y};
  const float t = std::clamp((from.x * along.x + from.y * along.y) / (squared(along.x) + squared(along.y)), 0.0F, 1.0F);
  return length({from.x - t * along.x, from.y - t * along.y});
}

// Negative inside: a ray to the right crosses the border an odd number of times.
float distance_to(const Polygon& polygon, Point p) {
  float nearest = std::numeric_limits<float>::max();
  bool inside = false;
  for (std::size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Point a = polygon[i];
    const Point b = polygon[j];
    nearest = std::min(nearest, distance_to_segment(p, a, b));
    if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside ? -nearest : nearest;
}

// Corners at equal angles, at the radii in turn.
Polygon regular(int corners, std::initializer_list<float> radii) {
  Polygon polygon;
  for (int i = 0; i < corners; ++i) {
    const float angle = 2 * pi * static_cast<float>(i) / static_cast<float>(corners);
    const float radius = std::data(radii)[static_cast<std::size_t>(i) % radii.size()];
    polygon.push_back({radius * std::sin(angle), -radius * std::cos(angle)});
  }
  return polygon;
}

Polygon rectangle(float half_width, float half_height) {
  return {
      {-half_width, -half_height}, {half_width, -half_height}, {half_width, half_height}, {-half_width, half_height}};
}

Polygon cross() {
  constexpr float arm = 0.95F;
  constexpr float half = 0.28F;
  return {{-half, -arm}, {half, -arm}, {half, -half}, {arm, -half}, {arm, half},   {half, half},
          {half, arm},   {-half, arm}, {-half, half}, {-arm, half}, {-arm, -half}, {-half, -half}};
}

Polygon arrow() {
  return {{0, -1}, {0.68F, -0.2F}, {0.26F, -0.2F}, {0.26F, 0.95F}, {-0.26F, 0.95F}, {-0.26F, -0.2F}, {-0.68F, -0.2F}};
}

// x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, the well-known heart curve.
Polygon heart() {
  Polygon polygon;
  constexpr int corners = 28;
  for (int i = 0; i < corners; ++i) {
    const float t = 2 * pi * static_cast<float>(i) / corners;
    const float x = 16 * std::pow(std::sin(t), 3.0F);
    const float y = 13 * std::cos(t) - 5 * std::cos(2 * t) - 2 * std::cos(3 * t) - std::cos(4 * t);
    polygon.push_back({x / 17, -(y + 2.5F) / 17});
  }
  return polygon;
}

// The corners of the classes from "square" on.
const Polygon& polygon_of(std::size_t shape) {
  static const std::array<Polygon, 7> polygons{rectangle(0.74F, 0.74F),
                                               rectangle(0.3F, 1.0F),
                                               regular(3, {1.0F}),
                                               regular(10, {1.0F, 0.42F}),
                                               cross(),
                                               arrow(),
                                               heart()};
  return polygons.at(shape - 3);
}

float distance_to_shape(int shape, Point p) {
  switch (shape) {
    case 0:  // circle
      return length(p) - 0.85F;
    case 1:  // ring
      return std::abs(length(p) - 0.7F) - 0.22F;
    case 2:  // crescent: a disc without another one
      return std::max(length(p) - 0.92F, 0.78F - length({p.x - 0.45F, p.y}));
    default:
      return distance_to(polygon_of(static_cast<std::size_t>(shape)), p);
  }
}

// A scene in the making, colours from 0 to 1.
class Scene {
 public:
  explicit Scene(std::int64_t side)
      : side_(static_cast<int>(side)),
        scale_(static_cast<float>(side)),
        pixels_(static_cast<std::size_t>(side * side)) {}

  [[nodiscard]] Point at(int row, int column) const {
    return {(static_cast<float>(column) + 0.5F) / scale_, (static_cast<float>(row) + 0.5F) / scale_};
  }

  /// Colours every pixel by color(point).
  template <class Paint>
  void fill(const Paint& color) {
    for (int row = 0; row < side_; ++row) {
      for (int column = 0; column < side_; ++column) pixel(row, column) = color(at(row, column));
    }
  }

  /// Blends `color` over what lies inside: where distance(point), in units of the scene, is negative. The edge is
  /// `softness` wide, but at least a pixel. Nothing is farther than `reach` from the centre.
  template <class Distance>
  void blend(Color color, float opacity, Point center, float reach, float softness, const Distance& distance) {
    const float edge = std::max(softness, 1 / scale_);
    const auto first = [&](float c) { return std::max(0, static_cast<int>((c - reach - edge) * scale_)); };
    const auto last = [&](float c) { return std::min(side_ - 1, static_cast<int>((c + reach + edge) * scale_)); };
    for (int row = first(center.y); row <= last(center.y); ++row) {
      for (int column = first(center.x); column <= last(center.x); ++column) {
        const float cover = opacity * std::clamp(0.5F - distance(at(row, column)) / edge, 0.0F, 1.0F);
        Color& old = pixel(row, column);
        old.red += cover * (color.red - old.red);
        old.green += cover * (color.green - old.green);
        old.blue += cover * (color.blue - old.blue);
      }
    }
  }

  void write(float noise, RandomStream& random, std::span<std::uint8_t> picture) const {
    std::uint32_t word = 0;
    bool half_used = false;
    const auto quantized = [&](float value) {
      // Two triangular numbers of two bytes each out of a word.
      word = half_used ? word >> 16 : random.next_u32();
      half_used = !half_used;
      const float wave = (static_cast<float>(word & 0xffU) + static_cast<float>((word >> 8) & 0xffU)) / 255.0F - 1.0F;
      return static_cast<std::uint8_t>(std::lround(255 * std::clamp(value + noise * wave, 0.0F, 1.0F)));
    };
    for (std::size_t i = 0; i < pixels_.size(); ++i) {
      picture[i] = quantized(pixels_[i].red);
      picture[pixels_.size() + i] = quantized(pixels_[i].green);
      picture[2 * pixels_.size() + i] = quantized(pixels_[i].blue);
    }
  }

 private:
  Color& pixel(int row, int column) {
    return pixels_[static_cast<std::size_t>(row) * static_cast<std::size_t>(side_) + static_cast<std::size_t>(column)];
  }

  int side_;
  float scale_;
  std::vector<Color> pixels_;
};

Color random_color(RandomStream& random) {
  const float red = random.uniform();
  const float green = random.uniform();
  return {red, green, random.uniform()};
}

Point random_point(RandomStream& random, float low, float high) {
  const float x = random.uniform(low, high);
  return {x, random.uniform(low, high)};
}

Color between(Color a, Color b, float t) {
  return {a.red + t * (b.red - a.red), a.green + t * (b.green - a.green), a.blue + t * (b.blue - a.blue)};
}

float difference(Color a, Color b) {
  return std::sqrt(squared(a.red - b.red) + squared(a.green - b.green) + squared(a.blue - b.blue));
}

// One that can be told from the other, or the farthest of sixteen.
Color contrasting_color(Color other, RandomStream& random) {
  constexpr float enough = 0.6F;
  Color best = random_color(random);
  for (int attempt = 0; attempt < 16 && difference(best, other) < enough; ++attempt) {
    const Color next = random_color(random);
    if (difference(next, other) > difference(best, other)) best = next;
  }
  return best;
}

// Two colours that go over into each other, and up to two blurred discs. Returns the mean of the two colours.
Color paint_background(Scene& scene, RandomStream& random) {
  const Color a = random_color(random);
  const Color b = between(a, random_color(random), 0.5F);
  const float angle = random.uniform(0, 2 * pi);
  const Point direction{std::cos(angle), std::sin(angle)};
  scene.fill([&](Point p) {
    const float t = (p.x - 0.5F) * direction.x + (p.y - 0.5F) * direction.y + 0.5F;
    return between(a, b, std::clamp(t, 0.0F, 1.0F));
  });
  const Color middle = between(a, b, 0.5F);
  for (std::uint64_t things = random.below(3); things > 0; --things) {
    const Point center = random_point(random, 0, 1);
    const float radius = random.uniform(0.06F, 0.2F);
    const Color color = between(middle, random_color(random), 0.5F);
    scene.blend(color, 0.7F, center, radius, 0.12F, [&](Point p) {
      return length({p.x - center.x, p.y - center.y}) - radius;
    });
  }
  return middle;
}

struct Placed {
  Point center;
  float radius;
  Color color;
};

Placed paint_shape(Scene& scene, int shape, Color background, RandomStream& random) {
  const float radius = random.uniform(0.26F, 0.42F);
  const Point center = random_point(random, 0.88F * radius, 1 - 0.88F * radius);
  const float angle = random.uniform(0, 2 * pi);
  const float stretch = random.uniform(0.88F, 1.14F);
  const Color color = contrasting_color(background, random);
  const float cosine = std::cos(angle);
  const float sine = std::sin(angle);
  scene.blend(color, 1, center, 1.2F * radius, 0, [&](Point p) {
    const float x = (p.x - center.x) / radius;
    const float y = (p.y - center.y) / radius;
    return radius * distance_to_shape(shape, {(cosine * x + sine * y) / stretch, cosine * y - sine * x});
  });
  return {center, radius, color};
}

// Up to one thin bar and two dots near the shape, in other colours than its own.
void paint_occluders(Scene& scene, const Placed& shape, RandomStream& random) {
  for (std::uint64_t bars = random.below(2); bars > 0; --bars) {
    const float angle = random.uniform(0, pi);
    const Point normal{std::cos(angle), std::sin(angle)};
    const float offset = random.uniform(-0.7F, 0.7F) * shape.radius;
    const float half = random.uniform(0.012F, 0.025F);
    const Color color = contrasting_color(shape.color, random);
    scene.blend(color, 1, {0.5F, 0.5F}, 0.5F, 0, [&](Point p) {
      const float across = (p.x - shape.center.x) * normal.x + (p.y - shape.center.y) * normal.y;
      return std::abs(across - offset) - half;
    });
  }
  for (std::uint64_t dots = random.below(3); dots > 0; --dots) {
    const float angle = random.uniform(0, 2 * pi);
    const float away = shape.radius * random.uniform(0.4F, 1.2F);
    const Point center{shape.center.x + away * std::cos(angle), shape.center.y + away * std::sin(angle)};
    const float radius = random.uniform(0.03F, 0.07F);
    const Color color = contrasting_color(shape.color, random);
    scene.blend(color, 1, center, radius, 0, [&](Point p) {
      return length({p.x - center.x, p.y - center.y}) - radius;
    });
  }
}

}  // namespace

void draw_shape(int shape, std::int64_t side, RandomStream& random, std::span<std::uint8_t> picture) {
  if (shape < 0 || shape >= std::ssize(shape_names) || side < 1 || std::ssize(picture) != 3 * side * side) {
    throw Error("draw_shape: shape " + std::to_string(shape) + " into " + std::to_string(picture.size()) +
                " bytes; 0 to 9 and 3 x " + std::to_string(side) + " x " + std::to_string(side) + " are needed");
  }
  Scene scene(side);
  const Color background = paint_background(scene, random);
  const Placed placed = paint_shape(scene, shape, background, random);
  paint_occluders(scene, placed, random);
  const float noise = random.uniform(0.0F, 0.1F);
  scene.write(noise, random, picture);
}

}  // namespace narae
