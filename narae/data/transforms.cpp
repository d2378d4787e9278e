#include "narae/data/transforms.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "narae/core/error.h"

namespace narae {
namespace {

template <class T>
void bilinear(std::span<const T> picture, const Shape& shape, const Affine& affine, std::span<float> out) {
  const std::int64_t height = shape[-2];
  const std::int64_t width = shape[-1];
  const auto plane = static_cast<std::size_t>(height * width);
  const std::size_t channels = plane == 0 ? 0 : picture.size() / plane;
  const float center_x = static_cast<float>(width - 1) / 2;
  const float center_y = static_cast<float>(height - 1) / 2;
  // Far outside, where an index would not fit its type, there is nothing anyway.
  const auto limit = static_cast<float>(std::max(height, width) + 1);
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      const float x = static_cast<float>(column) - center_x;
      const float y = static_cast<float>(row) - center_y;
      const float from_x = std::clamp(affine.xx * x + affine.xy * y + affine.x0 + center_x, -2.0F, limit);
      const float from_y = std::clamp(affine.yx * x + affine.yy * y + affine.y0 + center_y, -2.0F, limit);
      const float floor_x = std::floor(from_x);
      const float floor_y = std::floor(from_y);
      const auto left = static_cast<std::int64_t>(floor_x);
      const auto top = static_cast<std::int64_t>(floor_y);
      const float wx = from_x - floor_x;
      const float wy = from_y - floor_y;
      for (std::size_t c = 0; c < channels; ++c) {
        const T* source = picture.data() + c * plane;
        const auto pixel = [&](std::int64_t r, std::int64_t q) {
          return r < 0 || r >= height || q < 0 || q >= width ? 0.0F : static_cast<float>(source[r * width + q]);
        };
        const float above = pixel(top, left) * (1 - wx) + pixel(top, left + 1) * wx;
        const float below = pixel(top + 1, left) * (1 - wx) + pixel(top + 1, left + 1) * wx;
        out[c * plane + static_cast<std::size_t>(row * width + column)] = above * (1 - wy) + below * wy;
      }
    }
  }
}

std::vector<float> per_channel(std::span<const float> values, float otherwise) {
  return values.empty() ? std::vector<float>{otherwise} : std::vector<float>(values.begin(), values.end());
}

}  // namespace

Normalizer::Normalizer(DType dtype, const Shape& sample, std::span<const float> mean, std::span<const float> stddev)
    : dtype_(dtype),
      unit_(dtype == DType::u8 ? 255.0F : 1.0F),
      mean_(per_channel(mean, 0.0F)),
      stddev_(per_channel(stddev, 1.0F)) {
  if (dtype == DType::bf16 || dtype == DType::f16) {
    throw Error("normalize: " + std::string(name_of(dtype)) + " input; cast it to f32 first");
  }
  const std::size_t channels = std::max(mean_.size(), stddev_.size());
  for (auto* values : {&mean_, &stddev_}) {
    if (values->size() == 1) values->resize(channels, values->front());
  }
  const auto extent = static_cast<std::size_t>(sample.rank() == 0 ? 1 : sample[0]);
  if (mean_.size() != stddev_.size() || (channels != 1 && channels != extent)) {
    throw Error("normalize: " + std::to_string(mean.size()) + " means and " + std::to_string(stddev.size()) +
                " deviations for samples of shape " + to_string(sample) + "; one for all or one per channel is needed");
  }
  for (const float deviation : stddev_) {
    if (!(deviation > 0)) throw Error("normalize: a deviation of " + std::to_string(deviation) + "; it must be > 0");
  }
  if (dtype != DType::u8) return;
  tables_.resize(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      tables_[c][v] = (static_cast<float>(v) / unit_ - mean_[c]) / stddev_[c];
    }
  }
}

void Normalizer::apply(const std::byte* sample, std::span<float> out) const {
  if (dtype_ == DType::u8) {
    const auto* values = reinterpret_cast<const std::uint8_t*>(sample);
    const std::size_t plane = out.size() / tables_.size();
    for (std::size_t c = 0; c < tables_.size(); ++c) {
      const float* table = tables_[c].data();
      for (std::size_t i = c * plane; i < (c + 1) * plane; ++i) out[i] = table[values[i]];
    }
    return;
  }
  visit_dtype(dtype_, [&]<class T>(T) {
    if constexpr (std::is_arithmetic_v<T>) {
      const auto* values = reinterpret_cast<const T*>(sample);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(values[i]);
    }
  });
  apply_in_place(out);
}

void Normalizer::apply_in_place(std::span<float> values) const {
  const std::size_t plane = values.size() / mean_.size();
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    for (float& v : values.subspan(c * plane, plane)) v = (v / unit_ - mean_[c]) / stddev_[c];
  }
}

Affine inverse_of(const Movement& movement) {
  constexpr double radian = std::numbers::pi / 180;
  const double cosine = std::cos(movement.degrees * radian);
  const double sine = std::sin(movement.degrees * radian);
  const double slope = -std::tan(movement.shear * radian);  // y points down
  // Inverse of rotation * shear * scale: (x, y) -> rotate back -> x - slope * y -> divide.
  const double xx = (cosine + slope * sine) / movement.scale_x;
  const double xy = (sine - slope * cosine) / movement.scale_x;
  const double yx = -sine / movement.scale_y;
  const double yy = cosine / movement.scale_y;
  const double dx = movement.x;
  const double dy = movement.y;
  return {static_cast<float>(xx), static_cast<float>(xy), static_cast<float>(-xx * dx - xy * dy),
          static_cast<float>(yx), static_cast<float>(yy), static_cast<float>(-yx * dx - yy * dy)};
}

void resample(std::span<const std::uint8_t> picture, const Shape& shape, const Affine& affine, std::span<float> out) {
  bilinear(picture, shape, affine, out);
}

void resample(std::span<const float> picture, const Shape& shape, const Affine& affine, std::span<float> out) {
  bilinear(picture, shape, affine, out);
}

}  // namespace narae
