#include "narae/draw/canvas.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "narae/core/error.h"
#include "narae/draw/font.h"
#include "narae/draw/utf8.h"

namespace narae::draw {
namespace {

constexpr Color red{255, 0, 0};

// What is black (#), white (.) or anything else (?).
std::string picture_of(const Canvas& canvas) {
  std::string result;
  for (int y = 0; y < canvas.height(); ++y) {
    for (int x = 0; x < canvas.width(); ++x)
      result += canvas.at(x, y) == black ? '#' : canvas.at(x, y) == white ? '.' : '?';
    result += '\n';
  }
  return result;
}

TEST(Canvas, ArrayIsPlanar) {
  Canvas canvas(2, 1, {1, 2, 3});
  canvas.pixel(1, 0, {4, 5, 6});
  const Array array = canvas.array();
  EXPECT_EQ(array.dtype, DType::u8);
  EXPECT_EQ(array.shape, (Shape{3, 1, 2}));
  const auto v = array.values<std::uint8_t>();
  EXPECT_EQ(std::vector<int>(v.begin(), v.end()), (std::vector<int>{1, 4, 2, 5, 3, 6}));
  canvas.fill(red);
  EXPECT_EQ(canvas.at(0, 0), red);
}

TEST(Canvas, ImpossibleSizesAndPlacesThrow) {
  EXPECT_THROW(Canvas(0, 5), Error);
  EXPECT_THROW(Canvas(5, -1), Error);
  EXPECT_THROW(Canvas(100000, 100000), Error);
  const Canvas canvas(2, 2);
  EXPECT_THROW((void)canvas.at(2, 0), Error);
  EXPECT_THROW((void)canvas.at(0, -1), Error);
}

TEST(Canvas, PixelBlendsByCoverage) {
  Canvas canvas(3, 1);
  canvas.pixel(0, 0, black, 0.5F);
  canvas.pixel(1, 0, black, 0.0F);
  canvas.pixel(2, 0, black, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(canvas.at(0, 0), (Color{128, 128, 128}));
  EXPECT_EQ(canvas.at(1, 0), white);
  EXPECT_EQ(canvas.at(2, 0), white);
}

TEST(Canvas, RectanglesAndFrames) {
  Canvas canvas(6, 4);
  canvas.frame({0, 0, 5, 4}, black);
  canvas.rectangle({4, 2, 100, 1}, black);
  EXPECT_EQ(picture_of(canvas),
            "#####.\n"
            "#...#.\n"
            "#...##\n"
            "#####.\n");
}

TEST(Canvas, LinesThroughPixelCentresAreSharp) {
  Canvas canvas(5, 3);
  canvas.line({0.5F, 1.5F}, {4.5F, 1.5F}, black);
  EXPECT_EQ(picture_of(canvas), ".....\n#####\n.....\n");
  Canvas wide(3, 5);
  wide.line({1.5F, -5}, {1.5F, 10}, black, 3);
  EXPECT_EQ(picture_of(wide), "###\n###\n###\n###\n###\n");
}

TEST(Canvas, LinesBetweenPixelsAreShared) {
  Canvas canvas(4, 2);
  canvas.line({-4, 1}, {8, 1}, black);
  for (int y = 0; y < 2; ++y) EXPECT_EQ(canvas.at(1, y), (Color{128, 128, 128}));
}

TEST(Canvas, DiagonalsReachBothEndsAndAreSymmetric) {
  Canvas canvas(9, 9);
  canvas.line({0.5F, 0.5F}, {8.5F, 8.5F}, black);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(canvas.at(i, i), black);
  for (int y = 0; y < 9; ++y)
    for (int x = 0; x < 9; ++x) EXPECT_EQ(canvas.at(x, y), canvas.at(y, x));
}

TEST(Canvas, CircleIsRound) {
  Canvas canvas(11, 11);
  canvas.circle({5.5F, 5.5F}, 3.5F, black);
  EXPECT_EQ(canvas.at(5, 5), black);
  EXPECT_EQ(canvas.at(5, 2), black);
  EXPECT_EQ(canvas.at(5, 1), white);
  EXPECT_EQ(canvas.at(2, 2), white);
  for (int y = 0; y < 11; ++y)
    for (int x = 0; x < 11; ++x) {
      EXPECT_EQ(canvas.at(x, y), canvas.at(y, x));
      EXPECT_EQ(canvas.at(x, y), canvas.at(10 - x, y));
    }
}

TEST(Canvas, NothingIsDrawnOutside) {
  constexpr float huge = 1e30F;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr int far = std::numeric_limits<int>::max();
  Canvas canvas(4, 4);
  canvas.line({-huge, -huge}, {huge, huge}, black);
  canvas.line({nan, 0}, {4, 4}, black);
  canvas.line({0, 0}, {infinity, 4}, black);
  canvas.line({0, 0}, {-9, -9}, black, nan);
  canvas.circle({-100, -100}, 50, black);
  canvas.circle({nan, 2}, 50, black);
  canvas.rectangle({far, far, far, far}, black);
  canvas.rectangle({0, 0, -5, 4}, black);
  canvas.frame({0, 0, 0, 0}, black);
  canvas.text(-500, -500, "far away", black);
  canvas.text(2, 50, "far away", black, 3);
  canvas.blit(-9, 0, Array::zeros(DType::u8, {1, 4, 4}), 2);
  EXPECT_EQ(picture_of(canvas), "....\n....\n....\n....\n");
}

TEST(Canvas, TextIsDrawnFromItsTopLeftCorner) {
  Canvas canvas(9, 10);
  canvas.text(1, 0, "Ti", black);
  EXPECT_EQ(picture_of(canvas),
            ".#####.#.\n"
            "...#.....\n"
            "...#...#.\n"
            "...#...#.\n"
            "...#...#.\n"
            "...#...#.\n"
            "...#...#.\n"
            "...#...#.\n"
            ".........\n"
            ".........\n");
  EXPECT_EQ(width_of("Ti"), 7);
  EXPECT_EQ(width_of("Ti", 3), 21);
  EXPECT_EQ(width_of(""), 0);
}

TEST(Canvas, TextUpwardsIsTheSameTurned) {
  Canvas level(30, 30);
  level.text(0, 0, "Fq7", black, 2);
  Canvas turned(30, 30);
  turned.text_upwards(0, 30, "Fq7", black, 2);
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 30; ++x) EXPECT_EQ(level.at(x, y), turned.at(y, 29 - x));
}

TEST(Canvas, UnknownCharactersAreBoxes) {
  const std::string korean = "\xED\x95\x9C\xEA\xB8\x80";
  EXPECT_EQ(width_of(korean), 11);  // two boxes, not six
  EXPECT_EQ(width_of("\xFF\xC0"), 11);
  Canvas canvas(5, 8);
  canvas.text(0, 0, korean.substr(0, 3), black);
  EXPECT_EQ(picture_of(canvas), "#####\n#...#\n#...#\n#...#\n#...#\n#...#\n#...#\n#####\n");
}

TEST(Canvas, LongTextIsCutWithDots) {
  EXPECT_EQ(fitted("Ankle boot", 200), "Ankle boot");
  for (int width = 20; width < 80; ++width) EXPECT_LE(width_of(fitted("Ankle boot, size 42", width)), width);
  EXPECT_EQ(fitted("Ankle boot, size 42", 45).substr(0, 3), "Ank");
  EXPECT_EQ(fitted("abcdef", 0), "...");
}

TEST(Canvas, BlitScalesByWholePixels) {
  Array image = Array::zeros(DType::u8, {1, 1, 2});
  image.mutable_values<std::uint8_t>()[1] = 255;
  Canvas canvas(6, 3, red);
  canvas.blit(1, 0, image, 2);
  EXPECT_EQ(picture_of(canvas), "?##..?\n?##..?\n??????\n");
  Array color = Array::zeros(DType::u8, {3, 1, 1});
  color.mutable_values<std::uint8_t>()[0] = 255;
  Canvas one(1, 1);
  one.blit(0, 0, color);
  EXPECT_EQ(one.at(0, 0), red);
  Canvas cut(1, 1);
  cut.blit(-2, -1, image, 2);
  EXPECT_EQ(cut.at(0, 0), white);
}

TEST(Canvas, BlitRefusesWhatIsNoPicture) {
  Canvas canvas(4, 4);
  EXPECT_THROW(canvas.blit(0, 0, Array::zeros(DType::f32, {1, 2, 2})), Error);
  EXPECT_THROW(canvas.blit(0, 0, Array::zeros(DType::u8, {2, 2, 2})), Error);
  EXPECT_THROW(canvas.blit(0, 0, Array::zeros(DType::u8, {2, 2})), Error);
  EXPECT_THROW(canvas.blit(0, 0, Array::zeros(DType::u8, {1, 2, 2}), 0), Error);
}

TEST(Font, EveryPrintableCharacterHasItsOwnShape) {
  std::set<std::array<std::uint16_t, font_height>> shapes;
  for (char32_t c = 33; c < 127; ++c) {
    EXPECT_GT(glyph_of(c).width, 0);
    EXPECT_TRUE(shapes.insert(glyph_of(c).rows).second) << static_cast<char>(c);
  }
  EXPECT_EQ(glyph_of(U' ').rows, (std::array<std::uint16_t, font_height>{}));
}

TEST(Utf8, ValidSequencesAndOthers) {
  const auto decode = [](std::string_view text) {
    std::vector<char32_t> result;
    while (!text.empty()) result.push_back(next_character(text));
    return result;
  };
  EXPECT_EQ(decode("a\xC3\xA9\xEA\xB0\x80\xF0\x9F\x98\x80"), (std::vector<char32_t>{U'a', 0xE9, 0xAC00, 0x1F600}));
  constexpr char32_t bad = replacement_character;
  EXPECT_EQ(decode("\x80"), (std::vector<char32_t>{bad}));
  EXPECT_EQ(decode("\xC0\xAF"), (std::vector<char32_t>{bad, bad}));                    // overlong
  EXPECT_EQ(decode("\xE0\x80\xAF"), (std::vector<char32_t>{bad, bad, bad}));           // overlong
  EXPECT_EQ(decode("\xED\xA0\x80"), (std::vector<char32_t>{bad, bad, bad}));           // surrogate
  EXPECT_EQ(decode("\xF4\x90\x80\x80"), (std::vector<char32_t>{bad, bad, bad, bad}));  // above U+10FFFF
  EXPECT_EQ(decode("\xEA\xB0"), (std::vector<char32_t>{bad, bad}));                    // cut off
  EXPECT_EQ(decode("\xEA"
                   "a"),
            (std::vector<char32_t>{bad, U'a'}));
}

TEST(Color, MapsEndWhereTheyShould) {
  EXPECT_EQ(map_color(ColorMap::viridis, 0), (Color{68, 1, 84}));
  EXPECT_EQ(map_color(ColorMap::viridis, 1), (Color{253, 231, 37}));
  EXPECT_EQ(map_color(ColorMap::viridis, 7), map_color(ColorMap::viridis, 1));
  EXPECT_EQ(map_color(ColorMap::diverging, 0.5F), (Color{247, 247, 247}));
  EXPECT_EQ(map_color(ColorMap::blues, -1), white);
  EXPECT_EQ(map_color(ColorMap::oranges, std::nanf("")), (Color{128, 128, 128}));
}

TEST(Color, SequentialMapsGetSteadilyLighterOrDarker) {
  for (int i = 1; i <= 100; ++i) {
    const float before = static_cast<float>(i - 1) / 100;
    const float now = static_cast<float>(i) / 100;
    EXPECT_GE(lightness(map_color(ColorMap::viridis, now)), lightness(map_color(ColorMap::viridis, before)) - 0.004F);
    EXPECT_LE(lightness(map_color(ColorMap::blues, now)), lightness(map_color(ColorMap::blues, before)) + 0.004F);
    EXPECT_LE(lightness(map_color(ColorMap::oranges, now)), lightness(map_color(ColorMap::oranges, before)) + 0.004F);
  }
}

TEST(Color, CategoriesDifferAndWrapAround) {
  std::set<std::tuple<int, int, int>> seen;
  for (int i = 0; i < 8; ++i) {
    const Color c = category_color(i);
    EXPECT_TRUE(seen.insert({c.red, c.green, c.blue}).second);
    EXPECT_EQ(category_color(i + 8), c);
    EXPECT_EQ(category_color(i - 8), c);
  }
}

}  // namespace
}  // namespace narae::draw
