#include "narae/data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/error.h"

namespace narae {
namespace {

constexpr std::int64_t max_side = std::int64_t{1} << 20;

// Which old pixels, from `first` on, make a new one, and with which weights.
struct Taps {
  std::int64_t first = 0;
  std::size_t begin = 0;  // of its weights among all
  std::size_t count = 0;
};

// The new pixels [begin, begin + count) of a line that is scaled from `from` to `to` pixels.
struct Filter {
  std::vector<Taps> taps;
  std::vector<float> weights;

  Filter(std::int64_t from, std::int64_t to, std::int64_t begin, std::int64_t count) {
    const double step = static_cast<double>(from) / static_cast<double>(to);
    const double reach = std::max(step, 1.0);
    for (std::int64_t i = begin; i < begin + count; ++i) {
      const double center = (static_cast<double>(i) + 0.5) * step;  // pixel k covers [k, k + 1)
      const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(center - reach + 0.5)));
      const auto last = std::min(from, static_cast<std::int64_t>(std::floor(center + reach + 0.5)));
      const std::size_t start = weights.size();
      double sum = 0;
      for (std::int64_t k = first; k < last; ++k) {
        const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - center) / reach);
        weights.push_back(static_cast<float>(weight));
        sum += weight;
      }
      for (std::size_t k = start; k < weights.size(); ++k) weights[k] = static_cast<float>(weights[k] / sum);
      taps.push_back({.first = first, .begin = start, .count = weights.size() - start});
    }
  }

  // The old pixels that are needed: [first, second).
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> range() const {
    const Taps& last = taps.back();
    return {taps.front().first, last.first + static_cast<std::int64_t>(last.count)};
  }
};

std::uint8_t rounded(float value) {
  return static_cast<std::uint8_t>(std::min(value + 0.5F, 255.0F));
}

void scale_row(const std::uint8_t* from, const Filter& filter, std::uint8_t* to) {
  for (std::size_t i = 0; i < filter.taps.size(); ++i) {
    const Taps& taps = filter.taps[i];
    const float* weights = filter.weights.data() + taps.begin;
    const std::uint8_t* pixels = from + taps.first;
    float sum = 0;
    for (std::size_t k = 0; k < taps.count; ++k) sum += weights[k] * static_cast<float>(pixels[k]);
    to[i] = rounded(sum);
  }
}

// A new row out of old rows of `width` pixels, which follow each other.
void blend_rows(const std::uint8_t* rows, const float* weights, std::size_t count, std::size_t width, float* sums,
                std::uint8_t* to) {
  std::fill_n(sums, width, 0.5F);
  for (std::size_t k = 0; k < count; ++k) {
    const float weight = weights[k];
    const std::uint8_t* row = rows + k * width;
    for (std::size_t x = 0; x < width; ++x) sums[x] += weight * static_cast<float>(row[x]);
  }
  for (std::size_t x = 0; x < width; ++x) to[x] = static_cast<std::uint8_t>(std::min(sums[x], 255.0F));
}

void require_size(PictureSize size) {
  if (size.height >= 1 && size.width >= 1 && size.width <= max_side && size.height <= max_side) return;
  throw Error("a picture can't be resized to " + std::to_string(size.height) + " x " + std::to_string(size.width) +
              " (height x width); 1 to " + std::to_string(max_side) + " pixels a side");
}

// The size to which a picture is scaled before its middle is cut out.
PictureSize covering(PictureSize from, PictureSize size, const FitOptions& options) {
  if (options.stretch) return size;
  const auto enlarged = [&](std::int64_t side) {
    return std::max(side, static_cast<std::int64_t>(std::lround(static_cast<double>(side) / options.crop)));
  };
  const PictureSize least{enlarged(size.height), enlarged(size.width)};
  // One side just fits, the other keeps the proportions, rounded down as torchvision does.
  if (least.width * from.height >= least.height * from.width) {
    return {std::max(least.height, least.width * from.height / from.width), least.width};
  }
  return {least.height, std::max(least.width, least.height * from.width / from.height)};
}

// Half of what stands over; halves are rounded to even numbers, as Python does.
std::int64_t margin(std::int64_t whole, std::int64_t part) {
  return std::lrint(static_cast<double>(whole - part) / 2);
}

}  // namespace

PictureView<std::uint8_t> view_of(const Array& picture) {
  const Shape& shape = picture.shape;
  if (picture.dtype != DType::u8 || shape.rank() != 3 || shape.count() == 0) {
    throw Error("a picture is u8 (channels, height, width), not " + std::string(name_of(picture.dtype)) + " " +
                to_string(shape));
  }
  return PictureView<std::uint8_t>::of(picture.values<std::uint8_t>().data(), shape[0], {shape[1], shape[2]});
}

void resize(const PictureView<std::uint8_t>& from, PictureSize size, const PictureBox& window,
            std::span<std::uint8_t> out) {
  const auto width = static_cast<std::size_t>(window.width);
  const auto height = static_cast<std::size_t>(window.height);
  const Filter across(from.size.width, size.width, window.left, window.width);
  const Filter down(from.size.height, size.height, window.top, window.height);
  const auto [first, last] = down.range();
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(last - first) * width);
  std::vector<float> sums(width);
  for (std::int64_t c = 0; c < from.channels; ++c) {
    for (std::int64_t y = first; y < last; ++y) {
      std::uint8_t* to = rows.data() + static_cast<std::size_t>(y - first) * width;
      if (from.size.width == size.width) {
        std::memcpy(to, from.row(c, y) + window.left, width);
      } else {
        scale_row(from.row(c, y), across, to);
      }
    }
    std::uint8_t* plane = out.data() + static_cast<std::size_t>(c) * height * width;
    for (std::size_t y = 0; y < height; ++y) {
      const Taps& taps = down.taps[y];
      blend_rows(rows.data() + static_cast<std::size_t>(taps.first - first) * width, down.weights.data() + taps.begin,
                 taps.count, width, sums.data(), plane + y * width);
    }
  }
}

Array resized(const Array& picture, PictureSize size) {
  return fitted(picture, size, {.stretch = true});
}

void check(const FitOptions& options) {
  if (options.crop > 0 && options.crop <= 1) return;
  throw Error("fit: a crop of " + std::to_string(options.crop) + "; it must be above 0 and at most 1");
}

void fit(const PictureView<std::uint8_t>& from, PictureSize size, const FitOptions& options,
         std::span<std::uint8_t> out) {
  require_size(size);
  check(options);
  const PictureSize whole = covering(from.size, size, options);
  resize(from, whole, {margin(whole.height, size.height), margin(whole.width, size.width), size.height, size.width},
         out);
}

Array fitted(const Array& picture, PictureSize size, const FitOptions& options) {
  const PictureView<std::uint8_t> view = view_of(picture);
  require_size(size);
  Array result = Array::empty(DType::u8, {view.channels, size.height, size.width});
  fit(view, size, options, result.mutable_values<std::uint8_t>());
  return result;
}

}  // namespace narae
