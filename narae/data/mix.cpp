#include "narae/data/mix.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/data/augment.h"

namespace narae {
namespace {

// Marsaglia and Tsang, "A simple method for generating gamma variables" (2000). Logarithms, because numbers for small
// alpha underflow: Gamma(a) = Gamma(a + 1) U^(1/a).
double log_gamma_number(double alpha, RandomStream& random) {
  if (alpha < 1) return log_gamma_number(alpha + 1, random) + std::log(1.0 - random.uniform()) / alpha;
  const double d = alpha - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1 + c * x, 3);
    const double u = 1.0 - random.uniform();
    if (v > 0 && std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

void require(const Array& images, const Array& labels, std::int64_t classes) {
  const bool fits = images.dtype == DType::f32 && labels.dtype == DType::i64 && labels.shape.rank() == 1 &&
                    images.shape.rank() >= 2 && images.shape[0] == labels.shape[0] && labels.shape[0] >= 1;
  if (!fits) {
    throw Error("mix: images " + to_string(images.shape) + " and labels " + std::string(name_of(labels.dtype)) + " " +
                to_string(labels.shape) + "; f32 (batch, ...) and i64 (batch) are needed");
  }
  for (const std::int64_t label : labels.values<std::int64_t>()) {
    if (label < 0 || label >= classes) {
      throw Error("mix: label " + std::to_string(label) + " of " + std::to_string(classes) + " classes");
    }
  }
}

// Calls mix(sample, the one before it) for every sample, from the last to the first, which meets the last as it was.
template <class Mix>
void for_each_pair(Array& images, const Mix& mix) {
  const std::span<float> values = images.mutable_values<float>();
  const auto n = static_cast<std::size_t>(images.shape[0]);
  const std::size_t row = values.size() / n;
  const auto sample = [&](std::size_t i) { return values.subspan(i * row, row); };
  const std::vector<float> last(values.end() - static_cast<std::ptrdiff_t>(row), values.end());
  for (std::size_t i = n; i > 1; --i) mix(sample(i - 1), std::span<const float>(sample(i - 2)));
  mix(sample(0), std::span<const float>(last));
}

void blend(Array& images, float share) {
  for_each_pair(images, [&](std::span<float> own, std::span<const float> other) {
    for (std::size_t k = 0; k < own.size(); ++k) own[k] = share * own[k] + (1 - share) * other[k];
  });
}

// Returns the share of the pixels that stay.
float paste_box(Array& images, double share, RandomStream& random) {
  if (images.shape.rank() < 3)
    throw Error("data.augment.cutmix: height and width are needed, not " + to_string(images.shape));
  const std::int64_t height = images.shape[-2];
  const std::int64_t width = images.shape[-1];
  const double side = std::sqrt(1 - share);
  const auto range = [&](std::int64_t extent) {
    const auto center = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(extent)));
    const std::int64_t length = std::llround(side * static_cast<double>(extent));
    const std::int64_t begin = center - length / 2;
    return std::pair(std::max<std::int64_t>(begin, 0), std::min(begin + length, extent));
  };
  const auto [top, bottom] = range(height);
  const auto [left, right] = range(width);
  if (bottom <= top || right <= left) return 1;
  for_each_pair(images, [&, top = top, bottom = bottom, left = left, right = right](std::span<float> own,
                                                                                    std::span<const float> other) {
    const std::int64_t channels = std::ssize(own) / (height * width);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t y = top; y < bottom; ++y) {
        const std::int64_t row = (c * height + y) * width;
        std::copy(other.begin() + row + left, other.begin() + row + right, own.begin() + row + left);
      }
    }
  });
  return 1 - static_cast<float>((bottom - top) * (right - left)) / static_cast<float>(height * width);
}

Array soft_targets(const Array& labels, std::int64_t classes, float share) {
  const auto numbers = labels.values<std::int64_t>();
  Array targets = Array::zeros(DType::f32, {labels.shape[0], classes});
  const auto values = targets.mutable_values<float>();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::int64_t other = numbers[(i + numbers.size() - 1) % numbers.size()];
    float* row = values.data() + i * static_cast<std::size_t>(classes);
    row[numbers[i]] += share;
    row[other] += 1 - share;
  }
  return targets;
}

}  // namespace

double random_beta(double alpha, RandomStream& random) {
  const double a = log_gamma_number(alpha, random);
  const double b = log_gamma_number(alpha, random);
  return 1 / (1 + std::exp(b - a));
}

Array mix_batch(Array& images, const Array& labels, std::int64_t classes, const AugmentOptions& options,
                RandomStream& random) {
  require(images, labels, classes);
  const bool both = options.mixup > 0 && options.cutmix > 0;
  const bool heads = random.uniform() < 0.5F;
  if (both ? heads : options.mixup > 0) {
    const auto share = static_cast<float>(random_beta(options.mixup, random));
    blend(images, share);
    return soft_targets(labels, classes, share);
  }
  const double share = options.cutmix > 0 ? random_beta(options.cutmix, random) : 1;
  return soft_targets(labels, classes, paste_box(images, share, random));
}

}  // namespace narae
