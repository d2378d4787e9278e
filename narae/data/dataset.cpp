#include "narae/data/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>

#include "narae/core/error.h"
#include "narae/core/threads.h"

namespace narae {
namespace {

struct Moments {
  double sum = 0;
  double squares = 0;
};

Moments moments_of(std::span<const std::uint8_t> values) {
  // Sums of at most 32,768 squares fit in 32 bits, which vectorises.
  constexpr std::size_t block = 32768;
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += block) {
    std::uint32_t block_sum = 0;
    std::uint32_t block_squares = 0;
    for (const std::uint8_t v : values.subspan(begin, std::min(block, values.size() - begin))) {
      block_sum += v;
      block_squares += static_cast<std::uint32_t>(v) * v;
    }
    sum += block_sum;
    squares += block_squares;
  }
  return {static_cast<double>(sum) / 255.0, static_cast<double>(squares) / (255.0 * 255.0)};
}

Moments moments_of(std::span<const float> values) {
  Moments m;
  for (const float v : values) {
    m.sum += v;
    m.squares += static_cast<double>(v) * v;
  }
  return m;
}

// One memory block per field, for reading samples one at a time.
struct Scratch {
  explicit Scratch(const std::vector<Field>& fields) {
    for (const Field& field : fields) {
      blocks.push_back(Buffer::allocate(field.bytes()));
      slots.push_back({blocks.back().data(), field.bytes()});
    }
  }
  std::vector<Buffer> blocks;
  std::vector<Slot> slots;
};

void check_range(const Dataset& dataset, std::int64_t begin, std::int64_t end) {
  if (begin >= 0 && begin <= end && end <= dataset.size()) return;
  throw Error("dataset " + dataset.name + ": samples " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
              std::to_string(dataset.size()));
}

Shape with_leading(std::int64_t n, const Shape& sample) {
  Shape shape{n};
  for (const std::int64_t extent : sample) shape.push_back(extent);
  return shape;
}

}  // namespace

std::string_view name_of(Split split) {
  constexpr std::string_view names[] = {"train", "validation", "test"};
  return names[static_cast<std::size_t>(split)];
}

Split split_from(const std::string& name) {
  if (name == "train") return Split::train;
  if (name == "validation" || name == "val") return Split::validation;
  if (name == "test") return Split::test;
  throw UsageError("split '" + name + "' is not one of train, validation, test" +
                   did_you_mean(name, std::array{"train", "validation", "test"}));
}

Dataset in_memory(std::string name, const std::vector<std::pair<std::string, Array>>& arrays) {
  Dataset dataset;
  dataset.name = std::move(name);
  for (const auto& [field, array] : arrays) {
    if (array.shape.rank() < 1) {
      throw Error("dataset " + dataset.name + ": field '" + field + "' is a scalar; samples lie along dimension 0");
    }
    if (dataset.fields.empty()) dataset.stored = array.shape[0];
    if (array.shape[0] != dataset.stored) {
      throw Error("dataset " + dataset.name + ": field '" + field + "' " + to_string(array.shape) + " has " +
                  std::to_string(array.shape[0]) + " samples, but '" + dataset.fields.front().name + "' " +
                  to_string(dataset.arrays.front().shape) + " has " + std::to_string(dataset.stored));
    }
    dataset.fields.push_back({field, array.dtype, Shape(array.shape.dims().subspan(1))});
    dataset.arrays.push_back(array);
  }
  return dataset;
}

Dataset generated(std::string name, std::vector<Field> fields, std::int64_t size, Generator generate) {
  if (size < 0) throw Error("dataset " + name + ": " + std::to_string(size) + " samples");
  Dataset dataset;
  dataset.name = std::move(name);
  dataset.fields = std::move(fields);
  dataset.stored = size;
  dataset.generate = std::move(generate);
  return dataset;
}

Dataset loaded(const Dataset& dataset) {
  Dataset result = dataset;
  result.arrays.clear();
  result.generate = nullptr;
  result.indices = nullptr;
  result.stored = dataset.size();
  for (const Field& field : dataset.fields) {
    result.arrays.push_back(Array::empty(field.dtype, with_leading(dataset.size(), field.shape)));
  }
  std::mutex mutex;
  std::exception_ptr failure;
  parallel_for(dataset.size(), 64, [&](std::int64_t begin, std::int64_t end) {
    try {
      std::vector<Slot> slots(dataset.fields.size());
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::size_t f = 0; f < slots.size(); ++f) {
          const std::size_t bytes = dataset.fields[f].bytes();
          slots[f] = {result.arrays[f].buffer.data() + static_cast<std::size_t>(i) * bytes, bytes};
        }
        read_sample(dataset, i, slots);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
  return result;
}

std::size_t field_index(const Dataset& dataset, std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < dataset.fields.size(); ++i) {
    if (dataset.fields[i].name == name) return i;
    known += (known.empty() ? "" : ", ") + dataset.fields[i].name;
  }
  throw Error("dataset " + dataset.name + ": no field '" + std::string(name) + "'; it has " + known);
}

void read_sample(const Dataset& dataset, std::int64_t i, std::span<const Slot> out) {
  check_range(dataset, i, i + 1);
  const std::int64_t stored = dataset.stored_index(i);
  if (dataset.generate) {
    dataset.generate(stored, out);
    return;
  }
  for (std::size_t f = 0; f < out.size(); ++f) {
    std::memcpy(out[f].data, dataset.arrays[f].buffer.data() + static_cast<std::size_t>(stored) * out[f].bytes,
                out[f].bytes);
  }
}

Array read_field(const Dataset& dataset, std::string_view field, std::int64_t begin, std::int64_t end) {
  check_range(dataset, begin, end);
  const std::size_t f = field_index(dataset, field);
  const std::size_t bytes = dataset.fields[f].bytes();
  Array result = Array::empty(dataset.fields[f].dtype, with_leading(end - begin, dataset.fields[f].shape));
  Scratch scratch(dataset.fields);
  for (std::int64_t i = begin; i < end; ++i) {
    scratch.slots[f].data = result.buffer.data() + static_cast<std::size_t>(i - begin) * bytes;
    read_sample(dataset, i, scratch.slots);
  }
  return result;
}

Dataset subset(const Dataset& dataset, std::span<const std::int64_t> positions) {
  auto indices = std::make_shared<std::vector<std::int64_t>>();
  indices->reserve(positions.size());
  for (const std::int64_t i : positions) {
    check_range(dataset, i, i + 1);
    indices->push_back(dataset.stored_index(i));
  }
  Dataset result = dataset;
  result.indices = std::move(indices);
  return result;
}

Dataset first(const Dataset& dataset, std::int64_t n) {
  if (n < 0) throw Error("dataset " + dataset.name + ": the first " + std::to_string(n) + " samples");
  if (n >= dataset.size()) return dataset;
  std::vector<std::int64_t> positions(static_cast<std::size_t>(n));
  std::iota(positions.begin(), positions.end(), 0);
  return subset(dataset, positions);
}

std::pair<Dataset, Dataset> split_off(const Dataset& dataset, double fraction, std::uint64_t seed) {
  if (!(fraction >= 0 && fraction < 1)) {
    throw Error("dataset " + dataset.name + ": a fraction of " + std::to_string(fraction) +
                " can't be split off; it must be at least 0 and below 1");
  }
  std::vector<std::int64_t> order = permutation(dataset.size(), RandomStream(seed, hash_of("split")));
  const auto cut = order.begin() + std::llround(fraction * static_cast<double>(order.size()));
  std::sort(order.begin(), cut);
  std::sort(cut, order.end());
  return {subset(dataset, {cut, order.end()}), subset(dataset, {order.begin(), cut})};
}

std::vector<std::int64_t> permutation(std::int64_t n, RandomStream stream) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[stream.below(i)]);
  return order;
}

void measure(Dataset& dataset, std::int64_t samples) {
  const Field& field = dataset.fields[field_index(dataset, "image")];
  if (field.dtype != DType::u8 && field.dtype != DType::f32) {
    throw Error("dataset " + dataset.name + ": mean and deviation of " + std::string(name_of(field.dtype)) +
                " pictures; u8 and f32 are supported");
  }
  const auto channels = static_cast<std::size_t>(field.shape.rank() == 3 ? field.shape[0] : 1);
  const std::int64_t n = std::min(samples, dataset.size());
  const std::size_t plane = channels == 0 ? 0 : static_cast<std::size_t>(field.shape.count()) / channels;
  dataset.mean.assign(channels, 0.0F);
  dataset.stddev.assign(channels, 1.0F);
  if (n == 0 || plane == 0) return;

  std::vector<Moments> total(channels);
  constexpr std::int64_t step = 256;  // fixed blocks, so that the sum has one order whatever the number of threads
  for (std::int64_t begin = 0; begin < n; begin += step) {
    const Array block = read_field(dataset, "image", begin, std::min(n, begin + step));
    const auto rows = static_cast<std::size_t>(block.shape[0]);
    for (std::size_t i = 0; i < rows * channels; ++i) {
      const Moments m = field.dtype == DType::u8 ? moments_of(block.values<std::uint8_t>().subspan(i * plane, plane))
                                                 : moments_of(block.values<float>().subspan(i * plane, plane));
      total[i % channels].sum += m.sum;
      total[i % channels].squares += m.squares;
    }
  }
  const double count = static_cast<double>(n) * static_cast<double>(plane);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = total[c].sum / count;
    const double deviation = std::sqrt(std::max(0.0, total[c].squares / count - mean * mean));
    dataset.mean[c] = static_cast<float>(mean);
    dataset.stddev[c] = deviation > 0 ? static_cast<float>(deviation) : 1.0F;
  }
}

}  // namespace narae
