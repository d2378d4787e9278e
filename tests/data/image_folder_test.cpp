#include "narae/data/image_folder.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "narae/core/files.h"
#include "narae/data/catalog.h"
#include "narae/data/picture.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/picture_folder_for_tests.h"
#include "tests/data/reference_pictures.h"

namespace narae {
namespace {

using namespace testing_files;
namespace fs = std::filesystem;

std::vector<std::int64_t> labels_of(const Dataset& dataset) {
  const Array labels = read_field(dataset, "label", 0, dataset.size());
  const auto values = labels.values<std::int64_t>();
  return {values.begin(), values.end()};
}

std::uint8_t first_pixel(const Dataset& dataset, std::int64_t i) {
  return read_field(dataset, "image", i, i + 1).values<std::uint8_t>()[0];
}

std::string complaint(const fs::path& folder, const SplitOptions& options = {}) {
  return error_of([&] { (void)open_splits(folder.string(), options); });
}

SplitOptions streaming() {
  SplitOptions options;
  options.prepare = false;
  return options;
}

TEST(ImageFolder, ClassesAreItsSubFolders) {
  const fs::path folder = fresh_folder() / "animals";
  write_classes(folder, {"dog", "ant"}, 2);
  write(folder / "dog" / "photo.JPG", reference_file("jpeg_420"));
  write_picture(folder / "ant" / "more" / "deep.png", flat_picture({3, 4, 4}, 200));
  write(folder / "ant" / ".hidden.png", "nothing");
  write(folder / "ant" / "notes.txt", "nothing");
  EXPECT_TRUE(holds_pictures(folder.string()));
  SplitOptions options;
  options.size = 10;
  const Dataset train = open_dataset(folder.string(), Split::train, options);
  EXPECT_EQ(train.name, "animals");
  EXPECT_EQ(train.classes, (std::vector<std::string>{"ant", "dog"}));
  EXPECT_EQ(labels_of(train), (std::vector<std::int64_t>{0, 0, 0, 1, 1, 1}));  // ant: deep.png, p0.png, p1.png
  EXPECT_EQ(train.fields[0].shape, (Shape{3, 10, 10}));
  EXPECT_NEAR(first_pixel(train, 0), 200, 2);
  EXPECT_EQ(class_counts(train), (std::vector<std::int64_t>{3, 3}));
  ASSERT_TRUE(train.files);
  EXPECT_EQ(train.files->sizes.size(), 6U);
  EXPECT_EQ(train.files->sizes[3], (PictureSize{8, 8}));
  EXPECT_EQ(train.files->skipped.count(), 0);
  ASSERT_EQ(train.mean.size(), 3U);
}

TEST(ImageFolder, PicturesAreFittedAsDecodedByHand) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 1);
  write(folder / "b" / "photo.jpg", reference_file("jpeg_422"));
  const Array expected = fitted(read_picture(folder / "b" / "photo.jpg"), {12, 20}, {.crop = 0.8F});
  for (const bool prepare : {true, false}) {
    const ImageFolder pictures(folder.string(), {.size = {12, 20}, .fit = {.crop = 0.8F}, .prepare = prepare});
    const Dataset train = pictures.open(Split::train);
    EXPECT_EQ(static_cast<bool>(train.generate), !prepare);
    const Array got = read_field(train, "image", 2, 3);
    expect_close({DType::u8, {3, 12, 20}, got.buffer}, expected, 0, "fitted");
    EXPECT_EQ(train.whole(2).image.shape, (Shape{3, 33, 41}));
    EXPECT_EQ(train.whole(2).label, 1);
    EXPECT_EQ(train.mean.empty(), !prepare);
  }
}

TEST(ImageFolder, SizeAndChannelsComeFromThePictures) {
  const fs::path folder = fresh_folder();
  write_classes(folder / "same", {"a", "b"}, 2, {3, 6, 9});
  EXPECT_EQ(open_dataset((folder / "same").string(), Split::train).fields[0].shape, (Shape{3, 6, 9}));
  write_classes(folder / "grey", {"a", "b"}, 2, {1, 5, 5});
  EXPECT_EQ(open_dataset((folder / "grey").string(), Split::train).fields[0].shape, (Shape{1, 5, 5}));
  write_picture(folder / "grey" / "a" / "color.png", flat_picture({3, 5, 5}, 9));
  EXPECT_EQ(open_dataset((folder / "grey").string(), Split::train).fields[0].shape, (Shape{3, 5, 5}));
  write_picture(folder / "same" / "a" / "other.png", flat_picture({3, 60, 90}, 9));
  SplitOptions options = streaming();
  EXPECT_EQ(open_dataset((folder / "same").string(), Split::train, options).fields[0].shape, (Shape{3, 224, 224}));
  options.usual_size = {28, 28};
  EXPECT_EQ(open_dataset((folder / "same").string(), Split::train, options).fields[0].shape, (Shape{3, 28, 28}));
  options.input = {1, 7, 8};
  EXPECT_EQ(open_dataset((folder / "same").string(), Split::train, options).fields[0].shape, (Shape{1, 7, 8}));
}

TEST(ImageFolder, SplitsLieBesideEachOther) {
  const fs::path folder = fresh_folder();
  write_classes(folder / "train", {"a", "b", "c"}, 3);
  write_classes(folder / "val", {"a", "b"}, 1);
  write_classes(folder / "test", {"c", "b"}, 2);
  const Splits splits = open_splits(folder.string());
  EXPECT_EQ(splits.train.size(), 9);
  EXPECT_EQ(labels_of(splits.validation), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(labels_of(splits.test), (std::vector<std::int64_t>{1, 1, 2, 2}));
  EXPECT_EQ(splits.test.mean, splits.train.mean);
  EXPECT_EQ(splits.test.classes, splits.train.classes);
  EXPECT_EQ(open_dataset(folder.string(), Split::validation).size(), 2);
  EXPECT_EQ(open_dataset(folder.string(), Split::test, streaming()).size(), 4);
  EXPECT_TRUE(contains(complaint(folder, {.validation_fraction = 0.5}), "validation pictures of its own"));
  fs::rename(folder / "val", folder / "validation");
  EXPECT_EQ(open_splits(folder.string()).validation.size(), 2);
  fs::remove_all(folder / "validation");
  EXPECT_EQ(open_splits(folder.string(), {.validation_fraction = 0.34}).validation.size(), 3);
}

TEST(ImageFolder, AFolderWithoutSplitsIsParted) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"train", "car"}, 5);  // a class may have a split's name
  const Splits splits = open_splits(folder.string(), {.validation_fraction = 0.2, .seed = 1});
  EXPECT_EQ(splits.train.classes, (std::vector<std::string>{"car", "train"}));
  EXPECT_EQ(splits.train.size(), 8);
  EXPECT_EQ(splits.validation.size(), 2);
  EXPECT_EQ(splits.test.size(), 0);
  EXPECT_TRUE(contains(error_of([&] { (void)open_dataset(folder.string(), Split::test); }), "has no test samples"));
  EXPECT_TRUE(contains(error_of([&] { (void)open_dataset(folder.string(), Split::validation); }), "fraction above 0"));
}

TEST(ImageFolder, DamagedFilesAreLeftOutAndCounted) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 3);
  const std::string jpeg = reference_file("jpeg_420");
  write(folder / "a" / "cut.jpg", jpeg.substr(0, jpeg.size() / 2));
  write(folder / "a" / "empty.png", "");
  write(folder / "b" / "text.jpg", "no picture");
  write(folder / "b" / "old.gif", "GIF89a");
  // Its headers are sound: the damage shows in decoding.
  std::string damaged = read_text(folder / "b" / "p1.png");
  damaged[damaged.find("IDAT") + 8] ^= 0x55;
  write(folder / "b" / "p1.png", damaged);

  const Splits splits = open_splits(folder.string());
  EXPECT_EQ(labels_of(splits.train), (std::vector<std::int64_t>{0, 0, 0, 1, 1}));
  EXPECT_EQ(first_pixel(splits.train, 4), 142);  // p2.png of b
  EXPECT_EQ(first_pixel(splits.train, 3), 140);
  const std::vector<std::string> messages = splits.train.files->skipped.messages();
  ASSERT_EQ(messages.size(), 5U);
  for (const char* name : {"cut.jpg", "empty.png", "text.jpg", "old.gif", "p1.png"}) {
    EXPECT_TRUE(std::any_of(messages.begin(), messages.end(), [&](const auto& m) { return contains(m, name); }))
        << name;
  }
  for (const char* name : {"a/cut.jpg", "a/empty.png", "b/text.jpg", "b/old.gif"}) {
    const std::string message = complaint(folder, {.strict = true});
    EXPECT_TRUE(contains(message, folder.string())) << message;
    fs::remove(folder / name);
  }
  EXPECT_TRUE(contains(complaint(folder, {.strict = true}), "p1.png"));
  fs::remove(folder / "b" / "p1.png");
  EXPECT_EQ(open_splits(folder.string(), {.strict = true}).train.size(), 5);
}

TEST(ImageFolder, StrictNamesTheFirstDamagedFileAndHowManyThereAre) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 40);
  for (const char* path : {"b/p8.png", "a/p17.png", "b/p33.png"}) write(folder / path, "no picture");
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::string message = complaint(folder, {.strict = true});
    EXPECT_TRUE(contains(message, "a/p17.png: ")) << message;
    EXPECT_TRUE(contains(message, "(the first of 3 such files)")) << message;
  }
}

TEST(ImageFolder, StreamedPicturesThatTurnOutDamagedAreReplacedByTheNext) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 2);
  std::string damaged = read_text(folder / "a" / "p1.png");
  damaged[damaged.find("IDAT") + 8] ^= 0x55;
  write(folder / "a" / "p1.png", damaged);
  const Dataset train = open_dataset(folder.string(), Split::train, streaming());
  EXPECT_EQ(train.size(), 4);
  EXPECT_EQ(train.files->skipped.count(), 0);  // not seen yet
  EXPECT_EQ(labels_of(train), (std::vector<std::int64_t>{0, 1, 1, 1}));
  EXPECT_EQ(first_pixel(train, 1), first_pixel(train, 2));
  EXPECT_EQ(train.whole(1).label, 1);
  EXPECT_EQ(train.files->skipped.count(), 1);  // once, however often it is asked for
  SplitOptions strict = streaming();
  strict.strict = true;
  const Dataset strictly = open_dataset(folder.string(), Split::train, strict);
  EXPECT_TRUE(contains(error_of([&] { (void)first_pixel(strictly, 1); }), "p1.png"));
}

TEST(ImageFolder, SaysWhatIsWrongWithAFolder) {
  const fs::path folder = fresh_folder();
  write(folder / "readme.txt", "nothing");
  EXPECT_TRUE(contains(complaint(folder), "nothing in it is known as a dataset")) << complaint(folder);
  fs::create_directories(folder / "a");
  EXPECT_TRUE(contains(complaint(folder), "a: no pictures (.jpg, .jpeg, .png) in this class")) << complaint(folder);
  write_classes(folder, {"a"}, 2);
  EXPECT_TRUE(contains(complaint(folder), "a single class, 'a'")) << complaint(folder);
  fs::create_directories(folder / "b");
  EXPECT_TRUE(contains(complaint(folder), "b: no pictures")) << complaint(folder);
  write(folder / "b" / "x.png", "damaged");
  const std::string message = complaint(folder);
  EXPECT_TRUE(contains(message, "class 'b' has no sound picture to train with")) << message;
  EXPECT_TRUE(contains(message, "x.png")) << message;
  write_classes(folder, {"b"}, 2);
  EXPECT_EQ(open_splits(folder.string()).train.size(), 4);
}

TEST(ImageFolder, TestClassesMustBeKnown) {
  const fs::path folder = fresh_folder();
  write_classes(folder / "train", {"cat", "dog"}, 1);
  write_classes(folder / "test", {"cats"}, 1);
  const std::string message = complaint(folder);
  EXPECT_TRUE(contains(message, "no class 'cats' among the training pictures")) << message;
  EXPECT_TRUE(contains(message, "did you mean 'cat'?")) << message;
  fs::remove_all(folder / "test");
  fs::create_directories(folder / "test" / "dog");
  write_classes(folder / "test", {"cat"}, 1);
  EXPECT_TRUE(contains(complaint(folder), "remove the folder or fill it")) << complaint(folder);
  write(folder / "test" / "dog" / "x.png", "damaged");
  EXPECT_EQ(open_splits(folder.string()).test.size(), 1);
  write(folder / "test" / "cat" / "p0.png", "damaged");
  EXPECT_TRUE(contains(complaint(folder), "none of the 2 files of split 'test'")) << complaint(folder);
}

TEST(ImageFolder, LargePicturesAreNotDecoded) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 2);
  std::string bomb = read_text(folder / "a" / "p0.png");
  bomb.replace(16, 8, big_endian(30000, 4) + big_endian(30000, 4));
  write(folder / "a" / "bomb.png", bomb);
  const Dataset train = open_dataset(folder.string(), Split::train);
  EXPECT_EQ(train.size(), 4);
  EXPECT_TRUE(contains(train.files->skipped.messages().at(0), "30000 x 30000 pixels"));
  EXPECT_TRUE(
      contains(complaint(folder, {.max_pixels = 63}), "none of the 5 files of split 'train' is a sound picture"));
  EXPECT_EQ(open_splits(folder.string(), {.max_pixels = 64}).train.size(), 4);
}

TEST(ImageFolder, WholePicturesAreReadFromSeveralThreads) {
  const fs::path folder = fresh_folder();
  write_classes(folder, {"a", "b"}, 4);
  const Dataset train = open_dataset(folder.string(), Split::train);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::int64_t i = 0; i < 200; ++i) {
        const LabelledPicture picture = train.whole(i % 8);
        const auto expected = static_cast<std::uint8_t>(40 + 100 * (i % 8 / 4) + i % 4);
        if (picture.label != i % 8 / 4 || picture.image.values<std::uint8_t>()[0] != expected) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(ImageFolder, IsListedAmongTheDatasets) {
  const fs::path root = fresh_folder();
  write_classes(root / "flowers", {"rose", "tulip"}, 1);
  write_classes(root / "parted" / "train", {"rose", "tulip"}, 1);
  write_picture(root / "no-classes" / "a.png", flat_picture({3, 4, 4}, 1));
  EXPECT_TRUE(holds_pictures((root / "flowers").string()));
  EXPECT_TRUE(holds_pictures((root / "parted").string()));
  EXPECT_FALSE(holds_pictures((root / "no-classes").string()));
}

}  // namespace
}  // namespace narae
