#include "narae/data/resize.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/reference_pictures.h"

namespace narae {
namespace {

using namespace testing_files;

const Array& source() {
  return reference_pictures().at("source");  // (3, 37, 53)
}

std::vector<std::uint8_t> pixels(const Array& picture) {
  const auto values = picture.values<std::uint8_t>();
  return {values.begin(), values.end()};
}

Array picture(const Shape& shape, const std::vector<std::uint8_t>& values) {
  Array result = Array::empty(DType::u8, shape);
  std::copy(values.begin(), values.end(), result.mutable_values<std::uint8_t>().begin());
  return result;
}

// Rows and columns [begin, begin + extent) of every channel.
Array part(const Array& whole, const PictureBox& box) {
  Array result = Array::empty(DType::u8, {whole.shape[0], box.height, box.width});
  const PictureView<std::uint8_t> view = view_of(whole).part(box);
  auto to = result.mutable_values<std::uint8_t>().begin();
  for (std::int64_t c = 0; c < view.channels; ++c) {
    for (std::int64_t y = 0; y < box.height; ++y) to = std::copy_n(view.row(c, y), box.width, to);
  }
  return result;
}

TEST(Resize, IsPillowsToWithinOne) {
  int sizes = 0;
  for (const auto& [key, expected] : reference_pictures()) {
    if (!key.starts_with("resize.")) continue;
    expect_close(resized(source(), {expected.shape[1], expected.shape[2]}), expected, 1, key);
    ++sizes;
  }
  EXPECT_EQ(sizes, 7);
}

TEST(Resize, TheSameSizeChangesNothing) {
  EXPECT_EQ(pixels(resized(source(), {37, 53})), pixels(source()));
}

TEST(Resize, AWindowIsThatPartOfTheWhole) {
  const Array whole = resized(source(), {20, 31});
  const PictureBox window{.top = 3, .left = 5, .height = 9, .width = 20};
  Array out = Array::empty(DType::u8, {3, 9, 20});
  resize(view_of(source()), {20, 31}, window, out.mutable_values<std::uint8_t>());
  EXPECT_EQ(pixels(out), pixels(part(whole, window)));
}

TEST(Resize, PartsOfAPictureAreReadInPlace) {
  const PictureBox box{.top = 4, .left = 7, .height = 20, .width = 30};
  Array out = Array::empty(DType::u8, {3, 8, 9});
  resize(view_of(source()).part(box), {8, 9}, {0, 0, 8, 9}, out.mutable_values<std::uint8_t>());
  EXPECT_EQ(pixels(out), pixels(resized(part(source(), box), {8, 9})));
}

TEST(Fit, CropKeepsProportionsAndTakesTheMiddle) {
  // The shorter side becomes 16 pixels, the longer one 22 (rounded down), of which the middle 16 stay.
  EXPECT_EQ(pixels(fitted(source(), {16, 16})), pixels(part(resized(source(), {16, 22}), {0, 3, 16, 16})));
  // Of 20 pixels, the middle 16; 28 pixels of the longer side.
  EXPECT_EQ(pixels(fitted(source(), {16, 16}, {.crop = 0.8F})),
            pixels(part(resized(source(), {20, 28}), {2, 6, 16, 16})));
  // Upright, out of a wide one.
  EXPECT_EQ(pixels(fitted(source(), {30, 10})), pixels(part(resized(source(), {30, 42}), {0, 16, 30, 10})));
  // Wider than the picture is.
  EXPECT_EQ(pixels(fitted(source(), {10, 40})), pixels(part(resized(source(), {27, 40}), {8, 0, 10, 40})));
}

TEST(Fit, StretchScalesBothSides) {
  EXPECT_EQ(pixels(fitted(source(), {16, 16}, {.stretch = true})), pixels(resized(source(), {16, 16})));
}

TEST(Fit, ALineOfPixelsCanBeFitted) {
  const Array line = picture({1, 1, 4000}, std::vector<std::uint8_t>(4000, 77));
  EXPECT_EQ(pixels(fitted(line, {3, 2})), std::vector<std::uint8_t>(6, 77));
}

TEST(Fit, RefusesWhatIsNoPictureOrSize) {
  EXPECT_TRUE(contains(error_of([] { (void)fitted(Array::zeros(DType::f32, {3, 4, 4}), {2, 2}); }), "f32 (3, 4, 4)"));
  EXPECT_TRUE(contains(error_of([] { (void)fitted(Array::zeros(DType::u8, {4, 4}), {2, 2}); }), "u8 (4, 4)"));
  EXPECT_TRUE(contains(error_of([] { (void)resized(source(), {0, 4}); }), "0 x 4"));
  EXPECT_TRUE(contains(error_of([] { (void)fitted(source(), {2, 2}, {.crop = 0}); }), "crop"));
  EXPECT_TRUE(contains(error_of([] { (void)fitted(source(), {2, 2}, {.crop = 1.5F}); }), "crop"));
}

}  // namespace
}  // namespace narae
