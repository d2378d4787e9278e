#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/core/random.h"
#include "narae/data/resize.h"
#include "narae/data/transforms.h"

namespace narae {

/// What is changed at random in training samples. Everything is off at 0. Pictures go through the groups in the order
/// in which they stand here.
struct AugmentOptions {
  // A part of the picture is taken and brought to the sample's size (Szegedy et al., 2015); pictures of a folder are
  // cut before they are scaled.
  float resized_crop = 0;               ///< smallest share of the area, up to 1
  float resized_crop_ratio = 4.0F / 3;  ///< its width over height is drawn from 1/ratio ... ratio; at least 1

  std::int64_t crop_padding = 0;  ///< black pixels put around before the sample's size is cut out at a random place
  float flip = 0;                 ///< probability that left and right change places
  float flip_vertical = 0;        ///< the same for top and bottom

  // Movements about the centre: every value is the largest deviation to either side, drawn uniformly.
  float translate = 0;  ///< along x and y, as a fraction of the width and height
  float rotate = 0;     ///< degrees
  float scale = 0;      ///< of the size: factor 1 - scale ... 1 + scale, below 1
  float stretch = 0;    ///< of the width against the height: factor 1 - stretch ... 1 + stretch, below 1
  float shear = 0;      ///< degrees, along x, below 90

  // Colour, in random order: factors from max(0, 1 - x) to 1 + x, and a turn of the hue of at most `hue` circles.
  float brightness = 0;
  float contrast = 0;    ///< about the mean grey of the picture
  float saturation = 0;  ///< about each pixel's grey; colour pictures only
  float hue = 0;         ///< up to 0.5; colour pictures only

  float cutout = 0;  ///< side of a square that is blanked at a random place, as a share of the shorter side, up to 1

  // Of whole batches; when both are given, each batch draws one of them.
  float mixup = 0;   ///< alpha of Beta(alpha, alpha), from which the shares of two blended samples are drawn
  float cutmix = 0;  ///< the same for the area of the box that comes from another sample

  [[nodiscard]] bool moves() const { return translate != 0 || rotate != 0 || scale != 0 || stretch != 0 || shear != 0; }
  [[nodiscard]] bool colors() const { return brightness != 0 || contrast != 0 || saturation != 0 || hue != 0; }
  [[nodiscard]] bool places() const { return crop_padding != 0 || flip != 0 || flip_vertical != 0; }
  [[nodiscard]] bool mixes() const { return mixup != 0 || cutmix != 0; }
  /// True when single samples are changed.
  [[nodiscard]] bool enabled() const { return resized_crop != 0 || places() || moves() || colors() || cutout != 0; }
};

/// Throws Error naming the value that is negative or too large.
NARAE_API void check(const AugmentOptions& options);
/// The same, and Error for samples of this type and shape (..., height, width) that the options can't be done with:
/// shapes without height and width, types other than u8 and f32 (u8 alone for resized_crop), saturation and hue of
/// pictures without three channels.
NARAE_API void check(const AugmentOptions& options, DType dtype, const Shape& sample);

/// The random numbers of one sample in one epoch: a pure function of its arguments (epoch < 2^24, index < 2^40), so
/// that it does not matter which thread asks, or when.
[[nodiscard]] NARAE_API RandomStream sample_stream(std::string_view purpose, std::uint64_t seed, std::int64_t epoch,
                                                   std::int64_t index);

/// A random movement for pictures of this size: as many numbers are drawn whatever the options are.
[[nodiscard]] NARAE_API Movement random_movement(const AugmentOptions& options, std::int64_t height, std::int64_t width,
                                                 RandomStream& random);

/// A random part of a picture with at least `resized_crop` of its area; the largest one in the middle when ten draws
/// don't fit.
[[nodiscard]] NARAE_API PictureBox random_part(const AugmentOptions& options, PictureSize picture,
                                               RandomStream& random);

/// Makes training samples out of stored ones: augments and normalises them. Constant after construction, so that any
/// number of threads may share it; sample i of an epoch depends on (seed, epoch, i) alone, and each kind of change has
/// random numbers of its own, so that switching one on leaves the others as they were.
class NARAE_API Augmenter {
 public:
  /// Memory that one thread keeps from sample to sample.
  struct Scratch {
    std::vector<std::uint8_t> bytes;
    std::vector<float> floats;
  };

  /// For samples of this type and shape (..., height, width). Throws what `check` throws.
  Augmenter(DType dtype, const Shape& sample, const AugmentOptions& options, Normalizer normalizer, std::uint64_t seed);

  /// One sample as it is stored; `out` takes it normalised.
  void apply(const std::byte* sample, std::int64_t epoch, std::int64_t index, std::span<float> out,
             Scratch& scratch) const;
  /// A whole u8 picture of another size, of which resized_crop takes a part. Throws Error without resized_crop.
  void apply(const PictureView<std::uint8_t>& picture, std::int64_t epoch, std::int64_t index, std::span<float> out,
             Scratch& scratch) const;

 private:
  template <class T>
  void finish(const PictureView<T>& picture, std::int64_t epoch, std::int64_t index, std::span<float> out,
              Scratch& scratch) const;
  void cut_out(std::int64_t epoch, std::int64_t index, std::span<float> out) const;

  DType dtype_;
  PictureSize size_;
  std::int64_t channels_;
  Shape shape_;
  AugmentOptions options_;
  Normalizer normalizer_;
  std::uint64_t seed_;
};

}  // namespace narae
