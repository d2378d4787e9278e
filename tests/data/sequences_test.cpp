#include "narae/data/sequences.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "gtest/gtest.h"
#include "narae/data/loader.h"
#include "narae/data/synth_text.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;
using Numbers = std::vector<std::int64_t>;

Numbers numbers_of(const Array& array) {
  const auto values = array.values<std::int64_t>();
  return {values.begin(), values.end()};
}

text::TokenIds counting(int n) {
  text::TokenIds ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

TEST(LanguageWindows, StreamsGoOnFromBatchToBatch) {
  Loader loader(language_windows("x", counting(10), 2, 3), {.batch_size = 2});
  EXPECT_EQ(loader.batches(), 2);
  const Batch first = *loader.next();
  EXPECT_EQ(first.image.dtype, DType::i64);
  EXPECT_EQ(first.image.shape, (Shape{2, 3}));
  EXPECT_EQ(numbers_of(first.image), (Numbers{0, 1, 2, 5, 6, 7}));
  EXPECT_EQ(numbers_of(first.label), (Numbers{1, 2, 3, 6, 7, 8}));
  EXPECT_EQ(first.lengths.count(), 0);
  const Batch second = *loader.next();
  EXPECT_EQ(numbers_of(second.image), (Numbers{3, 0, 0, 8, 0, 0}));
  EXPECT_EQ(numbers_of(second.label), (Numbers{4, -1, -1, 9, -1, -1}));
}

TEST(SingleWindows, BeginEveryStrideAndEndWithTheText) {
  const Dataset windows = single_windows("x", counting(10), 4, 3);
  EXPECT_EQ(windows.size(), 3);
  EXPECT_EQ(windows.streams, 0);
  EXPECT_EQ(numbers_of(read_field(windows, "image", 0, 3)), (Numbers{0, 1, 2, 3, 3, 4, 5, 6, 5, 6, 7, 8}));
  EXPECT_EQ(numbers_of(read_field(windows, "label", 1, 3)), (Numbers{4, 5, 6, 7, 6, 7, 8, 9}));
  EXPECT_EQ(single_windows("x", counting(5), 4, 100).size(), 1);
  EXPECT_TRUE(contains(error_of([] { (void)single_windows("x", counting(4), 4, 1); }), "too short for a window of 4"));
  EXPECT_TRUE(contains(error_of([] { (void)single_windows("x", {1, 1, 1}, 1, 1); }), "over and over"));
  EXPECT_THROW((void)single_windows("x", counting(9), 4, 0), Error);
}

TEST(LanguageWindows, EveryTokenButTheFirstOfAStreamIsPredictedOnce) {
  for (const int n : {2, 7, 20, 101, 128}) {
    for (const int batch : {1, 2, 3, 10}) {
      for (const int steps : {1, 4, 50}) {
        if (n < 2 * batch) continue;
        std::map<std::int64_t, std::int64_t> seen;  // a label, and the token before it
        Loader loader(language_windows("x", counting(n), batch, steps), {.batch_size = batch, .workers = 0});
        for (auto [image, label] : loader) {
          ASSERT_EQ(image.shape, (Shape{batch, steps}));
          for (std::size_t i = 0; i < numbers_of(label).size(); ++i) {
            if (numbers_of(label)[i] == -1) continue;
            EXPECT_TRUE(seen.emplace(numbers_of(label)[i], numbers_of(image)[i]).second);
          }
        }
        EXPECT_EQ(std::ssize(seen), n - batch) << n << " tokens, " << batch << " streams, " << steps << " steps";
        for (const auto& [label, before] : seen) EXPECT_EQ(before, label - 1);
      }
    }
  }
}

TEST(LanguageWindows, RefusesTextsWithNothingToLearn) {
  EXPECT_TRUE(contains(error_of([] { (void)language_windows("x", counting(5), 3, 2); }), "too short for 3 streams"));
  EXPECT_TRUE(contains(error_of([] { (void)language_windows("x", {}, 1, 2); }), "0 tokens"));
  EXPECT_TRUE(contains(error_of([] { (void)language_windows("x", {4, 4, 4, 4}, 1, 2); }), "over and over"));
  EXPECT_THROW((void)language_windows("x", counting(5), 0, 2), Error);
  EXPECT_THROW((void)language_windows("x", counting(5), 1, 0), Error);
}

TEST(BucketLength, FewDifferentLengths) {
  EXPECT_EQ(bucket_length(1, 1000), 8);
  EXPECT_EQ(bucket_length(8, 1000), 8);
  EXPECT_EQ(bucket_length(9, 1000), 16);
  EXPECT_EQ(bucket_length(64, 1000), 64);
  EXPECT_EQ(bucket_length(65, 1000), 80);
  EXPECT_EQ(bucket_length(257, 1000), 320);
  EXPECT_EQ(bucket_length(990, 1000), 1000);
  EXPECT_EQ(bucket_length(3, 5), 5);
}

// Text i has i % 40 + 1 times the word "w" and then its number.
TextSplits counted_texts(std::int64_t n) {
  TextSplits splits{
      .name = "counted", .classes = {"even", "odd"}, .train = {}, .validation = {}, .test = {}, .usual = {}};
  for (std::int64_t i = 0; i < n; ++i) {
    std::string text;
    for (std::int64_t k = 0; k < i % 40; ++k) text += "w ";
    splits.train.texts.push_back(text + std::to_string(i));
    splits.train.labels.push_back(i % 2);
  }
  return splits;
}

EncodedTexts encoded_train(const TextSplits& splits, const EncodeOptions& options = {}) {
  return encoded(splits, Split::train, training_tokenizer(splits, splits.usual), options);
}

TEST(Encoded, SamplesHaveLengthsAndLabels) {
  TextSplits splits{.name = "small",
                    .classes = {"no", "yes"},
                    .train = {{"a b", "a", "", "c a b a"}, {0, 1, 1, 0}},
                    .validation = {},
                    .test = {{"b z"}, {1}},
                    .usual = {}};
  const text::Tokenizer tokenizer = training_tokenizer(splits, splits.usual);
  const EncodedTexts train = encoded(splits, Split::train, tokenizer, {.max_length = 3});
  EXPECT_EQ(train.data.fields[0].shape, (Shape{3}));
  EXPECT_EQ(numbers_of(read_field(train.data, "image", 0, 4)), (Numbers{2, 3, 0, 2, 0, 0, 1, 0, 0, 4, 2, 3}));
  EXPECT_EQ(numbers_of(read_field(train.data, "label", 0, 4)), (Numbers{0, 1, 1, 0}));
  EXPECT_EQ(*train.data.lengths, (Numbers{2, 1, 1, 3}));
  EXPECT_EQ(class_counts(train.data), (Numbers{2, 2}));
  EXPECT_EQ(train.cut, 1);
  EXPECT_EQ(train.empty, 1);
  EXPECT_EQ(train.tokens, 7);
  EXPECT_EQ(train.unknown_tokens, 0);
  const EncodedTexts test = encoded(splits, Split::test, tokenizer);
  EXPECT_EQ(numbers_of(read_field(test.data, "image", 0, 1)), (Numbers{3, 1}));
  EXPECT_EQ(test.unknown_tokens, 1);
  EXPECT_TRUE(
      contains(error_of([&] { (void)encoded(splits, Split::train, tokenizer, {.max_length = 3, .strict = true}); }),
               "small: train text 3 has 4 tokens, more than 3"));
  EXPECT_THROW((void)encoded(splits, Split::train, tokenizer, {.max_length = -1}), UsageError);
  const text::Tokenizer closed = training_tokenizer(splits, splits.usual, {.specials = {}});
  EXPECT_TRUE(contains(error_of([&] { (void)encoded(splits, Split::train, closed); }), "text 2 has no tokens"));
}

// A text of each batch row, from its tokens up to its length.
std::vector<std::string> texts_of(const Batch& batch, const text::Tokenizer& tokenizer) {
  std::vector<std::string> result;
  const std::int64_t positions = batch.image.shape[1];
  for (std::int64_t i = 0; i < batch.image.shape[0]; ++i) {
    const auto row = batch.image.values<std::int64_t>().subspan(static_cast<std::size_t>(i * positions),
                                                                static_cast<std::size_t>(positions));
    const auto length = static_cast<std::size_t>(batch.lengths.values<std::int64_t>()[static_cast<std::size_t>(i)]);
    for (const std::int64_t filler : row.subspan(length)) EXPECT_EQ(filler, 0);
    result.push_back(tokenizer.decode(row.first(length)));
  }
  return result;
}

TEST(LoaderOfSequences, BatchesAreCutToTheirBucket) {
  const TextSplits splits = counted_texts(400);
  const text::Tokenizer tokenizer = training_tokenizer(splits, splits.usual);
  Loader loader(encoded(splits, Split::train, tokenizer).data, {.batch_size = 16, .shuffle = true, .seed = 3});
  std::multiset<std::string> seen;
  std::set<std::int64_t> positions;
  std::int64_t filler = 0;
  std::int64_t filled = 0;
  for (const Batch& batch : loader) {
    const Numbers lengths = numbers_of(batch.lengths);
    EXPECT_EQ(batch.image.shape[1], bucket_length(*std::max_element(lengths.begin(), lengths.end()), 40));
    for (const std::string& text : texts_of(batch, tokenizer)) seen.insert(text);
    positions.insert(batch.image.shape[1]);
    filled += std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    filler += batch.image.count();
  }
  filler -= filled;
  EXPECT_EQ(seen, std::multiset<std::string>(splits.train.texts.begin(), splits.train.texts.end()));
  EXPECT_EQ(positions, (std::set<std::int64_t>{8, 16, 24, 32, 40}));
  EXPECT_LT(filler, filled / 4) << "sequences of like length come together";  // 0.95 in any order
}

TEST(LoaderOfSequences, OrderIsAFunctionOfSeedAndEpochWhateverTheWorkers) {
  const TextSplits splits = counted_texts(333);
  const text::Tokenizer tokenizer = training_tokenizer(splits, splits.usual);
  const Dataset dataset = encoded(splits, Split::train, tokenizer).data;
  const auto epochs = [&](const Dataset& data, std::uint64_t seed, int workers) {
    Loader loader(data, {.batch_size = 8, .shuffle = true, .seed = seed, .workers = workers});
    std::vector<std::vector<std::string>> batches;
    for (int e = 0; e < 2; ++e)
      for (const Batch& batch : loader) batches.push_back(texts_of(batch, tokenizer));
    return batches;
  };
  const auto expected = epochs(dataset, 5, 0);
  EXPECT_EQ(epochs(dataset, 5, 2), expected);
  EXPECT_EQ(epochs(loaded(dataset), 5, 1), expected) << "the same from memory";
  EXPECT_NE(epochs(dataset, 6, 0), expected);
  const auto half = expected.begin() + 42;
  EXPECT_FALSE(std::equal(expected.begin(), half, half)) << "epochs differ";
  // Resuming in the middle of the second epoch.
  Loader resumed(dataset, {.batch_size = 8, .shuffle = true, .seed = 5});
  resumed.restore({.epoch = 1, .batch = 7});
  for (std::size_t k = 49; k < expected.size(); ++k) EXPECT_EQ(texts_of(*resumed.next(), tokenizer), expected[k]);
}

TEST(LoaderOfSequences, LengthsFollowSubsets) {
  const TextSplits splits = counted_texts(100);
  const text::Tokenizer tokenizer = training_tokenizer(splits, splits.usual);
  const Dataset part = subset(encoded(splits, Split::train, tokenizer).data, Numbers{39, 0, 2});
  for (const Dataset& dataset : {part, loaded(part)}) {
    Loader loader(dataset, {.batch_size = 8});
    const Batch batch = *loader.next();
    EXPECT_EQ(numbers_of(batch.lengths), (Numbers{40, 1, 3}));
    EXPECT_EQ(texts_of(batch, tokenizer)[2], "w w 2");
  }
}

TEST(LoaderOfSequences, DropLastLeavesOutRandomSamples) {
  const Dataset dataset = encoded_train(counted_texts(100)).data;
  std::set<std::int64_t> longest_left_out;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Loader loader(dataset, {.batch_size = 64, .shuffle = true, .drop_last = true, .seed = seed, .workers = 0});
    const Numbers lengths = numbers_of(loader.next()->lengths);
    longest_left_out.insert(*std::max_element(lengths.begin(), lengths.end()));
    EXPECT_FALSE(loader.next().has_value());
  }
  EXPECT_TRUE(longest_left_out.contains(40)) << "the longest are not always left out";
}

TEST(LoaderOfSequences, FloatingSequencesAndTagsAreFilled) {
  Array image = Array::empty(DType::f32, {2, 9, 2});
  Array label = Array::empty(DType::i64, {2, 9});
  std::fill_n(image.mutable_values<float>().begin(), 36, 7.0F);
  std::fill_n(label.mutable_values<std::int64_t>().begin(), 18, 5);
  Dataset dataset = in_memory("walks", {{"image", image}, {"label", label}});
  dataset.lengths = std::make_shared<const Numbers>(Numbers{2, 3});
  Loader loader(dataset, {.batch_size = 2});
  const Batch batch = *loader.next();
  EXPECT_EQ(batch.image.shape, (Shape{2, 8, 2}));
  EXPECT_EQ(batch.label.shape, (Shape{2, 8}));
  EXPECT_EQ(numbers_of(batch.label), (Numbers{5, 5, -1, -1, -1, -1, -1, -1, 5, 5, 5, -1, -1, -1, -1, -1}));
  const auto values = batch.image.values<float>();
  EXPECT_EQ(std::count(values.begin(), values.begin() + 16, 7.0F), 4);
  EXPECT_EQ(std::count(values.begin() + 16, values.end(), 7.0F), 6);
  EXPECT_EQ(std::count(values.begin(), values.end(), 0.0F), 22);
}

TEST(LoaderOfSequences, RefusesWhatDoesNotFit) {
  const auto message = [](Dataset dataset, const Numbers& lengths, const LoaderOptions& options = {}) {
    dataset.lengths = std::make_shared<const Numbers>(lengths);
    return error_of([&] { Loader loader(dataset, options); });
  };
  const Dataset two =
      in_memory("two", {{"image", Array::zeros(DType::f32, {2, 4, 3})}, {"label", Array::zeros(DType::i64, {2})}});
  EXPECT_TRUE(contains(message(two, {1}), "1 lengths for 2 samples"));
  EXPECT_TRUE(contains(message(two, {1, 5}), "a length of 5; samples have 1 to 4"));
  EXPECT_TRUE(contains(message(two, {0, 2}), "a length of 0"));
  EXPECT_TRUE(contains(message(two, {1, 2}, {.augment = {.flip = 0.5F}}), "not augmented"));
  const Dataset tokens = encoded_train(counted_texts(5)).data;
  EXPECT_TRUE(contains(message(tokens, *tokens.lengths, {.augment = {.mixup = 1}}), "not augmented"));
  const Dataset windows = language_windows("w", counting(9), 1, 2);
  EXPECT_TRUE(contains(error_of([&] { Loader loader(windows, {.augment = {.mixup = 1}}); }), "numbers of tokens"));
  EXPECT_THROW(Loader(windows, {.augment = {.flip = 0.5F}}), Error);
  Dataset normalised = two;
  normalised.mean = {1, 2, 3, 4};
  normalised.stddev = {1, 1, 1, 1};
  EXPECT_TRUE(contains(message(normalised, {1, 2}), "by one mean"));
}

TEST(Tagged, ATagForEachWord) {
  TagSplits splits{.name = "t",
                   .tags = {"N", "V"},
                   .train = {{{"dogs", "bark"}, {0, 1}}, {{"Dogs"}, {0}}},
                   .validation = {},
                   .test = {}};
  const text::Tokenizer tokenizer = training_tokenizer(splits, true);
  EXPECT_EQ(tokenizer.vocabulary.size(), 4);
  const EncodedTexts train = tagged(splits, Split::train, tokenizer);
  EXPECT_EQ(numbers_of(read_field(train.data, "image", 0, 2)), (Numbers{2, 3, 2, 0}));
  EXPECT_EQ(numbers_of(read_field(train.data, "label", 0, 2)), (Numbers{0, 1, 0, -1}));
  EXPECT_EQ(train.data.classes, splits.tags);
  const EncodedTexts cut = tagged(splits, Split::train, tokenizer, {.max_length = 1});
  EXPECT_EQ(numbers_of(read_field(cut.data, "label", 0, 2)), (Numbers{0, 0}));
  EXPECT_EQ(cut.cut, 1);
  splits.train[0].tags.pop_back();
  EXPECT_TRUE(contains(error_of([&] { (void)tagged(splits, Split::train, tokenizer); }), "2 words and 1 tags"));
}

TEST(Tagged, GeneratedSentencesGoThroughTheLoader) {
  const TagSplits splits = synth_tags(64, 8);
  Loader loader(tagged(splits, Split::train, training_tokenizer(splits)).data, {.batch_size = 16, .shuffle = true});
  std::int64_t words = 0;
  for (const Batch& batch : loader) {
    const Numbers labels = numbers_of(batch.label);
    words += std::ssize(labels) - std::count(labels.begin(), labels.end(), -1);
  }
  std::int64_t expected = 0;
  for (const TaggedSentence& sentence : splits.train) expected += std::ssize(sentence.words);
  EXPECT_EQ(words, expected);
}

}  // namespace
}  // namespace narae
