#include "bench/loading.h"

#include <algorithm>
#include <chrono>

#include "narae/core/random.h"
#include "narae/data/loader.h"

namespace narae::bench {
namespace {

// Random pixels in CIFAR's shape.
Dataset pictures() {
  constexpr std::int64_t count = 5000;
  Array image = Array::empty(DType::u8, {count, 3, 32, 32});
  Array label = Array::empty(DType::i64, {count});
  RandomStream random(1);
  for (auto& word : std::span(reinterpret_cast<std::uint32_t*>(image.buffer.data()), image.bytes() / 4)) {
    word = random.next_u32();
  }
  for (auto& number : label.mutable_values<std::int64_t>()) number = static_cast<std::int64_t>(random.below(10));
  Dataset dataset = in_memory("pictures", {{"image", image}, {"label", label}});
  dataset.classes.assign(10, "class");
  measure(dataset, dataset.size());
  return dataset;
}

}  // namespace

std::vector<LoadingSpeed> measure_loading(int rounds) {
  const Dataset dataset = pictures();
  const std::vector<std::pair<std::string, AugmentOptions>> kinds{
      {"normalised", {}},
      {"crop, flip", {.crop_padding = 4, .flip = 0.5F}},
      {"crop, flip, cutout", {.crop_padding = 4, .flip = 0.5F, .cutout = 0.5F}},
      {"crop, flip, mixup", {.crop_padding = 4, .flip = 0.5F, .mixup = 0.2F}},
      {"resized crop, flip", {.resized_crop = 0.3F, .flip = 0.5F}},
      {"rotation, scale", {.rotate = 15, .scale = 0.1F}},
      {"colour jitter", {.brightness = 0.4F, .contrast = 0.4F, .saturation = 0.4F, .hue = 0.1F}}};
  std::vector<LoadingSpeed> result;
  for (const auto& [name, augment] : kinds) {
    Loader loader(dataset, {.batch_size = 128, .shuffle = true, .workers = 0, .augment = augment});
    std::vector<double> speeds;
    for (int round = 0; round < rounds; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      for (const Batch& batch : loader) static_cast<void>(batch);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      speeds.push_back(static_cast<double>(dataset.size()) / seconds.count());
    }
    std::sort(speeds.begin(), speeds.end());
    result.push_back({name, speeds[speeds.size() / 2]});
  }
  return result;
}

}  // namespace narae::bench
