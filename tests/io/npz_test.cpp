#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/random.h"
#include "narae/io/npy.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using Arrays = std::map<std::string, Array>;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// A copy of exactly the given bytes, so that the sanitizer sees every step beyond them.
Buffer buffer_of(const std::string& bytes) {
  auto* copy = new std::byte[bytes.size()];
  std::ranges::copy(std::as_bytes(std::span(bytes)), copy);
  return Buffer::adopt(copy, bytes.size(), [copy] { delete[] copy; });
}

Arrays parse(const std::string& bytes, const NpzOptions& options = {}) {
  return parse_npz(buffer_of(bytes), "t", options);
}

void expect_refused(const std::string& bytes, const std::string& part, const NpzOptions& options = {}) {
  const std::string message = error_of([&] { (void)parse(bytes, options); });
  EXPECT_NE(message.find(part), std::string::npos) << "message: " << message << "\nexpected: " << part;
  EXPECT_TRUE(message.starts_with("t: ")) << message;
}

std::string number(std::size_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

std::string npy_of(const Array& array) {
  return detail::npy_header(array, "") + std::string(reinterpret_cast<const char*>(array.buffer.data()), array.bytes());
}

Array counting(DType dtype, const Shape& shape) {
  Array array = Array::empty(dtype, shape);
  for (std::size_t i = 0; i < array.bytes(); ++i) array.buffer.data()[i] = static_cast<std::byte>(i % 2);
  return array;
}

void expect_same(const Array& a, const Array& b) {
  EXPECT_EQ(a.dtype, b.dtype);
  EXPECT_EQ(a.shape, b.shape);
  ASSERT_EQ(a.bytes(), b.bytes());
  EXPECT_EQ(npy_of(a), npy_of(b));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.buffer.data()) % size_of(b.dtype), 0U);
}

std::string deflated(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  std::string in = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// One member of an archive; every field may be made to lie.
struct Part {
  std::string name = "a.npy";
  std::string content = {};  // as it lies in the archive
  std::size_t method = 0;
  std::size_t flags = 0;
  std::size_t crc = 0;
  std::size_t inflated = 0;
  std::string local_name = name;
  std::string local_extra = {};
  std::size_t local_size = content.size();
  std::size_t central_size = content.size();
  std::size_t offset_shift = 0;
};

Part stored(const Array& array) {
  const std::string bytes = npy_of(array);
  return {.content = bytes,
          .crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()),
          .inflated = bytes.size()};
}

Part compressed(const Array& array) {
  const Part plain = stored(array);
  return {.content = deflated(plain.content), .method = 8, .crc = plain.crc, .inflated = plain.inflated};
}

std::string archive(const std::vector<Part>& parts, const std::string& comment = "") {
  std::string bytes;
  std::string directory;
  for (const Part& part : parts) {
    const std::string kind = number(20, 2) + number(part.flags, 2) + number(part.method, 2) + number(0, 4);
    directory += number(0x02014b50, 4) + number(20, 2) + kind + number(part.crc, 4) + number(part.central_size, 4) +
                 number(part.inflated, 4) + number(part.name.size(), 2) + number(0, 12) +
                 number(bytes.size() + part.offset_shift, 4) + part.name;
    bytes += number(0x04034b50, 4) + kind + number(part.crc, 4) + number(part.local_size, 4) +
             number(part.local_extra.empty() ? part.inflated : 0xffffffff, 4) + number(part.local_name.size(), 2) +
             number(part.local_extra.size(), 2) + part.local_name + part.local_extra + part.content;
  }
  return bytes + directory + number(0x06054b50, 4) + number(0, 4) + number(parts.size(), 2) + number(parts.size(), 2) +
         number(directory.size(), 4) + number(bytes.size(), 4) + number(comment.size(), 2) + comment;
}

class NpzFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "narae_npz_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(NpzFiles, WhatIsWrittenIsRead) {
  const Arrays arrays = {{"weights", counting(DType::f32, {3, 5})},        {"scalar", counting(DType::f64, {})},
                         {"none", counting(DType::i64, {0, 2})},           {"mask", counting(DType::boolean, {7})},
                         {"d\xc3\xa9j\xc3\xa0", counting(DType::u8, {1})}, {"", counting(DType::i32, {2})}};
  write_npz(folder_ / "a.npz", arrays);
  write_npz(folder_ / "b.npz", arrays);
  EXPECT_EQ(read_text(folder_ / "a.npz"), read_text(folder_ / "b.npz"));
  const Arrays back = read_npz(folder_ / "a.npz");
  ASSERT_EQ(back.size(), arrays.size());
  for (const auto& [name, array] : arrays) expect_same(array, back.at(name));

  write_npz(folder_ / "none.npz", {});
  EXPECT_TRUE(read_npz(folder_ / "none.npz").empty());
}

TEST_F(NpzFiles, WhatCannotBeWritten) {
  const std::string path = (folder_ / "a.npz").string();
  EXPECT_EQ(error_of([&] {
              write_npz(path, {{"x", counting(DType::bf16, {2})}});
            }),
            path + ": array 'x': NumPy has no type bf16; cast to f32 first");
  EXPECT_NE(error_of([&] {
              write_npz(path, {{std::string(70'000, 'x'), counting(DType::f32, {2})}});
            }).find("too long"),
            std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST(Npz, StoredAndDeflatedMembers) {
  const Array array = counting(DType::f32, {20, 30});
  Part second = compressed(array);
  second.name = second.local_name = "b.npy";
  const Arrays arrays = parse(archive({stored(array), second}, "a comment"));
  ASSERT_EQ(arrays.size(), 2U);
  expect_same(arrays.at("a"), array);
  expect_same(arrays.at("b"), array);
  EXPECT_EQ(parse(archive({})).size(), 0U);
}

// NumPy reserves a ZIP64 field in front of every member, however small.
TEST(Npz, LocalZip64FieldOfNumPy) {
  const Array array = counting(DType::f32, {4});
  Part part = stored(array);
  part.local_extra = number(1, 2) + number(16, 2) + number(part.content.size(), 8) + number(part.content.size(), 8);
  part.local_size = 0xffffffff;
  expect_same(parse(archive({part})).at("a"), array);
}

TEST(Npz, LyingSizes) {
  const Array array = counting(DType::f32, {20, 30});
  Part part = stored(array);
  part.inflated += 1;
  expect_refused(archive({part}), "can't hold");
  part.inflated = part.central_size = part.local_size = part.content.size() + 1;
  expect_refused(archive({part}), "reach beyond the data");
  part.inflated = part.central_size = part.local_size = part.content.size() - 1;
  expect_refused(archive({part}), "checksum is wrong");

  part = compressed(array);
  part.inflated += 1;
  expect_refused(archive({part}), "bytes that it should");
  part.inflated -= 2;
  expect_refused(archive({part}), "bytes that it should");
  part.inflated = 0xfffffff0;
  expect_refused(archive({part}), "can't hold 4294967280");
  part = compressed(array);
  part.central_size = part.local_size = part.content.size() - 1;
  expect_refused(archive({part}), "compressed data is damaged");
  part = compressed(array);
  part.content += "x";
  part.central_size = part.local_size = part.content.size();
  expect_refused(archive({part}), "compressed data is damaged");
  part = compressed(array);
  part.local_size += 1;
  expect_refused(archive({part}), "contradict each other");
  part = compressed(array);
  part.central_size = 0xffffffff;
  expect_refused(archive({part}), "ZIP64");
}

TEST(Npz, LimitOnWhatIsInflated) {
  const Part part = compressed(counting(DType::f32, {20, 30}));
  Part second = part;
  second.name = second.local_name = "b.npy";
  const std::string bytes = archive({part, second});
  EXPECT_EQ(parse(bytes, {.inflated_limit = 2 * part.inflated}).size(), 2U);
  expect_refused(bytes, "are allowed", {.inflated_limit = 2 * part.inflated - 1});
}

TEST(Npz, MembersThatCannotBeRead) {
  const auto with = [](const std::function<void(Part&)>& change) {
    Part part = stored(counting(DType::f32, {4}));
    change(part);
    return archive({part});
  };
  expect_refused(with([](Part& p) { p.name = p.local_name = "readme.txt"; }), "'readme.txt': not an npy file");
  expect_refused(with([](Part& p) { p.flags = 1; }), "encrypted");
  expect_refused(with([](Part& p) { p.method = 12; }), "compression method 12");
  expect_refused(with([](Part& p) { p.crc ^= 1; }), "checksum is wrong");
  expect_refused(with([](Part& p) { p.local_name = "b.npy"; }), "contradict each other");
  expect_refused(with([](Part& p) { p.offset_shift = 1; }), "has no header");
  expect_refused(with([](Part& p) { p.offset_shift = 1'000'000; }), "lies outside");
  const auto content = [&](const std::string& bytes) {
    return with([&](Part& p) {
      p.content = bytes;
      p.crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
      p.inflated = p.central_size = p.local_size = bytes.size();
    });
  };
  expect_refused(content(""), "member 'a.npy': not an npy file");
  expect_refused(content("\x80\3}q."), "member 'a.npy': not an npy file");
}

TEST(Npz, RepeatedAndOverlappingMembers) {
  const Part part = stored(counting(DType::f32, {4}));
  expect_refused(archive({part, part}), "stands there twice");
  Part second = part;
  second.name = second.local_name = "b.npy";
  second.offset_shift = 0;
  std::string bytes = archive({part, second});
  // The second entry of the directory is led to the first member, which has another name; then to the same name.
  const std::size_t entry = bytes.rfind("PK\1\2");
  bytes.replace(entry + 42, 4, number(0, 4));
  expect_refused(bytes, "contradict each other");
  bytes.replace(entry + 46, 5, "a.npy");
  expect_refused(bytes, "overlaps another one");
}

TEST(Npz, LyingEndRecord) {
  const std::string whole = archive({stored(counting(DType::f32, {4}))});
  const std::size_t end = whole.size() - 22;
  const auto changed = [&](std::size_t at, int bytes, std::size_t value) {
    std::string copy = whole;
    return copy.replace(end + at, static_cast<std::size_t>(bytes), number(value, bytes));
  };
  expect_refused(changed(4, 2, 1), "several parts");
  expect_refused(changed(8, 2, 2), "several parts");
  expect_refused(changed(8, 4, 0x00020002), "says 2");
  expect_refused(changed(8, 4, 0), "says 0");
  expect_refused(changed(8, 4, 0xffffffff), "ZIP64");
  expect_refused(changed(12, 4, 0xffffffff), "ZIP64");
  expect_refused(changed(16, 4, 0xffffffff), "ZIP64");
  expect_refused(changed(12, 4, 1), "isn't where its end says");
  expect_refused(changed(16, 4, 0xfffffff0), "isn't where its end says");
  expect_refused(changed(20, 2, 1), "end record of a ZIP archive is missing");
  expect_refused(whole.substr(0, end) + number(0x07064b50, 4) + number(0, 16) + whole.substr(end), "ZIP64");
  expect_refused("", "not an npz file");
  expect_refused(whole + "x", "not an npz file");
  expect_refused("x" + whole, "isn't where its end says");
}

TEST(Npz, EveryTruncationIsRefused) {
  const std::string whole = archive({stored(counting(DType::f32, {4})), compressed(counting(DType::f32, {4}))});
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THROW((void)parse(whole.substr(0, bytes)), Error) << bytes;
  }
}

TEST(Npz, DamagedBytesNeverDoWorseThanAnError) {
  Part second = compressed(counting(DType::f32, {40}));
  second.name = second.local_name = "b.npy";
  const std::string whole = archive({stored(counting(DType::f32, {4})), second});
  RandomStream random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    try {
      EXPECT_LE(parse(bytes).size(), 2U);
    } catch (const Error&) {
      continue;
    }
  }
}

}  // namespace
}  // namespace narae
