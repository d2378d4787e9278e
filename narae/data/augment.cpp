#include "narae/data/augment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "narae/core/error.h"
#include "narae/data/color_jitter.h"

namespace narae {
namespace {

// Where the pixels of a sample come from: a window on the padded picture, mirrored or not.
struct Placement {
  std::int64_t down = 0;
  std::int64_t right = 0;
  bool mirrored = false;
  bool upside_down = false;
};

Placement random_placement(const AugmentOptions& options, std::uint64_t seed, std::int64_t epoch, std::int64_t index) {
  Placement placement;
  if (options.crop_padding > 0) {
    RandomStream random = sample_stream("augment/crop", seed, epoch, index);
    const auto draw = [&] {
      return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * options.crop_padding + 1))) -
             options.crop_padding;
    };
    placement.down = draw();
    placement.right = draw();
  }
  if (options.flip > 0 || options.flip_vertical > 0) {
    RandomStream random = sample_stream("augment/flip", seed, epoch, index);
    placement.mirrored = random.uniform() < options.flip;
    placement.upside_down = random.uniform() < options.flip_vertical;
  }
  return placement;
}

// Writes one row; `value(x)` is asked for source columns inside the picture, `black` stands for what lies outside.
template <class Value>
void place_row(const Placement& placement, std::int64_t width, float black, float* out, const Value& value) {
  // Column x shows source column x + right, or width - 1 - x + right when mirrored.
  const std::int64_t shift = placement.mirrored ? -placement.right : placement.right;
  const std::int64_t begin = std::clamp<std::int64_t>(-shift, 0, width);
  const std::int64_t end = std::clamp<std::int64_t>(width - shift, begin, width);
  std::fill(out, out + begin, black);
  if (placement.mirrored) {
    const std::int64_t last = width - 1 + placement.right;
    for (std::int64_t x = begin; x < end; ++x) out[x] = value(last - x);
  } else {
    for (std::int64_t x = begin; x < end; ++x) out[x] = value(x + placement.right);
  }
  std::fill(out + end, out + width, black);
}

// Copies a picture to its place, each number through `convert(channel)`.
template <class T, class Convert>
void place(const PictureView<T>& picture, const Placement& placement, std::span<float> out, const Convert& convert) {
  const auto [height, width] = picture.size;
  float* to = out.data();
  for (std::int64_t c = 0; c < picture.channels; ++c) {
    const auto converted = convert(static_cast<std::size_t>(c));
    for (std::int64_t y = 0; y < height; ++y, to += width) {
      const std::int64_t from = (placement.upside_down ? height - 1 - y : y) + placement.down;
      if (from < 0 || from >= height) {
        std::fill(to, to + width, converted(T{}));
        continue;
      }
      const T* row = picture.row(c, from);
      place_row(placement, width, converted(T{}), to, [&](std::int64_t x) { return converted(row[x]); });
    }
  }
}

auto normalizing(const Normalizer& normalizer, std::uint8_t) {
  return [&normalizer](std::size_t c) {
    return [table = normalizer.table(c)](std::uint8_t value) { return table[value]; };
  };
}
auto normalizing(const Normalizer& normalizer, float) {
  return [&normalizer](std::size_t c) { return [&normalizer, c](float value) { return normalizer(value, c); }; };
}

void require(const char* name, double value, double most, bool most_included = true) {
  if (value >= 0 && (most_included ? value <= most : value < most)) return;
  throw Error(std::string("data.augment.") + name + " is " + std::to_string(value) + "; it must be at least 0 and " +
              (most_included ? "at most " : "below ") + std::to_string(most));
}

// The first option in use that needs height and width; "" for none.
std::string first_picture_key(const AugmentOptions& o) {
  const std::pair<const char*, double> options[] = {{"resized_crop", o.resized_crop},
                                                    {"crop_padding", static_cast<double>(o.crop_padding)},
                                                    {"flip", o.flip},
                                                    {"flip_vertical", o.flip_vertical},
                                                    {"translate", o.translate},
                                                    {"rotate", o.rotate},
                                                    {"scale", o.scale},
                                                    {"stretch", o.stretch},
                                                    {"shear", o.shear},
                                                    {"brightness", o.brightness},
                                                    {"contrast", o.contrast},
                                                    {"saturation", o.saturation},
                                                    {"hue", o.hue},
                                                    {"cutout", o.cutout},
                                                    {"cutmix", o.cutmix}};
  for (const auto& [name, value] : options) {
    if (value > 0) return name;
  }
  return "";
}

}  // namespace

void check(const AugmentOptions& options) {
  constexpr double any = 1e6;
  require("resized_crop", options.resized_crop, 1);
  if (!(options.resized_crop_ratio >= 1 && options.resized_crop_ratio <= 100)) {
    throw Error("data.augment.resized_crop_ratio is " + std::to_string(options.resized_crop_ratio) +
                "; it must be at least 1 and at most 100");
  }
  require("crop_padding", static_cast<double>(options.crop_padding), any);
  require("flip", options.flip, 1);
  require("flip_vertical", options.flip_vertical, 1);
  require("translate", options.translate, 1, false);
  require("rotate", options.rotate, 360, false);
  require("scale", options.scale, 1, false);
  require("stretch", options.stretch, 1, false);
  require("shear", options.shear, 90, false);
  require("brightness", options.brightness, any);
  require("contrast", options.contrast, any);
  require("saturation", options.saturation, any);
  require("hue", options.hue, 0.5);
  require("cutout", options.cutout, 1);
  require("mixup", options.mixup, any);
  require("cutmix", options.cutmix, any);
}

void check(const AugmentOptions& options, DType dtype, const Shape& sample) {
  check(options);
  const std::string picture_key = first_picture_key(options);
  if (picture_key.empty()) return;
  const std::string but = ", but 'image' is " + std::string(name_of(dtype)) + " " + to_string(sample);
  if (sample.rank() < 2 || sample.count() == 0 || (dtype != DType::u8 && dtype != DType::f32)) {
    throw Error("data.augment." + picture_key + ": pictures of u8 or f32 with height and width are changed" + but);
  }
  if (options.resized_crop > 0 && dtype != DType::u8) {
    throw Error("data.augment.resized_crop: u8 pictures are scaled" + but);
  }
  const bool colored = sample.count() / (sample[-2] * sample[-1]) == 3;
  if ((options.saturation > 0 || options.hue > 0) && !colored) {
    throw Error(std::string("data.augment.") + (options.hue > 0 ? "hue" : "saturation") +
                ": pictures with 3 channels have it" + but);
  }
}

RandomStream sample_stream(std::string_view purpose, std::uint64_t seed, std::int64_t epoch, std::int64_t index) {
  const std::uint64_t which = (static_cast<std::uint64_t>(epoch) << 40) | static_cast<std::uint64_t>(index);
  return RandomStream(seed, hash_of(purpose) ^ which);
}

Movement random_movement(const AugmentOptions& options, std::int64_t height, std::int64_t width, RandomStream& random) {
  const auto draw = [&](float most) { return random.uniform(-most, most); };
  Movement m;
  m.x = draw(options.translate) * static_cast<float>(width);
  m.y = draw(options.translate) * static_cast<float>(height);
  m.degrees = draw(options.rotate);
  m.scale_y = 1 + draw(options.scale);
  m.scale_x = m.scale_y * (1 + draw(options.stretch));
  m.shear = draw(options.shear);
  return m;
}

PictureBox random_part(const AugmentOptions& options, PictureSize picture, RandomStream& random) {
  const float steepest = std::log(options.resized_crop_ratio);
  const auto side = [](double length) { return std::max<std::int64_t>(1, std::llround(length)); };
  const auto place = [&](std::int64_t whole, std::int64_t part) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(whole - part + 1)));
  };
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = static_cast<double>(picture.count()) * random.uniform(options.resized_crop, 1.0F);
    const double ratio = std::exp(random.uniform(-steepest, steepest));
    const std::int64_t width = side(std::sqrt(area * ratio));
    const std::int64_t height = side(std::sqrt(area / ratio));
    if (width > picture.width || height > picture.height) continue;
    const std::int64_t top = place(picture.height, height);
    return {top, place(picture.width, width), height, width};
  }
  // As much of the middle as the allowed proportions leave.
  const double most = options.resized_crop_ratio;
  const std::int64_t height = std::min(picture.height, side(static_cast<double>(picture.width) * most));
  const std::int64_t width = std::min(picture.width, side(static_cast<double>(picture.height) * most));
  return {(picture.height - height) / 2, (picture.width - width) / 2, height, width};
}

Augmenter::Augmenter(DType dtype, const Shape& sample, const AugmentOptions& options, Normalizer normalizer,
                     std::uint64_t seed)
    : dtype_(dtype), channels_(0), shape_(sample), options_(options), normalizer_(std::move(normalizer)), seed_(seed) {
  check(options, dtype, sample);
  if (!options.enabled()) return;
  size_ = {sample[-2], sample[-1]};
  channels_ = sample.count() / size_.count();
}

void Augmenter::apply(const std::byte* sample, std::int64_t epoch, std::int64_t index, std::span<float> out,
                      Scratch& scratch) const {
  if (!options_.enabled()) return normalizer_.apply(sample, out);
  if (dtype_ == DType::f32) {
    const auto view = PictureView<float>::of(reinterpret_cast<const float*>(sample), channels_, size_);
    return finish(view, epoch, index, out, scratch);
  }
  const auto view = PictureView<std::uint8_t>::of(reinterpret_cast<const std::uint8_t*>(sample), channels_, size_);
  if (options_.resized_crop > 0) return apply(view, epoch, index, out, scratch);
  finish(view, epoch, index, out, scratch);
}

void Augmenter::apply(const PictureView<std::uint8_t>& picture, std::int64_t epoch, std::int64_t index,
                      std::span<float> out, Scratch& scratch) const {
  if (options_.resized_crop == 0) throw Error("augment: pictures of another size are taken with resized_crop alone");
  RandomStream random = sample_stream("augment/part", seed_, epoch, index);
  const PictureBox part = random_part(options_, picture.size, random);
  scratch.bytes.resize(out.size());
  resize(picture.part(part), size_, {0, 0, size_.height, size_.width}, scratch.bytes);
  finish(PictureView<std::uint8_t>::of(scratch.bytes.data(), channels_, size_), epoch, index, out, scratch);
}

template <class T>
void Augmenter::finish(const PictureView<T>& picture, std::int64_t epoch, std::int64_t index, std::span<float> out,
                       Scratch& scratch) const {
  const Placement placement = random_placement(options_, seed_, epoch, index);
  if (!options_.moves() && !options_.colors()) {
    place(picture, placement, out, normalizing(normalizer_, T{}));
  } else {
    std::span<float> placed = out;
    if (options_.moves()) {
      scratch.floats.resize(out.size());
      placed = scratch.floats;
    }
    place(picture, placement, placed, [](std::size_t) { return [](T value) { return static_cast<float>(value); }; });
    if (options_.moves()) {
      RandomStream random = sample_stream("augment", seed_, epoch, index);
      const Movement movement = random_movement(options_, size_.height, size_.width, random);
      resample(std::span<const float>(placed), shape_, inverse_of(movement), out);
    }
    if (options_.colors()) {
      RandomStream random = sample_stream("augment/color", seed_, epoch, index);
      jitter_colors(out, channels_, std::is_same_v<T, std::uint8_t> ? 255.0F : 1.0F, options_, random);
    }
    normalizer_.apply_in_place(out);
  }
  if (options_.cutout > 0) cut_out(epoch, index, out);
}

// A square about a random pixel; what reaches over the border is lost (DeVries and Taylor, 2017). 0 is the mean colour
// of normalised pictures.
void Augmenter::cut_out(std::int64_t epoch, std::int64_t index, std::span<float> out) const {
  const auto [height, width] = size_;
  RandomStream random = sample_stream("augment/cutout", seed_, epoch, index);
  const auto side =
      std::max<std::int64_t>(1, std::lround(options_.cutout * static_cast<float>(std::min(height, width))));
  const auto begin_of = [&](std::int64_t extent) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(extent))) - side / 2;
  };
  const std::int64_t top = begin_of(height);
  const std::int64_t left = begin_of(width);
  const std::int64_t right = std::min(left + side, width);
  for (std::int64_t c = 0; c < channels_; ++c) {
    for (std::int64_t y = std::max<std::int64_t>(top, 0); y < std::min(top + side, height); ++y) {
      float* row = out.data() + (c * height + y) * width;
      std::fill(row + std::max<std::int64_t>(left, 0), row + right, 0.0F);
    }
  }
}

}  // namespace narae
