#include "narae/text/bpe.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "narae/core/random.h"
#include "narae/core/threads.h"
#include "narae/text/bpe_file.h"
#include "narae/text/bpe_trainer.h"
#include "narae/text/byte_level.h"
#include "narae/text/tokenizer.h"
#include "narae/text/utf8.h"
#include "tests/data/files_for_tests.h"
#include "tests/text/bpe_reference.h"

namespace narae::text {
namespace {

using namespace testing_files;

// The 256 bytes as tokens 0 to 255, and these merges.
BpeParts parts_with(const std::vector<std::pair<std::string, std::string>>& merges) {
  BpeParts parts{.tokens = {}, .merges = {}};
  for (unsigned byte = 0; byte < 256; ++byte) {
    parts.tokens.push_back(to_byte_characters(std::string(1, static_cast<char>(byte))));
  }
  const auto id = [&](const std::string& token) {
    return static_cast<std::int32_t>(std::find(parts.tokens.begin(), parts.tokens.end(), token) - parts.tokens.begin());
  };
  for (const auto& [left, right] : merges) {
    parts.merges.emplace_back(id(left), id(right));
    parts.tokens.push_back(left + right);
  }
  return parts;
}

std::vector<std::string> spelled(const Bpe& bpe, const TokenIds& ids) {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) tokens.push_back(bpe.parts().tokens[static_cast<std::size_t>(id)]);
  return tokens;
}

using Tokens = std::vector<std::string>;

TEST(Bpe, MergesTheFirstPairOfTheListFirst) {
  const Bpe bpe(parts_with({{"b", "c"}, {"a", "b"}, {"a", "bc"}, {"d", "d"}}));
  EXPECT_EQ(spelled(bpe, bpe.encode("abc")), (Tokens{"abc"}));
  EXPECT_EQ(spelled(bpe, bpe.encode("abab")), (Tokens{"ab", "ab"}));
  EXPECT_EQ(spelled(bpe, bpe.encode("ddd")), (Tokens{"dd", "d"})) << "the leftmost of equal pairs";
  EXPECT_EQ(spelled(bpe, bpe.encode("b c")), (Tokens{"b", "Ġ", "c"})) << "no merge over the border of a word";
  EXPECT_TRUE(bpe.encode("").empty());
  EXPECT_THROW((void)bpe.encode("\xff"), Error);
}

TEST(Bpe, GivesTheIdsOfTheReference) {
  const std::string text = reference_text("text");
  for (const std::string name : {"gpt2", "llama3"}) {
    SCOPED_TRACE(name);
    const Bpe bpe = parse_bpe(reference_text(name + ".json"), name);
    EXPECT_EQ(bpe.encode(text), reference_ids(name + ".ids"));
    EXPECT_EQ(bpe.encode(text, true), reference_ids(name + ".special"));
    EXPECT_EQ(bpe.decode(reference_ids(name + ".ids"), true), text);
  }
}

TEST(Bpe, LearnsTheMergesOfTheReference) {
  const std::string text = reference_text("text");
  const Bpe gpt2 = parse_bpe(reference_text("gpt2.json"), "gpt2");
  EXPECT_EQ(train_bpe(std::span(&text, 1), {.vocabulary_size = 700, .special_tokens = {"<|endoftext|>"}}), gpt2);
  const Bpe llama3 = parse_bpe(reference_text("llama3.json"), "llama3");
  const Bpe ours =
      train_bpe(std::span(&text, 1),
                {.vocabulary_size = 600, .pre_tokens = {.splits = {std::string(llama3_pattern)}, .use_regex = false}});
  EXPECT_EQ(ours.parts().merges, llama3.parts().merges);
  EXPECT_TRUE(std::equal(ours.parts().tokens.begin(), ours.parts().tokens.end(), llama3.parts().tokens.begin()));
}

TEST(Bpe, LearnsTheSameWithAnyNumberOfThreads) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "line " + std::to_string(i * 7919) + " of a text\n";
  const int before = thread_count();
  set_thread_count(1);
  const Bpe one = train_bpe(std::span(&text, 1), {.vocabulary_size = 600});
  set_thread_count(3);
  EXPECT_EQ(train_bpe(std::span(&text, 1), {.vocabulary_size = 600}), one);
  set_thread_count(before);
}

TEST(Bpe, LearningStopsWhereNothingIsLeftToMerge) {
  const std::vector<std::string> texts{"abab abab", "ab"};
  const Bpe all = train_bpe(texts);
  // "ab" five times, "abab" twice, " abab" once.
  EXPECT_EQ(Tokens(all.parts().tokens.begin() + 256, all.parts().tokens.end()), (Tokens{"ab", "abab", "Ġabab"}));
  EXPECT_EQ(train_bpe(texts, {.min_count = 2}).size(), 258);
  EXPECT_EQ(train_bpe(texts, {.vocabulary_size = 257}).size(), 257);
  EXPECT_EQ(train_bpe({}).size(), 256);
  EXPECT_TRUE(
      contains(error_of([] { (void)train_bpe({}, {.vocabulary_size = 256, .special_tokens = {"<s>"}}); }), "no room"));
  EXPECT_TRUE(contains(error_of([] { (void)train_bpe({}, {.min_count = 0}); }), "least count"));
  EXPECT_THROW((void)train_bpe({}, {.special_tokens = {""}}), Error);
  EXPECT_THROW((void)train_bpe({}, {.special_tokens = {"!"}}), Error);
  EXPECT_THROW((void)train_bpe({}, {.special_tokens = {"<s>", "<s>"}}), Error);
  const std::string bad = "a\n\xff\n";
  EXPECT_THROW((void)train_bpe(std::span(&bad, 1)), Error);
}

TEST(Bpe, LongWordsAreMergedAsShortOnesAre) {
  // A word of n bytes with a queue, against the rule itself: look for the first pair, again and again.
  const std::string text = reference_text("text");
  const Bpe bpe = parse_bpe(reference_text("gpt2.json"), "gpt2");
  RandomStream random(3, 0);
  for (const std::size_t length : {2U, 20U, 46U, 47U, 48U, 49U, 60U, 300U}) {
    for (int round = 0; round < 40; ++round) {
      std::string word;
      while (word.size() < length) word += "abethousrn"[random.below(10)];
      Tokens plain;
      for (const char c : word) plain.emplace_back(1, c);
      while (true) {
        std::size_t best = bpe.parts().merges.size();
        std::size_t at = 0;
        for (std::size_t i = 0; i + 1 < plain.size(); ++i) {
          for (std::size_t m = 0; m < best; ++m) {
            const auto [left, right] = bpe.parts().merges[m];
            if (spelled(bpe, {left, right}) == Tokens{plain[i], plain[i + 1]}) best = m, at = i;
          }
        }
        if (best == bpe.parts().merges.size()) break;
        plain[at] += plain[at + 1];
        plain.erase(plain.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      }
      ASSERT_EQ(spelled(bpe, bpe.encode(word)), plain) << word;
      if (length > 100) break;
    }
  }
  EXPECT_EQ(bpe.decode(bpe.encode(std::string(1 << 20, 'a'))), std::string(1 << 20, 'a'));
}

TEST(Bpe, AddedTokensAreFoundFirstAndTheLongestOfThem) {
  BpeParts parts = parts_with({{"a", "b"}});
  parts.tokens.insert(parts.tokens.end(), {"<x>", "<x>y", "ab<", "b<"});
  for (std::int32_t id = 257; id < 261; ++id) parts.added.push_back({.id = id, .special = id < 259});
  parts.added[3].normalized = true;
  const Bpe bpe(parts);
  EXPECT_EQ(spelled(bpe, bpe.encode("ab<x>y<x>ab")), (Tokens{"ab<", "x", ">", "y", "<x>", "ab"}));
  EXPECT_EQ(spelled(bpe, bpe.encode("a<x>yb<")), (Tokens{"a", "<x>y", "b<"}));
  EXPECT_EQ(spelled(bpe, bpe.encode("cb<x>")), (Tokens{"c", "b", "<x>"})) << "normalized ones come second";
  const TokenIds ids = bpe.encode("a<x>b<");
  EXPECT_EQ(bpe.decode(ids), "ab<") << "special tokens are left out";
  EXPECT_EQ(bpe.decode(ids, true), "a<x>b<");
  EXPECT_THROW((void)bpe.decode(TokenIds{261}), Error);
  EXPECT_THROW((void)bpe.decode(TokenIds{-1}), Error);
}

TEST(Bpe, ATokenCanStandBeforeMerges) {
  BpeParts parts = parts_with({{"a", "b"}});
  parts.tokens.emplace_back("abc");
  EXPECT_EQ(Bpe(parts).encode("abc").size(), 2U);
  parts.ignore_merges = true;
  EXPECT_EQ(Bpe(parts).encode("abc"), (TokenIds{257}));
  EXPECT_EQ(Bpe(parts).encode("abcd").size(), 3U);
}

TEST(Bpe, BytesOfACharacterMayLieInSeveralTokens) {
  const Bpe bpe(parts_with({}));
  const TokenIds ids = bpe.encode("한😀");
  EXPECT_EQ(ids.size(), 7U);
  EXPECT_EQ(bpe.decode(ids), "한😀");
  EXPECT_EQ(bpe.decode(std::span(ids).first(2)), "\uFFFD");
  EXPECT_EQ(bpe.decode(std::span(ids).subspan(1, 2)), "\uFFFD\uFFFD");
}

TEST(Bpe, RefusesDefects) {
  const auto error = [](const auto& change) {
    BpeParts parts = parts_with({{"a", "b"}, {"ab", "c"}});
    change(parts);
    return error_of([&] { (void)Bpe(parts); });
  };
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.tokens[5] = "a"; }), "'a' is token 5 and token 97"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.tokens[200] = "xyz"; }), "no token for byte 200"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.tokens.emplace_back(); }), "token 258 is empty"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.tokens.emplace_back("\xff"); }), "not UTF-8"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.merges.emplace_back(97, 400); }), "merge 2 names token 400"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.merges.emplace_back(97, 97); }), "makes 'aa', which is no token"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.merges.push_back(p.merges[0]); }), "is merge 0 and merge 2"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.added.push_back({.id = 258}); }), "names token 258"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.added = {{.id = 1}, {.id = 1}}; }), "given twice"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.before = {300}; }), "names token 300"));
  EXPECT_TRUE(contains(error([](BpeParts& p) { p.pre_tokens.splits = {"\\w"}; }), "'\\w'"));
}

TEST(Utf8Stream, HoldsBackWhatIsNotFinished) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("a\xED"), "a");
  EXPECT_EQ(stream.add("\x95"), "");
  EXPECT_EQ(stream.add("\x9C"
                       "b\xF0\x9F"),
            "한b");
  EXPECT_EQ(stream.add("x"), "\uFFFDx") << "one for the longest beginning of a sequence";
  EXPECT_EQ(stream.add("\xF0\x9F\x98"), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(repaired_utf8("\xC0\x80\xED\xA0\x80\xF4\x90\xE1\x80\xC2"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Tokenizer, OfBytePairsIsLearnedKeptAndGivesTextBack) {
  const std::vector<std::string> texts{"the fox saw the grapes\n", "the grapes saw 나래"};
  const Tokenizer tokenizer = learn_tokenizer(texts, {.kind = TokenKind::byte_pair}, {.max_size = 270});
  EXPECT_EQ(tokenizer.vocabulary.token(0), "<pad>");
  EXPECT_EQ(tokenizer.vocabulary.find(Special::unknown), std::nullopt) << "every text is known";
  EXPECT_EQ(tokenizer.vocabulary.size(), 270);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("Zebra 😀\n")), "Zebra 😀\n");
  EXPECT_EQ(file_name(tokenizer), "tokenizer.json");
  const std::filesystem::path file = fresh_folder() / "tokenizer.json";
  save_tokenizer(file, tokenizer);
  EXPECT_EQ(load_tokenizer(file), tokenizer);
  EXPECT_EQ(load_tokenizer(file.parent_path()), tokenizer);
  EXPECT_NE(learn_tokenizer(texts, {.kind = TokenKind::byte_pair}, {.max_size = 269}), tokenizer);
  EXPECT_EQ(tokenizer.end_token(), std::nullopt);
  const Tokenizer more = with_tokens(tokenizer, std::vector<std::string>{"<|endoftext|>"});
  EXPECT_EQ(more.end_token(), 270);
  EXPECT_EQ(more.encode("<|endoftext|>"), (TokenIds{270}));
  EXPECT_THROW((void)tokenizer.encode_words(texts), Error);
  EXPECT_THROW((void)learn_tokenizer(texts, {.kind = TokenKind::byte_pair, .lowercase = true}), UsageError);
  EXPECT_THROW((void)tokens_of("a", tokenizer.rule), Error);
}

}  // namespace
}  // namespace narae::text
