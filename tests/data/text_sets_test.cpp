#include "narae/data/text_sets.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"
#include "narae/data/catalog.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/real_data.h"

namespace narae {
namespace {

using namespace testing_files;
using Names = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;
namespace fs = std::filesystem;

constexpr TextSetOptions whole{.validation_fraction = 0, .test_fraction = 0};

Numbers counts_of(const LabelledTexts& texts, std::size_t classes) {
  Numbers counts(classes);
  for (const std::int64_t label : texts.labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

TEST(TextSets, TablesWithAHeader) {
  const fs::path folder = fresh_folder() / "reviews";
  write(folder / "train.tsv", "id\tdocument\tlabel\n1\t좋아요 \"\t1\n2\t\t0\n3\tnein\u0085ja\t1\r\n");
  write(folder / "dev.tsv.gz", gzip("id\tdocument\tlabel\n4\tx\t0\n"));
  write(folder / "test.tsv", "label\ttext\n1\ty\n");
  EXPECT_TRUE(holds_text_set(folder));
  EXPECT_EQ(data_kind(folder), DataKind::texts);
  const TextSplits splits = read_text_set(folder, {.validation_fraction = 0.5});
  EXPECT_EQ(splits.name, "reviews");
  EXPECT_EQ(splits.classes, (Names{"0", "1"}));
  EXPECT_EQ(splits.train.texts, (Names{"좋아요 \"", "", "nein\u0085ja"}));
  EXPECT_EQ(splits.train.labels, (Numbers{1, 0, 1}));
  EXPECT_EQ(splits.validation.texts, Names{"x"}) << "the source's own";
  EXPECT_EQ(splits.test.labels, Numbers{1});
}

TEST(TextSets, TablesWithoutAHeader) {
  const fs::path folder = fresh_folder();
  write(folder / "sst9" / "train.tsv", "so good\t1\nso bad\t0\n");
  EXPECT_EQ(read_text_set(folder / "sst9", whole).classes, (Names{"negative", "positive"}));
  EXPECT_EQ(read_text_set(folder / "sst9", whole).train.labels, (Numbers{1, 0}));
  write(folder / "news" / "test.csv", "\"2\",\"A, b\",\"c\"\"d\"\n\"1\",\"e\",\"f\"\n");
  write(folder / "news" / "classes.txt", "World\nSports\n");
  const TextSplits news = read_text_set(folder / "news", whole);
  EXPECT_EQ(news.classes, (Names{"World", "Sports"}));
  EXPECT_EQ(news.train.texts, (Names{"A, b c\"d", "e f"})) << "one table alone is a pile";
  EXPECT_EQ(news.train.labels, (Numbers{1, 0}));
}

TEST(TextSets, AFileAClass) {
  const fs::path folder = fresh_folder() / "names";
  write(folder / "Korean.txt", "Ahn\n\n Baik\n");
  write(folder / "Irish.txt", "O'Neal\n");
  write(folder / "SOURCE.txt", "from somewhere, a line that is not a name but much longer than names are\n");
  const TextSplits splits = read_text_set(folder, whole);
  EXPECT_EQ(splits.classes, (Names{"Irish", "Korean"}));
  EXPECT_EQ(splits.train.texts, (Names{"O'Neal", "Ahn", "Baik"}));
  EXPECT_EQ(splits.usual.kind, text::TokenKind::character);
}

TEST(TextSets, AFolderAClass) {
  const fs::path folder = fresh_folder() / "mail";
  write(folder / "train" / "spam" / "1.txt", "buy\nnow");
  write(folder / "train" / "ham" / "1.txt.gz", gzip("hello"));
  write(folder / "train" / "unsup" / "1.txt", "?");
  write(folder / "test" / "ham" / "7.txt", "bye");
  const TextSplits splits = read_text_set(folder, whole);
  EXPECT_EQ(splits.classes, (Names{"ham", "spam"}));
  EXPECT_EQ(splits.train.texts, (Names{"hello", "buy\nnow"}));
  EXPECT_EQ(splits.test.texts, Names{"bye"});
  EXPECT_EQ(read_text_set(folder / "train", whole).train.size(), 2);
  EXPECT_EQ(data_kind(folder), DataKind::texts);
  EXPECT_TRUE(contains(error_of([&] { (void)open_splits(folder); }), "holds texts with a class each"));
}

TEST(TextSets, PolarityAndLabelLines) {
  const fs::path folder = fresh_folder();
  write(folder / "rt" / "rt.pos", "good\nfine\n");
  write(folder / "rt" / "rt.neg.gz", gzip("bad\n"));
  EXPECT_EQ(read_text_set(folder / "rt", whole).classes, (Names{"negative", "positive"}));
  EXPECT_EQ(read_text_set(folder / "rt", whole).train.labels, (Numbers{0, 1, 1}));
  write(folder / "q" / "q.train.all", "1 caf\xe9 ?\n0 what\n");
  write(folder / "q" / "q.test.all", "1 x\n");
  write(folder / "q" / "other.all", "0 a\n1 b\n");
  EXPECT_EQ(read_text_set(folder / "q", whole).train.texts[0], "café ?");
  EXPECT_EQ(read_text_set(folder / "q", whole).test.size(), 1);
  EXPECT_EQ(read_text_set(folder / "q" / "other.all", whole).train.texts, (Names{"a", "b"}));
  write(folder / "q" / "q.train.all", "1 a\n\nlonely\n");
  EXPECT_TRUE(contains(error_of([&] { (void)read_text_set(folder / "q"); }), "q.train.all:3: not a label"));
}

// Forty texts of class 0 and twenty of class 1.
fs::path pile() {
  fs::path folder = fresh_folder() / "pile";
  std::string table = "text,label\n";
  for (int i = 0; i < 60; ++i) table += "t" + std::to_string(i) + "," + std::to_string(i % 3 == 0 ? 1 : 0) + "\n";
  write(folder / "all.csv", table);
  return folder;
}

TEST(TextSets, APileIsSplitByClassAndSeed) {
  const fs::path folder = pile();
  const TextSplits splits = read_text_set(folder);
  EXPECT_EQ(counts_of(splits.train, 2), (Numbers{32, 16}));
  EXPECT_EQ(counts_of(splits.validation, 2), (Numbers{4, 2}));
  EXPECT_EQ(counts_of(splits.test, 2), (Numbers{4, 2}));
  std::set<std::string> all;
  for (const Split split : {Split::train, Split::validation, Split::test})
    for (const std::string& text : splits.part(split).texts) EXPECT_TRUE(all.insert(text).second);
  EXPECT_EQ(all.size(), 60U);
  EXPECT_EQ(read_text_set(folder).test.texts, splits.test.texts);
  EXPECT_NE(read_text_set(folder, {.seed = 1}).test.texts, splits.test.texts);
  EXPECT_EQ(read_text_set(folder / "all.csv").test.texts, splits.test.texts) << "the file itself";
}

TEST(TextSets, FoldsCoverEverythingOnce) {
  const fs::path folder = pile();
  std::multiset<std::string> tested;
  for (std::int64_t fold = 0; fold < 5; ++fold) {
    const TextSplits splits = read_text_set(folder, {.folds = 5, .fold = fold});
    EXPECT_EQ(splits.test.size(), 12);
    EXPECT_EQ(splits.train.size() + splits.validation.size(), 48);
    tested.insert(splits.test.texts.begin(), splits.test.texts.end());
  }
  EXPECT_EQ(std::set<std::string>(tested.begin(), tested.end()).size(), 60U);
  EXPECT_EQ(tested.size(), 60U);
  EXPECT_THROW((void)read_text_set(folder, {.folds = 5, .fold = 5}), UsageError);
  EXPECT_THROW((void)read_text_set(folder, {.folds = 1}), UsageError);
}

TEST(TextSets, DefectsAreNamed) {
  const fs::path folder = fresh_folder() / "bad";
  const auto message = [&](const TextSetOptions& options = whole) {
    return error_of([&] { (void)read_text_set(folder, options); });
  };
  fs::create_directories(folder);
  EXPECT_TRUE(contains(message(), "no labelled texts are known there; expected are tables"));
  write(folder / "train.tsv", "text\tlabel\na\t1\nb\n");
  EXPECT_TRUE(contains(message(), "train.tsv:3: 1 columns, but the first row has 2")) << message();
  write(folder / "train.tsv", "text\tlabel\na\t\n");
  EXPECT_TRUE(contains(message(), "train.tsv:2: no label"));
  write(folder / "train.tsv", "text\tlabel\na\t1\nb\xff\t1\n");
  EXPECT_TRUE(contains(message(), "train.tsv:3: byte 16 is not UTF-8")) << message();
  write(folder / "train.tsv", "text\tlabel\n");
  EXPECT_TRUE(contains(message(), "no text to train with"));
  write(folder / "train.tsv", "text\tlabel\na\t1\n");
  write(folder / "test.tsv", "text\tlabel\nb\t2\n");
  EXPECT_TRUE(contains(message(), "no training text has the label '2' of 'b'"));
  EXPECT_TRUE(contains(message({.folds = 5}), "label '2'"));
  write(folder / "test.tsv", "text\tlabel\nb\t1\n");
  EXPECT_TRUE(contains(message({.folds = 5}), "folds are for sets without test texts"));
  EXPECT_THROW((void)read_text_set(folder, {.validation_fraction = 1}), UsageError);
  write(folder / "my-train.tsv", "text\tlabel\nb\t1\n");
  EXPECT_TRUE(contains(message(), "are both named train"));
}

TEST(TagSets, ReadsSentencesWithTags) {
  const fs::path folder = fresh_folder() / "pos";
  write(folder / "train.conll", "The\tx\tDET\ndog\ty\tNOUN\n\n\nbarks VERB\n");
  write(folder / "test.conll", "dog z NOUN\n");
  EXPECT_EQ(data_kind(folder), DataKind::tags);
  const TagSplits splits = open_tags(folder, whole);
  EXPECT_EQ(splits.tags, (Names{"DET", "NOUN", "VERB"}));
  ASSERT_EQ(splits.train.size(), 2U);
  EXPECT_EQ(splits.train[0].words, (Names{"The", "dog"}));
  EXPECT_EQ(splits.train[0].tags, (Numbers{0, 1}));
  EXPECT_EQ(splits.test[0].tags, Numbers{1});
  write(folder / "test.conll", "\ndog NOUN\ncat ANIMAL\n");
  EXPECT_TRUE(
      contains(error_of([&] { (void)open_tags(folder); }), "test.conll:3: no training word has the tag 'ANIMAL'"));
  write(folder / "train.conll", "a A\nlonely\n");
  EXPECT_TRUE(contains(error_of([&] { (void)read_tag_set(folder); }), "train.conll:2: 'lonely' has no tag"));
}

TEST(TagSets, SharesAreTakenWhereTheSetHasNoParts) {
  const fs::path folder = fresh_folder() / "pile";
  std::string sentences;
  for (int i = 0; i < 20; ++i) sentences += "word" + std::to_string(i) + " NOUN\n\n";
  write(folder / "train.conll", sentences);
  const auto sizes = [&](const TextSetOptions& options) {
    const TagSplits splits = open_tags(folder, options);
    return std::vector<std::size_t>{splits.train.size(), splits.validation.size(), splits.test.size()};
  };
  EXPECT_EQ(sizes({.validation_fraction = 0.1, .test_fraction = 0.2}), (std::vector<std::size_t>{14, 2, 4}));
  EXPECT_EQ(sizes({.validation_fraction = 0, .test_fraction = 0}), (std::vector<std::size_t>{20, 0, 0}));
  std::set<std::string> words;
  const TagSplits splits = open_tags(folder, {.validation_fraction = 0.1, .test_fraction = 0.2, .seed = 3});
  for (const Split split : {Split::train, Split::validation, Split::test})
    for (const TaggedSentence& sentence : splits.part(split)) words.insert(sentence.words[0]);
  EXPECT_EQ(words.size(), 20U) << "each sentence is in one part";
  EXPECT_TRUE(contains(error_of([&] { (void)open_tags(folder, {.validation_fraction = 0.5, .test_fraction = 0.5}); }),
                       "nothing is left"));
}

TEST(TextCatalog, KindsDecideHowASetIsOpened) {
  EXPECT_EQ(data_kind("synth:names?train=5"), DataKind::texts);
  EXPECT_EQ(data_kind("synth:digits"), DataKind::samples);
  EXPECT_TRUE(
      contains(error_of([] { (void)open_splits("synth:text"); }), "holds a text, but what is wanted here is arrays"));
  EXPECT_TRUE(contains(error_of([] { (void)open_texts("synth:series"); }), "holds numbers over time"));
  EXPECT_TRUE(contains(error_of([] { (void)open_corpus("synth:text?size=5"); }), "unknown setting 'size'"));
  EXPECT_THROW((void)open_series("no-such-series"), UsageError);
  EXPECT_EQ(open_texts("synth:sentiment?train=10&test=4").train.size(), 10);
  EXPECT_EQ(open_tags("synth:tags?train=10&test=4").test.size(), 4U);
  EXPECT_EQ(open_series("synth:series?rows=50&period=5").rows(), 50);
  EXPECT_GE(open_corpus("synth:text?characters=2000").train.size(), 2000U);
  const fs::path folder = fresh_folder();
  write(folder / "story.txt", "Once upon a time.\n");
  EXPECT_EQ(data_kind(folder), DataKind::corpus);
  EXPECT_TRUE(contains(error_of([&] { (void)open_texts(folder); }), "holds a text, but"));
}

struct RealSet {
  const char* name;
  std::int64_t train;
  std::int64_t validation;
  std::int64_t test;
  std::size_t classes;
};

TEST(TextSetsRealData, Counts) {
  const RealSet sets[] = {
      {"sst2", 6920, 872, 1821, 2},        {"imdb-subset", 6250, 0, 3126, 2}, {"nsmc", 64000, 0, 16000, 2},
      {"trec", 5452, 0, 500, 6},           {"subj", 10000, 0, 0, 2},          {"rt-polarity", 10662, 0, 0, 2},
      {"ag-news-test7600", 7600, 0, 0, 4}, {"names", 20050, 0, 0, 18}};
  for (const RealSet& set : sets) {
    const std::string folder =
        set.name == std::string("trec") || set.name == std::string("subj") ? "trec-subj" : set.name;
    if (!real_data(folder)) GTEST_SKIP() << "set NARAE_DATA to check " << folder;
    const TextSplits splits = open_texts(set.name, whole);
    EXPECT_EQ(splits.train.size(), set.train) << set.name;
    EXPECT_EQ(splits.validation.size(), set.validation) << set.name;
    EXPECT_EQ(splits.test.size(), set.test) << set.name;
    EXPECT_EQ(splits.classes.size(), set.classes) << set.name;
  }
  const TextSplits news = open_texts("ag-news-test7600", whole);
  EXPECT_EQ(news.classes, (Names{"World", "Sports", "Business", "Sci/Tech"}));
  EXPECT_EQ(counts_of(news.train, 4), (Numbers{1900, 1900, 1900, 1900}));
  EXPECT_EQ(open_texts("nsmc", whole).classes, (Names{"negative", "positive"}));
  EXPECT_EQ(counts_of(open_texts("nsmc", whole).test, 2), (Numbers{8000, 8000}));
  EXPECT_EQ(open_texts("trec", whole).classes[3], "human");
}

}  // namespace
}  // namespace narae
