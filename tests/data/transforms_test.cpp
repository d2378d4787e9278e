#include "narae/data/transforms.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "narae/data/augment.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

std::vector<std::uint8_t> random_picture(const Shape& shape) {
  RandomStream random(1);
  std::vector<std::uint8_t> picture(static_cast<std::size_t>(shape.count()));
  for (auto& pixel : picture) pixel = static_cast<std::uint8_t>(random.below(256));
  return picture;
}

std::vector<float> moved(const std::vector<std::uint8_t>& picture, const Shape& shape, const Movement& movement) {
  std::vector<float> out(picture.size(), -1.0F);
  resample(std::span<const std::uint8_t>(picture), shape, inverse_of(movement), out);
  return out;
}

TEST(Normalizer, RoundsLikeDivideSubtractDivide) {
  const std::vector<float> mean{0.1F, 0.5F};
  const std::vector<float> deviation{0.3F, 2.0F};
  const Normalizer normalizer(DType::u8, {2, 16, 16}, mean, deviation);
  const auto picture = random_picture({2, 16, 16});
  std::vector<float> out(picture.size());
  normalizer.apply(reinterpret_cast<const std::byte*>(picture.data()), out);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t c = i / 256;
    EXPECT_EQ(out[i], (static_cast<float>(picture[i]) / 255.0F - mean[c]) / deviation[c]);
  }
  std::vector<float> again(picture.begin(), picture.end());
  normalizer.apply_in_place(again);
  EXPECT_EQ(again, out);
}

TEST(Normalizer, OtherTypesAreTakenAsTheyAre) {
  std::vector<float> out(3);
  const std::vector<float> floats{-1.5F, 0.0F, 300.0F};
  Normalizer(DType::f32, {3}, {}, {}).apply(reinterpret_cast<const std::byte*>(floats.data()), out);
  EXPECT_EQ(out, floats);
  const std::vector<std::int32_t> whole{-7, 0, 9};
  Normalizer(DType::i32, {3}, std::vector{1.0F}, std::vector{2.0F})
      .apply(reinterpret_cast<const std::byte*>(whole.data()), out);
  EXPECT_EQ(out, (std::vector<float>{-4.0F, -0.5F, 4.0F}));
}

TEST(Normalizer, RefusesWhatDoesNotFit) {
  const std::vector<float> three{1, 1, 1};
  EXPECT_TRUE(contains(error_of([&] { Normalizer(DType::u8, {1, 28, 28}, three, three); }), "(1, 28, 28)"));
  EXPECT_TRUE(contains(error_of([&] { Normalizer(DType::u8, {3, 4, 4}, three, std::vector{1.0F, 2.0F}); }), "3 means"));
  EXPECT_TRUE(contains(error_of([&] { Normalizer(DType::u8, {1, 4, 4}, {}, std::vector{0.0F}); }), "deviation"));
  EXPECT_TRUE(contains(error_of([&] { Normalizer(DType::f16, {1, 4, 4}, {}, {}); }), "f16"));
}

TEST(Resample, IdentityLeavesEveryPixelExactlyAlone) {
  for (const Shape& shape : {Shape{1, 28, 28}, Shape{3, 7, 10}}) {
    const auto picture = random_picture(shape);
    EXPECT_EQ(moved(picture, shape, {}), std::vector<float>(picture.begin(), picture.end()));
    std::vector<float> floats(picture.begin(), picture.end());
    std::vector<float> out(floats.size());
    resample(std::span<const float>(floats), shape, {}, out);
    EXPECT_EQ(out, floats);
  }
}

TEST(Resample, TranslationByWholePixelsMovesThePictureByThem) {
  const Shape shape{2, 9, 12};
  const auto picture = random_picture(shape);
  const auto out = moved(picture, shape, {.x = 1, .y = -2});
  for (std::int64_t c = 0; c < 2; ++c) {
    for (std::int64_t row = 0; row < 9; ++row) {
      for (std::int64_t column = 0; column < 12; ++column) {
        const auto at = [&](std::int64_t r, std::int64_t q) { return static_cast<std::size_t>((c * 9 + r) * 12 + q); };
        const bool inside = row + 2 < 9 && column >= 1;
        EXPECT_EQ(out[at(row, column)], inside ? static_cast<float>(picture[at(row + 2, column - 1)]) : 0.0F);
      }
    }
  }
}

TEST(Resample, HalfAPixelIsTheMeanOfTwo) {
  const auto out = moved({10, 20, 40}, {1, 1, 3}, {.x = 0.5F});
  EXPECT_EQ(out, (std::vector<float>{5, 15, 30}));
}

TEST(Resample, AQuarterTurnGoesClockwise) {
  const auto picture = random_picture({1, 5, 5});
  const auto out = moved(picture, {1, 5, 5}, {.degrees = 90});
  for (std::size_t row = 0; row < 5; ++row) {
    for (std::size_t column = 0; column < 5; ++column) {
      EXPECT_NEAR(out[5 * column + (4 - row)], picture[5 * row + column], 1e-3);  // cos 90 degrees is not quite 0
    }
  }
}

TEST(Resample, ScaleAndShearGoTheRightWay) {
  // A dot two pixels to the right of the centre goes to four under a scale of two.
  std::vector<std::uint8_t> dot(11 * 11);
  dot[5 * 11 + 7] = 200;
  EXPECT_EQ(moved(dot, {1, 11, 11}, {.scale_x = 2})[5 * 11 + 9], 200);
  // A dot two pixels above the centre goes two to the right under 45 degrees of shear.
  std::vector<std::uint8_t> above(11 * 11);
  above[3 * 11 + 5] = 200;
  EXPECT_NEAR(moved(above, {1, 11, 11}, {.shear = 45})[3 * 11 + 7], 200, 1e-3);
}

TEST(Resample, FarOutsideIsBlackAndHarmless) {
  const auto picture = random_picture({1, 4, 4});
  for (const float x : {100.0F, -1e30F}) {
    for (const float pixel : moved(picture, {1, 4, 4}, {.x = x})) EXPECT_EQ(pixel, 0.0F);
  }
}

TEST(Augment, MovementsAreWithinTheirBoundsAndCentred) {
  const AugmentOptions options{.translate = 0.1F, .rotate = 15, .scale = 0.2F, .stretch = 0.1F, .shear = 10};
  double degrees = 0;
  for (std::int64_t i = 0; i < 2000; ++i) {
    RandomStream random = sample_stream("augment", 3, 1, i);
    const Movement m = random_movement(options, 20, 30, random);
    EXPECT_LE(std::abs(m.x), 3.0F);
    EXPECT_LE(std::abs(m.y), 2.0F);
    EXPECT_LE(std::abs(m.degrees), 15.0F);
    EXPECT_LE(std::abs(m.shear), 10.0F);
    EXPECT_LE(std::abs(m.scale_y - 1), 0.2001F);
    EXPECT_LE(std::abs(m.scale_x / m.scale_y - 1), 0.1001F);
    degrees += m.degrees;
  }
  EXPECT_NEAR(degrees / 2000, 0, 0.8);  // deviation 15 / sqrt(3 * 2000) = 0.19
  RandomStream random(1);
  const Movement none = random_movement({}, 28, 28, random);
  EXPECT_EQ(none.x, 0.0F);
  EXPECT_EQ(none.scale_x, 1.0F);
  EXPECT_FALSE(AugmentOptions{}.enabled());
}

TEST(Augment, StreamsDependOnPurposeSeedEpochAndSample) {
  const auto draw = [](const char* purpose, std::uint64_t seed, std::int64_t epoch, std::int64_t i) {
    return sample_stream(purpose, seed, epoch, i).next_u64();
  };
  const std::uint64_t base = draw("augment", 1, 2, 3);
  EXPECT_EQ(draw("augment", 1, 2, 3), base);
  EXPECT_NE(draw("shuffle", 1, 2, 3), base);
  EXPECT_NE(draw("augment", 2, 2, 3), base);
  EXPECT_NE(draw("augment", 1, 3, 3), base);
  EXPECT_NE(draw("augment", 1, 2, 4), base);
}

TEST(Augment, OptionsOutOfRangeAreRefused) {
  EXPECT_NO_THROW(check({.translate = 0.5F, .shear = 80}));
  EXPECT_TRUE(contains(error_of([] { check({.translate = -0.1F}); }), "translate"));
  EXPECT_TRUE(contains(error_of([] { check({.scale = 1}); }), "scale"));
  EXPECT_TRUE(contains(error_of([] { check({.shear = 90}); }), "shear"));
  EXPECT_TRUE(contains(error_of([] { check({.rotate = std::nanf("")}); }), "rotate"));
}

}  // namespace
}  // namespace narae
