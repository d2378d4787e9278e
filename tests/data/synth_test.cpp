#include "narae/data/synth.h"

#include <array>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "narae/data/resize.h"
#include "narae/data/shapes.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

bool same(const Array& a, const Array& b) {
  return a.shape == b.shape && a.dtype == b.dtype && std::memcmp(a.buffer.data(), b.buffer.data(), a.bytes()) == 0;
}

TEST(SynthDigits, ASampleDependsOnSeedSplitAndIndexAlone) {
  const Dataset dataset = synth_digits(Split::train, 50, 3);
  const Array pictures = read_field(dataset, "image", 0, 50);
  EXPECT_EQ(pictures.shape, (Shape{50, 1, 28, 28}));
  EXPECT_TRUE(same(read_field(synth_digits(Split::train, 1'000'000, 3), "image", 40, 50),
                   read_field(dataset, "image", 40, 50)));
  EXPECT_FALSE(same(read_field(synth_digits(Split::train, 50, 4), "image", 0, 50), pictures));
  EXPECT_FALSE(same(read_field(synth_digits(Split::test, 50, 3), "image", 0, 50), pictures));
  EXPECT_TRUE(same(loaded(dataset).arrays[0], pictures));
}

TEST(SynthDigits, LabelsAreBalancedAndNamed) {
  const Dataset dataset = synth_digits(Split::test, 200);
  std::array<int, 10> counts{};
  const Array labels = read_field(dataset, "label", 0, 200);
  for (const std::int64_t label : labels.values<std::int64_t>()) ++counts.at(static_cast<std::size_t>(label));
  for (const int count : counts) EXPECT_EQ(count, 20);
  EXPECT_EQ(dataset.classes.size(), 10U);
  EXPECT_EQ(dataset.classes[7], "7");
}

TEST(SynthDigits, LooksLikeHandwriting) {
  const Dataset dataset = synth_digits(Split::train, 500);
  // MNIST has mean 0.13 and deviation 0.31.
  EXPECT_NEAR(dataset.mean.at(0), 0.115, 0.03);
  EXPECT_NEAR(dataset.stddev.at(0), 0.25, 0.05);
  const Array pictures = read_field(dataset, "image", 0, 500);
  int border = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    const auto picture = pictures.values<std::uint8_t>().subspan(784 * i, 784);
    double ink = 0;
    double x = 0;
    double y = 0;
    for (std::size_t k = 0; k < 784; ++k) {
      const double p = picture[k] > 64 ? picture[k] : 0;  // pen, not noise
      ink += p;
      const std::size_t row = k / 28;
      const std::size_t column = k % 28;
      x += p * static_cast<double>(column);
      y += p * static_cast<double>(row);
      border += p > 0 && (row == 0 || row == 27 || column == 0 || column == 27) ? 1 : 0;
    }
    EXPECT_GT(ink / 255, 12) << "picture " << i << " is nearly empty";
    EXPECT_LT(ink / 255, 260) << "picture " << i << " is nearly full";
    EXPECT_NEAR(x / ink, 13.5, 7) << "picture " << i;
    EXPECT_NEAR(y / ink, 13.5, 7) << "picture " << i;
  }
  EXPECT_LT(border, 500) << "too many digits are cut off: more than one pixel at the border on the average";
}

TEST(SynthDigits, ClassesDifferAndSamplesOfAClassVary) {
  const Dataset train = loaded(synth_digits(Split::train, 1000));
  const Dataset test = loaded(synth_digits(Split::test, 200));
  // The nearest of 1,000 pictures has the right label for most, but for far from all.
  const auto known = train.arrays[0].values<std::uint8_t>();
  const auto asked = test.arrays[0].values<std::uint8_t>();
  int right = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    std::size_t nearest = 0;
    for (std::size_t j = 0; j < 1000; ++j) {
      std::int32_t distance = 0;
      for (std::size_t k = 0; k < 784; ++k) {
        const std::int32_t d = asked[784 * i + k] - known[784 * j + k];
        distance += d * d;
      }
      EXPECT_GT(distance, 0);
      if (distance < best) {
        best = distance;
        nearest = j;
      }
    }
    right += nearest % 10 == i % 10 ? 1 : 0;
  }
  EXPECT_GT(right, 120);
  EXPECT_LT(right, 198);
}

TEST(SynthDigits, RefusesWhatItCanNotDraw) {
  RandomStream random(1);
  std::vector<std::uint8_t> picture(784);
  EXPECT_THROW(draw_digit(10, random, picture), Error);
  EXPECT_THROW(draw_digit(3, random, std::span(picture).first(10)), Error);
  EXPECT_THROW((void)synth_digits(Split::train, -1), Error);
}

TEST(SynthShapes, ASampleDependsOnSeedSplitAndIndexAlone) {
  const Dataset dataset = synth_shapes(Split::train, 40, 32, 3);
  const Array pictures = read_field(dataset, "image", 0, 40);
  EXPECT_EQ(pictures.shape, (Shape{40, 3, 32, 32}));
  EXPECT_TRUE(same(read_field(synth_shapes(Split::train, 1'000'000, 32, 3), "image", 30, 40),
                   read_field(dataset, "image", 30, 40)));
  EXPECT_FALSE(same(read_field(synth_shapes(Split::train, 40, 32, 4), "image", 0, 40), pictures));
  EXPECT_FALSE(same(read_field(synth_shapes(Split::test, 40, 32, 3), "image", 0, 40), pictures));
  EXPECT_TRUE(same(loaded(dataset).arrays[0], pictures));
}

TEST(SynthShapes, ClassesAreBalancedAndNamed) {
  const Dataset dataset = synth_shapes(Split::test, 55, 16);
  EXPECT_EQ(class_counts(dataset), (std::vector<std::int64_t>{6, 6, 6, 6, 6, 5, 5, 5, 5, 5}));
  EXPECT_EQ(dataset.classes.size(), shape_names.size());
  EXPECT_EQ(dataset.classes[6], "star");
}

TEST(SynthShapes, AnySizeShowsTheSameScene) {
  const Dataset small = synth_shapes(Split::train, 20, 32);
  const Dataset large = synth_shapes(Split::train, 20, 96);
  EXPECT_EQ(large.fields[0].shape, (Shape{3, 96, 96}));
  for (std::int64_t i = 0; i < 20; ++i) {
    const Array big = read_field(large, "image", i, i + 1);
    const Array shrunk = resized({DType::u8, {3, 96, 96}, big.buffer}, {32, 32});
    const Array expected = read_field(small, "image", i, i + 1);
    double difference = 0;
    for (std::size_t k = 0; k < 3072; ++k) {
      difference += std::abs(shrunk.values<std::uint8_t>()[k] - expected.values<std::uint8_t>()[k]);
    }
    EXPECT_LT(difference / 3072, 12) << "scene " << i;  // noise and the edges differ
  }
}

TEST(SynthShapes, ScenesAreColouredAndVary) {
  const Dataset dataset = synth_shapes(Split::train, 500);
  ASSERT_EQ(dataset.mean.size(), 3U);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(dataset.mean[c], 0.5, 0.06);
    EXPECT_GT(dataset.stddev[c], 0.2);
  }
  const Array pictures = read_field(dataset, "image", 0, 500);
  double grey = 0;
  double step = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    const auto picture = pictures.values<std::uint8_t>().subspan(3072 * i, 3072);
    for (std::size_t k = 0; k < 1024; ++k) {
      grey += std::abs(picture[k] - picture[1024 + k]) / (500.0 * 1024);
      if (k % 32 != 0) step += std::abs(picture[k] - picture[k - 1]) / (500.0 * 1024);
    }
  }
  EXPECT_GT(grey, 30);  // red and green differ
  EXPECT_GT(step, 5);   // neighbours differ by edges and noise,
  EXPECT_LT(step, 30);  // but scenes are mostly smooth
}

TEST(SynthShapes, RefusesWhatItCanNotDraw) {
  EXPECT_TRUE(contains(error_of([] { (void)synth_shapes(Split::train, 5, 4); }), "4 pixels a side"));
  EXPECT_TRUE(contains(error_of([] { (void)synth_shapes(Split::train, 5, 2000); }), "8 to 1024"));
  EXPECT_TRUE(contains(error_of([] { (void)synth_shapes(Split::train, -1); }), "-1 samples"));
  std::vector<std::uint8_t> picture(3 * 16 * 16);
  RandomStream random(1);
  EXPECT_THROW(draw_shape(10, 16, random, picture), Error);
  EXPECT_THROW(draw_shape(1, 15, random, picture), Error);
}

TEST(SynthPoints, LieWhereTheirClassIs) {
  for (const PointSet set : {PointSet::exclusive_or, PointSet::moons, PointSet::circles}) {
    const Dataset dataset = synth_points(set, Split::train, 400, 1, 0);
    const Array points = read_field(dataset, "image", 0, 400);
    const Array labels = read_field(dataset, "label", 0, 400);
    for (std::size_t i = 0; i < 400; ++i) {
      const float x = points.values<float>()[2 * i];
      const float y = points.values<float>()[2 * i + 1];
      const std::int64_t label = labels.values<std::int64_t>()[i];
      EXPECT_EQ(label, static_cast<std::int64_t>(i % 2));
      if (set == PointSet::exclusive_or) {
        EXPECT_TRUE(label == 1 ? x * y <= 0 : x * y >= 0);
      } else if (set == PointSet::circles) {
        EXPECT_NEAR(std::hypot(x, y), label == 0 ? 1 : 0.5, 1e-5);
      } else {
        EXPECT_NEAR(label == 0 ? std::hypot(x, y) : std::hypot(x - 1, y - 0.5F), 1, 1e-5);
        EXPECT_TRUE(label == 0 ? y >= -1e-5F : y <= 0.5F + 1e-5F);
      }
    }
  }
}

TEST(SynthPoints, NoiseHasTheDeviationThatWasAskedFor) {
  const Array clean = read_field(synth_points(PointSet::moons, Split::test, 4000, 2, 0), "image", 0, 4000);
  const Array noisy = read_field(synth_points(PointSet::moons, Split::test, 4000, 2, 0.2F), "image", 0, 4000);
  double squares = 0;
  for (std::size_t i = 0; i < 8000; ++i) squares += std::pow(noisy.values<float>()[i] - clean.values<float>()[i], 2);
  EXPECT_NEAR(std::sqrt(squares / 8000), 0.2, 0.01);
  EXPECT_THROW((void)synth_points(PointSet::moons, Split::test, 10, 2, -1), Error);
}

}  // namespace
}  // namespace narae
