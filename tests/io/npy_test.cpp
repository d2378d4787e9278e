#include "narae/io/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

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

namespace narae {
namespace {

namespace fs = std::filesystem;

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

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string npy(const std::string& dictionary, const std::string& data, char version = 1) {
  const std::string text = dictionary + "\n";
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  bytes += static_cast<char>(text.size() & 0xff);
  bytes += static_cast<char>(text.size() >> 8);
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + text + data;
}

std::string described(const std::string& descr, const std::string& shape, const std::string& data,
                      const std::string& fortran = "False") {
  return npy("{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }", data);
}

Array parse(const std::string& bytes) {
  return parse_npy(buffer_of(bytes), "t");
}

void expect_refused(const std::string& bytes, const std::string& part) {
  const std::string message = error_of([&] { (void)parse(bytes); });
  EXPECT_NE(message.find(part), std::string::npos) << "message: " << message << "\nexpected: " << part;
  EXPECT_TRUE(message.starts_with("t: ")) << message;
}

template <class T>
std::vector<T> values_of(const Array& array) {
  EXPECT_EQ(array.dtype, dtype_of<T>);
  return {array.values<T>().begin(), array.values<T>().end()};
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
  if (a.bytes() > 0) {
    EXPECT_EQ(std::memcmp(a.buffer.data(), b.buffer.data(), a.bytes()), 0);
  }
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.buffer.data()) % size_of(b.dtype), 0U);
}

class NpyFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "narae_npy_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

constexpr DType supported[] = {DType::f32, DType::f64, DType::f16, DType::i32, DType::i64, DType::u8, DType::boolean};

TEST_F(NpyFiles, EveryTypeAndShapeComesBack) {
  for (const DType dtype : supported) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0, 5}, Shape{1, 2, 3, 1, 1, 2, 1, 1}}) {
      const Array array = counting(dtype, shape);
      write_npy(folder_ / "a.npy", array);
      EXPECT_EQ(map_file(folder_ / "a.npy").size() % 64, array.bytes() % 64);
      const Array back = read_npy(folder_ / "a.npy");
      expect_same(array, back);
      EXPECT_FALSE(back.buffer.writable()) << "mapped, not copied";
    }
  }
}

// The bytes of np.save for np.array([1.5, -2], dtype="f4").
TEST_F(NpyFiles, BytesOfNumPy) {
  Array array = Array::empty(DType::f32, {2});
  array.mutable_values<float>()[0] = 1.5F;
  array.mutable_values<float>()[1] = -2.0F;
  write_npy(folder_ / "a.npy", array);
  const std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(read_text(folder_ / "a.npy"), std::string("\x93NUMPY\1\0v\0", 10) + dictionary +
                                              std::string(117 - dictionary.size(), ' ') + "\n" +
                                              std::string("\0\0\xc0\x3f\0\0\0\xc0", 8));
}

TEST_F(NpyFiles, WhatCannotBeWritten) {
  const std::string path = (folder_ / "a.npy").string();
  EXPECT_EQ(error_of([&] { write_npy(path, counting(DType::bf16, {2})); }),
            path + ": NumPy has no type bf16; cast to f32 first");
  Array array = counting(DType::f32, {2});
  array.shape = {3};
  EXPECT_EQ(error_of([&] { write_npy(path, array); }), path + ": 8 bytes of memory for shape (3,)");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST(Npy, Versions) {
  const std::string data = bytes_of<std::int32_t>({1, -2});
  for (const char version : {'\1', '\2', '\3'}) {
    const Array array = parse(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", data, version));
    EXPECT_EQ(values_of<std::int32_t>(array), (std::vector<std::int32_t>{1, -2}));
  }
  expect_refused(npy("{}", "", '\4'), "npy format 4.0 is unknown");
  expect_refused(std::string("\x93NUMPY\1\1\1\0{", 11), "npy format 1.1 is unknown");
}

TEST(Npy, BigEndianNumbersAreTurned) {
  EXPECT_EQ(values_of<std::int32_t>(parse(described(">i4", "(2,)", std::string("\0\0\1\2\xff\xff\xff\xfe", 8)))),
            (std::vector<std::int32_t>{258, -2}));
  EXPECT_EQ(values_of<double>(parse(described(">f8", "()", std::string("\x3f\xf8\0\0\0\0\0\0", 8)))),
            std::vector<double>{1.5});
  EXPECT_EQ(values_of<std::uint8_t>(parse(described(">u1", "(2,)", "\7\1"))), (std::vector<std::uint8_t>{7, 1}));
}

TEST(Npy, FortranOrderIsTurned) {
  // np.asfortranarray(np.arange(6).reshape(1, 2, 3)) lies as 0 3 1 4 2 5.
  const std::vector<std::int64_t> expected = {0, 1, 2, 3, 4, 5};
  const Array array = parse(described("<i8", "(1, 2, 3)", bytes_of<std::int64_t>({0, 3, 1, 4, 2, 5}), "True"));
  EXPECT_EQ(array.shape, (Shape{1, 2, 3}));
  EXPECT_EQ(values_of<std::int64_t>(array), expected);
  EXPECT_EQ(values_of<std::uint8_t>(parse(described("|u1", "(2, 2)", "\1\3\2\4", "True"))),
            (std::vector<std::uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(values_of<std::int32_t>(parse(described(">i4", "(1, 2)", std::string("\0\0\0\1\0\0\0\2", 8), "True"))),
            (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(parse(described("<f2", "(0, 4)", "", "True")).count(), 0);
  EXPECT_EQ(values_of<float>(parse(described("<f4", "(2,)", bytes_of<float>({1, 2}), "True"))),
            (std::vector<float>{1, 2}));
}

TEST(Npy, HeadersOfOtherWriters) {
  const std::string data = bytes_of<float>({1, 2});
  for (const char* header : {R"({"shape": (2, 1), "descr": "<f4", "fortran_order": False})",
                             "{'descr':'<f4','fortran_order':False,'shape':(2,1)}",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1,), }      \n   "}) {
    EXPECT_EQ(parse(npy(header, data)).shape, (Shape{2, 1})) << header;
  }
}

TEST(Npy, DamagedHeaders) {
  const auto shape = [](const std::string& text) { return described("<f4", text, "12345678"); };
  EXPECT_EQ(parse(shape("(2,)")).count(), 2);
  expect_refused(shape("(2)"), "a tuple expected");
  expect_refused(shape("2"), "'(' expected");
  expect_refused(shape("[2]"), "'(' expected");
  expect_refused(shape("(2"), "a whole number");
  expect_refused(shape("(1 2)"), "',' expected");
  expect_refused(shape("(,)"), "a whole number");
  expect_refused(shape("(-2,)"), "a whole number");
  expect_refused(shape("(2.0,)"), "',' expected");
  expect_refused(shape("(2L,)"), "',' expected");
  expect_refused(shape("(02,)"), "leading zeros");
  expect_refused(shape("(9223372036854775808,)"), "too large");
  expect_refused(shape("(4611686018427387904, 2)"), "too many elements");
  expect_refused(shape("(4611686018427387906,)"), "too many elements");  // 4 bytes each: wraps around to 8
  expect_refused(shape("(1,1,1,1,1,1,1,1,2)"), "more than 8");
  expect_refused(shape("(3,)"), "the file is truncated");
  expect_refused(shape("(1,)"), "something follows the array");

  const std::string rest = "'fortran_order': False, 'shape': (2,)";
  const auto refused = [](const std::string& header, const std::string& part) {
    expect_refused(npy(header, "12345678"), part);
  };
  refused("{" + rest + "}", "is missing");
  refused("{'descr': '<f4', 'descr': '<f4', " + rest + "}", "unexpected or repeated key 'descr'");
  refused("{'descr': '<f4', 'shape': (2,), " + rest + "}", "unexpected or repeated key 'shape'");
  refused("{'descr': '<f4', 'extra': 1, " + rest + "}", "unexpected or repeated key 'extra'");
  refused("{'descr': '<f4', " + rest + "} x", "something follows");
  refused("{'descr': '<f4', " + rest + "}" + std::string(1, '\0'), "something follows");
  refused("{'descr': '<f4', " + rest, "',' or '}' expected");
  refused("{'descr': '<f4' " + rest + "}", "',' or '}' expected");
  refused("{'descr' '<f4', " + rest + "}", "':' expected");
  refused("{'descr': '<f4, ", "a string without an end");
  refused("{'descr': '\\x3cf4', " + rest + "}", "an escape");
  refused("{'descr': __import__('os'), " + rest + "}", "the type in quotes expected");
  refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "True or False");
  refused("['descr']", "'{' expected");
  refused("", "'{' expected");
  refused(std::string(60'000, '('), "'{' expected");
}

TEST(Npy, OtherTypes) {
  expect_refused(described("|O", "(1,)", "12345678"), "Python objects, which are never unpickled");
  for (const char* type : {"<i2", "<u4", "<f16", "<c8", "|S3", "<U2", "|V2", "<M8[ns]", "f4", "|f4", "=f4", "<", ""}) {
    expect_refused(described(type, "(1,)", "12345678"), "type '" + std::string(type) + "' is not supported");
  }
  expect_refused(npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"), "structured type");
  expect_refused(described("|b1", "(2,)", "\1\2"), "booleans other than 0 and 1");
}

TEST(Npy, LyingLengthOfTheHeader) {
  expect_refused("", "not an npy file");
  expect_refused("\x93NUMPX 12345", "not an npy file");
  expect_refused(std::string("\x93NUMPY\1\0\x10\0{}", 12), "a header of 16 bytes in a file of 12");
  expect_refused(std::string("\x93NUMPY\2\0\x10\0", 10), "cut off");
  expect_refused(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14), "a header of 4294967295 bytes");
}

TEST(Npy, EveryTruncationIsRefused) {
  const std::string whole = described("<f4", "(2, 1)", "12345678");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THROW((void)parse(whole.substr(0, bytes)), Error) << bytes;
  }
  expect_refused(whole + "x", "something follows the array");
}

TEST(Npy, DamagedBytesNeverDoWorseThanAnError) {
  const std::string whole = described("<f4", "(2, 1)", "12345678", "True");
  RandomStream random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    try {
      EXPECT_LE(parse(bytes).bytes(), bytes.size());
    } catch (const Error&) {
      continue;
    }
  }
}

}  // namespace
}  // namespace narae
