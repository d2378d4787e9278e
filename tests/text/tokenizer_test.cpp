#include "narae/text/tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae::text {
namespace {

using namespace testing_files;
using Tokens = std::vector<std::string>;

constexpr Tokenization words{.kind = TokenKind::word, .words = WordRule::basic};
constexpr Tokenization characters{.kind = TokenKind::character};

Tokenizer learned(const std::vector<std::string>& texts, const Tokenization& rule,
                  const VocabularyOptions& options = {}) {
  return learn_tokenizer(texts, rule, options);
}

TEST(Vocabulary, OrdersByCountThenText) {
  const Vocabulary vocabulary = Vocabulary::of({{"b", 2}, {"a", 2}, {"c", 5}, {"rare", 1}}, {.min_count = 2});
  EXPECT_EQ(vocabulary.tokens(), (Tokens{"<pad>", "<unk>", "c", "a", "b"}));
  EXPECT_EQ(vocabulary.id("a"), 3);
  EXPECT_EQ(vocabulary.id("rare"), 1);
  EXPECT_EQ(vocabulary.find("rare"), std::nullopt);
  EXPECT_EQ(vocabulary.find(Special::padding), 0);
  EXPECT_EQ(vocabulary.find(Special::end), std::nullopt);
  EXPECT_TRUE(vocabulary.is_special(1));
  EXPECT_FALSE(vocabulary.is_special(2));
}

TEST(Vocabulary, LargestSizeCountsSpecialTokens) {
  const TokenCounts counts{{"a", 3}, {"b", 2}, {"c", 1}, {"<unk>", 9}, {"<pad>", 9}};
  EXPECT_EQ(Vocabulary::of(counts, {.specials = {Special::end, Special::unknown}, .max_size = 4}).tokens(),
            (Tokens{"<unk>", "<eos>", "a", "b"}));
  EXPECT_EQ(Vocabulary::of(counts, {.specials = {}}).tokens(), (Tokens{"a", "b", "c"}));
  EXPECT_TRUE(contains(error_of([&] { (void)Vocabulary::of(counts, {.max_size = 2}); }), "2 special tokens"));
  EXPECT_THROW((void)Vocabulary::of(counts, {.min_count = 0}), Error);
  EXPECT_THROW((void)Vocabulary::of(counts, {.specials = {Special::end, Special::end}}), Error);
}

TEST(Vocabulary, RefusesDefects) {
  EXPECT_TRUE(contains(error_of([] { Vocabulary({"a", "b", "a"}); }), "'a' is token 0 and token 2"));
  EXPECT_TRUE(contains(error_of([] { Vocabulary({"a", ""}); }), "token 1 is empty"));
  EXPECT_TRUE(contains(error_of([] { Vocabulary({"\xff"}); }), "not UTF-8"));
  EXPECT_TRUE(contains(error_of([] { Vocabulary({"a", "<pad>"}); }), "must be token 0"));
  const Vocabulary closed({"a", "b"});
  EXPECT_TRUE(contains(error_of([&] { (void)closed.id("z"); }), "'z' is not among its 2 tokens"));
  EXPECT_TRUE(contains(error_of([&] { (void)closed.token(2); }), "no token 2"));
  EXPECT_THROW((void)closed.token(-1), Error);
}

TEST(Tokenizer, CharactersComeBackAsTheyWere) {
  const std::string text = "To be,\n  or 안 😀 되\tx\n";
  const Tokenizer tokenizer = learned({text}, characters, {.specials = {}});
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.encode(text).size(), 20U);
  EXPECT_THROW((void)tokenizer.encode("q"), Error);
  EXPECT_TRUE(tokenizer.encode("").empty());
}

TEST(Tokenizer, WordsAreJoinedWithBlanks) {
  const Tokenizer tokenizer = learned({"You say goodbye and I say hello."}, {.lowercase = true});
  EXPECT_EQ(tokenizer.vocabulary.tokens(),
            (Tokens{"<pad>", "<unk>", "say", ".", "and", "goodbye", "hello", "i", "you"}));
  EXPECT_EQ(tokenizer.encode("YOU say hi ."), (TokenIds{8, 2, 1, 3}));
  EXPECT_EQ(tokenizer.decode(TokenIds{8, 2, 1, 3, 0, 0}), "you say <unk> .");
  const std::vector<std::int64_t> wide{8, 2};
  EXPECT_EQ(tokenizer.decode(wide), "you say");
  EXPECT_THROW((void)tokenizer.decode(TokenIds{9}), Error);
  EXPECT_EQ(tokenizer.encode_words(Tokens{"You", "bye"}), (TokenIds{8, 1}));
}

TEST(Tokenizer, LineEndsAreTokensWhereWanted) {
  const Tokenization lines{.words = WordRule::blanks, .line_ends = true};
  EXPECT_EQ(tokens_of("a b\n\nc", lines), (Tokens{"a", "b", "<eos>", "<eos>", "c", "<eos>"}));
  EXPECT_EQ(tokens_of("a\nb\n", words), (Tokens{"a", "b"}));
  EXPECT_TRUE(tokens_of("", lines).empty());
  const Tokenizer tokenizer = learned({"a b\nc\n"}, lines, {.specials = {Special::unknown}});
  EXPECT_EQ(tokenizer.vocabulary.tokens(), (Tokens{"<unk>", "<eos>", "a", "b", "c"}));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a b\nc\n")), "a b\nc\n");
}

TEST(Tokenizer, ATextCannotSpellTheEnd) {
  const Tokenization lines{.words = WordRule::blanks, .line_ends = true};
  const Tokenizer tokenizer = learned({"a <unk> <eos> b\n"}, lines, {.specials = {Special::padding, Special::unknown}});
  EXPECT_EQ(tokenizer.encode("a <unk> <eos> <pad>"), (TokenIds{3, 1, 1, 1, 2}));
  const Tokenizer closed = learned({"a"}, lines, {.specials = {}});
  EXPECT_TRUE(contains(error_of([&] { (void)closed.encode("<eos>"); }), "spells out <eos>"));
}

TEST(Tokenizer, NormalisesWhereTheRuleSaysSo) {
  EXPECT_EQ(tokens_of("\u1112\u1161\u11ab", characters), (Tokens{"한"}));
  EXPECT_EQ(tokens_of("\u1112\u1161\u11ab", {.kind = TokenKind::character, .nfc = false}).size(), 3U);
  EXPECT_THROW((void)tokens_of("\xff", characters), Error);
}

TEST(VocabularyFile, ComesBackTheSame) {
  const std::filesystem::path file = fresh_folder() / "vocabulary.json";
  for (const Tokenization& rule :
       {words, characters,
        Tokenization{.words = WordRule::blanks, .lowercase = true, .nfc = false, .line_ends = true}}) {
    const Tokenizer tokenizer = learned({"Ein \"Satz\"\\ mit 한글 😀 und é .\n"}, rule);
    save_tokenizer(file, tokenizer);
    EXPECT_EQ(load_tokenizer(file), tokenizer);
    EXPECT_EQ(to_json(load_tokenizer(file)), to_json(tokenizer));
  }
  EXPECT_THROW((void)load_tokenizer(file.parent_path() / "none.json"), Error);
}

TEST(VocabularyFile, EveryDefectIsNamed) {
  const auto good =
      nlohmann::ordered_json::parse(to_json(learned({"a b"}, {.words = WordRule::blanks, .line_ends = true})));
  const auto message = [&](auto&& change) {
    auto json = good;
    change(json);
    return error_of([&] { (void)parse_tokenizer(json.dump(), "v.json"); });
  };
  EXPECT_NO_THROW((void)parse_tokenizer(good.dump(), "v.json"));
  const std::pair<std::string, std::string> expected[] = {
      {message([](auto& j) { j.erase("kind"); }), "v.json: not a vocabulary: the key 'kind' is missing"},
      {message([](auto& j) { j["kind"] = "byte"; }), "token kind 'byte'"},
      {message([](auto& j) { j["words"] = 3; }), "'words' is not a text but number"},
      {message([](auto& j) { j["lowercase"] = "no"; }), "'lowercase' is not true or false"},
      {message([](auto& j) { j["format"] = "other"; }), "'format' is not 'narae vocabulary'"},
      {message([](auto& j) { j["lowercas"] = true; }), "did you mean 'lowercase'"},
      {message([](auto& j) { j["tokens"] = "abc"; }), "'tokens' is not a list"},
      {message([](auto& j) { j["tokens"] = nlohmann::json::array(); }), "no tokens"},
      {message([](auto& j) { j["tokens"].push_back(1); }), "is not a text but number"},
      {message([](auto& j) { j["tokens"].push_back("a"); }), "'a' is token"},
      {message([](auto& j) { j["tokens"].push_back(""); }), "is empty"},
      {message([](auto& j) { j["tokens"].push_back("a b"); }), "holds a blank"},
      {message([](auto& j) {
         j["tokens"].push_back("<bos>");
         j["tokens"].push_back("<pad>");
       }),
       "'<pad>' is token 0"},
      {message([](auto& j) {
         j["tokens"] = {"a", "b"};
       }),
       "there is no token <eos>"},
      {message([](auto& j) { j["kind"] = "char"; }), "tokens are characters"},
      {message([](auto& j) {
         j["kind"] = "char";
         j["line_ends"] = false;
         j["tokens"].push_back("ab");
       }),
       "'ab' is not one character"},
      {message([](auto& j) { j = 5; }), "not an object but number"}};
  for (const auto& [found, part] : expected) EXPECT_TRUE(contains(found, part)) << found << "\nlacks " << part;
  EXPECT_TRUE(contains(error_of([] { (void)parse_tokenizer("{\"kind\": ", "v.json"); }), "v.json: not a vocabulary"));
}

}  // namespace
}  // namespace narae::text
