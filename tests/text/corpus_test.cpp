#include "narae/text/corpus.h"

#include "gtest/gtest.h"
#include "narae/text/utf8.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/real_data.h"

namespace narae::text {
namespace {

using namespace testing_files;

constexpr Tokenization lines_of_words{.words = WordRule::blanks, .line_ends = true};

TEST(Corpus, LinesEndAtLineFeedsAlone) {
  EXPECT_EQ(lines_of("a\u0085b\r\nc\n\nd"), (std::vector<std::string_view>{"a\u0085b", "c", "", "d"}));
  EXPECT_TRUE(lines_of("").empty());
  EXPECT_EQ(lines_of("\n").size(), 1U);
}

TEST(Corpus, PartsAreTakenFromTheNames) {
  EXPECT_EQ(part_named("x/ptb.TRAIN.txt.gz"), "train");
  EXPECT_EQ(part_named("valid.txt"), "validation");
  EXPECT_EQ(part_named("a-dev.tsv"), "validation");
  EXPECT_EQ(part_named("nsmc_sample_test.tsv"), "test");
  EXPECT_EQ(part_named("latest_training.txt"), "");
}

TEST(Corpus, ReadsNamedParts) {
  const auto folder = fresh_folder() / "tiny";
  write(folder / "tiny.train.txt", "a b\n");
  write(folder / "tiny.valid.txt.gz", gzip("b\n"));
  write(folder / "README.txt", "about");
  EXPECT_EQ(read_corpus(folder), (Corpus{"tiny", "a b\n", "b\n", ""}));
  EXPECT_TRUE(holds_corpus(folder));
  write(folder / "dev.txt", "c\n");
  EXPECT_TRUE(contains(error_of([&] { (void)read_corpus(folder); }), "are both named validation"));
}

TEST(Corpus, OtherwiseTheEndIsHeldOut) {
  const auto folder = fresh_folder() / "story";
  std::string text;
  for (int i = 0; i < 100; ++i) text += "line " + std::to_string(i) + "\n";
  write(folder / "b.txt.gz", gzip(text.substr(400)));
  write(folder / "a.txt", text.substr(0, 400));
  write(folder / "SOURCE.txt", "from somewhere");
  write(folder / ".hidden.txt", "no");
  const Corpus corpus = read_corpus(folder, {.validation = 0.1, .test = 0.2});
  EXPECT_EQ(corpus.train + corpus.validation + corpus.test, text);
  EXPECT_TRUE(corpus.train.ends_with("\n") && corpus.validation.ends_with("\n"));
  EXPECT_NEAR(static_cast<double>(corpus.test.size()), 0.2 * static_cast<double>(text.size()), 8);
  EXPECT_NEAR(static_cast<double>(corpus.validation.size()), 0.1 * static_cast<double>(text.size()), 16);
  EXPECT_EQ(read_corpus(folder, {.validation = 0, .test = 0}).train, text);
  EXPECT_EQ(read_corpus(folder / "a.txt").name, "a");
}

TEST(Corpus, ATextWithoutLineEndsIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 101; ++i) text += "한";
  const Corpus corpus = cut_corpus("x", text, {.validation = 0.1, .test = 0.1});
  EXPECT_EQ(corpus.train + corpus.validation + corpus.test, text);
  for (const std::string& part : {corpus.train, corpus.validation, corpus.test}) {
    EXPECT_GT(count_characters(part), 5U);
  }
  EXPECT_THROW((void)cut_corpus("x", text, {.validation = 0.5, .test = 0.5}), Error);
  EXPECT_THROW((void)cut_corpus("x", text, {.validation = -0.1}), Error);
}

TEST(Corpus, SaysWhatIsWrong) {
  const auto folder = fresh_folder();
  const auto message = [&](const CorpusOptions& options = {}) {
    return error_of([&] { (void)read_corpus(folder, options); });
  };
  EXPECT_TRUE(contains(message(), "no text in this folder"));
  EXPECT_FALSE(holds_corpus(folder));
  write(folder / "a.txt", "");
  EXPECT_TRUE(contains(message(), "the text is empty"));
  write(folder / "a.txt",
        "good\nb\xe4"
        "d\n");
  EXPECT_TRUE(contains(message(), "a.txt:2: byte 6 is not UTF-8")) << message();
  write(folder / "a.txt", std::string(100, 'x'));
  EXPECT_TRUE(contains(message({.max_bytes = 99}), "more than the 99"));
  write(folder / "a.txt", gzip(std::string(100000, 'x')));
  EXPECT_TRUE(contains(message({.max_bytes = 99}), "more than 99 bytes"));
  std::filesystem::remove(folder / "a.txt");
  write(folder / "test.txt", "x");
  EXPECT_TRUE(contains(message(), "none to train with"));
  write(folder / "train.txt", "");
  EXPECT_TRUE(contains(message(), "train.txt: the file is empty"));
  EXPECT_THROW((void)read_corpus(folder / "none"), Error);
}

TEST(Corpus, AByteOrderMarkIsNoText) {
  const auto file = fresh_folder() / "bom.txt";
  write(file,
        "\xEF\xBB\xBF"
        "abc");
  EXPECT_EQ(read_text_file(file), "abc");
}

TEST(Corpus, BeginningsAreWholeLines) {
  const auto folder = fresh_folder();
  write(folder / "a.txt", "한\n글글\n");
  EXPECT_EQ(read_beginning(folder / "a.txt", 6), "한\n");
  EXPECT_EQ(read_beginning(folder / "a.txt"), "한\n글글\n");
  write(folder / "b.txt.gz", gzip("ab\ncd\n"));
  EXPECT_EQ(read_beginning(folder / "b.txt.gz", 4), "ab\n");
  EXPECT_EQ(read_beginning(folder / "none"), "");
}

TEST(Corpus, CharactersGetAnUnknownOneWhereItIsNeeded) {
  const Tokenization characters{.kind = TokenKind::character};
  EXPECT_EQ(corpus_tokenizer({"x", "aab", "ab", "a"}, characters).vocabulary.tokens(),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(corpus_tokenizer({"x", "aab", "abc", "a"}, characters).vocabulary.tokens(),
            (std::vector<std::string>{"<unk>", "a", "b"}));
  EXPECT_EQ(corpus_tokenizer({"x", "aab", "", ""}, characters, 2).vocabulary.tokens(),
            (std::vector<std::string>{"<unk>", "a"}));
  EXPECT_EQ(corpus_tokenizer({"x", "a b\n", "", ""}, lines_of_words).vocabulary.tokens(),
            (std::vector<std::string>{"<unk>", "<eos>", "a", "b"}));
}

TEST(CorpusRealData, PennTreebank) {
  const auto folder = real_data("ptb");
  if (!folder) GTEST_SKIP() << "set NARAE_DATA to check ptb";
  const Corpus corpus = read_corpus(*folder);
  const Tokenizer tokenizer = corpus_tokenizer(corpus, lines_of_words);
  EXPECT_EQ(tokenizer.vocabulary.size(), 10000);
  const TokenIds validation = tokenizer.encode(corpus.validation);
  EXPECT_EQ(tokenizer.encode(corpus.train).size(), 929589U);
  EXPECT_EQ(validation.size(), 73760U);
  EXPECT_EQ(tokenizer.encode(corpus.test).size(), 82430U);
  EXPECT_EQ(tokenizer.encode(tokenizer.decode(validation)), validation);
}

TEST(CorpusRealData, TinyShakespeare) {
  const auto folder = real_data("tinyshakespeare");
  if (!folder) GTEST_SKIP() << "set NARAE_DATA to check tinyshakespeare";
  const Corpus corpus = read_corpus(*folder);
  const Tokenizer tokenizer = corpus_tokenizer(corpus, {.kind = TokenKind::character});
  EXPECT_EQ(count_characters(corpus.train) + count_characters(corpus.validation) + count_characters(corpus.test),
            1115394U);
  EXPECT_EQ(tokenizer.vocabulary.size(), 65);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(corpus.test)), corpus.test);
}

TEST(CorpusRealData, WikiTextLines) {
  const auto folder = real_data("wikitext-2-valid-test");
  if (!folder) GTEST_SKIP() << "set NARAE_DATA to check wikitext-2";
  EXPECT_EQ(tokens_of(read_text_file(*folder / "valid.txt.gz"), lines_of_words).size(), 217646U);
  EXPECT_EQ(tokens_of(read_text_file(*folder / "test.txt.gz"), lines_of_words).size(), 245569U);
}

}  // namespace
}  // namespace narae::text
