#include "narae/data/picture.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "narae/core/random.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/reference_pictures.h"

namespace narae {
namespace {

using namespace testing_files;

Array parse(const std::string& bytes, std::int64_t max_pixels = max_image_pixels) {
  return parse_picture(buffer_of(bytes), "photo.jpg", max_pixels);
}

PictureInfo probe(const std::string& bytes, std::int64_t max_pixels = max_image_pixels) {
  return probe_picture(buffer_of(bytes), "photo.jpg", max_pixels);
}

void expect_refused(const std::string& bytes, const std::string& part) {
  const std::string message = error_of([&] { (void)parse(bytes); });
  EXPECT_TRUE(message.starts_with("photo.jpg: ")) << message;
  EXPECT_TRUE(contains(message, part)) << message;
}

std::vector<std::string> reference_names(const std::string& start) {
  std::vector<std::string> names;
  for (const auto& [key, array] : reference_pictures()) {
    if (key.starts_with("file." + start)) names.push_back(key.substr(5));
  }
  return names;
}

// The bytes of a JPEG file whose frame header (SOF0 or SOF2) claims another size.
std::string with_claimed_size(std::string bytes, int height, int width) {
  std::size_t at = bytes.find("\xFF\xC0");
  if (at == std::string::npos) at = bytes.find("\xFF\xC2");
  bytes.replace(at + 5, 4,
                big_endian(static_cast<std::uint64_t>(height), 2) + big_endian(static_cast<std::uint64_t>(width), 2));
  return bytes;
}

TEST(Picture, FilesAreWhatPillowMakesOfThem) {
  const std::vector<std::string> names = reference_names("");
  EXPECT_EQ(names.size(), 19U);
  for (const std::string& name : names) {
    const std::string bytes = reference_file(name);
    const Array picture = parse(bytes);
    const bool grey = contains(name, "grey") || contains(name, "bits");
    EXPECT_EQ(picture.shape[0], grey ? 1 : 3) << name;
    // JPEG decoders may round differently; PNG leaves no room for that.
    expect_close(with_channels(picture, 3), reference_pictures().at("rgb." + name), contains(name, "png") ? 0 : 1,
                 name);
    const PictureInfo info = probe(bytes);
    EXPECT_EQ(Shape({info.channels, info.height, info.width}), picture.shape) << name;
  }
}

TEST(Picture, FilesAreReadFromDiskAndNamedWhenMissing) {
  const std::filesystem::path folder = fresh_folder();
  write(folder / "a.png", reference_file("jpeg_420"));  // the content counts, not the name
  EXPECT_EQ(read_picture(folder / "a.png").shape, (Shape{3, 33, 41}));
  EXPECT_EQ(probe_picture(folder / "a.png").width, 41);
  EXPECT_TRUE(contains(error_of([&] { (void)read_picture(folder / "none.jpg"); }), "none.jpg"));
}

TEST(Picture, GreyIsRec601Luma) {
  expect_close(with_channels(reference_pictures().at("source"), 1), reference_pictures().at("luma"), 0, "luma");
  EXPECT_THROW((void)with_channels(Array::zeros(DType::u8, {2, 3, 3}), 3), Error);
  EXPECT_THROW((void)with_channels(Array::zeros(DType::f32, {3, 3, 3}), 1), Error);
  EXPECT_THROW((void)with_channels(Array::zeros(DType::u8, {3, 3, 3}), 2), Error);
}

TEST(Picture, OtherFilesAreCalledByTheirNames) {
  expect_refused("", "photo.jpg: the file is empty");
  EXPECT_FALSE(contains(error_of([] { (void)parse(""); }), "convert"));
  expect_refused("GIF89a......", "a GIF file; convert the picture to PNG or JPEG");
  expect_refused("BM......", "a BMP file");
  expect_refused(std::string("II*\0....", 8), "a TIFF file");
  expect_refused("RIFF....WEBPVP8 ", "a WebP file");
  expect_refused("<svg>", "neither a PNG nor a JPEG file");
  EXPECT_TRUE(contains(error_of([] { (void)probe("GIF89a"); }), "a GIF file"));
}

TEST(Jpeg, EveryTruncationIsRefused) {
  for (const char* name : {"jpeg_420", "jpeg_progressive", "jpeg_grey", "jpeg_cmyk"}) {
    const std::string whole = reference_file(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::string cut = whole.substr(0, size);
      EXPECT_NE(error_of([&] { (void)parse(cut); }), "") << name << ": " << size << " of " << whole.size() << " bytes";
      EXPECT_NE(error_of([&] { (void)probe(cut); }), "") << name << ": " << size << " of " << whole.size() << " bytes";
    }
  }
}

TEST(Jpeg, WhatFollowsThePictureDoesNotMatter) {
  const std::string bytes = reference_file("jpeg_420");
  expect_close(parse(bytes + std::string(1000, '\0') + "trailer"), parse(bytes), 0, "with trailer");
  EXPECT_EQ(probe(bytes + "trailer").height, 33);
}

TEST(Jpeg, DamageNamesFileAndPlace) {
  expect_refused("\xFF\xD8", "broken JPEG file at byte 2 of 2");
  expect_refused("\xFF\xD8 is how it begins", "broken JPEG file");
  std::string bytes = reference_file("jpeg_420");
  bytes.replace(bytes.find("\xFF\xC0") + 4, 1, "\x0C");  // 12 bits a value
  expect_refused(bytes, "precision");
  // A marker in the middle of the pixels, where Huffman codes should go on.
  bytes = reference_file("jpeg_444");
  bytes.replace(bytes.size() / 2, 2, "\xFF\xD9");
  expect_refused(bytes, "premature end");
  EXPECT_TRUE(contains(error_of([&] { (void)parse_jpeg(buffer_of("nothing"), "x.jpg"); }), "x.jpg: not a JPEG file"));
}

TEST(Jpeg, BombsAreRefusedBeforeMemoryIsAskedFor) {
  const MemoryUse before = memory_use();
  reset_peak_memory();
  for (const char* name : {"jpeg_420", "jpeg_progressive"}) {
    expect_refused(with_claimed_size(reference_file(name), 30000, 30000),
                   "30000 x 30000 pixels, more than the limit of 67108864");
    expect_refused(with_claimed_size(reference_file(name), 8000, 8000), "bytes can't hold them");
    EXPECT_TRUE(contains(error_of([&] { (void)probe(with_claimed_size(reference_file(name), 30000, 30000)); }),
                         "more than the limit"));
  }
  // Larger ones are allowed when asked for; here, the file is too short for them.
  EXPECT_TRUE(contains(
      error_of([&] { (void)parse(with_claimed_size(reference_file("jpeg_420"), 30000, 30000), 1'000'000'000); }),
      "can't hold them"));
  EXPECT_LT(memory_use().peak - before.now, 1 << 20);
}

TEST(Jpeg, TheLimitCanBeSet) {
  EXPECT_EQ(parse(reference_file("jpeg_420"), 33 * 41).shape, (Shape{3, 33, 41}));
  for (const char* name : {"jpeg_420", "png_rgb"}) {
    EXPECT_TRUE(contains(error_of([&] { (void)parse(reference_file(name), 100); }),
                         "more than the limit of 100 pixels; make it smaller first or raise data.max_pixels"))
        << name;
    EXPECT_TRUE(contains(error_of([&] { (void)probe(reference_file(name), 100); }), "raise data.max_pixels")) << name;
  }
}

TEST(Jpeg, EndlessScansAreRefused) {
  const std::string bytes = reference_file("jpeg_progressive");
  // The first scan, up to the tables of the next one; it can be decoded again and again.
  const std::size_t begin = bytes.find("\xFF\xDA");
  const std::string scan = bytes.substr(begin, bytes.find("\xFF\xC4", begin) - begin);
  std::string bomb = bytes.substr(0, begin);
  for (int i = 0; i < 600; ++i) bomb += scan;
  expect_refused(bomb + "\xFF\xD9", "more than 500 scans");
}

TEST(Jpeg, RandomDamageNeverDoesMoreThanThrow) {
  RandomStream random(5);
  for (const char* name : {"jpeg_420", "jpeg_progressive", "jpeg_ycck"}) {
    const std::string sound = reference_file(name);
    for (int trial = 0; trial < 500; ++trial) {
      std::string bytes = sound;
      for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes)
        bytes[2 + random.below(bytes.size() - 2)] = static_cast<char>(random.below(256));
      try {
        EXPECT_GT(parse(bytes, 1 << 20).count(), 0);
      } catch (const Error& error) {
        EXPECT_TRUE(contains(error.what(), "photo.jpg")) << error.what();
      }
      try {
        EXPECT_GT(probe(bytes, 1 << 20).width, 0);
      } catch (const Error& error) {
        EXPECT_TRUE(contains(error.what(), "photo.jpg")) << error.what();
      }
    }
  }
}

TEST(PictureProbe, FindsPngFilesThatWereCutOff) {
  const std::string whole = reference_file("png_rgb");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of([&] { (void)probe(whole.substr(0, size)); }), "") << size << " of " << whole.size() << " bytes";
  }
  std::string bomb = whole;
  bomb.replace(16, 8, big_endian(30000, 4) + big_endian(30000, 4));
  EXPECT_TRUE(contains(error_of([&] { (void)probe(bomb); }), "30000 x 30000 pixels, more than the limit"));
  EXPECT_TRUE(contains(error_of([&] { (void)parse(bomb); }), "broken PNG")) << "the checksum no longer fits";
}

}  // namespace
}  // namespace narae
