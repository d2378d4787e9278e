#include "narae/data/mix.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "narae/data/augment.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

// Sample i is filled with the number i + 1 and has class i % classes.
struct Samples {
  Array images;
  Array labels;

  Samples(std::int64_t n, const Shape& shape, std::int64_t classes) {
    Shape all{n};
    for (const std::int64_t extent : shape) all.push_back(extent);
    images = Array::empty(DType::f32, all);
    labels = Array::empty(DType::i64, {n});
    const auto row = static_cast<std::size_t>(shape.count());
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      labels.mutable_values<std::int64_t>()[i] = static_cast<std::int64_t>(i) % classes;
      for (std::size_t k = 0; k < row; ++k) {
        images.mutable_values<float>()[i * row + k] = static_cast<float>(i + 1);
      }
    }
  }
};

TEST(RandomBeta, HasItsMomentsForSmallAndLargeAlpha) {
  for (const double alpha : {0.1, 0.4, 1.0, 4.0}) {
    RandomStream random(1);
    double sum = 0;
    double squares = 0;
    constexpr int n = 20000;
    for (int i = 0; i < n; ++i) {
      const double x = random_beta(alpha, random);
      ASSERT_GE(x, 0);
      ASSERT_LE(x, 1);
      sum += x;
      squares += x * x;
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(sum / n, 0.5, 4 * std::sqrt(variance / n)) << alpha;  // four deviations of the mean
    EXPECT_NEAR(squares / n - sum / n * (sum / n), variance, 0.03 * variance) << alpha;
  }
}

TEST(Mixup, BlendsEachSampleWithTheOneBefore) {
  Samples samples(4, {1, 2, 2}, 3);
  RandomStream random(7);
  const Array targets = mix_batch(samples.images, samples.labels, 3, {.mixup = 1}, random);
  ASSERT_EQ(targets.shape, (Shape{4, 3}));
  ASSERT_EQ(targets.dtype, DType::f32);
  const auto shares = targets.values<float>();
  const float share = shares[3 + 1];  // of sample 1 in itself
  EXPECT_GT(share, 0);
  EXPECT_LT(share, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t before = (i + 3) % 4;
    for (std::size_t k = 0; k < 4; ++k) {
      EXPECT_NEAR(samples.images.values<float>()[4 * i + k],
                  share * static_cast<float>(i + 1) + (1 - share) * static_cast<float>(before + 1), 1e-5);
    }
    for (std::size_t c = 0; c < 3; ++c) {
      const float expected = (i % 3 == c ? share : 0) + (before % 3 == c ? 1 - share : 0);
      EXPECT_NEAR(shares[3 * i + c], expected, 1e-6);
    }
  }
}

TEST(Cutmix, TheShareIsThatOfThePixelsThatStay) {
  double total = 0;
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    Samples samples(5, {2, 8, 10}, 5);
    RandomStream random(7, trial);
    const Array targets = mix_batch(samples.images, samples.labels, 5, {.cutmix = 1}, random);
    for (std::size_t i = 0; i < 5; ++i) {
      const auto own = static_cast<float>(i + 1);
      const auto other = static_cast<float>((i + 4) % 5 + 1);
      int stayed = 0;
      for (std::size_t k = 0; k < 160; ++k) {
        const float pixel = samples.images.values<float>()[160 * i + k];
        EXPECT_TRUE(pixel == own || pixel == other);
        stayed += pixel == own ? 1 : 0;
        // Both channels are cut alike.
        EXPECT_EQ(pixel, samples.images.values<float>()[160 * i + k % 80]);
      }
      EXPECT_NEAR(targets.values<float>()[5 * i + i], static_cast<float>(stayed) / 160, 1e-6);
      EXPECT_NEAR(targets.values<float>()[5 * i + (i + 4) % 5], 1 - static_cast<float>(stayed) / 160, 1e-6);
      if (i == 0) total += stayed / 160.0;
    }
  }
  EXPECT_GT(total / 300, 0.5);  // more than half stays, as boxes are cut at the border
  EXPECT_LT(total / 300, 0.8);
}

TEST(Mix, OneOfBothIsDrawnForABatch) {
  int blended = 0;
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    Samples samples(2, {1, 6, 6}, 2);
    RandomStream random(2, trial);
    (void)mix_batch(samples.images, samples.labels, 2, {.mixup = 1, .cutmix = 1}, random);
    const float pixel = samples.images.values<float>()[0];
    blended += pixel != 1 && pixel != 2 ? 1 : 0;
  }
  EXPECT_NEAR(blended, 200, 60);  // six deviations
}

TEST(Mix, ASingleSampleIsMixedWithItself) {
  for (const AugmentOptions& options : {AugmentOptions{.mixup = 0.5F}, AugmentOptions{.cutmix = 0.5F}}) {
    Samples samples(1, {1, 3, 3}, 2);
    RandomStream random(4);
    const Array targets = mix_batch(samples.images, samples.labels, 2, options, random);
    for (const float pixel : samples.images.values<float>()) EXPECT_NEAR(pixel, 1, 1e-6);
    EXPECT_NEAR(targets.values<float>()[0], 1, 1e-6);
    EXPECT_EQ(targets.values<float>()[1], 0);
  }
}

TEST(Mix, RefusesWhatCanNotBeMixed) {
  RandomStream random(1);
  const auto message = [&](Samples samples, std::int64_t classes, const AugmentOptions& options) {
    return error_of([&] { (void)mix_batch(samples.images, samples.labels, classes, options, random); });
  };
  EXPECT_TRUE(contains(message(Samples(3, {1, 2, 2}, 3), 2, {.mixup = 1}), "label 2 of 2 classes"));
  EXPECT_TRUE(contains(message(Samples(3, {4}, 3), 3, {.cutmix = 1}), "height and width"));
  Samples wrong(3, {4}, 3);
  wrong.labels = Array::zeros(DType::f32, {3});
  EXPECT_TRUE(contains(message(wrong, 3, {.mixup = 1}), "labels f32"));
}

}  // namespace
}  // namespace narae
