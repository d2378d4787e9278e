#include "narae/data/cifar.h"

#include <filesystem>

#include "gtest/gtest.h"
#include "narae/data/catalog.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/real_data.h"

namespace narae {
namespace {

using namespace testing_files;
namespace fs = std::filesystem;

// A record whose red, green and blue bytes are `value`, value + 1 and value + 2.
std::string record(const std::string& labels, int value) {
  std::string bytes = labels;
  for (int c = 0; c < 3; ++c) bytes += std::string(1024, static_cast<char>(value + c));
  return bytes;
}

void write_cifar10(const fs::path& folder) {
  write(folder / "data_batch_1.bin", record("\3", 10) + record("\1", 20));
  write(folder / "data_batch_2.bin.gz", gzip(record("\7", 30)));
  write(folder / "test_batch.bin", record("\2", 40));
}

TEST(Cifar, RecordsBecomePicturesAndLabels) {
  const Dataset ten = parse_cifar(buffer_of(record("\3", 10) + record("\11", 20)), "a.bin", CifarKind::cifar10);
  EXPECT_EQ(ten.size(), 2);
  EXPECT_EQ(ten.fields[0].shape, (Shape{3, 32, 32}));
  const Array pictures = read_field(ten, "image", 0, 2);
  EXPECT_EQ(pictures.values<std::uint8_t>()[0], 10);
  EXPECT_EQ(pictures.values<std::uint8_t>()[1024], 11);
  EXPECT_EQ(pictures.values<std::uint8_t>()[3072 + 3071], 22);
  EXPECT_EQ(read_field(ten, "label", 1, 2).values<std::int64_t>()[0], 9);
  const Dataset hundred = parse_cifar(buffer_of(record("\5\143", 10)), "a.bin", CifarKind::cifar100);
  EXPECT_EQ(read_field(hundred, "label", 0, 1).values<std::int64_t>()[0], 99);  // the fine label
  EXPECT_EQ(read_field(hundred, "image", 0, 1).values<std::uint8_t>()[0], 10);
}

TEST(Cifar, DamageIsNamedWithFileAndPlace) {
  const auto message = [](const std::string& bytes, CifarKind kind = CifarKind::cifar10) {
    return error_of([&] { (void)parse_cifar(buffer_of(bytes), "batch.bin", kind); });
  };
  EXPECT_TRUE(contains(message(""), "batch.bin: the file is empty"));
  EXPECT_TRUE(contains(message(record("\3", 10).substr(1)), "3072 bytes are not a whole number of records of 3073"));
  EXPECT_TRUE(contains(message(record("\3", 1) + "x"), "1 are left after 1"));
  EXPECT_TRUE(contains(message(record("\3", 1) + record("\12", 1)), "label 10 of record 1 at byte 3073"));
  EXPECT_TRUE(contains(message(record("\1\144", 1), CifarKind::cifar100), "label 100 of record 0"));
  const std::string packed = gzip(record("\3", 1));
  EXPECT_TRUE(contains(message(packed.substr(0, packed.size() / 2)), "batch.bin"));
}

TEST(Cifar, FoldersAreRecognised) {
  const fs::path folder = fresh_folder() / "photos";
  write_cifar10(folder);
  EXPECT_TRUE(holds_cifar(folder.string()));
  const Splits splits = open_splits(folder.string());
  EXPECT_EQ(splits.train.name, "cifar10");
  EXPECT_EQ(splits.train.size(), 3);  // of both batches, in their order
  EXPECT_EQ(splits.test.size(), 1);
  EXPECT_EQ(read_field(splits.train, "label", 2, 3).values<std::int64_t>()[0], 7);
  EXPECT_EQ(splits.train.classes.at(7), "horse");
  ASSERT_EQ(splits.train.mean.size(), 3U);
  EXPECT_NEAR(splits.train.mean[0], 20 / 255.0, 1e-6);
  EXPECT_NEAR(splits.train.mean[2], 22 / 255.0, 1e-6);
  EXPECT_EQ(splits.test.mean, splits.train.mean);
  EXPECT_EQ(open_dataset(folder.string(), Split::test).mean, splits.train.mean);

  const fs::path archive = fresh_folder() / "unpacked";
  write_cifar10(archive / "cifar-10-batches-bin");
  EXPECT_EQ(open_splits(archive.string()).train.size(), 3);
}

TEST(Cifar, HundredClassesAndTheirNames) {
  const fs::path folder = fresh_folder();
  write(folder / "cifar-100-binary" / "train.bin", record(std::string("\0\2", 2), 1) + record("\1\143", 2));
  write(folder / "cifar-100-binary" / "test.bin", record("\1\1", 3));
  const Splits splits = open_splits(folder.string());
  EXPECT_EQ(splits.train.name, "cifar100");
  ASSERT_EQ(splits.train.classes.size(), 100U);
  EXPECT_EQ(splits.train.classes[0], "apple");
  EXPECT_EQ(splits.train.classes[53], "orange");
  EXPECT_EQ(splits.train.classes[99], "worm");
  write(folder / "cifar-100-binary" / "fine_label_names.txt", "one\ntwo\n");
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits(folder.string()); }), "2 names of classes"));
  std::string names;
  for (int i = 0; i < 100; ++i) names += "name" + std::to_string(i) + "\r\n";
  write(folder / "cifar-100-binary" / "fine_label_names.txt", names);
  EXPECT_EQ(open_splits(folder.string()).train.classes[99], "name99");
}

TEST(Cifar, MissingBatchesAreNamed) {
  const fs::path folder = fresh_folder();
  write_cifar10(folder);
  fs::remove(folder / "test_batch.bin");
  const std::string message = error_of([&] { (void)open_splits(folder.string()); });
  EXPECT_TRUE(contains(message, "no batches of split 'test'")) << message;
  EXPECT_TRUE(contains(message, "test_batch.bin")) << message;
}

TEST(Cifar, AGapInTheNumbersIsNoCompleteSet) {
  const fs::path folder = fresh_folder();
  write_cifar10(folder);
  write(folder / "data_batch_5.bin", record("\1", 1));
  const std::string message = error_of([&] { (void)open_splits(folder.string()); });
  EXPECT_TRUE(contains(message, "missing (data_batch_3.bin, data_batch_4.bin)")) << message;
  fs::remove(folder / "data_batch_5.bin");
  fs::remove(folder / "data_batch_1.bin");
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits(folder.string()); }), "missing (data_batch_1.bin)"));
  write(folder / "data_batch_1.bin", record("\1", 1));
  write(folder / "data_batch_1.bin.gz", gzip(record("\1", 1)));  // the same again
  EXPECT_EQ(open_splits(folder.string()).train.size(), 2);
}

TEST(Cifar, ThePythonVersionIsCalledByItsName) {
  const fs::path ten = fresh_folder();
  write(ten / "cifar-10-batches-py" / "data_batch_1", "\x80\2}");
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits(ten.string()); }), "the Python version of CIFAR"));
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits((ten / "cifar-10-batches-py").string()); }), "the binary one"));
  const fs::path hundred = fresh_folder();
  for (const char* name : {"train", "test", "meta"}) write(hundred / name, "\x80\2}");
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits(hundred.string()); }), "the Python version of CIFAR"));
}

TEST(Cifar, TheRealOneIsWhatItShouldBe) {
  const auto folder = real_data("cifar10");
  if (!folder) GTEST_SKIP() << "no cifar10 below $NARAE_DATA";
  const Splits cifar = open_splits(folder->string());
  EXPECT_EQ(cifar.train.size() % 10'000, 0);
  EXPECT_GE(cifar.test.size(), 1000);
  EXPECT_EQ(read_field(cifar.train, "label", 0, 1).values<std::int64_t>()[0], 6);  // a frog
  EXPECT_EQ(read_field(cifar.test, "label", 0, 1).values<std::int64_t>()[0], 3);   // a cat
  const std::vector<double> mean{0.4914, 0.4822, 0.4465};
  const std::vector<double> deviation{0.2470, 0.2435, 0.2616};
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(cifar.train.mean[c], mean[c], 5e-3);  // of all 50,000
    EXPECT_NEAR(cifar.train.stddev[c], deviation[c], 3e-3);
  }
}

}  // namespace
}  // namespace narae
