#include "narae/train/toml.h"

#include <gtest/gtest.h>

#include <limits>

#include "narae/core/error.h"

namespace narae::detail {
namespace {

template <class T>
void expect_value(const std::string& text, const T& expected) {
  const auto value = parse_toml_value(text);
  ASSERT_TRUE(value) << text;
  ASSERT_TRUE(std::holds_alternative<T>(*value)) << text;
  EXPECT_EQ(std::get<T>(*value), expected) << text;
}

std::string complaint(const std::string& text) {
  try {
    static_cast<void>(parse_toml(text, "f"));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

void expect_refused(const std::string& text, const std::string& where, const std::string& reason) {
  const std::string message = complaint(text);
  EXPECT_TRUE(message.starts_with("f:" + where + ": ")) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

TEST(Toml, NumbersAreReadAsTomlDefinesThem) {
  expect_value<std::int64_t>("0", 0);
  expect_value<std::int64_t>("+12", 12);
  expect_value<std::int64_t>("-1_000", -1000);
  expect_value<std::int64_t>("9223372036854775807", std::numeric_limits<std::int64_t>::max());
  expect_value<double>("0.1", 0.1);
  expect_value<double>("-1e-3", -1e-3);
  expect_value<double>("5E+22", 5e22);
  expect_value<double>("6.626e-34", 6.626e-34);
  expect_value<double>("inf", std::numeric_limits<double>::infinity());
  expect_value<double>("-inf", -std::numeric_limits<double>::infinity());
  for (const char* bad : {"",      "+",          "-",   "01",   "1.",  ".5",  "1e",  "1e+",
                          "1__0",  "_1",         "1_",  "0x1f", "+-1", "1-1", "1 2", "9223372036854775808",
                          "1e999", "1979-05-27", "1:2", "True", "é"}) {
    EXPECT_FALSE(parse_toml_value(bad)) << bad;
  }
}

TEST(Toml, TextIsReadWithItsEscapes) {
  expect_value<std::string>(R"("a\tb\"c\\ \u00e9 \U0001F600")", "a\tb\"c\\ é 😀");
  expect_value<std::string>(R"('C:\no')", "C:\\no");
  expect_value<std::string>(R"("")", "");
  for (const char* bad : {R"("a)", R"("a\q")", R"("\u12")", R"("\ud800")", R"("\U00110000")", R"("""a""")", "\"a\nb\"",
                          "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82\"", "\"\x01\""}) {
    EXPECT_FALSE(parse_toml_value(bad)) << bad;
  }
}

TEST(Toml, ListsHoldIntegers) {
  expect_value<std::vector<std::int64_t>>("[]", {});
  expect_value<std::vector<std::int64_t>>("[ 1,\n # two\n 2, ]", {1, 2});
  for (const char* bad : {"[", "[1", "[1 2]", "[,]", "[1.5]", "[[1]]", "[true]", "[\"a\"]"}) {
    EXPECT_FALSE(parse_toml_value(bad)) << bad;
  }
}

TEST(Toml, KeysCarryTheirSectionsAndPositions) {
  const TomlFile file =
      parse_toml("\xEF\xBB\xBF# comment é\r\na = 1\n[b.c] # c\n  d.e = true\nf = { g = 'x', h = {} }\n", "f");
  ASSERT_EQ(file.entries.size(), 3U);
  EXPECT_EQ(file.entries[0].key, "a");
  EXPECT_EQ(file.entries[0].at.line, 2);
  EXPECT_EQ(file.entries[1].key, "b.c.d.e");
  EXPECT_EQ(file.entries[1].at.line, 4);
  EXPECT_EQ(file.entries[1].at.column, 3);
  EXPECT_EQ(file.entries[2].key, "b.c.f.g");
  ASSERT_EQ(file.sections.size(), 3U);
  EXPECT_EQ(file.sections[0].key, "b.c");
  EXPECT_EQ(file.sections[1].key, "b.c.f");
  EXPECT_EQ(file.sections[2].key, "b.c.f.h");
  EXPECT_TRUE(parse_toml("", "f").entries.empty());
}

TEST(Toml, WhatIsWrongIsNamedWithItsPlace) {
  expect_refused("a = 1\n[", "2:2", "a key of letters");
  expect_refused("a = 1\n[b", "2:3", "']' is expected");
  expect_refused("a", "1:2", "'=' is expected");
  expect_refused("a =", "1:4", "a value is expected");
  expect_refused("a = 1 b = 2", "1:7", "end of the line");
  expect_refused("a = 1\na = 2", "2:1", "key a is there twice");
  expect_refused("[a]\n[a]", "2:1", "section a is there twice");
  expect_refused("[[a]]", "1:2", "lists of sections");
  expect_refused("\"a b\" = 1", "1:6", "a key of letters");
  expect_refused("é = 1", "1:1", "a key of letters");
  expect_refused("x = \"é\" é", "1:9", "end of the line");
  expect_refused("# \x01", "1:3", "control character");
  expect_refused("# \xff", "1:3", "not UTF-8");
  expect_refused("a = 'b", "1:5", "has no end");
  expect_refused("a = { b = 1", "1:12", "'}' is expected");
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "a = {";
  expect_refused(deep, "1:85", "tables within");
}

}  // namespace
}  // namespace narae::detail
