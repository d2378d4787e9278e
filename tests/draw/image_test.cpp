#include "narae/data/image.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/random.h"

namespace narae {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t grey = 0;
constexpr std::uint8_t rgb = 2;
constexpr std::uint8_t palette = 3;
constexpr std::uint8_t grey_alpha = 4;
constexpr std::uint8_t rgb_alpha = 6;

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFFU));
}

std::string chunk(const std::string& type, const std::string& content) {
  std::string result;
  put_u32(result, static_cast<std::uint32_t>(content.size()));
  const std::string body = type + content;
  result += body;
  put_u32(result, static_cast<std::uint32_t>(
                      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
  return result;
}

std::string deflated(const Bytes& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string result(size, '\0');
  compress(reinterpret_cast<Bytef*>(result.data()), &size, bytes.data(), static_cast<uLong>(bytes.size()));
  result.resize(size);
  return result;
}

struct Png {
  std::uint32_t width = 1;
  std::uint32_t height = 1;
  std::uint8_t depth = 8;
  std::uint8_t type = grey;
  std::uint8_t interlace = 0;
  std::string extra = {};  // chunks between header and pixels
  Bytes rows = {};         // each row begins with its filter type
};

const std::string signature = "\x89PNG\r\n\x1a\n";

std::string file_of(const Png& png) {
  std::string header;
  put_u32(header, png.width);
  put_u32(header, png.height);
  for (const std::uint8_t byte : {png.depth, png.type, std::uint8_t{0}, std::uint8_t{0}, png.interlace})
    header.push_back(static_cast<char>(byte));
  return signature + chunk("IHDR", header) + png.extra + chunk("IDAT", deflated(png.rows)) + chunk("IEND", "");
}

Array parse(const std::string& bytes) {
  return parse_png(Buffer::adopt(bytes.data(), bytes.size(), [] {}), "picture.png");
}

Bytes values_of(const Array& image) {
  const auto values = image.values<std::uint8_t>();
  return {values.begin(), values.end()};
}

Array noise(const Shape& shape) {
  Array image = Array::empty(DType::u8, shape);
  RandomStream random(7);
  for (std::uint8_t& value : image.mutable_values<std::uint8_t>()) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

std::string error_of(const std::string& bytes) {
  try {
    (void)parse(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_error(const std::string& bytes, const std::string& part) {
  const std::string message = error_of(bytes);
  EXPECT_NE(message.find("picture.png"), std::string::npos) << message;
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Png, GreyAndColourComeBackAsTheyWereWritten) {
  for (const Shape& shape : {Shape{1, 28, 28}, Shape{3, 13, 37}, Shape{1, 1, 1}, Shape{3, 1, 300}}) {
    const Array image = noise(shape);
    const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "narae_round_trip.png";
    write_png(path, image);
    const Array back = read_png(path);
    EXPECT_EQ(back.dtype, DType::u8);
    EXPECT_EQ(back.shape, shape);
    EXPECT_EQ(values_of(back), values_of(image));
    std::filesystem::remove(path);
  }
}

TEST(Png, FewBitsAreStretchedToTheWholeRange) {
  EXPECT_EQ(values_of(parse(file_of({.width = 4, .depth = 1, .rows = {0, 0b10100000}}))), (Bytes{255, 0, 255, 0}));
  EXPECT_EQ(values_of(parse(file_of({.width = 4, .depth = 2, .rows = {0, 0b00011011}}))), (Bytes{0, 85, 170, 255}));
}

TEST(Png, TheUpperEightOfSixteenBitsAreTaken) {
  const Array image = parse(file_of({.width = 3, .depth = 16, .rows = {0, 0x00, 0xFF, 0x80, 0xFF, 0xFF, 0xFF}}));
  EXPECT_EQ(image.shape, (Shape{1, 1, 3}));
  EXPECT_EQ(values_of(image), (Bytes{0, 128, 255}));
}

TEST(Png, PaletteBecomesColour) {
  const std::string colors = chunk("PLTE", std::string("\x0A\x14\x1E\xFF\x80\x01", 6));
  const Array image = parse(file_of({.width = 2, .type = palette, .extra = colors, .rows = {0, 1, 0}}));
  EXPECT_EQ(image.shape, (Shape{3, 1, 2}));
  EXPECT_EQ(values_of(image), (Bytes{255, 10, 128, 20, 1, 30}));
}

TEST(Png, TransparencyIsDropped) {
  const Array with_alpha = parse(file_of({.width = 3, .type = grey_alpha, .rows = {0, 100, 255, 100, 0, 0, 128}}));
  EXPECT_EQ(with_alpha.shape, (Shape{1, 1, 3}));
  EXPECT_EQ(values_of(with_alpha), (Bytes{100, 100, 0}));
  const Array color = parse(file_of({.width = 2, .type = rgb_alpha, .rows = {0, 9, 8, 7, 255, 9, 8, 7, 0}}));
  EXPECT_EQ(values_of(color), (Bytes{9, 9, 8, 8, 7, 7}));
  const std::string colors =
      chunk("PLTE", std::string("\x0A\x14\x1E\xFF\x80\x01", 6)) + chunk("tRNS", std::string(1, '\0'));
  const Array keyed = parse(file_of({.width = 2, .type = palette, .extra = colors, .rows = {0, 1, 0}}));
  EXPECT_EQ(values_of(keyed), (Bytes{255, 10, 128, 20, 1, 30}));
}

TEST(Png, InterlacedPicturesAreAssembled) {
  // Adam7 takes (0, 0) in its first pass, (0, 1) in the sixth and the second row in the seventh.
  const Array image = parse(file_of({.width = 2, .height = 2, .interlace = 1, .rows = {0, 10, 0, 20, 0, 30, 40}}));
  EXPECT_EQ(values_of(image), (Bytes{10, 20, 30, 40}));
}

TEST(Png, TextsAndProfilesAreSkippedEvenWhenBroken) {
  const std::string extra = chunk("iCCP", "nonsense") + chunk("tEXt", "Title") + chunk("gAMA", std::string(4, '\1'));
  EXPECT_EQ(values_of(parse(file_of({.extra = extra, .rows = {0, 77}}))), (Bytes{77}));
}

TEST(Png, EveryTruncationIsRefused) {
  const std::string whole = encode_png(noise({3, 9, 11}));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(error_of(whole.substr(0, size)), "") << size << " of " << whole.size() << " bytes were accepted";
}

TEST(Png, DamageNamesFileAndPlace) {
  expect_error("", "not a PNG file");
  expect_error("\xFF\xD8\xFF\xE0 a JPEG file", "not a PNG file");
  expect_error(signature, "byte 8 of 8: the file ends too early");
  std::string damaged = encode_png(noise({1, 20, 20}));
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  expect_error(damaged, "broken PNG file at byte");
  expect_error(file_of({.width = 0, .rows = {0}}), "broken PNG");
  expect_error(file_of({.depth = 3, .rows = {0, 0}}), "broken PNG");
  expect_error(file_of({.width = 2, .type = palette, .rows = {0, 1, 0}}), "broken PNG");
  expect_error(file_of({.height = 2, .rows = {0, 1}}), "broken PNG");
  expect_error(file_of({.rows = {9, 1}}), "broken PNG");
}

TEST(Png, LyingSizesAreRefusedBeforeMemoryIsAskedFor) {
  const MemoryUse before = memory_use();
  reset_peak_memory();
  expect_error(file_of({.width = 60000, .height = 60000, .type = rgb, .rows = {0}}), "60000 x 60000 pixels");
  expect_error(file_of({.width = 0x7FFFFFFF, .height = 0x7FFFFFFF, .rows = {0}}), "more than the limit of 67108864");
  expect_error(file_of({.width = 8000, .height = 8000, .depth = 16, .type = rgb_alpha, .rows = {0}}),
               "can't hold them");
  EXPECT_LT(memory_use().peak - before.now, 1 << 20);
}

TEST(Png, RandomDamageNeverDoesMoreThanThrow) {
  const std::string sound = encode_png(noise({3, 16, 16}));
  RandomStream random(11);
  for (int trial = 0; trial < 2000; ++trial) {
    std::string bytes = sound;
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes)
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    try {
      EXPECT_GT(parse(bytes).count(), 0);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("picture.png"), std::string::npos);
    }
  }
}

TEST(Png, OnlyPicturesAreEncoded) {
  EXPECT_THROW((void)encode_png(Array::zeros(DType::f32, {1, 4, 4})), Error);
  EXPECT_THROW((void)encode_png(Array::zeros(DType::u8, {2, 4, 4})), Error);
  EXPECT_THROW((void)encode_png(Array::zeros(DType::u8, {4, 4})), Error);
  EXPECT_THROW((void)encode_png(Array::zeros(DType::u8, {1, 0, 4})), Error);
}

TEST(Png, FilesThatAreNotThereAreNamed) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "narae_no_such_folder";
  for (const auto& attempt : {+[](const std::filesystem::path& path) { (void)read_png(path); },
                              +[](const std::filesystem::path& path) {
                                write_png(path, Array::zeros(DType::u8, {1, 2, 2}));
                              }}) {
    try {
      attempt(folder / "x.png");
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("narae_no_such_folder"), std::string::npos) << error.what();
    }
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace narae
