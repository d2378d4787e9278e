#include "narae/core/gzip.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

constexpr std::size_t megabyte = 1U << 20;

std::string inflated(const std::string& file, std::size_t limit = megabyte) {
  return text_of(inflate_gzip(buffer_of(file), "a.gz", limit));
}

std::string message(const std::string& file, std::size_t limit = megabyte) {
  return error_of([&] { (void)inflated(file, limit); });
}

TEST(Gzip, InflatesOneMember) {
  EXPECT_EQ(inflated(gzip("hello")), "hello");
  EXPECT_EQ(inflated(gzip("")), "");
  const std::string large(300'000, 'x');
  EXPECT_EQ(inflated(gzip(large)), large);
}

TEST(Gzip, InflatesSeveralMembersOneAfterTheOther) {
  const std::string large(100'000, 'y');
  EXPECT_EQ(inflated(gzip("one ") + gzip(large) + gzip("") + gzip(" three")), "one " + large + " three");
}

TEST(Gzip, IsRecognisedByItsFirstBytes) {
  EXPECT_TRUE(is_gzip(buffer_of(gzip("x"))));
  EXPECT_FALSE(is_gzip(buffer_of("plain")));
  EXPECT_FALSE(is_gzip(buffer_of("\x1f")));
  EXPECT_FALSE(is_gzip(Buffer{}));
  EXPECT_TRUE(contains(message("plain"), "a.gz: no gzip header"));
}

TEST(Gzip, EveryTruncationIsRefused) {
  const std::string file = gzip("some text that is long enough to be worth something");
  for (std::size_t n = 2; n < file.size(); ++n) {
    EXPECT_TRUE(contains(message(file.substr(0, n)), "truncated")) << n << " of " << file.size() << " bytes";
  }
}

TEST(Gzip, TrailingGarbageIsRefused) {
  EXPECT_TRUE(contains(message(gzip("text") + "garbage"), "7 bytes after the end"));
  EXPECT_TRUE(contains(message(gzip("text") + std::string(1, '\0')), "1 bytes after the end"));
}

TEST(Gzip, WrongChecksumIsRefused) {
  std::string file = gzip("text");
  file[file.size() - 8] = static_cast<char>(file[file.size() - 8] ^ 1);
  EXPECT_TRUE(contains(message(file), "damaged"));
}

TEST(Gzip, TheLimitHoldsBombsBack) {
  const std::string bomb = gzip(std::string(10 * megabyte, '\0'));
  EXPECT_TRUE(contains(message(bomb), "more than 1048576 bytes"));
  const std::string exact(1000, 'z');
  EXPECT_EQ(inflated(gzip(exact), 1000), exact);
  EXPECT_TRUE(contains(message(gzip(exact), 999), "more than 999 bytes"));
  EXPECT_TRUE(contains(message(gzip(exact) + gzip("!"), 1000), "more than 1000 bytes"));
}

TEST(Gzip, ALyingSizeAtTheEndOfAMemberIsFoundOut) {
  std::string file = gzip("text");
  file[file.size() - 2] = '\x7f';
  EXPECT_TRUE(contains(message(file), "damaged"));
}

TEST(Gzip, ReaderDeliversPieces) {
  GzipReader reader(buffer_of(gzip("abc") + gzip("def")), "a.gz");
  std::string piece(4, '?');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(piece));
  EXPECT_EQ(reader.read(bytes), 4U);
  EXPECT_EQ(piece, "abcd");
  EXPECT_EQ(reader.read(bytes), 2U);
  EXPECT_EQ(piece.substr(0, 2), "ef");
  EXPECT_EQ(reader.read(bytes), 0U);
}

}  // namespace
}  // namespace narae
