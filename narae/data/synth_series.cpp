// synth:series and synth:adding, numbers over time.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "narae/core/error.h"
#include "narae/data/synth_text.h"
#include "narae/data/synth_words.h"

namespace narae {

Series synth_series(const SynthSeriesOptions& options, std::uint64_t seed) {
  constexpr std::int64_t most_rows = 10'000'000;
  if (options.rows < 10 || options.rows > most_rows || options.period < 2 || options.period > options.rows ||
      !(options.noise >= 0 && options.noise <= 1000)) {
    throw Error("synth:series: " + std::to_string(options.rows) + " rows with a period of " +
                std::to_string(options.period) + " and noise of " + std::to_string(options.noise) +
                "; there are 10 to " + std::to_string(most_rows) +
                " rows, a period of 2 to as many, noise of 0 to 1000");
  }
  constexpr double fading = 0.7;  // what is left of the noise a row later
  const double fresh = options.noise * std::sqrt(1 - fading * fading);
  RandomStream random(seed, hash_of("synth/series"));
  Series series{.name = "synth:series", .columns = {"value"}, .values = {}};
  double noise = options.noise * static_cast<double>(random.normal());
  for (std::int64_t t = 0; t < options.rows; ++t) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(t) / static_cast<double>(options.period);
    const double trend = 2 * static_cast<double>(t) / static_cast<double>(options.rows);
    series.values.push_back(trend + std::sin(angle) + 0.4 * std::sin(2 * angle + 1) + noise);
    noise = fading * noise + fresh * static_cast<double>(random.normal());
  }
  return series;
}

Dataset synth_adding(Split split, std::int64_t size, std::int64_t length, std::uint64_t seed) {
  constexpr std::int64_t most_length = 1 << 20;
  if (length < 2 || length > most_length) {
    throw Error("synth:adding: a length of " + std::to_string(length) + "; at least 2 and at most " +
                std::to_string(most_length));
  }
  return generated("synth:adding", {{"image", DType::f32, {length, 2}}, {"label", DType::f32, {}}}, size,
                   [split, length, seed](std::int64_t i, std::span<const Slot> out) {
                     RandomStream random = detail::random_of("synth/adding", split, seed, i);
                     const auto rows = out[0].values<float>();
                     for (std::int64_t t = 0; t < length; ++t) {
                       rows[static_cast<std::size_t>(2 * t)] = random.uniform();
                       rows[static_cast<std::size_t>(2 * t + 1)] = 0;
                     }
                     const auto half = static_cast<std::uint64_t>(length / 2);
                     const std::uint64_t marks[] = {random.below(half),
                                                    half + random.below(static_cast<std::uint64_t>(length) - half)};
                     float sum = 0;
                     for (const std::uint64_t mark : marks) {
                       rows[2 * mark + 1] = 1;
                       sum += rows[2 * mark];
                     }
                     out[1].values<float>()[0] = sum;
                   });
}

}  // namespace narae
