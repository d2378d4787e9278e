#include "narae/data/idx.h"

#include <bit>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

Array parse(const std::string& file) {
  return parse_idx(buffer_of(file), "a.idx");
}

std::string message(const std::string& file) {
  return error_of([&] { (void)parse(file); });
}

template <class T>
std::vector<T> values_of(const Array& array) {
  EXPECT_EQ(array.dtype, dtype_of<T>);
  return {array.values<T>().begin(), array.values<T>().end()};
}

TEST(Idx, ReadsBytesPlainAndCompressed) {
  const std::string file = idx(8, {2, 1, 3}, std::string("\0\1\2\3\4\xff", 6));
  for (const std::string& form : {file, gzip(file)}) {
    const Array array = parse(form);
    EXPECT_EQ(array.shape, (Shape{2, 1, 3}));
    EXPECT_EQ(values_of<std::uint8_t>(array), (std::vector<std::uint8_t>{0, 1, 2, 3, 4, 255}));
  }
}

TEST(Idx, ReadsEveryElementType) {
  EXPECT_EQ(values_of<std::int32_t>(parse(idx(9, {2}, "\x01\xff"))), (std::vector<std::int32_t>{1, -1}));
  EXPECT_EQ(values_of<std::int32_t>(parse(idx(11, {2}, std::string("\x01\x00\xff\xfe", 4)))),
            (std::vector<std::int32_t>{256, -2}));
  EXPECT_EQ(values_of<std::int32_t>(parse(idx(12, {2}, big_endian(70'000, 4) + big_endian(0xffffffffU, 4)))),
            (std::vector<std::int32_t>{70'000, -1}));
  EXPECT_EQ(values_of<float>(parse(idx(13, {1}, big_endian(std::bit_cast<std::uint32_t>(1.5F), 4)))),
            (std::vector<float>{1.5F}));
  EXPECT_EQ(values_of<double>(parse(idx(14, {1}, big_endian(std::bit_cast<std::uint64_t>(-2.25), 8)))),
            (std::vector<double>{-2.25}));
}

TEST(Idx, AnEmptyArrayIsAnArray) {
  EXPECT_EQ(parse(idx(8, {0, 28, 28}, "")).shape, (Shape{0, 28, 28}));
  EXPECT_EQ(parse(gzip(idx(13, {5, 0}, ""))).shape, (Shape{5, 0}));
}

TEST(Idx, FileIsRecognisedByItsBytesNotItsName) {
  const auto path = fresh_folder() / "pictures.txt";
  write(path, gzip(idx(8, {1}, "a")));
  EXPECT_EQ(read_idx(path.string()).count(), 1);
  EXPECT_TRUE(contains(error_of([&] { (void)read_idx(path.string() + ".missing"); }), "pictures.txt.missing"));
}

TEST(Idx, EveryTruncationNamesFileAndSizes) {
  const std::string file = idx(8, {2, 2, 2}, "abcdefgh");
  for (std::size_t n = 0; n < file.size(); ++n) {
    EXPECT_TRUE(contains(message(file.substr(0, n)), "a.idx: ")) << n;
    EXPECT_TRUE(contains(message(gzip(file.substr(0, n))), "a.idx: ")) << n;
  }
  const std::string text = message(file.substr(0, 20));
  EXPECT_TRUE(contains(text, "2 x 2 x 2")) << text;
  EXPECT_TRUE(contains(text, "8 bytes after a header of 16")) << text;
  EXPECT_TRUE(contains(text, "only 20 bytes")) << text;
  EXPECT_TRUE(contains(message(gzip(file.substr(0, 20))), "8 bytes, but only 4 follow"));
}

TEST(Idx, TooMuchIsAnErrorAsWell) {
  EXPECT_TRUE(contains(message(idx(8, {2}, "abc")), "goes on after the 2 bytes"));
  EXPECT_TRUE(contains(message(gzip(idx(8, {2}, "abc"))), "goes on after the 2 bytes"));
  EXPECT_TRUE(contains(message(idx(8, {0}, "a")), "goes on after the 0 bytes"));
}

TEST(Idx, AHugeClaimAllocatesNothing) {
  const std::uint32_t most = 0xffffffffU;
  reset_peak_memory();
  const std::int64_t before = memory_use().peak;
  EXPECT_TRUE(contains(message(idx(8, {most, 2}, "ab")), "8589934590 bytes"));
  EXPECT_TRUE(contains(message(gzip(idx(14, {most, 1}, "ab"))), "compressed bytes"));
  EXPECT_TRUE(contains(message(idx(14, {most, most, most}, "ab")), "more than 2^63"));
  EXPECT_TRUE(contains(message(idx(8, {most, most, most, 0}, "ab")), "more than 2^63"));
  EXPECT_LT(memory_use().peak - before, 1 << 20);
}

TEST(Idx, WrongMagicIsExplained) {
  for (const std::string& file : {std::string("PNG\r"), idx(8, {}, "a"), idx(10, {1}, "a"), idx(15, {1}, "a"),
                                  idx(8, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "a"), std::string("\1\0\x08\1\0\0\0\1a", 9)}) {
    EXPECT_TRUE(contains(message(file), "not that of an IDX file"));
  }
}

TEST(Idx, DamagedCompressionIsAnError) {
  std::string file = gzip(idx(8, {4}, "abcd"));
  EXPECT_TRUE(contains(message(file + "x"), "after the end"));
  EXPECT_TRUE(contains(message(file.substr(0, file.size() - 1)), "truncated"));
  file[file.size() - 6] = static_cast<char>(file[file.size() - 6] ^ 4);
  EXPECT_TRUE(contains(message(file), "damaged"));
}

}  // namespace
}  // namespace narae
