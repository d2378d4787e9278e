#include "narae/data/augment.h"

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

constexpr std::int64_t height = 6;
constexpr std::int64_t width = 8;
const Shape shape{3, height, width};

// Every pixel has its own value, none of them 0.
std::vector<std::uint8_t> numbered() {
  std::vector<std::uint8_t> picture(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<std::uint8_t>(i + 1);
  return picture;
}

Normalizer plain(DType dtype = DType::f32) {
  // Of u8, which it divides by 255, this makes the stored numbers again.
  return dtype == DType::u8 ? Normalizer(dtype, shape, {}, std::vector{1 / 255.0F}) : Normalizer(dtype, shape, {}, {});
}

std::vector<float> augmented(const AugmentOptions& options, std::int64_t epoch, std::int64_t index = 0) {
  const Augmenter augmenter(DType::u8, shape, options, plain(DType::u8), 3);
  const std::vector<std::uint8_t> picture = numbered();
  std::vector<float> out(picture.size(), -1);
  Augmenter::Scratch scratch;
  augmenter.apply(reinterpret_cast<const std::byte*>(picture.data()), epoch, index, out, scratch);
  for (float& value : out) value = std::round(value * 16) / 16;  // the detour over 255 costs the last bits
  return out;
}

float pixel(std::int64_t c, std::int64_t y, std::int64_t x) {
  const bool inside = y >= 0 && y < height && x >= 0 && x < width;
  return inside ? static_cast<float>((c * height + y) * width + x + 1) : 0;
}

// The picture moved and mirrored in the plainest way.
std::vector<float> placed(std::int64_t down, std::int64_t right, bool mirrored, bool upside_down) {
  std::vector<float> result;
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        result.push_back(pixel(c, (upside_down ? height - 1 - y : y) + down, (mirrored ? width - 1 - x : x) + right));
      }
    }
  }
  return result;
}

TEST(Augmenter, PaddedCropsAreWindowsOfThePicture) {
  std::map<std::vector<float>, std::pair<int, int>> windows;
  for (int down = -2; down <= 2; ++down) {
    for (int right = -2; right <= 2; ++right) windows[placed(down, right, false, false)] = {down, right};
  }
  std::set<std::pair<int, int>> seen;
  for (std::int64_t epoch = 0; epoch < 300; ++epoch) {
    const auto found = windows.find(augmented({.crop_padding = 2}, epoch));
    ASSERT_NE(found, windows.end()) << "epoch " << epoch;
    seen.insert(found->second);
  }
  EXPECT_EQ(seen.size(), 25U);  // every place is drawn
}

TEST(Augmenter, FlipsHaveTheirProbability) {
  int mirrored = 0;
  int upside_down = 0;
  for (std::int64_t epoch = 0; epoch < 1000; ++epoch) {
    const std::vector<float> out = augmented({.flip = 0.3F, .flip_vertical = 0.6F}, epoch);
    const bool left_right = out == placed(0, 0, true, false) || out == placed(0, 0, true, true);
    const bool top_bottom = out == placed(0, 0, false, true) || out == placed(0, 0, true, true);
    EXPECT_EQ(out, placed(0, 0, left_right, top_bottom));
    mirrored += left_right ? 1 : 0;
    upside_down += top_bottom ? 1 : 0;
  }
  EXPECT_NEAR(mirrored, 300, 58);  // four deviations
  EXPECT_NEAR(upside_down, 600, 62);
  EXPECT_EQ(augmented({.flip = 1}, 5), placed(0, 0, true, false));
}

TEST(Augmenter, CropsAndFlipsGoTogether) {
  bool found = false;
  const std::vector<float> out = augmented({.crop_padding = 3, .flip = 1, .flip_vertical = 1}, 1);
  for (int down = -3; down <= 3; ++down) {
    for (int right = -3; right <= 3; ++right) found = found || out == placed(down, right, true, true);
  }
  EXPECT_TRUE(found);
}

TEST(Augmenter, APaddingLargerThanThePictureLeavesBlackOnes) {
  int black = 0;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    const std::vector<float> out = augmented({.crop_padding = 20, .flip = 0.5F}, epoch);
    black += out == std::vector<float>(out.size(), 0.0F) ? 1 : 0;
  }
  EXPECT_GT(black, 50);
  EXPECT_LT(black, 190);
}

TEST(Augmenter, EachKindOfChangeHasRandomNumbersOfItsOwn) {
  for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
    const std::vector<float> crop = augmented({.crop_padding = 2}, epoch);
    const std::vector<float> both = augmented({.crop_padding = 2, .flip = 1}, epoch);
    // Mirroring the crop gives the mirrored crop.
    for (std::size_t row = 0; row < crop.size(); row += width) {
      for (std::size_t x = 0; x < width; ++x) EXPECT_EQ(both[row + x], crop[row + width - 1 - x]);
    }
  }
}

TEST(Augmenter, PicturesAreNormalisedOnTheWay) {
  const std::vector<float> mean{0.1F, 0.2F, 0.3F};
  const std::vector<float> deviation{0.5F, 0.6F, 0.7F};
  const Normalizer normalizer(DType::u8, shape, mean, deviation);
  const std::vector<std::uint8_t> picture = numbered();
  const auto* stored = reinterpret_cast<const std::byte*>(picture.data());
  Augmenter::Scratch scratch;
  std::vector<float> expected(picture.size());
  normalizer.apply(stored, expected);
  std::vector<float> out(picture.size());
  Augmenter(DType::u8, shape, {.flip = 1}, normalizer, 0).apply(stored, 0, 0, out, scratch);
  for (std::size_t row = 0; row < out.size(); row += width) {
    for (std::size_t x = 0; x < width; ++x) EXPECT_EQ(out[row + x], expected[row + width - 1 - x]);
  }
  // Through floats, with a change that is none.
  Augmenter(DType::u8, shape, {.rotate = 1e-30F, .brightness = 1e-30F}, normalizer, 0)
      .apply(stored, 0, 0, out, scratch);
  EXPECT_EQ(out, expected);
  // Padding is black, not the mean.
  std::vector<float> shifted(picture.size());
  Augmenter(DType::u8, shape, {.crop_padding = 1000}, normalizer, 0).apply(stored, 0, 0, shifted, scratch);
  EXPECT_EQ(shifted[0], (0.0F - mean[0]) / deviation[0]);
}

TEST(Augmenter, FloatPicturesAreTakenToo) {
  std::vector<float> picture(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<float>(i + 1) / 200;
  std::vector<float> out(picture.size());
  Augmenter::Scratch scratch;
  const Augmenter augmenter(DType::f32, shape, {.flip = 1, .cutout = 0.01F}, plain(), 3);
  augmenter.apply(reinterpret_cast<const std::byte*>(picture.data()), 0, 0, out, scratch);
  int same = 0;
  for (std::size_t row = 0; row < out.size(); row += width) {
    for (std::size_t x = 0; x < width; ++x) same += out[row + x] == picture[row + width - 1 - x] ? 1 : 0;
  }
  EXPECT_EQ(same, shape.count() - 3);  // all but one pixel that is cut out of each channel
}

TEST(Augmenter, CutoutBlanksASquare) {
  std::set<std::size_t> counts;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    const std::vector<float> out = augmented({.cutout = 0.5F}, epoch);
    std::set<std::int64_t> rows;
    std::set<std::int64_t> columns;
    for (std::int64_t i = 0; i < shape.count(); ++i) {
      if (out[static_cast<std::size_t>(i)] != 0) {
        EXPECT_EQ(out[static_cast<std::size_t>(i)], static_cast<float>(i + 1));
        continue;
      }
      rows.insert(i / width % height);
      columns.insert(i % width);
      // All channels alike.
      EXPECT_EQ(out[static_cast<std::size_t>(i % (height * width))], 0);
    }
    EXPECT_LE(rows.size(), 3U);
    EXPECT_LE(columns.size(), 3U);
    counts.insert(rows.size() * columns.size());
  }
  EXPECT_EQ(*counts.rbegin(), 9U);  // whole squares, and ones that reach over the border
  EXPECT_LT(*counts.begin(), 9U);
}

TEST(RandomPart, HasItsAreaAndProportions) {
  const AugmentOptions options{.resized_crop = 0.2F, .resized_crop_ratio = 1.5F};
  const PictureSize picture{300, 400};
  double least = 1;
  double most = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    RandomStream random(1, i);
    const PictureBox part = random_part(options, picture, random);
    EXPECT_GE(part.top, 0);
    EXPECT_GE(part.left, 0);
    EXPECT_LE(part.top + part.height, 300);
    EXPECT_LE(part.left + part.width, 400);
    const double area = static_cast<double>(part.height * part.width) / (300 * 400);
    const double ratio = static_cast<double>(part.width) / static_cast<double>(part.height);
    EXPECT_GE(area, 0.2 * 0.98);  // sides are rounded
    EXPECT_GE(ratio, 1 / 1.5 * 0.98);
    EXPECT_LE(ratio, 1.5 * 1.02);
    least = std::min(least, area);
    most = std::max(most, area);
  }
  EXPECT_LT(least, 0.25);
  EXPECT_GT(most, 0.9);
}

TEST(RandomPart, TakesTheMiddleOfPicturesThatAreTooNarrow) {
  RandomStream random(1);
  const PictureBox part = random_part({.resized_crop = 0.9F}, {1000, 10}, random);
  EXPECT_EQ(part.width, 10);
  EXPECT_EQ(part.height, 13);  // 4/3 of its width
  EXPECT_EQ(part.top, 493);
}

TEST(Augmenter, ResizedCropsAreScaledParts) {
  // A whole picture of one colour stays so; the part has the size of the sample.
  std::vector<std::uint8_t> large(3 * 50 * 70, 90);
  const Augmenter augmenter(DType::u8, shape, {.resized_crop = 0.1F}, plain(DType::u8), 3);
  std::vector<float> out(static_cast<std::size_t>(shape.count()));
  Augmenter::Scratch scratch;
  augmenter.apply(PictureView<std::uint8_t>::of(large.data(), 3, {50, 70}), 0, 0, out, scratch);
  for (const float value : out) EXPECT_NEAR(value, 90, 1e-3);
  // Of a stored sample, it is another part in every epoch.
  EXPECT_NE(augmented({.resized_crop = 0.3F}, 0), augmented({.resized_crop = 0.3F}, 1));
  EXPECT_EQ(augmented({.resized_crop = 0.3F}, 1), augmented({.resized_crop = 0.3F}, 1));
  const Augmenter none(DType::u8, shape, {.flip = 1}, plain(DType::u8), 3);
  EXPECT_THROW(none.apply(PictureView<std::uint8_t>::of(large.data(), 3, {50, 70}), 0, 0, out, scratch), Error);
}

TEST(Augmenter, RefusesWhatCanNotBeDone) {
  const auto message = [](DType dtype, const Shape& sample, const AugmentOptions& options) {
    return error_of([&] { Augmenter(dtype, sample, options, Normalizer(dtype, sample, {}, {}), 0); });
  };
  EXPECT_TRUE(contains(message(DType::f32, {2}, {.flip = 0.5F}), "height and width"));
  EXPECT_TRUE(contains(message(DType::i32, {1, 4, 4}, {.flip = 0.5F}), "u8 or f32"));
  EXPECT_TRUE(contains(message(DType::f32, {1, 4, 4}, {.resized_crop = 0.5F}),
                       "data.augment.resized_crop: u8 pictures are scaled"));
  EXPECT_TRUE(contains(message(DType::u8, {1, 4, 4}, {.hue = 0.1F}), "3 channels"));
  EXPECT_TRUE(contains(message(DType::u8, {1, 4, 4}, {.saturation = 0.1F}), "3 channels"));
  for (const auto& [options, part] : std::vector<std::pair<AugmentOptions, std::string>>{
           {{.resized_crop = 1.5F}, "resized_crop is"},
           {{.resized_crop = 0.5F, .resized_crop_ratio = 0.5F}, "resized_crop_ratio"},
           {{.crop_padding = -1}, "crop_padding"},
           {{.flip = 1.1F}, "flip is"},
           {{.flip_vertical = -0.1F}, "flip_vertical"},
           {{.brightness = -1}, "brightness"},
           {{.contrast = std::nanf("")}, "contrast"},
           {{.hue = 0.6F}, "hue"},
           {{.cutout = 2}, "cutout"},
           {{.mixup = -1}, "mixup"},
           {{.cutmix = -1}, "cutmix"}}) {
    EXPECT_TRUE(contains(error_of([&, &o = options] { check(o); }), part)) << part;
  }
}

}  // namespace
}  // namespace narae
