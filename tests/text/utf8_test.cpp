#include "narae/text/utf8.h"

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae::text {
namespace {

using namespace testing_files;

TEST(Utf8, CountsCharactersNotBytes) {
  EXPECT_EQ(count_characters(""), 0U);
  EXPECT_EQ(count_characters("abc"), 3U);
  EXPECT_EQ(count_characters("한글 é 😀"), 6U);
  EXPECT_EQ(count_characters("👩‍👩‍👧"), 5U) << "an emoji of five code points";
  const std::string text = "나a😀";  // characters are parts of this text
  EXPECT_EQ(characters_of(text), (std::vector<std::string_view>{"나", "a", "😀"}));
}

TEST(Utf8, DecodesAndEncodesEveryLength) {
  const std::u32string all(U"\0a\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff", 11);
  EXPECT_EQ(decode_utf8(encode_utf8(all)), all);
  EXPECT_EQ(encode_utf8(U""), "");
  EXPECT_EQ(encode_utf8(all).size(), 1U + 1 + 1 + 2 + 2 + 3 + 3 + 3 + 3 + 4 + 4);
  EXPECT_THROW((void)encode_utf8(U"\x110000"), Error);
  EXPECT_THROW((void)encode_utf8(std::u32string(1, static_cast<char32_t>(0xD800))), Error);
}

TEST(Utf8, FindsWhatIsNoUtf8) {
  EXPECT_EQ(find_invalid_utf8("한글"), std::string_view::npos);
  for (const char* bad : {"\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xec\x95", "\x80"}) {
    EXPECT_EQ(find_invalid_utf8(std::string("ab") + bad), 2U) << testing::PrintToString(bad);
    EXPECT_THROW((void)decode_utf8(bad), Error);
  }
  const std::string message = error_of([] { require_utf8("eins\nzwei\nf\xfcnf\n", "numbers.txt"); });
  EXPECT_TRUE(contains(message, "numbers.txt:3: byte 11 is not UTF-8")) << message;
  EXPECT_TRUE(contains(error_of([] { require_utf8("\xff", "x", 7); }), "x:7: byte 0"));
}

TEST(Utf8, ComposesLettersAndHangul) {
  EXPECT_EQ(nfc("e\u0301"), "é");
  EXPECT_EQ(nfc("\u1112\u1161\u11ab"), "한");
  EXPECT_EQ(nfc("ab\nc\n"), "ab\nc\n");
  EXPECT_EQ(nfc("e\n\u0301"), "e\n\u0301") << "nothing composes with a line end";
  EXPECT_EQ(nfc(nfc("\u1112\u1161\u11ab x")), "한 x");
  EXPECT_THROW((void)nfc("\xff"), Error);
}

TEST(Utf8, LowersLettersOfEveryScript) {
  EXPECT_EQ(lower_case("ÀB Ω Ж 한 1"), "àb ω ж 한 1");
}

TEST(Utf8, ReadsLatin1) {
  EXPECT_EQ(from_latin1("caf\xe9"), "café");
  EXPECT_EQ(from_latin1("\x85").size(), 2U);
}

}  // namespace
}  // namespace narae::text
