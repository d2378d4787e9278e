#include "narae/train/trained_model.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "narae/core/error.h"
#include "narae/train/metrics.h"

namespace narae {
namespace {

models::ModelConfig config_for(const Shape& input) {
  return {.model = {.name = "softmax", .options = {}, .input = input}, .classes = {}, .mean = {}, .stddev = {}};
}

Array picture(const Shape& shape, const std::vector<std::uint8_t>& values) {
  Array result = Array::empty(DType::u8, shape);
  std::copy(values.begin(), values.end(), result.mutable_values<std::uint8_t>().begin());
  return result;
}

std::vector<std::uint8_t> pixels(const Array& array) {
  const auto values = array.values<std::uint8_t>();
  return {values.begin(), values.end()};
}

TEST(LossText, HasNoDigitsThatSayNothing) {
  EXPECT_EQ(loss_text(0.12345), "0.1235");
  EXPECT_EQ(loss_text(123.4), "123.4000");
  EXPECT_EQ(loss_text(42942689343176704.0), "4.29e+16");
  EXPECT_EQ(loss_text(std::nan("")), "nan");
}

TEST(FittedPicture, ARightOneStaysAsItIs) {
  const std::vector<std::uint8_t> values = {1, 2, 3, 250, 0, 77};
  EXPECT_EQ(pixels(fitted_picture(config_for({1, 2, 3}), picture({1, 2, 3}, values))), values);
}

TEST(FittedPicture, ColoursAndSizesAreChanged) {
  EXPECT_EQ(pixels(fitted_picture(config_for({1, 1, 2}), picture({3, 1, 2}, {255, 0, 0, 255, 0, 0}))),
            (std::vector<std::uint8_t>{76, 150}));
  EXPECT_EQ(pixels(fitted_picture(config_for({3, 1, 1}), picture({1, 1, 1}, {9}))),
            (std::vector<std::uint8_t>{9, 9, 9}));
  // Wide and flat stays so: left dark, right bright.
  const Array half = fitted_picture(config_for({1, 2, 4}), picture({1, 1, 2}, {0, 100}));
  EXPECT_EQ(half.shape, (Shape{1, 2, 4}));
  EXPECT_EQ(pixels(half), (std::vector<std::uint8_t>{0, 25, 75, 100, 0, 25, 75, 100}));
  std::vector<std::uint8_t> even(16 * 16, 40);
  EXPECT_EQ(pixels(fitted_picture(config_for({1, 3, 5}), picture({1, 16, 16}, even))),
            std::vector<std::uint8_t>(15, 40));
  EXPECT_THROW(static_cast<void>(fitted_picture(config_for({2}), picture({1, 1, 1}, {9}))), Error);
}

TEST(FittedPicture, IsBroughtToItsSizeAsTheRunSays) {
  const Array wide = picture({1, 2, 4}, {0, 100, 200, 40, 0, 100, 200, 40});
  EXPECT_EQ(pixels(fitted_picture(config_for({1, 2, 2}), wide)), (std::vector<std::uint8_t>{100, 200, 100, 200}));
  EXPECT_EQ(pixels(fitted_picture(config_for({1, 2, 2}), wide, {.stretch = true})), pixels(resized(wide, {2, 2})));
}

TEST(Metrics, OfSharesTheLargestCounts) {
  Array logits = Array::zeros(DType::f32, {2, 3});
  logits.mutable_values<float>()[1] = 1;  // class 1
  logits.mutable_values<float>()[3] = 1;  // class 0
  Array shares = Array::zeros(DType::f32, {2, 3});
  shares.mutable_values<float>()[0] = 0.4F;
  shares.mutable_values<float>()[1] = 0.6F;
  shares.mutable_values<float>()[4] = 0.6F;
  Tally tally;
  tally.add(1, logits, shares);
  EXPECT_EQ(tally.correct, 1);
}

TEST(ParsePoints, LinesOfNumbers) {
  const Array points = parse_points("# x y\n0.5,-1.25\n\n 2e-1 ; 3\r\n", 2, "points.csv");
  EXPECT_EQ(points.shape, (Shape{2, 2}));
  const auto values = points.values<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{0.5F, -1.25F, 0.2F, 3}));
  for (const auto& [text, part] :
       std::vector<std::pair<std::string, std::string>>{{"1,2\n1,x\n", "points.csv:2: 'x'"},
                                                        {"1,2\n3\n", "points.csv:2: 1 numbers"},
                                                        {"\n#\n", "no point"},
                                                        {"1,inf\n", "points.csv:1: 'inf'"}}) {
    try {
      static_cast<void>(parse_points(text, 2, "points.csv"));
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

TEST(Metrics, ScoresAreMeansOverSamples) {
  Array logits = Array::empty(DType::f32, {2, 3});
  const std::vector<float> values = {1, 3, 2, 1000, -1000, 0};
  std::copy(values.begin(), values.end(), logits.mutable_values<float>().begin());
  Array labels = Array::zeros(DType::i64, {2});
  Tally tally;
  tally.add(0.5, logits, labels);
  EXPECT_EQ(tally.scores().accuracy, 0.5);
  EXPECT_EQ(tally.scores().loss, 0.5);
  EXPECT_EQ(tally.scores().samples, 2);
  const std::vector<Answer> answers = answers_of(logits);
  EXPECT_EQ(answers[0].predicted, 1);
  EXPECT_NEAR(answers[0].probability, 1 / (1 + std::exp(-1.0) + std::exp(-2.0)), 1e-6);
  EXPECT_EQ(answers[1].predicted, 0);
  EXPECT_EQ(answers[1].probability, 1);
  EXPECT_EQ(Tally{}.scores().samples, 0);
  EXPECT_FALSE(tally.scores().top5) << "there are three classes only";
}

TEST(Metrics, RanksAndTopFive) {
  const std::vector<float> scores = {0.1F, 0.7F, 0.7F, -1, 0.2F, 0.3F, 0};
  EXPECT_EQ(rank_of(scores, 1), 0) << "of equal ones the lower class is first";
  EXPECT_EQ(rank_of(scores, 2), 1);
  EXPECT_EQ(rank_of(scores, 0), 4);
  EXPECT_EQ(rank_of(scores, 6), 5);
  EXPECT_EQ(rank_of(scores, 3), 6);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(rank_of(std::vector<float>{nan, nan, nan}, 1), 2) << "nothing is recognised where nothing is a number";

  Array logits = Array::empty(DType::f32, {3, 7});
  for (std::size_t row = 0; row < 3; ++row) {
    std::copy(scores.begin(), scores.end(), logits.mutable_values<float>().begin() + static_cast<long>(7 * row));
  }
  Array labels = Array::zeros(DType::i64, {3});
  const std::array<std::int64_t, 3> truth = {1, 0, 3};
  std::copy(truth.begin(), truth.end(), labels.mutable_values<std::int64_t>().begin());
  Tally tally;
  tally.add(0, logits, labels);
  EXPECT_NEAR(tally.scores().accuracy, 1.0 / 3, 1e-12);
  EXPECT_NEAR(tally.scores().top5.value(), 2.0 / 3, 1e-12);
}

TEST(Metrics, ClassScoresComeFromTheConfusionMatrix) {
  // True class by predicted class; the third class has no samples and is never answered.
  Array confusion = Array::zeros(DType::i64, {3, 3});
  const std::vector<std::int64_t> counts = {6, 2, 0, 1, 3, 0, 0, 0, 0};
  std::copy(counts.begin(), counts.end(), confusion.mutable_values<std::int64_t>().begin());
  const std::vector<ClassScores> scores = class_scores(confusion);
  ASSERT_EQ(scores.size(), 3U);
  EXPECT_DOUBLE_EQ(scores[0].precision, 6.0 / 7);
  EXPECT_DOUBLE_EQ(scores[0].recall, 6.0 / 8);
  EXPECT_DOUBLE_EQ(scores[0].f1, 2 * (6.0 / 7) * (6.0 / 8) / (6.0 / 7 + 6.0 / 8));
  EXPECT_EQ(scores[0].support, 8);
  EXPECT_DOUBLE_EQ(scores[1].precision, 3.0 / 5);
  EXPECT_DOUBLE_EQ(scores[1].recall, 3.0 / 4);
  EXPECT_EQ(scores[2].precision, 0);
  EXPECT_EQ(scores[2].support, 0);
  const ClassScores mean = mean_of(scores);
  EXPECT_DOUBLE_EQ(mean.recall, 6.0 / 8) << "over the two classes that have samples";
  EXPECT_DOUBLE_EQ(mean.precision, (6.0 / 7 + 3.0 / 5) / 2);
  EXPECT_EQ(mean.support, 12);
}

}  // namespace
}  // namespace narae
