#include "narae/data/synth_text.h"

#include <algorithm>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "narae/data/catalog.h"
#include "narae/data/sequences.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

TEST(SynthText, IsAFunctionOfItsArguments) {
  const text::Corpus corpus = synth_text(20000, 3);
  EXPECT_EQ(synth_text(20000, 3), corpus);
  EXPECT_NE(synth_text(20000, 4).train, corpus.train);
  EXPECT_TRUE(synth_text(40000, 3).train.starts_with(corpus.train.substr(0, 19000))) << "longer, but the same story";
  EXPECT_NE(corpus.validation.substr(0, 1000), corpus.test.substr(0, 1000));
  EXPECT_NEAR(static_cast<double>(corpus.train.size()), 20000, 1000);
  EXPECT_NEAR(static_cast<double>(corpus.test.size()), 2000, 1000);
  EXPECT_THROW((void)synth_text(999), Error);
}

TEST(SynthText, KeepsItsGrammar) {
  const std::string text = synth_text(50000).train;
  EXPECT_EQ(std::count(text.begin(), text.end(), '"') % 2, 0);
  EXPECT_EQ(text.find("  "), std::string::npos);
  EXPECT_EQ(text.find(" a old"), std::string::npos);
  EXPECT_EQ(text.find("foxs"), std::string::npos);
  const text::Tokenizer tokenizer = text::corpus_tokenizer({"x", text, "", ""}, {.kind = text::TokenKind::character});
  EXPECT_GT(tokenizer.vocabulary.size(), 30);
  EXPECT_LT(tokenizer.vocabulary.size(), 70);
}

TEST(SynthSentiment, WordsAloneDoNotTellTheClass) {
  const TextSplits splits = synth_sentiment(8000, 100);
  std::map<std::string, std::int64_t> balance;  // how much more often in positive texts
  std::map<std::string, std::int64_t> counts;
  for (std::size_t i = 0; i < splits.train.texts.size(); ++i) {
    for (const std::string& word : text::words_of(splits.train.texts[i], text::WordRule::blanks)) {
      balance[word] += splits.train.labels[i] == 1 ? 1 : -1;
      ++counts[word];
    }
  }
  EXPECT_GT(counts.size(), 40U);
  for (const auto& [word, count] : counts) {
    // Four standard deviations of a fair coin; a word may stand in a text twice.
    EXPECT_LE(std::abs(static_cast<double>(balance[word])), 4 * std::sqrt(2.0 * static_cast<double>(count))) << word;
  }
}

TEST(SynthSentiment, ClassesAreInTurnAndSamplesFixed) {
  const TextSplits splits = synth_sentiment(10, 4, 2);
  EXPECT_EQ(splits.train.labels, (std::vector<std::int64_t>{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(synth_sentiment(20, 4, 2).train.texts[9], splits.train.texts[9]);
  EXPECT_EQ(splits.validation.size(), 4);
  EXPECT_NE(splits.validation.texts, splits.test.texts);
  EXPECT_THROW((void)synth_sentiment(-1, 4), Error);
}

// Whether a review is positive, read from its words by the rules that the header gives.
bool judged_positive(const std::string& review) {
  const std::set<std::string> praise{"good",   "great",  "moving", "clever", "funny",
                                     "lovely", "superb", "fresh",  "fine",   "charming"};
  std::string deciding = review;
  if (const std::size_t but = review.find(" but "); but != std::string::npos) deciding = review.substr(but);
  const std::size_t although = review.find("although ");
  if (although != std::string::npos) {
    const std::size_t comma = review.find(" , ", although);
    deciding = comma != std::string::npos ? review.substr(comma) : review.substr(0, although);
  }
  bool negated = false;
  bool praised = false;
  for (const std::string& word : text::words_of(deciding, text::WordRule::blanks)) {
    negated = negated || word == "not";
    praised = praised || praise.contains(word);
  }
  return praised != negated;
}

TEST(SynthSentiment, TheDecidingClauseDecides) {
  const TextSplits splits = synth_sentiment(500, 0);
  for (std::size_t i = 0; i < splits.train.texts.size(); ++i) {
    EXPECT_EQ(judged_positive(splits.train.texts[i]), splits.train.labels[i] == 1) << splits.train.texts[i];
  }
}

TEST(SynthNames, PartsShareNoName) {
  const TextSplits splits = synth_names(2000, 400, 1);
  EXPECT_EQ(splits.classes.size(), 8U);
  const std::set<std::string> train(splits.train.texts.begin(), splits.train.texts.end());
  EXPECT_GT(train.size(), 1200U);
  for (const Split split : {Split::validation, Split::test})
    for (const std::string& name : splits.part(split).texts) EXPECT_FALSE(train.contains(name)) << name;
  EXPECT_EQ(synth_names(10, 1, 1).train.texts[7], splits.train.texts[7]);
}

TEST(SynthTags, SomeWordsHaveSeveralTags) {
  const TagSplits splits = synth_tags(1000, 10);
  std::map<std::string, std::set<std::int64_t>> tags;
  for (const TaggedSentence& sentence : splits.train) {
    ASSERT_EQ(sentence.words.size(), sentence.tags.size());
    EXPECT_EQ(sentence.words.back(), ".");
    for (std::size_t i = 0; i < sentence.words.size(); ++i) tags[sentence.words[i]].insert(sentence.tags[i]);
  }
  EXPECT_EQ(tags["watch"].size(), 2U);
  EXPECT_EQ(tags["light"].size(), 3U);
  EXPECT_EQ(tags["they"].size(), 1U);
  std::set<std::int64_t> all;
  for (const auto& [word, seen] : tags) all.insert(seen.begin(), seen.end());
  EXPECT_EQ(all.size(), splits.tags.size());
}

TEST(SynthAdding, TheLabelIsTheSumOfTheMarked) {
  const Dataset dataset = synth_adding(Split::train, 50, 20, 1);
  double mean = 0;
  for (std::int64_t i = 0; i < 50; ++i) {
    const Array rows = read_field(dataset, "image", i, i + 1);
    float sum = 0;
    int marks[2] = {0, 0};
    for (std::size_t t = 0; t < 20; ++t) {
      const float number = rows.values<float>()[2 * t];
      const float mark = rows.values<float>()[2 * t + 1];
      EXPECT_TRUE(number >= 0 && number < 1 && (mark == 0 || mark == 1));
      sum += number * mark;
      marks[t / 10] += static_cast<int>(mark);
    }
    EXPECT_EQ(marks[0], 1);
    EXPECT_EQ(marks[1], 1);
    const float label = read_field(dataset, "label", i, i + 1).values<float>()[0];
    EXPECT_FLOAT_EQ(label, sum);
    mean += static_cast<double>(label) / 50;
  }
  EXPECT_NEAR(mean, 1, 0.2);
  EXPECT_EQ(open_splits("synth:adding?length=7&train=3&test=2").train.fields[0].shape, (Shape{7, 2}));
  EXPECT_THROW((void)synth_adding(Split::train, 5, 1), Error);
}

}  // namespace
}  // namespace narae
