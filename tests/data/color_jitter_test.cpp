#include "narae/data/color_jitter.h"

#include <cmath>
#include <functional>
#include <set>
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

TEST(ColorJitter, DrawsFactorsBetweenTheBoundsInChangingOrder) {
  const AugmentOptions bright{.brightness = 0.25F};
  float least = 2;
  float most = 0;
  std::set<float> values;
  for (std::uint64_t i = 0; i < 400; ++i) {
    std::vector<float> picture{100};
    RandomStream random(3, i);
    jitter_colors(picture, 1, 255, bright, random);
    least = std::min(least, picture[0] / 100);
    most = std::max(most, picture[0] / 100);
    // Brightness and contrast do not commute: two orders give two results for the same factors.
    std::vector<float> both{40, 240};
    RandomStream same(3, i);
    jitter_colors(both, 1, 255, {.brightness = 0.25F, .contrast = 0.5F}, same);
    values.insert(both[0]);
  }
  EXPECT_GE(least, 0.75F);
  EXPECT_LE(most, 1.25F);
  EXPECT_LT(least, 0.77F);
  EXPECT_GT(most, 1.23F);
  EXPECT_GT(values.size(), 390U);
}

}  // namespace
}  // namespace narae
