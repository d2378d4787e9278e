#include "narae/io/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/random.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using NamedArrays = std::vector<std::pair<std::string, Array>>;

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

std::string file_of(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

TensorFile parse(const std::string& bytes) {
  return parse_safetensors(buffer_of(bytes), "t");
}

// Expects a message that holds `part`.
void expect_refused(const std::string& bytes, const std::string& part) {
  const std::string message = error_of([&] { (void)parse(bytes); });
  EXPECT_NE(message.find(part), std::string::npos) << "message: " << message << "\nexpected: " << part;
  EXPECT_TRUE(message.starts_with("t: ")) << message;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, std::size_t begin,
                  std::size_t end) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

Array counting(DType dtype, const Shape& shape) {
  Array array = Array::empty(dtype, shape);
  for (std::size_t i = 0; i < array.bytes(); ++i) {
    array.buffer.data()[i] = static_cast<std::byte>(dtype == DType::boolean ? i % 2 : i * 7 % 64);
  }
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

class SafetensorsFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "narae_safetensors_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(SafetensorsFiles, EveryTypeAndShapeComesBack) {
  NamedArrays arrays;
  int number = 0;
  for (const DType dtype :
       {DType::u8, DType::boolean, DType::f16, DType::bf16, DType::i32, DType::f32, DType::i64, DType::f64}) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0, 5}, Shape{1, 2, 3, 1, 1, 2, 1, 1}}) {
      arrays.emplace_back("tensor." + std::to_string(number++), counting(dtype, shape));
    }
  }
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"quote\"\n", "h\xc3\xa9"}};
  const fs::path path = folder_ / "all.safetensors";
  write_safetensors(path, arrays, metadata);
  const TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata, metadata);
  ASSERT_EQ(file.order.size(), arrays.size());
  const Buffer map = map_file(path);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, map.data(), sizeof header_bytes);
  EXPECT_EQ(header_bytes % 8, 0U);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ(file.order[i], arrays[i].first);
    expect_same(arrays[i].second, file.tensors.at(arrays[i].first));
    EXPECT_FALSE(file.tensors.at(arrays[i].first).buffer.writable()) << "aligned data is mapped, not copied";
  }
}

// The bytes that safetensors.torch.save_file writes for {"b": tensor([1.5, -2.0]), "a": tensor([True])}.
TEST_F(SafetensorsFiles, BytesOfTheReferenceImplementation) {
  std::string header = R"({"__metadata__":{"format":"pt"},)" + entry("b", "F32", "[2]", 0, 8) + "," +
                       entry("a", "BOOL", "[1]", 8, 9) + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string expected = file_of(header, std::string("\0\0\xc0\x3f\0\0\0\xc0\1", 9));
  const TensorFile file = parse(expected);
  EXPECT_EQ(file.tensors.at("b").values<float>()[0], 1.5F);
  EXPECT_EQ(file.tensors.at("b").values<float>()[1], -2.0F);
  EXPECT_TRUE(file.tensors.at("a").values<bool>()[0]);
  const NamedArrays arrays = {{"b", file.tensors.at("b")}, {"a", file.tensors.at("a")}};
  write_safetensors(folder_ / "f.safetensors", arrays, file.metadata);
  EXPECT_EQ(read_text(folder_ / "f.safetensors"), expected);
}

TEST_F(SafetensorsFiles, NoTensors) {
  write_safetensors(folder_ / "none.safetensors", NamedArrays{});
  EXPECT_EQ(read_text(folder_ / "none.safetensors"), file_of("{}      "));
  EXPECT_TRUE(read_safetensors(folder_ / "none.safetensors").tensors.empty());
}

TEST_F(SafetensorsFiles, WhatCannotBeWritten) {
  const fs::path path = folder_ / "f.safetensors";
  const Array one = counting(DType::f32, {1});
  const auto message = [&](const NamedArrays& arrays, const std::map<std::string, std::string>& metadata = {}) {
    return error_of([&] { write_safetensors(path, arrays, metadata); }).substr(path.string().size() + 2);
  };
  EXPECT_EQ(message({{"a", one}, {"a", one}}), "two tensors are called 'a'");
  EXPECT_EQ(message({{"__metadata__", one}}), "a tensor can't be called '__metadata__'");
  EXPECT_TRUE(message({{"\xff", one}}).ends_with("is not UTF-8"));
  EXPECT_TRUE(message({{"a", one}}, {{"key", "\xc3"}}).ends_with("is not UTF-8"));
  Array short_one = one;
  short_one.shape = {100};
  EXPECT_EQ(message({{"a", short_one}}), "tensor 'a': 4 bytes of memory for shape (100,)");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(SafetensorsFiles, Shards) {
  const Array a = counting(DType::f32, {2, 2});
  const Array b = counting(DType::i64, {3});
  const Array c = counting(DType::u8, {5});
  write_safetensors(folder_ / "m-1.safetensors", NamedArrays{{"b", b}, {"a", a}}, {{"format", "pt"}});
  write_safetensors(folder_ / "m-2.safetensors", NamedArrays{{"c", c}}, {{"format", "pt"}});
  const fs::path path = folder_ / "model.safetensors.index.json";
  const std::string rest = R"("a":"m-1.safetensors","b":"m-1.safetensors")";
  const auto index = [&](const std::string& map) {
    write_file(path, R"({"metadata":{"total_size":45},"weight_map":{)" + map + "}}");
  };
  index(rest + R"(,"c":"m-2.safetensors")");
  const TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.order, (std::vector<std::string>{"b", "a", "c"}));
  expect_same(file.tensors.at("a"), a);
  expect_same(file.tensors.at("b"), b);
  expect_same(file.tensors.at("c"), c);
  EXPECT_EQ(file.metadata.at("format"), "pt");

  const auto refused = [&](const std::string& part) {
    const std::string message = error_of([&] { (void)read_safetensors(path); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  index(rest + R"(,"d":"m-2.safetensors")");
  refused("m-2.safetensors: tensor 'd' is missing");
  index(R"("a":"m-1.safetensors")");
  refused("m-1.safetensors: tensor 'b' is not listed");
  index(rest + R"(,"c":"m-3.safetensors")");
  refused("m-3.safetensors: no such file");
  for (const std::string bad : {"../m-2.safetensors", "/etc/passwd", "..", ".", "", "a/b", "m\\u0000", "a\\\\b"}) {
    std::string map = rest;
    index(map.append(R"(,"c":")").append(bad).append("\""));
    refused("not the plain name of a file beside the index");
  }
  index(rest + R"(,"c":7)");
  refused("the shard is not a file name");
  index(rest + R"(,"a":"m-2.safetensors")");
  refused("'a' stands there twice");
  write_file(path, "{}");
  refused("no object 'weight_map'");
  write_file(path, std::string(100'000, '['));
  refused("nested deeper");
  write_file(path, "{\"weight_map\":");
  refused("not valid JSON");
}

TEST(Safetensors, UnalignedDataIsCopied) {
  // A header of odd length, as older writers leave it.
  std::string header = "{" + entry("x", "F64", "[1]", 0, 8) + "," + entry("y", "U8", "[1]", 8, 9) + "}";
  header.resize(header.size() | 1U, ' ');
  const double value = 3.25;
  const TensorFile file = parse(file_of(header, std::string(reinterpret_cast<const char*>(&value), 8) + "\7"));
  expect_same(file.tensors.at("x"), file.tensors.at("x"));
  EXPECT_EQ(file.tensors.at("x").values<double>()[0], value);
  EXPECT_TRUE(file.tensors.at("x").buffer.writable());
  EXPECT_FALSE(file.tensors.at("y").buffer.writable());
}

TEST(Safetensors, LyingLengthOfTheHeader) {
  expect_refused("", "too few");
  expect_refused("1234567", "too few");
  expect_refused(std::string(8, '\0'), "doesn't begin with '{'");
  expect_refused(std::string("\3\0\0\0\0\0\0\0{}", 10), "truncated");
  expect_refused(std::string(8, '\xff') + "{}", "not a safetensors file");
  expect_refused(std::string("\1\xe1\xf5\5\0\0\0\0{}", 10), "at most 100000000");
  expect_refused(file_of(" {}"), "doesn't begin with '{'");
}

TEST(Safetensors, APyTorchCheckpointIsCalledByItsName) {
  const std::string rest(4000, '\x8a');
  for (const char* beginning : {"PK\3\4", "\x80\2", "\x80\5"}) {
    expect_refused(beginning + rest, "a PyTorch checkpoint");
    expect_refused(beginning + rest, "safetensors.torch.save_file(");
  }
  expect_refused("\x80\6" + rest, "this is not a safetensors file");
  // A sound file whose header has 640 bytes begins like a pickle.
  std::string header = "{" + entry("a", "U8", "[2]", 0, 2) + "}";
  header.resize(640, ' ');
  EXPECT_EQ(parse(file_of(header, "xy")).tensors.size(), 1U);
}

TEST(Safetensors, DamagedHeader) {
  const std::string good = entry("a", "U8", "[2]", 0, 2);
  EXPECT_EQ(parse(file_of("{" + good + "}  ", "xy")).tensors.size(), 1U);
  expect_refused(file_of("{" + good, "xy"), "not valid JSON");
  expect_refused(file_of("{" + good + "}}", "xy"), "not valid JSON");
  expect_refused(file_of("{\"\xff\":1}"), "not valid JSON");
  expect_refused(file_of("{" + std::string(1'000'000, '[')), "not valid JSON");
  expect_refused(file_of("{\"a\":" + std::string(1'000'000, '[')), "tensor 'a': a list");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  expect_refused(file_of(deep), "unknown key");
  expect_refused(file_of("{" + good + "," + good + "}", "xy"), "names 'a' twice");
  expect_refused(file_of(R"({"__metadata__":{},"__metadata__":{}})"), "names '__metadata__' twice");
  expect_refused(file_of(R"({"__metadata__":{"k":"1","k":"2"}})"), "'k' stands there twice");
  expect_refused(file_of(R"({"__metadata__":{"k":1}})"), "header: '__metadata__': a number");
  expect_refused(file_of(R"({"__metadata__":{"k":{}}})"), "an object where a value");
  expect_refused(file_of(R"({"a":{"dtype":"U8","dtype":"U8"}})"), "'dtype' stands there twice");
  expect_refused(file_of(R"({"a":{"shape":[],"shape":[]}})"), "'shape' stands there twice");
  expect_refused(file_of(R"({"a":{"dtype":"U8","color":"red"}})"), "unknown key 'color'");
  expect_refused(file_of(R"({"a":{"shape":[],"data_offsets":[0,0]}})"), "'dtype' is missing");
  expect_refused(file_of(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})"), "'shape' is missing");
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[]}})"), "'data_offsets' is missing");
  expect_refused(file_of(R"({"a":null})"), "null");
  expect_refused(file_of(R"({"a":true})"), "true or false");
  expect_refused(file_of(R"({"a":7})"), "a number");
  expect_refused(file_of(R"({"a":"text"})"), "a string");
  expect_refused(file_of(R"({"a":{"dtype":["U8"]}})"), "a list");
  expect_refused(file_of(R"({"a":{"shape":"[2]"}})"), "a string");
  expect_refused(file_of(R"({"a":{"shape":[[2]]}})"), "a list");
  expect_refused(file_of(R"({"a\u001b[31m":{"dtype":"I7"}})"), "'a?[31m': dtype 'I7'");
}

TEST(Safetensors, OtherTypes) {
  for (const char* type : {"I8", "I16", "U16", "U32", "U64", "F8_E4M3", "C64", "f32", ""}) {
    expect_refused(file_of("{" + entry("conv.weight", type, "[1]", 0, 8) + "}", "12345678"),
                   "tensor 'conv.weight': dtype '" + std::string(type) + "' is not supported");
  }
  expect_refused(file_of("{" + entry("mask", "BOOL", "[2]", 0, 2) + "}", "\1\2"), "booleans other than 0 and 1");
}

TEST(Safetensors, LyingShapes) {
  const auto shape = [](const std::string& dims) {
    return file_of("{" + entry("a", "F32", dims, 0, 8) + "}", "12345678");
  };
  EXPECT_EQ(parse(shape("[2]")).tensors.at("a").shape, Shape{2});
  expect_refused(shape("[3]"), "needs 12");
  expect_refused(shape("[]"), "needs 4");
  expect_refused(shape("[0]"), "needs 0");
  expect_refused(shape("[-2]"), "negative number -2");
  expect_refused(shape("[2.0]"), "'2.0' is not a whole number");
  expect_refused(shape("[9223372036854775808]"), "too large");
  expect_refused(shape("[99999999999999999999]"), "not a whole number below 2^63");
  expect_refused(shape("[4611686018427387904,2]"), "too many elements");
  expect_refused(shape("[4611686018427387904]"), "too many elements");  // 2^62 elements of 4 bytes: 2^64
  expect_refused(shape("[4611686018427387906]"), "too many elements");  // wraps around to 8
  expect_refused(shape("[1,1,1,1,1,1,1,1,2]"), "more than 8");
}

TEST(Safetensors, LyingOffsets) {
  const auto two = [](std::size_t b1, std::size_t e1, std::size_t b2, std::size_t e2) {
    return file_of("{" + entry("a", "U8", "[" + std::to_string(e1 - b1) + "]", b1, e1) + "," +
                       entry("b", "U8", "[" + std::to_string(e2 - b2) + "]", b2, e2) + "}",
                   "12345678");
  };
  EXPECT_EQ(parse(two(0, 3, 3, 8)).tensors.size(), 2U);
  EXPECT_EQ(parse(two(5, 8, 0, 5)).order, (std::vector<std::string>{"a", "b"}));
  expect_refused(two(0, 4, 3, 8), "begins at offset 3 instead of 4");
  expect_refused(two(0, 8, 0, 8), "neither overlap");
  expect_refused(two(0, 3, 4, 8), "begins at offset 4 instead of 3");
  expect_refused(two(1, 4, 4, 8), "begins at offset 1 instead of 0");
  expect_refused(two(0, 3, 3, 7), "1 bytes at the end belong to no tensor");
  expect_refused(two(0, 3, 3, 9), "truncated");
  expect_refused(file_of("{" + entry("a", "U8", "[1]", 2, 1) + "}", "12"), "don't lie within");
  expect_refused(file_of("{}", "x"), "belong to no tensor");
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0]}})", "12345678"), "two numbers");
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,4,8]}})", "12345678"), "two numbers");
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[18446744073709551608,8]}})", "12345678"),
                 "too large");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole =
      file_of("{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "U8", "[3]", 8, 11) + "}", "12345678abc");
  EXPECT_EQ(parse(whole).tensors.size(), 2U);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THROW((void)parse(whole.substr(0, bytes)), Error) << bytes;
  }
  expect_refused(whole + "x", "1 bytes at the end");
}

TEST(Safetensors, DamagedBytesNeverDoWorseThanAnError) {
  const std::string whole =
      file_of("{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "U8", "[3]", 8, 11) + "}", "12345678abc");
  RandomStream random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    for (std::uint64_t changes = random.below(3) + 1; changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    try {
      EXPECT_LE(parse(bytes).tensors.size(), 2U);
    } catch (const Error&) {
      continue;
    }
  }
  for (int round = 0; round < 1000; ++round) {
    std::string bytes(random.below(200), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(256));
    EXPECT_THROW((void)parse(bytes), Error);
  }
}

}  // namespace
}  // namespace narae
