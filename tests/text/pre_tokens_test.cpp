#include "narae/text/pre_tokens.h"

#include <set>

#include "gtest/gtest.h"
#include "narae/text/byte_level.h"
#include "narae/text/utf8.h"
#include "tests/data/files_for_tests.h"
#include "tests/text/bpe_reference.h"

namespace narae::text {
namespace {

using namespace testing_files;
using Pieces = std::vector<std::string>;

Pieces pieces_of(const std::string& text, const PreTokenRule& rule = {}) {
  Pieces pieces;
  PreTokenizer(rule).for_each(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

const PreTokenRule llama3{.splits = {std::string(llama3_pattern)}, .use_regex = false};

TEST(ByteLevel, EveryByteHasACharacterOfItsOwn) {
  std::set<char32_t> characters;
  std::string all;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto b = static_cast<unsigned char>(byte);
    characters.insert(character_of_byte(b));
    EXPECT_EQ(byte_of_character(character_of_byte(b)), b);
    all += static_cast<char>(b);
  }
  EXPECT_EQ(characters.size(), 256U);
  EXPECT_EQ(from_byte_characters(to_byte_characters(all)), all);
  EXPECT_EQ(to_byte_characters(" a\n\xAD\xFF"), "ĠaĊŃÿ");
  EXPECT_EQ(from_byte_characters("a b"), std::nullopt) << "a blank stands for no byte";
  EXPECT_EQ(from_byte_characters("한"), std::nullopt);
  EXPECT_EQ(from_byte_characters("\xff"), std::nullopt);
}

TEST(Pattern, KnowsTheLettersNumbersAndBlanksOfTheReference) {
  const std::pair<const char*, const char*> classes[] = {
      {"letters", "\\p{L}"}, {"numbers", "\\p{N}"}, {"blanks", "\\s"}};
  std::vector<bool> named(0x110000, false);
  const auto matched_by = [](const std::string& expression) {
    const Pattern pattern(expression);
    std::vector<bool> matched(0x110000, false);
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      // A match is a piece of its own between two signs that no class has.
      const std::string text = "+" + encode_utf8(std::u32string(1, c)) + "+";
      int pieces = 0;
      pattern.cut(text, [&](std::string_view) { ++pieces; });
      matched[c] = pieces == 3;
    }
    return matched;
  };
  for (const auto& [name, expression] : classes) {
    SCOPED_TRACE(name);
    std::vector<bool> expected(0x110000, false);
    const auto ranges = bpe_reference(name).values<std::int32_t>();
    for (std::size_t i = 0; i < ranges.size(); i += 2) {
      for (std::int32_t c = ranges[i]; c <= ranges[i + 1]; ++c) {
        expected[static_cast<std::size_t>(c)] = true;
        named[static_cast<std::size_t>(c)] = true;
      }
    }
    const std::vector<bool> found = matched_by(expression);
    for (std::size_t c = 0; c < found.size(); ++c) ASSERT_EQ(found[c], expected[c]) << "U+" << std::hex << c;
  }
  const std::vector<bool> others = matched_by("[^\\s\\p{L}\\p{N}+]");
  for (std::size_t c = 0; c < others.size(); ++c) {
    if (c == '+' || (c >= 0xD800 && c <= 0xDFFF)) continue;
    ASSERT_EQ(others[c], !named[c]) << "U+" << std::hex << c;
  }
}

TEST(Pattern, RefusesWhatOtherDialectsReadOtherwise) {
  const std::pair<const char*, const char*> bad[] = {{"\\d+", "'\\d' at byte 0"},
                                                     {"a.b", "'.' at byte 1"},
                                                     {"^a", "'^'"},
                                                     {"a$", "'$'"},
                                                     {"(?<=a)b", "'(?<'"},
                                                     {"(*UTF)a", "'(*U'"},
                                                     {"[a[b]]", "a class in a class"},
                                                     {"[a&&b]", "in a class"},
                                                     {"a{1,2}+", "'}+'"},
                                                     {"a{,2}", "'{,'"},
                                                     {"[abc", "not closed"},
                                                     {"[]a]", "an empty class"},
                                                     {"\\p{Lu}", "'\\p'"},
                                                     {"[\\S]", "'\\S'"},
                                                     {"a\\", "'\\'"},
                                                     {"(ab", "is none"},
                                                     {"a**(", "is none"},
                                                     {"a*", "matches where there is nothing"},
                                                     {"", "matches where there is nothing"}};
  for (const auto& [expression, part] : bad) {
    const std::string text = expression;
    const std::string error = error_of([&] { (void)Pattern(text); });
    EXPECT_TRUE(contains(error, part)) << expression << ": " << error;
  }
}

TEST(PreTokens, AreThoseOfGpt2) {
  EXPECT_EQ(pieces_of("Hello  world's 12a, we'LL!\n\n x"),
            (Pieces{"Hello", " ", " world", "'s", " 12", "a", ",", " we", "'", "LL", "!", "\n\n", " x"}));
  EXPECT_EQ(pieces_of("한국어 ½²"), (Pieces{"한국어", " ½²"}));
  EXPECT_EQ(pieces_of("a \t\n"), (Pieces{"a", " \t\n"}));
  EXPECT_TRUE(pieces_of("").empty());
  EXPECT_EQ(pieces_of("a b", {.add_prefix_space = true}), (Pieces{" a", " b"}));
  EXPECT_EQ(pieces_of(" a b", {.add_prefix_space = true, .use_regex = false}), (Pieces{" a b"}));
  EXPECT_TRUE(contains(error_of([] { (void)pieces_of("ab\xff"); }), "byte 2"));
}

TEST(PreTokens, AreThoseOfLlama3) {
  EXPECT_EQ(pieces_of("we'LL 12345 x\r\n  y(z)\n", llama3),
            (Pieces{"we", "'LL", " ", "123", "45", " x", "\r\n", " ", " y", "(z", ")\n"}));
  EXPECT_EQ(pieces_of("it'ſ", llama3), (Pieces{"it", "'ſ"})) << "a long s is an s in any case";
}

TEST(PreTokens, SplitsCutOneAfterTheOther) {
  EXPECT_EQ(pieces_of("ab12cd", {.splits = {"\\p{N}", "a|d"}, .use_regex = false}),
            (Pieces{"a", "b", "1", "2", "c", "d"}));
  EXPECT_EQ(pieces_of("a-b", {.splits = {"-"}, .add_prefix_space = true}), (Pieces{" a", " -", " b"}));
}

TEST(PreTokens, LongRunsAreOnePiece) {
  EXPECT_EQ(pieces_of(std::string(1 << 20, 'a')).size(), 1U);
  EXPECT_EQ(pieces_of(std::string(1 << 20, ' ') + "x").size(), 2U);
  EXPECT_EQ(pieces_of(std::string(1 << 20, ' ') + "x", llama3).size(), 2U);
}

}  // namespace
}  // namespace narae::text
