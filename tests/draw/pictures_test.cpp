#include "narae/draw/pictures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "narae/core/error.h"
#include "narae/draw/color.h"

namespace narae::draw {
namespace {

Color at(const Array& picture, std::int64_t x, std::int64_t y) {
  const auto v = picture.values<std::uint8_t>();
  const std::int64_t plane = picture.shape[1] * picture.shape[2];
  const auto i = static_cast<std::size_t>(y * picture.shape[2] + x);
  const auto n = static_cast<std::size_t>(plane);
  return {v[i], v[n + i], v[2 * n + i]};
}

std::int64_t count(const Array& picture, Color color) {
  std::int64_t n = 0;
  for (std::int64_t y = 0; y < picture.shape[1]; ++y)
    for (std::int64_t x = 0; x < picture.shape[2]; ++x) n += at(picture, x, y) == color ? 1 : 0;
  return n;
}

Array plain(const Shape& shape, std::uint8_t value) {
  Array image = Array::empty(DType::u8, shape);
  std::ranges::fill(image.mutable_values<std::uint8_t>(), value);
  return image;
}

void expect_picture(const Array& picture) {
  EXPECT_EQ(picture.dtype, DType::u8);
  ASSERT_EQ(picture.shape.rank(), 3);
  EXPECT_EQ(picture.shape[0], 3);
}

TEST(PredictionGrid, FramesSayWhatIsRight) {
  const Array image = plain({1, 28, 28}, 0);
  const auto drawn = [&](std::optional<std::string> truth) {
    const Prediction p{.image = image, .predicted = "7", .probability = 0.5F, .truth = std::move(truth)};
    return prediction_grid({&p, 1});
  };
  const Array right = drawn("7");
  const Array wrong = drawn("2");
  const Array unknown = drawn(std::nullopt);
  expect_picture(right);
  EXPECT_GT(count(right, right_color), 1000);
  EXPECT_EQ(count(right, wrong_color), 0);
  EXPECT_EQ(count(wrong, right_color), 0);
  EXPECT_GT(count(wrong, wrong_color), count(right, right_color));  // "truth: 2" as well
  EXPECT_EQ(count(unknown, wrong_color) + count(unknown, right_color), 0);
  EXPECT_EQ(count(right, black), 112 * 112);  // the picture at four times its size
}

TEST(PictureSheet, ShowsEveryPictureWithItsLabel) {
  const Array grey = plain({1, 20, 40}, 100);
  const Array dark = plain({3, 20, 40}, 50);
  const LabelledPicture pictures[] = {{.image = grey, .label = "one"}, {.image = dark, .label = "two"}};
  const Array sheet = picture_sheet(pictures, {.columns = 2, .tile_size = 80});
  expect_picture(sheet);
  EXPECT_EQ(count(sheet, {100, 100, 100}), 80 * 40);  // twice the size
  EXPECT_EQ(count(sheet, {50, 50, 50}), 80 * 40);
  EXPECT_GT(sheet.shape[2], 2 * 80);
  const LabelledPicture unlabelled[] = {{.image = grey, .label = ""}, {.image = dark, .label = ""}};
  EXPECT_GT(count(sheet, ink), count(picture_sheet(unlabelled, {.columns = 2, .tile_size = 80}), ink));
  const Array column = picture_sheet(pictures, {.columns = 1, .tile_size = 80});
  EXPECT_GT(column.shape[1], sheet.shape[1]);
  EXPECT_LT(column.shape[2], sheet.shape[2]);
  // Larger pictures are made smaller.
  EXPECT_EQ(count(picture_sheet(pictures, {.tile_size = 20}), {100, 100, 100}), 20 * 10);
  EXPECT_THROW((void)picture_sheet({}), Error);
  EXPECT_THROW((void)picture_sheet(pictures, {.columns = -1}), Error);
  EXPECT_THROW((void)picture_sheet(pictures, {.tile_size = 8}), Error);
  const LabelledPicture wrong{.image = Array::zeros(DType::f32, {1, 4, 4}), .label = "f32"};
  EXPECT_THROW((void)picture_sheet({&wrong, 1}), Error);
}

TEST(PredictionGrid, TheBarIsAsLongAsTheProbability) {
  const auto bar = [](float probability) {
    const Prediction p{.image = plain({1, 8, 8}, 255), .predicted = "", .probability = probability, .truth = ""};
    return count(prediction_grid({&p, 1}), right_color);
  };
  const std::int64_t frame_alone = bar(0);
  EXPECT_EQ(bar(1) - frame_alone, 4 * 118);
  EXPECT_EQ(bar(0.5F) - frame_alone, 4 * 59);
  EXPECT_EQ(bar(std::numeric_limits<float>::quiet_NaN()), frame_alone);
}

TEST(PredictionGrid, SizesFollowFromTilesAndColumns) {
  const std::vector<Prediction> predictions(10, {.image = plain({1, 8, 8}, 9), .predicted = "a", .probability = 1});
  const Array five = prediction_grid(predictions, {.columns = 5, .tile_size = 32});
  const Array two = prediction_grid(predictions, {.columns = 2, .tile_size = 32});
  EXPECT_EQ(five.shape[2], 2 * 16 + 5 * 48 - 10);
  EXPECT_GT(two.shape[1], 2 * five.shape[1]);
  const Array titled = prediction_grid(predictions, {.title = "lenet5", .columns = 5, .tile_size = 32});
  EXPECT_EQ(titled.shape[1], five.shape[1] + 26);
}

TEST(PredictionGrid, PicturesOfEverySizeFit) {
  std::vector<Prediction> predictions;
  for (const Shape& shape :
       {Shape{3, 224, 224}, Shape{1, 500, 3}, Shape{3, 1, 1000}, Shape{1, 1, 1}, Shape{3, 113, 112}})
    predictions.push_back(
        {.image = plain(shape, 123), .predicted = "a very long class name that has to be cut", .probability = 2});
  const Array picture = prediction_grid(predictions, {.columns = 5});
  EXPECT_EQ(picture.shape[2], 2 * 16 + 5 * 128 - 10);
  EXPECT_GE(count(picture, {123, 123, 123}), 2 * 56 * 56 + 2 * 112);  // shrinking keeps a plain colour
}

TEST(PredictionGrid, WrongUseThrows) {
  EXPECT_THROW((void)prediction_grid({}), Error);
  const auto drawn = [](const Array& image, const PredictionGridOptions& options = {}) {
    const Prediction p{.image = image, .predicted = "a", .probability = 1};
    return prediction_grid({&p, 1}, options);
  };
  EXPECT_THROW((void)drawn(Array::zeros(DType::f32, {1, 4, 4})), Error);
  EXPECT_THROW((void)drawn(plain({2, 4, 4}, 0)), Error);
  EXPECT_THROW((void)drawn(plain({1, 0, 4}, 0)), Error);
  EXPECT_THROW((void)drawn(plain({1, 4, 4}, 0), {.columns = -1}), Error);
  EXPECT_THROW((void)drawn(plain({1, 4, 4}, 0), {.tile_size = 4}), Error);
}

Array counts_of(std::int64_t classes, const std::vector<std::int64_t>& values) {
  Array counts = Array::zeros(DType::i64, {classes, classes});
  std::ranges::copy(values, counts.mutable_values<std::int64_t>().begin());
  return counts;
}

// Each value is a square of its colour: half of four cells are full here.
TEST(HeatMaps, CellsAreAsDarkAsTheirValues) {
  Array values = Array::zeros(DType::f32, {2, 2});
  values.mutable_values<float>()[0] = values.mutable_values<float>()[3] = 1;
  const HeatMap map{.title = "m", .values = values, .rows = {"a", "b"}, .columns = {"c", "d"}};
  const Array one = heat_maps({&map, 1});
  expect_picture(one);
  const std::int64_t dark = count(one, map_color(ColorMap::blues, 1));
  EXPECT_GT(dark, 2 * 100);
  const std::vector<HeatMap> two = {map, map};
  EXPECT_EQ(count(heat_maps(two), map_color(ColorMap::blues, 1)), 2 * dark);
  EXPECT_GT(heat_maps(two, {.columns = 1}).shape[1], heat_maps(two, {.columns = 2}).shape[1]);
  EXPECT_GT(heat_maps(two, {.columns = 2}).shape[2], heat_maps(two, {.columns = 1}).shape[2]);
}

TEST(HeatMaps, LargeOnesFit) {
  const HeatMap map{.title = "m", .values = Array::zeros(DType::f32, {300, 500})};
  const Array picture = heat_maps({&map, 1});
  EXPECT_LT(picture.shape[2], 1200);
}

TEST(HeatMaps, WrongUseThrows) {
  EXPECT_THROW((void)heat_maps({}), Error);
  HeatMap map{.title = "m", .values = Array::zeros(DType::f32, {2, 3})};
  map.rows = {"a"};
  EXPECT_THROW((void)heat_maps({&map, 1}), Error);
  map.rows = {};
  map.columns = {"a", "b"};
  EXPECT_THROW((void)heat_maps({&map, 1}), Error);
  map.columns = {};
  EXPECT_THROW((void)heat_maps({&map, 1}, {.columns = -1}), Error);
  map.values = Array::zeros(DType::i64, {2, 3});
  EXPECT_THROW((void)heat_maps({&map, 1}), Error);
}

TEST(ConfusionMatrix, ColoursAreSharesOfTheRow) {
  // Two rows of very different size, both half right: the same two colours.
  const Array picture = confusion_matrix(counts_of(2, {1, 1, 100, 100}), {}, "");
  expect_picture(picture);
  const Color right = map_color(ColorMap::blues, 0.1F + 0.75F * 0.5F);
  EXPECT_GT(count(picture, right), 2 * 25 * 25);
  const std::vector<std::string> names = {"cat", "dog"};
  const Array perfect = confusion_matrix(counts_of(2, {5, 0, 0, 5}), names, "title");
  EXPECT_GT(count(perfect, map_color(ColorMap::blues, 0.85F)), 2 * 25 * 25);
  EXPECT_EQ(count(perfect, right), 0);
}

TEST(ConfusionMatrix, EveryNumberOfClassesGivesAPictureOfReasonableSize) {
  for (const std::int64_t classes : {1, 2, 10, 26, 100, 1000}) {
    const Array picture = confusion_matrix(counts_of(classes, {3}), {}, "many classes");
    expect_picture(picture);
    EXPECT_LT(picture.shape[1], 2400);
    EXPECT_LT(picture.shape[2], 2400);
  }
  const std::vector<std::string> names = {std::string(500, 'x'), "\xED\x95\x9C"};
  EXPECT_LT(confusion_matrix(counts_of(2, {1, 2, 3, 4}), names, std::string(1000, 'y')).shape[2], 900);
}

TEST(ConfusionMatrix, WrongUseThrows) {
  const std::vector<std::string> three = {"a", "b", "c"};
  EXPECT_THROW((void)confusion_matrix(counts_of(2, {}), three, ""), Error);
  EXPECT_THROW((void)confusion_matrix(counts_of(2, {1, -1}), {}, ""), Error);
  EXPECT_THROW((void)confusion_matrix(counts_of(2, {std::int64_t{1} << 50}), {}, ""), Error);
  EXPECT_THROW((void)confusion_matrix(Array::zeros(DType::f32, {2, 2}), {}, ""), Error);
  EXPECT_THROW((void)confusion_matrix(Array::zeros(DType::i64, {2, 3}), {}, ""), Error);
  EXPECT_THROW((void)confusion_matrix(Array::zeros(DType::i64, {0, 0}), {}, ""), Error);
  EXPECT_THROW((void)confusion_matrix(Array::zeros(DType::i64, {1001, 1001}), {}, ""), Error);
}

Array grid_of(std::int64_t rows, std::int64_t columns, const std::vector<float>& values) {
  Array grid = Array::empty(DType::f32, {rows, columns});
  std::ranges::copy(values, grid.mutable_values<float>().begin());
  return grid;
}

// The plot is 560 x 560 pixels at (60, 38) when there is no title and both ranges are equally long.
constexpr std::int64_t plot_left = 60;
constexpr std::int64_t plot_top = 38;

TEST(DecisionBoundary, TheFirstRowOfTheGridIsAtTheBottom) {
  const Array picture = decision_boundary({.probability = grid_of(2, 2, {0, 0, 1, 1})});
  expect_picture(picture);
  const Color top = at(picture, plot_left + 100, plot_top + 5);
  const Color bottom = at(picture, plot_left + 100, plot_top + 554);
  EXPECT_GT(top.red, top.blue);        // class 1: orange
  EXPECT_GT(bottom.blue, bottom.red);  // class 0: blue
}

TEST(DecisionBoundary, TheContourLiesWhereTheProbabilityIsOneHalf) {
  // Probability 0.25 at the left and 1 at the right: one half at a third of the width.
  const Array picture = decision_boundary({.probability = grid_of(2, 2, {0.25F, 1, 0.25F, 1})});
  const std::int64_t x = plot_left + 560 / 3;
  for (std::int64_t y = plot_top + 20; y < plot_top + 540; y += 50) {
    EXPECT_LT(lightness(at(picture, x, y)), 0.3F);
    EXPECT_GT(lightness(at(picture, x - 4, y)), 0.6F);
    EXPECT_GT(lightness(at(picture, x + 4, y)), 0.6F);
  }
}

TEST(DecisionBoundary, SaddlesKeepTheSidesApart) {
  // High along one diagonal; the middle decides whether the high or the low corners are joined.
  const Array joined = decision_boundary({.probability = grid_of(2, 2, {1, 0.3F, 0.3F, 1})});
  const Array parted = decision_boundary({.probability = grid_of(2, 2, {0.7F, 0, 0, 0.7F})});
  const std::int64_t middle_x = plot_left + 280;
  const std::int64_t middle_y = plot_top + 280;
  EXPECT_GT(at(joined, middle_x, middle_y).red, at(joined, middle_x, middle_y).blue);
  EXPECT_GT(at(parted, middle_x, middle_y).blue, at(parted, middle_x, middle_y).red);
  EXPECT_GT(lightness(at(joined, middle_x, middle_y)), 0.6F);
  EXPECT_GT(lightness(at(parted, middle_x, middle_y)), 0.6F);
}

TEST(DecisionBoundary, PointsOnTheWrongSideHaveABlackRing) {
  const auto drawn = [](std::int64_t label) {
    DecisionBoundary b{.probability = grid_of(2, 2, {0, 0, 0, 0})};
    b.points = grid_of(1, 2, {0.5F, 0.5F});
    b.labels = Array::zeros(DType::i64, {1});
    b.labels.mutable_values<std::int64_t>()[0] = label;
    return decision_boundary(b);
  };
  const Array right = drawn(0);
  const Array wrong = drawn(1);
  EXPECT_EQ(at(right, plot_left + 280, plot_top + 280), (Color{0, 114, 178}));
  EXPECT_EQ(at(wrong, plot_left + 280, plot_top + 280), (Color{213, 94, 0}));
  EXPECT_GT(at(right, plot_left + 284, plot_top + 280).red, 150);
  EXPECT_LT(at(wrong, plot_left + 285, plot_top + 280).red, 60);
}

TEST(DecisionBoundary, OddValuesAreDrawnAllTheSame) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  DecisionBoundary b{.probability = grid_of(2, 3, {nan, 0.5F, 7, -3, 0.5F, 0.5F})};
  b.x_max = 1e6F;
  b.points = grid_of(3, 2, {nan, 0, 1e30F, 0, -5, 0.5F});
  b.labels = Array::zeros(DType::i64, {3});
  b.title = std::string(400, 'w');
  const Array picture = decision_boundary(b);
  expect_picture(picture);
  EXPECT_LT(picture.shape[2], 900);
  EXPECT_LT(picture.shape[1], 400);  // a long plane gives a long picture
}

TEST(DecisionBoundary, WrongUseThrows) {
  const Array grid = grid_of(2, 2, {0, 0, 1, 1});
  const auto labels = [](std::int64_t n, std::int64_t value) {
    Array result = Array::empty(DType::i64, {n});
    std::ranges::fill(result.mutable_values<std::int64_t>(), value);
    return result;
  };
  EXPECT_THROW((void)decision_boundary({.probability = Array::zeros(DType::f64, {2, 2})}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = Array::zeros(DType::f32, {1, 2})}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = Array::zeros(DType::f32, {4})}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = grid, .x_min = 1, .x_max = 1}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = grid, .y_min = 2, .y_max = 1}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = grid, .points = grid}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = grid, .points = grid, .labels = labels(3, 0)}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = grid, .points = grid, .labels = labels(2, 2)}), Error);
  EXPECT_THROW((void)decision_boundary({.probability = grid, .class_names = {"one"}}), Error);
}

}  // namespace
}  // namespace narae::draw
