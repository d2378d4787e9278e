#include "narae/data/color_jitter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "narae/data/augment.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/reference_pictures.h"

namespace narae {
namespace {

using namespace testing_files;

using Change = std::function<void(std::span<float>)>;

std::vector<float> part() {
  const auto values = reference_pictures().at("part").values<std::uint8_t>();
  return {values.begin(), values.end()};
}

// The u8 picture that the change makes of Pillow's.
Array changed(const Change& change) {
  std::vector<float> picture = part();
  change(picture);
  Array result = Array::empty(DType::u8, reference_pictures().at("part").shape);
  for (std::size_t i = 0; i < picture.size(); ++i) {
    result.mutable_values<std::uint8_t>()[i] = static_cast<std::uint8_t>(std::lround(picture[i]));
  }
  return result;
}

void expect_reference(const std::string& name, const Change& change) {
  expect_close(changed(change), reference_pictures().at(name), 1, name);
}

TEST(ColorJitter, ChangesAreThoseOfPillow) {
  for (const int percent : {0, 40, 170}) {
    const float factor = static_cast<float>(percent) / 100;
    const std::string suffix = "." + std::to_string(percent);
    expect_reference("brightness" + suffix, [&](std::span<float> p) { adjust_brightness(p, 255, factor); });
    expect_reference("contrast" + suffix, [&](std::span<float> p) { adjust_contrast(p, 3, 255, factor); });
    expect_reference("saturation" + suffix, [&](std::span<float> p) { adjust_saturation(p, 255, factor); });
  }
  for (const int percent : {10, 45, 80}) {
    expect_reference("hue." + std::to_string(percent),
                     [&](std::span<float> p) { adjust_hue(p, 255, static_cast<float>(percent) / 100); });
  }
}

TEST(ColorJitter, NothingChangesAtTheNeutralValues) {
  const std::vector<float> before = part();
  std::vector<float> after = before;
  adjust_brightness(after, 255, 1);
  adjust_contrast(after, 3, 255, 1);
  adjust_saturation(after, 255, 1);
  EXPECT_EQ(after, before);
  adjust_hue(after, 255, 0);
  adjust_hue(after, 255, 1);
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-3);
}

TEST(ColorJitter, AThirdOfACircleMakesRedGreen) {
  std::vector<float> red{1, 0, 0};
  adjust_hue(red, 1, 1.0F / 3);
  EXPECT_NEAR(red[0], 0, 1e-6);
  EXPECT_NEAR(red[1], 1, 1e-6);
  std::vector<float> grey{0.4F, 0.4F, 0.4F};
  adjust_hue(grey, 1, 0.3F);
  EXPECT_EQ(grey, (std::vector<float>{0.4F, 0.4F, 0.4F}));
}

TEST(ColorJitter, GreyPicturesHaveBrightnessAndContrast) {
  std::vector<float> picture{0.2F, 0.6F};
  adjust_contrast(picture, 1, 1, 0.5F);
  EXPECT_NEAR(picture[0], 0.3, 1e-6);
  EXPECT_NEAR(picture[1], 0.5, 1e-6);
}

std::vector<float> jittered(std::vector<float> picture, const AugmentOptions& options, std::uint64_t stream) {
  RandomStream random(3, stream);
  jitter_colors(picture, 1, 255, options, random);
  return picture;
}

TEST(ColorJitter, DrawsFactorsBetweenTheirBounds) {
  float least = 2;
  float most = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const float factor = jittered({100}, {.brightness = 0.25F}, i)[0] / 100;
    least = std::min(least, factor);
    most = std::max(most, factor);
  }
  EXPECT_GE(least, 0.75F);
  EXPECT_LE(most, 1.25F);
  EXPECT_LT(least, 0.77F);
  EXPECT_GT(most, 1.23F);
}

TEST(ColorJitter, ChangesAreMadeInEitherOrder) {
  const std::vector<float> picture{250, 250, 20};  // more brightness clamps it, so that the order shows
  int brightness_first = 0;
  int contrast_first = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    // The same numbers are drawn whatever the options are, so that single changes tell their factors.
    const float brighter = jittered({100}, {.brightness = 0.2F}, i)[0] / 100;
    const float harder = (jittered({90, 110}, {.contrast = 0.2F}, i)[1] - 100) / 10;
    std::vector<float> one = picture;
    adjust_brightness(one, 255, brighter);
    adjust_contrast(one, 1, 255, harder);
    std::vector<float> other = picture;
    adjust_contrast(other, 1, 255, harder);
    adjust_brightness(other, 255, brighter);
    if (std::abs(one[2] - other[2]) < 0.1F) continue;
    const float got = jittered(picture, {.brightness = 0.2F, .contrast = 0.2F}, i)[2];
    brightness_first += std::abs(got - one[2]) < 0.01F ? 1 : 0;
    contrast_first += std::abs(got - other[2]) < 0.01F ? 1 : 0;
  }
  EXPECT_GT(brightness_first, 40);
  EXPECT_GT(contrast_first, 40);
}

}  // namespace
}  // namespace narae
