#include "narae/data/text_pairs.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"
#include "narae/data/catalog.h"
#include "narae/data/loader.h"
#include "narae/data/sequences.h"
#include "narae/data/synth_text.h"
#include "tests/data/files_for_tests.h"
#include "tests/data/real_data.h"

namespace narae {
namespace {

using namespace testing_files;
using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;
namespace fs = std::filesystem;

const PairSetOptions whole{.validation_fraction = 0, .test_fraction = 0};

fs::path parallel_folder() {
  fs::path folder = fresh_folder() / "picnic";
  write(folder / "train.de", "ein Hund\nzwei Katzen\n\ndrei\r\n");
  write(folder / "train.en.gz", gzip("a dog\n two cats \nnothing\nthree\n"));
  write(folder / "train.fr", "un chien\ndeux chats\nrien\ntrois\n");
  write(folder / "val.en", "four\n");
  write(folder / "val.de", "vier\n");
  write(folder / "test_2017.en", "seventeen\n");
  write(folder / "test_2017.de", "siebzehn\n");
  write(folder / "test_2016.en", "sixteen\n");
  write(folder / "test_2016.de", "sechzehn\n");
  write(folder / "SOURCE.txt", "from\tsomewhere\n");
  return folder;
}

TEST(TextPairs, FilesInParallel) {
  const fs::path folder = parallel_folder();
  EXPECT_TRUE(holds_pair_set(folder));
  EXPECT_EQ(data_kind(folder), DataKind::pairs);
  const PairSplits splits = open_pairs(folder, whole);
  EXPECT_EQ(splits.name, "picnic");
  EXPECT_EQ(splits.train.sources, (Texts{"a dog", "two cats", "three"})) << "English first; an empty side is no pair";
  EXPECT_EQ(splits.train.targets, (Texts{"ein Hund", "zwei Katzen", "drei"}));
  EXPECT_EQ(splits.validation.targets, Texts{"vier"});
  EXPECT_EQ(splits.test.sources, Texts{"sixteen"}) << "of several the first by name";
  const PairSplits other = read_pair_set(folder, {.source = "fr", .target = "en", .validation_fraction = 0});
  EXPECT_EQ(other.train.sources[1], "deux chats");
  EXPECT_EQ(other.train.targets[1], "two cats");
}

TEST(TextPairs, ATableWithTabs) {
  const fs::path folder = fresh_folder() / "tatoeba";
  write(folder / "kor.txt", "Go.\t가.\tby A\nHi.\t안녕.\tby B\nHi.\t안녕하세요.\tby C\n");
  write(folder / "_about.txt", "not a table\n");
  EXPECT_EQ(data_kind(folder), DataKind::pairs);
  EXPECT_EQ(data_kind(folder / "kor.txt"), DataKind::pairs);
  EXPECT_EQ(read_pair_set(folder, whole).train.targets, (Texts{"가.", "안녕.", "안녕하세요."}));
  const PairSplits back = read_pair_set(folder, {.source = "2", .validation_fraction = 0, .test_fraction = 0});
  EXPECT_EQ(back.train.sources[0], "가.");
  EXPECT_EQ(back.train.targets[0], "Go.");
}

TEST(TextPairs, ATableWithAHeader) {
  const fs::path folder = fresh_folder() / "chat";
  write(folder / "chat.csv.gz", gzip("label,A,Q\n0,\"fine, thanks\",how are you\n1,bye,see you\n"));
  EXPECT_EQ(data_kind(folder), DataKind::pairs);
  const PairSplits splits = read_pair_set(folder, whole);
  EXPECT_EQ(splits.train.sources, (Texts{"how are you", "see you"}));
  EXPECT_EQ(splits.train.targets, (Texts{"fine, thanks", "bye"}));
  EXPECT_EQ(read_pair_set(folder, {.source = "A", .target = "Q"}).train.sources.front(), "fine, thanks");
}

TEST(TextPairs, TablesNamedAfterParts) {
  const fs::path folder = fresh_folder() / "parts";
  write(folder / "train.tsv", "\xEF\xBB\xBFone\teins\tx\n\ntwo\tzwei\n");
  write(folder / "val.tsv", "three\tdrei\n");
  write(folder / "test.tsv", "four\tvier\n");
  const PairSplits splits = read_pair_set(folder);
  EXPECT_EQ(splits.train.sources, (Texts{"one", "two"})) << "an empty line and a column less are no harm";
  EXPECT_EQ(splits.validation.targets, Texts{"drei"});
  EXPECT_EQ(splits.test.targets, Texts{"vier"});
}

TEST(TextPairs, SidesOfATableByNameOrNumber) {
  const fs::path folder = fresh_folder() / "sides";
  write(folder / "x.csv", "id,source,target\n1,a,b\n");
  const auto sides = [&](const PairSetOptions& options) {
    PairSetOptions all = options;
    all.validation_fraction = all.test_fraction = 0;
    const PairSplits splits = read_pair_set(folder, all);
    return splits.train.sources[0] + splits.train.targets[0];
  };
  EXPECT_EQ(sides({}), "ab");
  EXPECT_EQ(sides({.source = "target"}), "ba");
  EXPECT_EQ(sides({.target = "source"}), "ba");
  EXPECT_EQ(sides({.source = "3", .target = "1"}), "b1");
  EXPECT_EQ(sides({.target = "id"}), "a1");
}

TEST(TextPairs, WhatIsJudgedWasNotSeen) {
  const fs::path folder = fresh_folder() / "many";
  std::string table;
  for (int i = 0; i < 200; ++i) {
    for (const char* answer : {"x", "y"}) table += "source " + std::to_string(i) + "\t" + answer + "\n";
  }
  write(folder / "pairs.tsv", table);
  const PairSplits splits = read_pair_set(folder, {.validation_fraction = 0.1, .test_fraction = 0.2, .seed = 3});
  EXPECT_EQ(splits.test.size(), 80);
  EXPECT_EQ(splits.validation.size(), 40);
  EXPECT_EQ(splits.train.size(), 280);
  const std::set<std::string> seen(splits.train.sources.begin(), splits.train.sources.end());
  for (const TextPairs* part : {&splits.validation, &splits.test}) {
    for (const std::string& source : part->sources) EXPECT_FALSE(seen.contains(source)) << source;
  }
  EXPECT_EQ(read_pair_set(folder, {.validation_fraction = 0.1, .test_fraction = 0.2, .seed = 3}).test.sources,
            splits.test.sources);
  EXPECT_NE(read_pair_set(folder, {.validation_fraction = 0.1, .test_fraction = 0.2, .seed = 4}).test.sources,
            splits.test.sources);
}

TEST(TextPairs, SaysWhatIsWrong) {
  const fs::path folder = parallel_folder();
  const auto error = [&](const PairSetOptions& options) {
    return error_of([&] { (void)open_pairs(folder, options); });
  };
  EXPECT_TRUE(contains(error({.source = "eng"}), "no side 'eng' (there are de, en, fr); did you mean 'en'?"))
      << error({.source = "eng"});
  EXPECT_TRUE(contains(error({.source = "de", .target = "de"}), "'de' would be turned into itself"));
  EXPECT_TRUE(contains(error({.validation_fraction = 1}), "below 1"));
  write(folder / "train.fr", "un chien\n");
  EXPECT_TRUE(contains(error({.source = "fr"}), "has 1 lines and"));
  const fs::path table = fresh_folder();
  write(table / "x.tsv", "a\tb\nc\n");
  EXPECT_FALSE(holds_pair_set(table));
  EXPECT_TRUE(contains(error_of([&] { (void)open_pairs(table); }), "nothing in it is known"));
  EXPECT_TRUE(contains(error_of([&] { (void)read_pair_set(table); }), "files in parallel such as train.en"));
  write(table / "x.tsv", "a\tb\n" + std::string(5000, 'y') + "\tz\nc\n");
  EXPECT_TRUE(contains(error_of([&] { (void)open_pairs(table); }), "x.tsv:3: one column"));
  EXPECT_TRUE(contains(error_of([] { (void)open_pairs("synth:digits"); }), "holds arrays"));
  EXPECT_TRUE(contains(error_of([] { (void)open_pairs("synth:copy", {.source = "en"}); }), "no sides to choose from"));
  EXPECT_TRUE(contains(error_of([] { (void)open_texts("synth:copy"); }), "holds texts in pairs"));
}

TEST(TextPairs, RealSetsAreRecognised) {
  for (const auto& [name, count] :
       {std::pair{"multi30k", 29000}, {"tatoeba-eng-fra", 142787}, {"korean-chatbot", 11823}}) {
    const auto folder = real_data(name);
    if (!folder) GTEST_SKIP() << name << " is not there";
    EXPECT_EQ(data_kind(*folder), DataKind::pairs) << name;
    EXPECT_EQ(read_pair_set(*folder, whole).train.size(), count) << name;
  }
}

// ---- As numbers.

text::Tokenizer letters(const PairSplits& pairs) {
  return training_tokenizer(pairs, text::Tokenization{.kind = text::TokenKind::character});
}

PairSplits few_pairs() {
  return {.name = "few",
          .train = {.sources = {"ab", "b", "bab"}, .targets = {"ba", "aaaaaaaaa", ""}},
          .validation = {},
          .test = {},
          .usual = {}};
}

Numbers numbers_of(const Array& array) {
  const auto values = array.values<std::int64_t>();
  return {values.begin(), values.end()};
}

// <pad> 0, <unk> 1, <bos> 2, <eos> 3, a 4, b 5: the more frequent one first.
TEST(EncodedPairs, TargetsAreToldWhatStandsBefore) {
  const PairSplits pairs = few_pairs();
  const EncodedTexts encoded = encoded_pairs(pairs, Split::train, letters(pairs));
  EXPECT_EQ(*encoded.data.lengths, (Numbers{3, 2, 4}));
  EXPECT_EQ(*encoded.data.label_lengths, (Numbers{3, 10, 1}));
  Loader loader(encoded.data, {.batch_size = 3, .workers = 0});
  const Batch batch = *loader.next();
  EXPECT_EQ(batch.image.shape, (Shape{3, 4})) << "no longer than the longest";
  EXPECT_EQ(numbers_of(batch.image), (Numbers{4, 5, 3, 0, 5, 3, 0, 0, 5, 4, 5, 3}));
  EXPECT_EQ(batch.label.shape, (Shape{3, 10}));
  const Numbers label = numbers_of(batch.label);
  const Numbers target = numbers_of(batch.target);
  EXPECT_EQ(Numbers(label.begin(), label.begin() + 4), (Numbers{5, 4, 3, -1}));
  EXPECT_EQ(Numbers(target.begin(), target.begin() + 4), (Numbers{2, 5, 4, 0}));
  EXPECT_EQ(target[10], 2);
  EXPECT_EQ(Numbers(label.begin() + 20, label.begin() + 22), (Numbers{3, -1})) << "an empty answer ends at once";
  EXPECT_EQ(Numbers(target.begin() + 20, target.begin() + 22), (Numbers{2, 0}));
}

TEST(EncodedPairs, LengthsFollowTheSamplesThatAreLoaded) {
  const PairSplits pairs = few_pairs();
  const Dataset all = encoded_pairs(pairs, Split::train, letters(pairs)).data;
  const Dataset some = loaded(subset(all, Numbers{2, 0}));
  EXPECT_EQ(*some.lengths, (Numbers{4, 3}));
  EXPECT_EQ(*some.label_lengths, (Numbers{1, 3}));
}

TEST(EncodedPairs, BothSidesAreCutToTheirBatch) {
  PairSplits pairs = few_pairs();
  pairs.train = {};
  for (int i = 1; i <= 40; ++i) {
    pairs.train.sources.emplace_back(static_cast<std::size_t>(i), 'a');
    pairs.train.targets.emplace_back(static_cast<std::size_t>(41 - i), 'b');
  }
  const EncodedTexts encoded = encoded_pairs(pairs, Split::train, letters(pairs));
  Loader loader(encoded.data, {.batch_size = 8, .workers = 1});
  std::set<std::pair<std::int64_t, std::int64_t>> shapes;
  for (const Batch& batch : loader) {
    shapes.emplace(batch.image.shape[1], batch.label.shape[1]);
    EXPECT_EQ(batch.target.shape, batch.label.shape);
  }
  EXPECT_EQ(shapes.size(), 5U);
  EXPECT_TRUE(shapes.contains({24, 40})) << "17 and 33 tokens, <eos> among them";
  EXPECT_TRUE(shapes.contains({16, 41})) << "none is above the set's longest";
}

TEST(EncodedPairs, RefusesWhatItCannotUse) {
  const PairSplits pairs = few_pairs();
  const text::Tokenizer plain = text::learn_tokenizer(pairs.train.sources, {.kind = text::TokenKind::character});
  EXPECT_TRUE(contains(error_of([&] { (void)encoded_pairs(pairs, Split::train, plain); }), "no <bos>"));
  EXPECT_TRUE(contains(
      error_of([&] { (void)encoded_pairs(pairs, Split::train, letters(pairs), {.max_length = 4, .strict = true}); }),
      "train text 1 (target) has 10 tokens, more than 4"));
  const EncodedTexts cut = encoded_pairs(pairs, Split::train, letters(pairs), {.max_length = 4});
  EXPECT_EQ(cut.cut, 1);
  Dataset broken = cut.data;
  broken.label_lengths = std::make_shared<const Numbers>(Numbers{1, 2});
  EXPECT_TRUE(contains(error_of([&] { Loader(broken, {}); }), "2 lengths of labels for 3 samples"));
  broken.lengths = nullptr;
  EXPECT_TRUE(contains(error_of([&] { Loader(broken, {}); }), "samples have none"));
  broken.lengths = cut.data.lengths;
  broken.label_lengths = std::make_shared<const Numbers>(Numbers{1, 2, 99});
  EXPECT_TRUE(contains(error_of([&] { Loader(broken, {}); }), "a label of 99 positions"));
}

// ---- Made by the program.

TEST(SynthPairs, TargetsFollowFromSources) {
  const auto backwards = [](std::string text) { return std::string(text.rbegin(), text.rend()); };
  const auto sorted = [](std::string text) {
    std::sort(text.begin(), text.end());
    return text;
  };
  const PairSplits copies = synth_pairs(PairRule::copy, 50, 20, 7);
  const PairSplits reversed = synth_pairs(PairRule::reverse, 50, 20, 7);
  const PairSplits in_order = synth_pairs(PairRule::sort, 50, 20, 7);
  for (std::size_t i = 0; i < 50; ++i) {
    const std::string& source = reversed.train.sources[i];
    EXPECT_TRUE(source.size() >= 4 && source.size() <= 7) << source;
    EXPECT_EQ(reversed.train.targets[i], backwards(source));
    EXPECT_EQ(copies.train.targets[i], copies.train.sources[i]);
    EXPECT_EQ(in_order.train.targets[i], sorted(in_order.train.sources[i]));
  }
  EXPECT_EQ(reversed.test.size(), 20);
  EXPECT_EQ(reversed.validation.size(), 20);
}

TEST(SynthPairs, SumsAreRightAndTestOnesUnseen) {
  const PairSplits sums = synth_pairs(PairRule::add, 3000, 300, 2, 5);
  std::set<std::string> judged(sums.test.sources.begin(), sums.test.sources.end());
  for (std::size_t i = 0; i < sums.train.sources.size(); ++i) {
    const std::string& source = sums.train.sources[i];
    EXPECT_FALSE(judged.contains(source)) << source;
    EXPECT_EQ(std::stoi(sums.train.targets[i]), std::stoi(source) + std::stoi(source.substr(source.find('+') + 1)));
  }
  EXPECT_THROW((void)synth_pairs(PairRule::add, 1, 1, 19), Error);
  EXPECT_THROW((void)synth_pairs(PairRule::copy, -1, 1, 5), Error);
  EXPECT_THROW((void)synth_numbers(1, 1, 10), Error);
  EXPECT_TRUE(contains(error_of([] { (void)synth_numbers(10, 600, 3); }), "too few different sources"));
}

TEST(SynthPairs, NumbersInWords) {
  const PairSplits numbers = synth_numbers(20000, 0, 3);
  const auto korean = [&](const std::string& english) -> std::string {
    const auto found = std::find(numbers.train.sources.begin(), numbers.train.sources.end(), english);
    return found == numbers.train.sources.end()
               ? "not drawn"
               : numbers.train.targets[static_cast<std::size_t>(found - numbers.train.sources.begin())];
  };
  EXPECT_EQ(korean("zero"), "영");
  EXPECT_EQ(korean("seven"), "칠");
  EXPECT_EQ(korean("ten"), "십");
  EXPECT_EQ(korean("twelve"), "십이");
  EXPECT_EQ(korean("forty-one"), "사십일");
  EXPECT_EQ(korean("one hundred"), "백");
  EXPECT_EQ(korean("two hundred six"), "이백육");
}

// The training part and the word in front of each unit.
TEST(SynthPairs, LargeNumbersAreGroupedByTheirLanguage) {
  const PairSplits numbers = synth_numbers(4000, 10, 9, 1);
  for (std::size_t i = 0; i < numbers.train.sources.size(); ++i) {
    const std::string& english = numbers.train.sources[i];
    const std::string& korean = numbers.train.targets[i];
    EXPECT_FALSE(korean.starts_with("일만") || korean.find("일천") != std::string::npos) << korean;
    if (contains(english, "million")) EXPECT_TRUE(contains(korean, "만") || contains(korean, "억")) << korean;
  }
}

}  // namespace
}  // namespace narae
