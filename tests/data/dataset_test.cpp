#include "narae/data/dataset.h"

#include <numeric>
#include <set>
#include <stdexcept>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;

// Sample i: a picture (2, 1, 2) whose first channel is i and whose second is 2 i; label i.
Dataset numbered(std::int64_t n) {
  Array image = Array::empty(DType::u8, {n, 2, 1, 2});
  Array label = Array::empty(DType::i64, {n});
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < 4; ++k) {
      image.mutable_values<std::uint8_t>()[static_cast<std::size_t>(4 * i + k)] =
          static_cast<std::uint8_t>(k < 2 ? i : 2 * i);
    }
    label.mutable_values<std::int64_t>()[static_cast<std::size_t>(i)] = i;
  }
  return in_memory("numbered", {{"image", image}, {"label", label}});
}

std::vector<std::int64_t> labels_of(const Dataset& dataset) {
  const Array labels = read_field(dataset, "label", 0, dataset.size());
  const auto values = labels.values<std::int64_t>();
  return {values.begin(), values.end()};
}

TEST(Dataset, FieldsOfArraysMustAgree) {
  const Array three = Array::zeros(DType::f32, {3, 2});
  const std::string text = error_of([&] {
    (void)in_memory("bad", {{"image", three}, {"label", Array::zeros(DType::i64, {4})}});
  });
  EXPECT_TRUE(contains(text, "'label' (4,) has 4 samples, but 'image' (3, 2) has 3")) << text;
  EXPECT_TRUE(contains(error_of([&] { (void)in_memory("bad", {{"image", Array::zeros(DType::f32, {})}}); }), "scalar"));
  EXPECT_TRUE(contains(error_of([&] { (void)field_index(numbered(2), "labels"); }), "it has image, label"));
}

TEST(Dataset, ReadsSamplesInAndOutOfRange) {
  const Dataset dataset = numbered(5);
  EXPECT_EQ(dataset.size(), 5);
  const Array pictures = read_field(dataset, "image", 1, 3);
  EXPECT_EQ(pictures.shape, (Shape{2, 2, 1, 2}));
  EXPECT_EQ(pictures.values<std::uint8_t>()[4], 2);
  EXPECT_EQ(pictures.values<std::uint8_t>()[7], 4);
  EXPECT_TRUE(contains(error_of([&] { (void)read_field(dataset, "image", 3, 6); }), "samples 3 to 6 of 5"));
  EXPECT_TRUE(contains(error_of([&] { (void)subset(dataset, std::vector<std::int64_t>{5}); }), "of 5"));
}

TEST(Dataset, SubsetsOfSubsetsShareTheMemory) {
  const Dataset dataset = numbered(10);
  const Dataset odd = subset(dataset, std::vector<std::int64_t>{1, 3, 5, 7, 9});
  const Dataset two = first(odd, 2);
  EXPECT_EQ(labels_of(two), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(two.arrays[0].buffer.data(), dataset.arrays[0].buffer.data());
  EXPECT_EQ(first(dataset, 100).size(), 10);
  EXPECT_EQ(first(dataset, 0).size(), 0);
  EXPECT_TRUE(contains(error_of([&] { (void)first(dataset, -1); }), "-1"));
}

TEST(Dataset, SplitOffPartsTheSamplesBySeed) {
  const Dataset dataset = numbered(100);
  const auto [rest, part] = split_off(dataset, 0.2, 7);
  EXPECT_EQ(rest.size(), 80);
  EXPECT_EQ(part.size(), 20);
  std::set<std::int64_t> all;
  for (const Dataset& d : {rest, part}) {
    const auto labels = labels_of(d);
    EXPECT_TRUE(std::is_sorted(labels.begin(), labels.end()));
    all.insert(labels.begin(), labels.end());
  }
  EXPECT_EQ(all.size(), 100U);
  EXPECT_EQ(labels_of(split_off(dataset, 0.2, 7).second), labels_of(part));
  EXPECT_NE(labels_of(split_off(dataset, 0.2, 8).second), labels_of(part));
  EXPECT_EQ(split_off(dataset, 0, 7).second.size(), 0);
  for (const double fraction : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_TRUE(contains(error_of([&] { (void)split_off(dataset, fraction, 7); }), "fraction"));
  }
}

TEST(Dataset, PermutationIsOneAndEveryPlaceIsReached) {
  std::vector<std::int64_t> sums(10);
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const auto order = permutation(10, RandomStream(seed));
    EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) sums[i] += order[i];
  }
  // The mean of a place over 400 orders is 4.5 with a deviation of 2.87 / 20.
  for (const std::int64_t sum : sums) EXPECT_NEAR(static_cast<double>(sum) / 400, 4.5, 0.7);
  EXPECT_TRUE(permutation(0, RandomStream(1)).empty());
}

TEST(Dataset, GeneratedSamplesCanBeLoaded) {
  const Dataset made = generated("squares", {{"image", DType::f32, {2}}, {"label", DType::i64, {}}}, 1000,
                                 [](std::int64_t i, std::span<const Slot> out) {
                                   out[0].values<float>()[0] = static_cast<float>(i);
                                   out[0].values<float>()[1] = static_cast<float>(i * i);
                                   out[1].values<std::int64_t>()[0] = i % 3;
                                 });
  const Dataset kept = loaded(subset(made, std::vector<std::int64_t>{7, 3}));
  EXPECT_EQ(kept.size(), 2);
  EXPECT_FALSE(kept.generate);
  EXPECT_EQ(kept.arrays[0].values<float>()[1], 49.0F);
  EXPECT_EQ(labels_of(kept), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(labels_of(loaded(made)), labels_of(made));

  const Dataset failing = generated("failing", made.fields, 300, [](std::int64_t i, std::span<const Slot>) {
    if (i == 200) throw Error("sample 200 is broken");
  });
  EXPECT_EQ(error_of([&] { (void)loaded(failing); }), "sample 200 is broken");
}

TEST(Dataset, MeasuresMeanAndDeviationPerChannel) {
  Dataset dataset = numbered(3);  // channels hold 0, 1, 2 and 0, 2, 4
  measure(dataset, dataset.size());
  ASSERT_EQ(dataset.mean.size(), 2U);
  EXPECT_NEAR(dataset.mean[0], 1.0 / 255, 1e-7);
  EXPECT_NEAR(dataset.mean[1], 2.0 / 255, 1e-7);
  EXPECT_NEAR(dataset.stddev[0], std::sqrt(2.0 / 3) / 255, 1e-7);
  EXPECT_NEAR(dataset.stddev[1], 2 * std::sqrt(2.0 / 3) / 255, 1e-7);
  Dataset constant = first(dataset, 1);
  measure(constant, 1);
  EXPECT_EQ(constant.stddev[0], 1.0F);  // nothing to divide by
}

TEST(Dataset, SplitsHaveNames) {
  EXPECT_EQ(split_from("val"), Split::validation);
  EXPECT_EQ(name_of(split_from("test")), "test");
  EXPECT_THROW((void)split_from("tset"), UsageError);
  EXPECT_TRUE(contains(error_of([] { (void)split_from("tset"); }), "did you mean 'test'"));
}

}  // namespace
}  // namespace narae
