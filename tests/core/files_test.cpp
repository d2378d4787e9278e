#include "narae/core/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "narae/core/error.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "narae_files_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
    return names;
  }

  fs::path folder_;
};

// The message of the Error that `action` throws; "" when it throws none.
std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string_view view(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(FilesTest, WhatIsWrittenIsRead) {
  std::string bytes(3'000'000, 'x');
  bytes[0] = '\0';
  bytes.back() = '\xff';
  const fs::path path = folder_ / "file.bin";
  write_file(path, bytes);
  EXPECT_EQ(read_text(path), bytes);
  const Buffer map = map_file(path);
  EXPECT_EQ(view(map), bytes);
  EXPECT_FALSE(map.writable());
  EXPECT_EQ(entries(), std::vector<std::string>{"file.bin"});
}

TEST_F(FilesTest, SmallAndLargeWritesKeepTheirOrder) {
  const fs::path path = folder_ / "file.bin";
  std::string expected;
  AtomicFile file(path);
  for (int i = 0; i < 40; ++i) {
    const std::string part(static_cast<std::size_t>(i % 5 == 4 ? 2'000'000 : 10'000 * i),
                           static_cast<char>('a' + i % 26));
    file.write(part);
    expected += part;
  }
  file.write(nullptr, 0);
  EXPECT_FALSE(fs::exists(path));
  file.commit();
  EXPECT_TRUE(read_text(path) == expected);
}

TEST_F(FilesTest, MapOutlivesTheFile) {
  const fs::path path = folder_ / "file.bin";
  write_file(path, "old content");
  const Buffer map = map_file(path);
  write_file(path, "new");
  EXPECT_EQ(view(map), "old content");
  fs::remove(path);
  EXPECT_EQ(view(map), "old content");
}

TEST_F(FilesTest, EmptyFile) {
  const fs::path path = folder_ / "empty";
  write_file(path, "");
  const Buffer map = map_file(path);
  EXPECT_TRUE(static_cast<bool>(map));
  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(read_text(path), "");
}

TEST_F(FilesTest, WhatCannotBeReadIsNamed) {
  const std::string missing = (folder_ / "missing").string();
  EXPECT_EQ(error_of([&] { (void)map_file(missing); }), missing + ": no such file");
  EXPECT_EQ(error_of([&] { (void)read_text(missing); }), missing + ": no such file");
  EXPECT_EQ(error_of([&] { (void)map_file(folder_); }), folder_.string() + ": is a folder; a file was expected");
  EXPECT_EQ(error_of([&] { (void)read_text(folder_); }), folder_.string() + ": is a folder; a file was expected");
  write_file(folder_ / "file", "x");
  EXPECT_TRUE(contains(error_of([&] { (void)map_file(folder_ / "file" / "below"); }), "Not a directory"));
}

TEST_F(FilesTest, PipesAreReadButNotMapped) {
  const fs::path path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(contains(error_of([&] { (void)map_file(path); }), "not a regular file"));
  const std::string sent(100'000, 'p');
  std::thread writer([&] { std::ofstream(path) << sent; });
  EXPECT_TRUE(read_text(path) == sent);
  writer.join();
}

TEST_F(FilesTest, LimitOfReadText) {
  const fs::path path = folder_ / "text";
  write_file(path, std::string(5000, 't'));
  EXPECT_EQ(read_text(path, 5000).size(), 5000U);
  EXPECT_EQ(error_of([&] { (void)read_text(path, 4999); }),
            path.string() + ": larger than the 4999 bytes that such a file may have");
  EXPECT_TRUE(contains(error_of([] { (void)read_text("/dev/zero", 10'000); }), "larger than"));
}

TEST_F(FilesTest, AbandonedFileLeavesNothing) {
  const fs::path path = folder_ / "file";
  write_file(path, "before");
  {
    AtomicFile file(path);
    file.write(std::string(2'000'000, 'x'));
    EXPECT_EQ(entries().size(), 2U);
  }
  EXPECT_EQ(read_text(path), "before");
  EXPECT_EQ(entries(), std::vector<std::string>{"file"});
}

TEST_F(FilesTest, NothingIsWrittenAfterCommit) {
  AtomicFile file(folder_ / "file");
  file.write("x");
  file.commit();
  EXPECT_TRUE(contains(error_of([&] { file.write("y"); }), "after it was committed"));
  EXPECT_TRUE(contains(error_of([&] { file.commit(); }), "committed twice"));
  EXPECT_EQ(read_text(folder_ / "file"), "x");
}

TEST_F(FilesTest, SeveralWritersOfOnePathDoNotMix) {
  const fs::path path = folder_ / "file";
  AtomicFile first(path);
  AtomicFile second(path);
  first.write("first");
  second.write("second");
  second.commit();
  EXPECT_EQ(read_text(path), "second");
  first.commit();
  EXPECT_EQ(read_text(path), "first");
}

TEST_F(FilesTest, WhereAFileCannotBeWritten) {
  EXPECT_TRUE(contains(error_of([&] { write_file(folder_ / "no" / "file", "x"); }), "create the folder"));
  EXPECT_TRUE(contains(error_of([&] { write_file(folder_, "x"); }), "is a folder"));
  EXPECT_TRUE(contains(error_of([&] { write_file(folder_ / "", "x"); }), "names a folder"));
  EXPECT_TRUE(contains(error_of([] { write_file("/dev/null", "x"); }), "not a regular file"));
  EXPECT_TRUE(contains(error_of([&] { write_file(folder_ / std::string(300, 'n'), "x"); }), "shorter name"));
  EXPECT_TRUE(contains(error_of([&] { sync_folder(folder_ / "no"); }), "cannot be opened"));
  EXPECT_TRUE(entries().empty());
}

TEST_F(FilesTest, ReadOnlyFolder) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_TRUE(contains(error_of([&] { write_file(folder_ / "file", "x"); }), "writable for this user"));
  fs::permissions(folder_, fs::perms::owner_all);
  EXPECT_TRUE(entries().empty());
}

TEST_F(FilesTest, SymbolicLinkStaysOne) {
  write_file(folder_ / "target", "old");
  fs::create_symlink("target", folder_ / "link");
  write_file(folder_ / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_text(folder_ / "target"), "new");
  fs::create_symlink("nowhere", folder_ / "dangling");
  EXPECT_TRUE(contains(error_of([&] { write_file(folder_ / "dangling", "x"); }), "leads nowhere"));
}

// A limit on the size of files stands for a full disk: the system refuses in the middle of the data.
TEST_F(FilesTest, ShortWriteKeepsTheOldFile) {
  const fs::path path = folder_ / "file";
  write_file(path, "before");
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small = old;
  small.rlim_cur = 1'500'000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = error_of([&] { write_file(path, std::string(4'000'000, 'x')); });
  const std::string late = error_of([&] {
    AtomicFile file(path);
    for (int i = 0; i < 16; ++i) file.write(std::string(100'000, 'x'));
    file.commit();
  });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(message.starts_with(path.string() + ": cannot be written: File too large")) << message;
  EXPECT_EQ(late, message);
  EXPECT_EQ(read_text(path), "before");
  EXPECT_EQ(entries(), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace narae
