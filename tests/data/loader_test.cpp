#include "narae/data/loader.h"

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/data/files_for_tests.h"

namespace narae {
namespace {

using namespace testing_files;
using namespace std::chrono_literals;

// Pictures (1, 6, 5) of random pixels; sample i has label i.
Dataset pictures(std::int64_t n) {
  Array image = Array::empty(DType::u8, {n, 1, 6, 5});
  Array label = Array::empty(DType::u8, {n});
  RandomStream random(5);
  for (auto& pixel : image.mutable_values<std::uint8_t>()) pixel = static_cast<std::uint8_t>(random.below(256));
  std::iota(label.mutable_values<std::uint8_t>().begin(), label.mutable_values<std::uint8_t>().end(), std::uint8_t{0});
  Dataset dataset = in_memory("pictures", {{"image", image}, {"label", label}});
  dataset.mean = {0.5F};
  dataset.stddev = {0.25F};
  return dataset;
}

// The same samples, made one by one.
Dataset streamed(
    const Dataset& source, const std::function<void(std::int64_t)>& hook = [](std::int64_t) {}) {
  Dataset dataset =
      generated("streamed", source.fields, source.size(), [source, hook](std::int64_t i, std::span<const Slot> out) {
        hook(i);
        read_sample(source, i, out);
      });
  dataset.mean = source.mean;
  dataset.stddev = source.stddev;
  return dataset;
}

struct Copy {
  std::vector<float> image;
  std::vector<std::int64_t> label;
  friend bool operator==(const Copy&, const Copy&) = default;
};

Copy copy_of(const Batch& batch) {
  const auto image = batch.image.values<float>();
  const auto label = batch.label.values<std::int64_t>();
  return {{image.begin(), image.end()}, {label.begin(), label.end()}};
}

std::vector<Copy> epochs_of(Loader& loader, int epochs) {
  std::vector<Copy> result;
  for (int e = 0; e < epochs; ++e) {
    for (const Batch& batch : loader) result.push_back(copy_of(batch));
  }
  return result;
}

std::vector<std::int64_t> labels_of_epoch(Loader& loader) {
  std::vector<std::int64_t> result;
  for (auto [image, label] : loader) {
    const auto values = label.values<std::int64_t>();
    result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

constexpr AugmentOptions wild{.translate = 0.2F, .rotate = 20, .scale = 0.2F, .stretch = 0.1F, .shear = 5};

TEST(Loader, GoesThroughTheDatasetInOrder) {
  for (const int workers : {0, 2}) {
    Loader loader(pictures(10), {.batch_size = 4, .workers = workers});
    EXPECT_EQ(loader.batches(), 3);
    std::vector<std::int64_t> sizes;
    std::int64_t next = 0;
    for (auto [image, label] : loader) {
      sizes.push_back(image.shape[0]);
      EXPECT_EQ(image.dtype, DType::f32);
      EXPECT_EQ(image.shape, (Shape{sizes.back(), 1, 6, 5}));
      EXPECT_EQ(label.dtype, DType::i64);
      EXPECT_EQ(label.shape, (Shape{sizes.back()}));
      for (std::int64_t i = 0; i < label.count(); ++i) {
        const Array stored = read_field(loader.dataset(), "image", next, next + 1);
        EXPECT_EQ(label.values<std::int64_t>()[static_cast<std::size_t>(i)], next++);
        for (std::size_t k = 0; k < 30; ++k) {
          EXPECT_EQ(image.values<float>()[static_cast<std::size_t>(30 * i) + k],
                    (static_cast<float>(stored.values<std::uint8_t>()[k]) / 255.0F - 0.5F) / 0.25F);
        }
      }
    }
    EXPECT_EQ(sizes, (std::vector<std::int64_t>{4, 4, 2}));
    EXPECT_EQ(loader.state(), (LoaderState{.epoch = 1, .batch = 0}));
  }
}

TEST(Loader, DropLastLeavesOutWhatIsNotFull) {
  Loader loader(pictures(10), {.batch_size = 4, .drop_last = true});
  EXPECT_EQ(loader.batches(), 2);
  EXPECT_EQ(labels_of_epoch(loader).size(), 8U);
}

TEST(Loader, WithoutNormalisationPixelsAreBetweenZeroAndOne) {
  Loader loader(pictures(3), {.workers = 0, .normalize = false});
  const Batch batch = *loader.next();
  const Array stored = read_field(loader.dataset(), "image", 0, 3);
  for (std::size_t k = 0; k < 90; ++k) {
    EXPECT_EQ(batch.image.values<float>()[k], static_cast<float>(stored.values<std::uint8_t>()[k]) / 255.0F);
  }
}

TEST(Loader, ShufflingIsSeededAndNewInEveryEpoch) {
  const Dataset dataset = pictures(100);
  Loader loader(dataset, {.batch_size = 7, .shuffle = true, .seed = 1});
  const auto epoch0 = labels_of_epoch(loader);
  const auto epoch1 = labels_of_epoch(loader);
  EXPECT_NE(epoch0, epoch1);
  for (auto labels : {epoch0, epoch1}) {
    EXPECT_FALSE(std::is_sorted(labels.begin(), labels.end()));
    std::sort(labels.begin(), labels.end());
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(labels[i], static_cast<std::int64_t>(i));
  }
  loader.set_epoch(0);
  EXPECT_EQ(labels_of_epoch(loader), epoch0);
  Loader same(dataset, {.batch_size = 50, .shuffle = true, .seed = 1, .workers = 0});
  EXPECT_EQ(labels_of_epoch(same), epoch0);
  Loader other(dataset, {.batch_size = 7, .shuffle = true, .seed = 2});
  EXPECT_NE(labels_of_epoch(other), epoch0);
}

TEST(Loader, PrefetchingEqualsPreparingOnDemand) {
  const Dataset dataset = pictures(53);
  LoaderOptions options{.batch_size = 5, .shuffle = true, .seed = 4, .workers = 0, .augment = wild};
  Loader plain(dataset, options);
  const auto expected = epochs_of(plain, 3);
  for (const int workers : {1, 3}) {
    for (const int prefetch : {1, 2, 40}) {
      options.workers = workers;
      options.prefetch = prefetch;
      Loader ahead(dataset, options);
      EXPECT_EQ(epochs_of(ahead, 3), expected) << workers << " workers, prefetch " << prefetch;
      Loader stream(streamed(dataset), options);
      EXPECT_EQ(epochs_of(stream, 3), expected) << workers << " workers, streamed";
    }
  }
}

TEST(Loader, ResumingInTheMiddleEqualsGoingOn) {
  const Dataset dataset = pictures(53);
  for (const int workers : {0, 2}) {
    const LoaderOptions options{.batch_size = 5, .shuffle = true, .seed = 4, .workers = workers, .augment = wild};
    Loader whole(dataset, options);
    const auto expected = epochs_of(whole, 3);
    for (const int stop : {0, 1, 7, 10, 11, 12, 25}) {  // 11 batches an epoch
      Loader before(dataset, options);
      std::vector<Copy> seen;
      while (static_cast<int>(seen.size()) < stop) {
        if (const auto batch = before.next()) seen.push_back(copy_of(*batch));
      }
      Loader after(dataset, options);
      after.restore(before.state());
      while (seen.size() < expected.size()) {
        if (const auto batch = after.next()) seen.push_back(copy_of(*batch));
      }
      EXPECT_EQ(seen, expected) << "stopped after " << stop << " batches";
    }
  }
}

TEST(Loader, StateCountsTheBatchesHandedOut) {
  Loader loader(pictures(10), {.batch_size = 4});
  std::vector<LoaderState> states;
  for (auto [image, label] : loader) states.push_back(loader.state());
  EXPECT_EQ(states, (std::vector<LoaderState>{{0, 1}, {0, 2}, {0, 3}}));
  loader.restore({.epoch = 4, .batch = 3});  // an epoch at its end
  EXPECT_TRUE(labels_of_epoch(loader).empty());
  EXPECT_EQ(loader.state(), (LoaderState{5, 0}));
  EXPECT_TRUE(contains(error_of([&] { loader.restore({.epoch = 0, .batch = 4}); }), "has 3 batches of 4"));
  EXPECT_THROW(loader.restore({.epoch = -1, .batch = 0}), Error);
  EXPECT_EQ(loader.state(), (LoaderState{5, 0}));
}

TEST(Loader, ALoopThatIsLeftEarlyGoesOnWhereItWas) {
  Loader loader(pictures(10), {.batch_size = 2});
  for (auto [image, label] : loader) {
    if (label.values<std::int64_t>()[0] == 4) break;
  }
  EXPECT_EQ(labels_of_epoch(loader), (std::vector<std::int64_t>{6, 7, 8, 9}));
}

TEST(Loader, AugmentationIsNewInEveryEpochAndIndependentOfTheOrder) {
  const Dataset dataset = pictures(1);
  Loader loader(dataset, {.batch_size = 1, .seed = 9, .augment = wild});
  const auto copies = epochs_of(loader, 2);
  EXPECT_NE(copies[0].image, copies[1].image);
  Loader plain(dataset, {.batch_size = 1, .seed = 9});
  EXPECT_NE(epochs_of(plain, 1)[0].image, copies[0].image);
}

TEST(Loader, AWorkersExceptionReachesTheCaller) {
  for (const int workers : {0, 1, 3}) {
    std::atomic<bool> broken = true;
    Loader loader(streamed(pictures(20),
                           [&](std::int64_t i) {
                             if (i == 9 && broken) throw Error("sample 9 is broken");
                           }),
                  {.batch_size = 4, .workers = workers});
    std::int64_t seen = 0;
    EXPECT_EQ(error_of([&] {
                for (auto [image, label] : loader) seen += label.count();
              }),
              "sample 9 is broken");
    EXPECT_EQ(seen, 8);
    EXPECT_EQ(loader.state(), (LoaderState{0, 2}));
    broken = false;  // mended: the loader goes on before the batch that failed
    EXPECT_EQ(labels_of_epoch(loader).front(), 8);
  }
}

TEST(Loader, EndsQuicklyInTheMiddleOfAnEpoch) {
  std::atomic<std::int64_t> made = 0;
  {
    Loader loader(streamed(pictures(5000),
                           [&](std::int64_t index) {
                             ++made;
                             if (index >= 1000) std::this_thread::sleep_for(1ms);
                           }),
                  {.batch_size = 1000, .shuffle = false, .workers = 2});
    EXPECT_TRUE(loader.next().has_value());  // the next two batches are under way
  }
  EXPECT_LT(made, 2500) << "a batch that nobody waits for is given up in its middle";
  Loader never_asked(pictures(10), {.workers = 2});
}

TEST(Loader, WorkersWaitWhenEnoughIsReady) {
  std::atomic<std::int64_t> made = 0;
  Loader loader(streamed(pictures(200), [&](std::int64_t) { ++made; }),
                {.batch_size = 10, .workers = 2, .prefetch = 3});
  EXPECT_TRUE(loader.next().has_value());
  std::this_thread::sleep_for(100ms);
  EXPECT_LE(made, 40);  // one taken, three waiting
}

TEST(Loader, CanBeMoved) {
  Loader loader(pictures(10), {.batch_size = 4, .workers = 2});
  EXPECT_TRUE(loader.next().has_value());
  Loader moved = std::move(loader);
  EXPECT_EQ(labels_of_epoch(moved).size(), 6U);
}

TEST(Loader, MemoryIsRecycled) {
  for (const int workers : {0, 1}) {
    Loader loader(pictures(200), {.batch_size = 8, .workers = workers, .prefetch = 4, .augment = wild});
    const std::int64_t before = memory_use().allocations;
    for (int e = 0; e < 6; ++e) labels_of_epoch(loader);
    // 150 batches of two arrays; four wait, one is being made, one is in use.
    EXPECT_LE(memory_use().allocations - before, 2 * 6);
  }
}

TEST(Loader, FloatingLabelsAndPointsPassThrough) {
  Array image = Array::empty(DType::f32, {2, 3});
  Array label = Array::empty(DType::f64, {2, 2});
  std::iota(image.mutable_values<float>().begin(), image.mutable_values<float>().end(), 1.0F);
  std::iota(label.mutable_values<double>().begin(), label.mutable_values<double>().end(), 0.5);
  Loader loader(in_memory("points", {{"image", image}, {"label", label}}));
  const Batch batch = *loader.next();
  EXPECT_EQ(batch.image.values<float>()[5], 6.0F);
  EXPECT_EQ(batch.label.dtype, DType::f32);
  EXPECT_EQ(batch.label.shape, (Shape{2, 2}));
  EXPECT_EQ(batch.label.values<float>()[3], 3.5F);
}

// Colour pictures of (3, 12, 12), cut out of larger ones of different sizes.
Dataset colored(std::int64_t n) {
  Dataset dataset = generated("coloured", {{"image", DType::u8, {3, 12, 12}}, {"label", DType::i64, {}}}, n, nullptr);
  dataset.whole = [](std::int64_t i) {
    RandomStream random(8, static_cast<std::uint64_t>(i));
    LabelledPicture picture{Array::empty(DType::u8, {3, 12 + i % 5, 14 + i % 3}), i % 4};
    for (auto& pixel : picture.image.mutable_values<std::uint8_t>())
      pixel = static_cast<std::uint8_t>(random.below(256));
    return picture;
  };
  dataset.generate = [whole = dataset.whole](std::int64_t i, std::span<const Slot> out) {
    fit(view_of(whole(i).image), {12, 12}, {}, out[0].values<std::uint8_t>());
    out[1].values<std::int64_t>()[0] = i % 4;
  };
  dataset.classes = {"a", "b", "c", "d"};
  dataset.mean = {0.4F, 0.5F, 0.6F};
  dataset.stddev = {0.2F, 0.3F, 0.25F};
  return dataset;
}

constexpr AugmentOptions everything{.resized_crop = 0.3F,
                                    .crop_padding = 2,
                                    .flip = 0.5F,
                                    .flip_vertical = 0.5F,
                                    .translate = 0.1F,
                                    .rotate = 10,
                                    .scale = 0.1F,
                                    .stretch = 0.1F,
                                    .shear = 5,
                                    .brightness = 0.3F,
                                    .contrast = 0.3F,
                                    .saturation = 0.3F,
                                    .hue = 0.1F,
                                    .cutout = 0.3F,
                                    .mixup = 0.4F,
                                    .cutmix = 1};

struct SoftCopy {
  std::vector<float> image;
  std::vector<float> label;
  friend bool operator==(const SoftCopy&, const SoftCopy&) = default;
};

SoftCopy soft_copy_of(const Batch& batch) {
  const auto image = batch.image.values<float>();
  const auto label = batch.label.values<float>();
  return {{image.begin(), image.end()}, {label.begin(), label.end()}};
}

TEST(Loader, EveryAugmentationIsTheSameWhateverTheNumberOfWorkers) {
  LoaderOptions options{.batch_size = 5, .shuffle = true, .seed = 4, .workers = 0, .augment = everything};
  Loader plain(colored(23), options);
  std::vector<SoftCopy> expected;
  for (int e = 0; e < 3; ++e) {
    for (const Batch& batch : plain) expected.push_back(soft_copy_of(batch));
  }
  ASSERT_EQ(expected.size(), 15U);
  EXPECT_EQ(expected[0].label.size(), 20U);  // (5, 4) shares
  for (const int workers : {1, 3}) {
    options.workers = workers;
    Loader ahead(colored(23), options);
    std::vector<SoftCopy> seen;
    for (int e = 0; e < 3; ++e) {
      for (const Batch& batch : ahead) seen.push_back(soft_copy_of(batch));
    }
    EXPECT_EQ(seen, expected) << workers << " workers";
    // Resuming in the middle goes on with the same batches.
    Loader after(colored(23), options);
    after.restore({.epoch = 1, .batch = 2});
    for (std::size_t k = 7; k < 10; ++k) EXPECT_EQ(soft_copy_of(*after.next()), expected[k]);
  }
}

TEST(Loader, ASampleIsAugmentedTheSameInEveryBatch) {
  AugmentOptions single = everything;
  single.mixup = 0;
  single.cutmix = 0;
  Loader ordered(colored(10), {.batch_size = 10, .seed = 4, .workers = 0, .augment = single});
  const Batch all = *ordered.next();
  Loader small(colored(10), {.batch_size = 3, .shuffle = true, .seed = 4, .workers = 2, .augment = single});
  // Which sample is which: that of the nearest picture in the ordered batch.
  std::size_t found = 0;
  for (const Batch& batch : small) {
    for (std::int64_t i = 0; i < batch.label.count(); ++i) {
      const auto picture = batch.image.values<float>().subspan(static_cast<std::size_t>(432 * i), 432);
      for (std::size_t k = 0; k < 10; ++k) {
        const auto candidate = all.image.values<float>().subspan(432 * k, 432);
        found += std::equal(picture.begin(), picture.end(), candidate.begin()) ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(found, 10U);
}

TEST(Loader, SharesOfMixedSamplesAddUpToOne) {
  Loader loader(colored(9), {.batch_size = 4, .workers = 0, .augment = {.mixup = 1}});
  for (const Batch& batch : loader) {
    EXPECT_EQ(batch.label.dtype, DType::f32);
    for (std::int64_t i = 0; i < batch.label.shape[0]; ++i) {
      const auto row = batch.label.values<float>().subspan(static_cast<std::size_t>(4 * i), 4);
      EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0F), 1, 1e-6);
    }
  }
}

TEST(Loader, SaysHowLongItWasWaitedFor) {
  Loader slow(streamed(pictures(8), [](std::int64_t) { std::this_thread::sleep_for(5ms); }),
              {.batch_size = 4, .workers = 0});
  EXPECT_EQ(slow.waited(), 0);
  labels_of_epoch(slow);
  EXPECT_GE(slow.waited(), 0.04);
  EXPECT_LT(slow.waited(), 4);
}

TEST(Loader, RefusesOptionsAndDatasetsThatDoNotFit) {
  const Dataset dataset = pictures(10);
  const auto message = [](const Dataset& d, const LoaderOptions& options) {
    return error_of([&] { Loader loader(d, options); });
  };
  EXPECT_TRUE(contains(message(dataset, {.batch_size = 0}), "batch size of 0"));
  EXPECT_TRUE(contains(message(dataset, {.workers = -1}), "-1 workers"));
  EXPECT_TRUE(contains(message(dataset, {.prefetch = 0}), "prefetch of 0"));
  EXPECT_TRUE(contains(message(dataset, {.batch_size = 11, .drop_last = true}), "drop_last"));
  EXPECT_TRUE(contains(message(first(dataset, 0), {}), "no samples"));
  EXPECT_TRUE(contains(message(dataset, {.augment = {.rotate = -5}}), "rotate"));
  const Dataset points =
      in_memory("points", {{"image", Array::zeros(DType::f32, {4, 2})}, {"label", Array::zeros(DType::i64, {4})}});
  EXPECT_TRUE(contains(message(points, {.augment = {.rotate = 5}}), "height and width"));
  EXPECT_TRUE(contains(message(dataset, {.augment = {.mixup = 1}}), "mix classes"));  // it has none
  EXPECT_TRUE(contains(message(dataset, {.augment = {.hue = 0.1F}}), "3 channels"));
  const Dataset unlabelled = in_memory("unlabelled", {{"image", Array::zeros(DType::f32, {4, 2})}});
  EXPECT_TRUE(contains(message(unlabelled, {}), "no field 'label'"));
}

}  // namespace
}  // namespace narae
