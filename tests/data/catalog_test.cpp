#include "narae/data/catalog.h"

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/real_data.h"

namespace narae {
namespace {

using namespace testing_files;
namespace fs = std::filesystem;

// Sets NARAE_DATA for one test and puts the old value back.
class DataVariable {
 public:
  explicit DataVariable(const std::string& value) {
    if (const char* old = std::getenv("NARAE_DATA")) old_ = old;
    setenv("NARAE_DATA", value.c_str(), 1);
  }
  ~DataVariable() {
    if (old_) {
      setenv("NARAE_DATA", old_->c_str(), 1);
    } else {
      unsetenv("NARAE_DATA");
    }
  }
  DataVariable(const DataVariable&) = delete;
  DataVariable& operator=(const DataVariable&) = delete;

 private:
  std::optional<std::string> old_;
};

// Three training and two test pictures of 2 x 2.
void write_set(const fs::path& folder) {
  write(folder / "train-images-idx3-ubyte.gz", gzip(idx(8, {3, 2, 2}, std::string(6, '\0') + std::string(6, '\xff'))));
  write(folder / "train-labels-idx1-ubyte", idx(8, {3}, std::string("\0\2\1", 3)));
  write(folder / "t10k-images-idx3-ubyte", idx(8, {2, 2, 2}, "abcdefgh"));
  write(folder / "t10k-labels-idx1-ubyte.gz", gzip(idx(8, {2}, std::string("\2\0", 2))));
}

TEST(Catalog, OpensAFolderOfIdxFiles) {
  const fs::path folder = fresh_folder() / "small";
  write_set(folder);
  const Splits splits = open_splits(folder.string());
  EXPECT_EQ(splits.train.name, "small");
  EXPECT_EQ(splits.train.size(), 3);
  EXPECT_EQ(splits.validation.size(), 0);
  EXPECT_EQ(splits.test.size(), 2);
  EXPECT_EQ(splits.train.fields[0].shape, (Shape{1, 2, 2}));
  EXPECT_EQ(splits.train.fields[1].dtype, DType::i64);
  EXPECT_EQ(splits.train.classes, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_FLOAT_EQ(splits.train.mean.at(0), 0.5F);
  EXPECT_EQ(splits.test.mean, splits.train.mean);  // of the training pictures
  EXPECT_EQ(read_field(splits.test, "image", 1, 2).values<std::uint8_t>()[0], 'e');
  const Dataset test = open_dataset(folder.string() + "/", Split::test);
  EXPECT_EQ(test.size(), 2);
  EXPECT_EQ(test.mean, splits.train.mean);
}

TEST(Catalog, FindsNamesBelowTheDataFolder) {
  const fs::path root = fresh_folder();
  const DataVariable variable(root.string());
  write_set(root / "scribbles");
  write_set(root / "Fashion-MNIST" / "raw");
  fs::create_directories(root / "empty");
  EXPECT_EQ(open_dataset("scribbles", Split::train).size(), 3);
  const Dataset fashion = open_dataset("Fashion-MNIST", Split::train);
  EXPECT_EQ(fashion.name, "Fashion-MNIST");
  ASSERT_EQ(fashion.classes.size(), 10U);
  EXPECT_EQ(fashion.classes[0], "T-shirt/top");
  EXPECT_EQ(fashion.classes[9], "Ankle boot");

  bool scribbles = false;
  bool synthetic = false;
  for (const DatasetInfo& info : datasets()) {
    scribbles = scribbles || (info.name == "scribbles" && info.location == (root / "scribbles").string());
    synthetic = synthetic || (info.name == "synth:digits" && info.location == "generated");
    EXPECT_NE(info.name, "empty");
    EXPECT_FALSE(info.description.empty());
  }
  EXPECT_TRUE(scribbles);
  EXPECT_TRUE(synthetic);

  const std::string text = error_of([] { (void)open_dataset("scribles", Split::train); });
  EXPECT_TRUE(contains(text, (root / "scribles").string())) << text;
  EXPECT_TRUE(contains(text, "data/scribles")) << text;
  EXPECT_TRUE(contains(text, "train-images-idx3-ubyte")) << text;
  EXPECT_TRUE(contains(text, "did you mean 'scribbles'")) << text;
  EXPECT_THROW((void)open_dataset("scribles", Split::train), UsageError);
}

TEST(Catalog, SaysWhatAFolderLacks) {
  const fs::path folder = fresh_folder();
  const auto message = [&](Split split) { return error_of([&] { (void)open_dataset(folder.string(), split); }); };
  for (const char* part : {"nothing in it is known as a dataset", "t10k-labels-idx1-ubyte", "data_batch_1.bin",
                           "one sub-folder a class"}) {
    EXPECT_TRUE(contains(message(Split::train), part)) << message(Split::train);
  }
  write_set(folder);
  fs::remove(folder / "t10k-labels-idx1-ubyte.gz");
  EXPECT_TRUE(contains(message(Split::test), "labels of split 'test'"));
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits((folder / "none").string()); }), "no such folder"));
  EXPECT_TRUE(
      contains(error_of([&] { (void)open_splits((folder / "train-labels-idx1-ubyte").string()); }), "is a file"));
}

TEST(Catalog, PicturesAndLabelsMustBelongTogether) {
  const fs::path folder = fresh_folder();
  const auto message = [&] { return error_of([&] { (void)open_splits(folder.string()); }); };
  write_set(folder);
  write(folder / "train-labels-idx1-ubyte", idx(8, {2}, "ab"));
  EXPECT_TRUE(contains(message(), "has 3 pictures, but")) << message();
  write(folder / "train-labels-idx1-ubyte", idx(8, {3, 1}, "abc"));
  EXPECT_TRUE(contains(message(), "labels are whole numbers")) << message();
  write(folder / "train-labels-idx1-ubyte", idx(9, {3}, "\x01\xff\x01"));
  EXPECT_TRUE(contains(message(), "label -1 of sample 1")) << message();
  write_set(folder);
  write(folder / "t10k-labels-idx1-ubyte.gz", gzip(idx(8, {2}, "\3\1")));
  EXPECT_TRUE(contains(message(), "a test label is 3, but there are only 3 classes")) << message();
  write_set(folder);
  write(folder / "t10k-images-idx3-ubyte", idx(8, {2, 1, 4}, "abcdefgh"));
  EXPECT_TRUE(contains(message(), "test pictures u8 (1, 1, 4)")) << message();
  write(folder / "t10k-images-idx3-ubyte", idx(8, {8}, "abcdefgh"));
  EXPECT_TRUE(contains(message(), "(number, height, width)")) << message();
}

TEST(Catalog, GeneratorsTakeSettings) {
  const Splits splits = open_splits("synth:digits?train=30&test=20&seed=3");
  EXPECT_EQ(splits.train.size(), 30);
  EXPECT_EQ(splits.test.size(), 20);
  EXPECT_EQ(splits.test.mean, splits.train.mean);
  const Array other = read_field(open_dataset("synth:digits?train=30&seed=4", Split::train), "image", 0, 30);
  EXPECT_NE(0, std::memcmp(other.buffer.data(), splits.train.arrays[0].buffer.data(), other.bytes()));
  EXPECT_EQ(open_dataset("synth:moons", Split::train).size(), 2000);
  EXPECT_EQ(open_dataset("synth:xor?noise=0.3&test=7", Split::test).size(), 7);
  EXPECT_EQ(open_dataset("synth:circles", Split::test).fields[0].shape, (Shape{2}));
  const Dataset streamed = open_dataset("synth:digits?train=1000003", Split::train);
  EXPECT_TRUE(streamed.generate);  // too large to keep
  // What is known of their classes is not found out by drawing them.
  EXPECT_EQ(class_counts(streamed)[2], 100001);
  EXPECT_EQ(class_counts(streamed)[3], 100000);
  const Array some = read_field(streamed, "label", 77, 99);
  for (std::size_t i = 0; i < 22; ++i) EXPECT_EQ(some.values<std::int64_t>()[i], (*streamed.labels)[77 + i]);
}

TEST(Catalog, WrongSettingsAreRefused) {
  const auto message = [](const std::string& name) {
    EXPECT_THROW((void)open_dataset(name, Split::train), UsageError) << name;
    return error_of([&] { (void)open_dataset(name, Split::train); });
  };
  EXPECT_TRUE(contains(message("synth:digit"), "did you mean 'synth:digits'"));
  EXPECT_TRUE(contains(message("synth:digits?trian=5"), "did you mean 'train'"));
  EXPECT_TRUE(contains(message("synth:digits?noise=1"), "unknown setting 'noise'"));
  for (const char* value : {"", "x", "-1", "5x", "1e3", "99999999999999999999"}) {
    EXPECT_TRUE(contains(message(std::string("synth:digits?train=") + value), "is not a number")) << value;
  }
  EXPECT_TRUE(contains(message("synth:moons?noise=nan"), "is not a number"));
  for (const char* set : {"digits", "shapes", "xor", "moons", "circles"}) {
    EXPECT_TRUE(contains(message(std::string("synth:") + set + "?test=10000001"), "at most 10000000"));
  }
  for (const char* side : {"1", "7", "1025"}) {
    EXPECT_TRUE(contains(message(std::string("synth:shapes?size=") + side), "at least 8 and at most 1024")) << side;
  }
  EXPECT_TRUE(contains(message("synth:digits?size=20"), "unknown setting 'size'"));
  EXPECT_TRUE(contains(message("synth:shapes?szie=20"), "did you mean 'size'"));
}

TEST(Catalog, PicturesOfOneSizeCanBeGivenAnother) {
  SplitOptions options;
  options.size = 16;
  const Splits splits = open_splits("synth:shapes?train=30&test=20", options);
  const Splits whole = open_splits("synth:shapes?train=30&test=20");
  EXPECT_EQ(splits.train.fields[0].shape, (Shape{3, 16, 16}));
  EXPECT_EQ(splits.test.fields[0].shape, (Shape{3, 16, 16}));
  EXPECT_FALSE(splits.train.generate);  // small: resized once
  const Array stored = read_field(whole.train, "image", 7, 8);
  const Array expected = resized({DType::u8, {3, 32, 32}, stored.buffer}, {16, 16});
  EXPECT_EQ(0, std::memcmp(read_field(splits.train, "image", 7, 8).buffer.data(), expected.buffer.data(), 768));
  EXPECT_EQ(read_field(splits.train, "label", 7, 8).values<std::int64_t>()[0], 7);
  EXPECT_EQ(splits.train.whole(7).image.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(class_counts(splits.train), std::vector<std::int64_t>(10, 3));
  options.prepare = false;
  const Dataset streamed = open_dataset("synth:shapes?train=30&test=20", Split::train, options);
  EXPECT_TRUE(streamed.generate);
  EXPECT_EQ(0, std::memcmp(read_field(streamed, "image", 7, 8).buffer.data(), expected.buffer.data(), 768));
  EXPECT_EQ(class_counts(first(streamed, 12)), (std::vector<std::int64_t>{2, 2, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits("synth:moons", options); }), "f32 (2,)"));
}

TEST(Catalog, ValidationIsTakenFromTheTrainingSamples) {
  const SplitOptions options{.validation_fraction = 0.25, .seed = 1};
  const Splits splits = open_splits("synth:moons?train=100", options);
  EXPECT_EQ(splits.train.size(), 75);
  EXPECT_EQ(splits.validation.size(), 25);
  EXPECT_EQ(open_dataset("synth:moons?train=100", Split::validation, options).size(), 25);
  EXPECT_EQ(*open_dataset("synth:moons?train=100", Split::train, options).indices, *splits.train.indices);
  EXPECT_TRUE(contains(error_of([] { (void)open_dataset("synth:moons", Split::validation); }), "fraction"));
}

TEST(Catalog, MnistIsWhatItShouldBe) {
  const auto folder = real_data("mnist");
  if (!folder) GTEST_SKIP() << "no mnist below $NARAE_DATA";
  const Splits mnist = open_splits(folder->string());
  EXPECT_EQ(mnist.train.size(), 60'000);
  EXPECT_EQ(mnist.test.size(), 10'000);
  EXPECT_EQ(mnist.train.fields[0].shape, (Shape{1, 28, 28}));
  EXPECT_EQ(read_field(mnist.train, "label", 0, 1).values<std::int64_t>()[0], 5);
  EXPECT_EQ(read_field(mnist.test, "label", 0, 1).values<std::int64_t>()[0], 7);
  EXPECT_NEAR(mnist.train.mean.at(0), 0.1307, 5e-5);
  EXPECT_NEAR(mnist.train.stddev.at(0), 0.3081, 5e-5);
  EXPECT_EQ(mnist.train.classes.size(), 10U);
}

TEST(Catalog, FashionMnistHasClassNames) {
  const auto folder = real_data("fashion-mnist");
  if (!folder) GTEST_SKIP() << "no fashion-mnist below $NARAE_DATA";
  const Dataset train = open_dataset(folder->string(), Split::train);
  EXPECT_EQ(train.classes.at(8), "Bag");
  EXPECT_EQ(read_field(train, "label", 0, 1).values<std::int64_t>()[0], 9);  // an ankle boot
}

}  // namespace
}  // namespace narae
