#include "narae/text/words.h"

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae::text {
namespace {

using namespace testing_files;
using Words = std::vector<std::string>;

TEST(Words, BlanksOfAllKindsPartWords) {
  EXPECT_EQ(words_of("  a\tb\u00a0c\u3000d\u2028e\u200bf \r\n", WordRule::blanks),
            (Words{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(words_of("don't stop. <unk> 3.5", WordRule::blanks), (Words{"don't", "stop.", "<unk>", "3.5"}));
  EXPECT_EQ(words_of("", WordRule::blanks), Words{});
  EXPECT_EQ(words_of(" \n ", WordRule::basic), Words{});
}

TEST(Words, BasicPartsPunctuation) {
  EXPECT_EQ(words_of("You say \"goodbye\", and I say hello.", WordRule::basic),
            (Words{"You", "say", "\"", "goodbye", "\"", ",", "and", "I", "say", "hello", "."}));
  EXPECT_EQ(words_of("don't, it's 'quoted' rock'n'roll", WordRule::basic),
            (Words{"don't", ",", "it's", "'", "quoted", "'", "rock'n'roll"}));
  EXPECT_EQ(words_of("1,000.50 kg... 2,", WordRule::basic), (Words{"1,000.50", "kg", ".", ".", ".", "2", ","}));
  EXPECT_EQ(words_of("e-mail@x.org", WordRule::basic), (Words{"e", "-", "mail", "@", "x", ".", "org"}));
}

TEST(Words, BasicKeepsSpecialTokens) {
  EXPECT_EQ(words_of("the <unk>,<eos> <b", WordRule::basic), (Words{"the", "<unk>", ",", "<eos>", "<", "b"}));
}

TEST(Words, OtherScripts) {
  EXPECT_EQ(words_of("영화가 정말 재미있었어요!!", WordRule::basic),
            (Words{"영화가", "정말", "재미있었어요", "!", "!"}));
  EXPECT_EQ(words_of("我爱你。", WordRule::basic), (Words{"我", "爱", "你", "。"}));
  EXPECT_EQ(words_of("नमस्ते दुनिया", WordRule::basic), (Words{"नमस्ते", "दुनिया"}));
  EXPECT_EQ(words_of("e\u0301te", WordRule::basic), (Words{"e\u0301te"}));
}

TEST(Words, AnEmojiIsOneWord) {
  EXPECT_EQ(words_of("좋아👍🏽👍", WordRule::basic), (Words{"좋아", "👍🏽", "👍"}));
  EXPECT_EQ(words_of("👩‍👩‍👧 ok", WordRule::basic), (Words{"👩‍👩‍👧", "ok"}));
}

TEST(Words, RulesHaveNames) {
  EXPECT_EQ(word_rule_from("basic"), WordRule::basic);
  EXPECT_EQ(name_of(WordRule::blanks), "blanks");
  EXPECT_TRUE(contains(error_of([] { (void)word_rule_from("basik"); }), "did you mean 'basic'"));
  EXPECT_THROW((void)words_of("\xff", WordRule::basic), Error);
}

}  // namespace
}  // namespace narae::text
