#include "narae/data/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "narae/core/error.h"
#include "narae/core/threads.h"

namespace narae {
namespace {

struct Moments {
  double sum = 0;
  double squares = 0;

  void add(const Moments& other) {
    sum += other.sum;
    squares += other.squares;
  }
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
  result.labels = nullptr;
  if (dataset.whole && dataset.indices) {
    result.whole = [whole = dataset.whole, indices = dataset.indices](std::int64_t i) {
      return whole((*indices)[static_cast<std::size_t>(i)]);
    };
  }
  for (auto lengths : {&Dataset::lengths, &Dataset::label_lengths}) {
    if (!(dataset.*lengths) || !dataset.indices) continue;
    std::vector<std::int64_t> chosen;
    for (const std::int64_t i : *dataset.indices) chosen.push_back((*(dataset.*lengths))[static_cast<std::size_t>(i)]);
    result.*lengths = std::make_shared<const std::vector<std::int64_t>>(std::move(chosen));
  }
  result.stored = dataset.size();
  for (const Field& field : dataset.fields) {
    result.arrays.push_back(Array::empty(field.dtype, batched(dataset.size(), field.shape)));
  }
  parallel_for(dataset.size(), 64, [&](std::int64_t begin, std::int64_t end) {
    std::vector<Slot> slots(dataset.fields.size());
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::size_t f = 0; f < slots.size(); ++f) {
        const std::size_t bytes = dataset.fields[f].bytes();
        slots[f] = {result.arrays[f].buffer.data() + static_cast<std::size_t>(i) * bytes, bytes};
      }
      read_sample(dataset, i, slots);
    }
  });
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
  Array result = Array::empty(dataset.fields[f].dtype, batched(end - begin, dataset.fields[f].shape));
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

std::vector<std::int64_t> class_counts(const Dataset& dataset) {
  std::vector<std::int64_t> counts(dataset.classes.size());
  const auto count = [&](std::int64_t label) {
    if (label < 0 || label >= std::ssize(counts)) {
      throw Error("dataset " + dataset.name + ": label " + std::to_string(label) + " of " +
                  std::to_string(counts.size()) + " classes");
    }
    ++counts[static_cast<std::size_t>(label)];
  };
  if (dataset.labels) {
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      count((*dataset.labels)[static_cast<std::size_t>(dataset.stored_index(i))]);
    }
    return counts;
  }
  constexpr std::int64_t step = 4096;
  for (std::int64_t begin = 0; begin < dataset.size(); begin += step) {
    const Array labels = read_field(dataset, "label", begin, std::min(dataset.size(), begin + step));
    if (labels.dtype != DType::i64) {
      throw Error("dataset " + dataset.name + ": labels of " + std::string(name_of(labels.dtype)) + " are no classes");
    }
    for (const std::int64_t label : labels.values<std::int64_t>()) count(label);
  }
  return counts;
}

Dataset with_size(const Dataset& dataset, PictureSize size, const FitOptions& options) {
  const std::size_t image = field_index(dataset, "image");
  const std::size_t label = field_index(dataset, "label");
  const Field& field = dataset.fields[image];
  if (field.dtype != DType::u8 || field.shape.rank() != 3 || dataset.fields.size() != 2 ||
      dataset.fields[label].dtype != DType::i64) {
    throw Error("dataset " + dataset.name + ": pictures u8 (channels, height, width) can be resized, but samples are " +
                std::string(name_of(field.dtype)) + " " + to_string(field.shape));
  }
  if (field.shape[1] == size.height && field.shape[2] == size.width) return dataset;
  Dataset result = dataset;
  result.fields[image].shape = {field.shape[0], size.height, size.width};
  result.arrays.clear();
  Dataset source = dataset;
  source.indices = nullptr;
  if (!dataset.arrays.empty()) {
    const auto known = dataset.arrays[label].values<std::int64_t>();
    result.labels = std::make_shared<const std::vector<std::int64_t>>(known.begin(), known.end());
  }
  if (!dataset.whole) {
    result.whole = [source, image, label](std::int64_t i) {
      LabelledPicture picture{Array::empty(DType::u8, source.fields[image].shape)};
      std::vector<Slot> slots(2);
      slots[image] = {picture.image.buffer.data(), picture.image.bytes()};
      slots[label] = {reinterpret_cast<std::byte*>(&picture.label), sizeof picture.label};
      read_sample(source, i, slots);
      return picture;
    };
  }
  result.generate = [whole = result.whole, image, label, size, options](std::int64_t i, std::span<const Slot> out) {
    const LabelledPicture picture = whole(i);
    fit(view_of(picture.image), size, options, out[image].values<std::uint8_t>());
    out[label].values<std::int64_t>()[0] = picture.label;
  };
  return result;
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

  constexpr std::int64_t step = 256;  // fixed blocks, so that the sum has one order whatever the number of threads
  const std::int64_t blocks = (n + step - 1) / step;
  std::vector<Moments> parts(static_cast<std::size_t>(blocks) * channels);
  parallel_for(blocks, 1, [&](std::int64_t first_block, std::int64_t last_block) {
    for (std::int64_t b = first_block; b < last_block; ++b) {
      const Array block = read_field(dataset, "image", b * step, std::min(n, (b + 1) * step));
      const auto rows = static_cast<std::size_t>(block.shape[0]);
      for (std::size_t i = 0; i < rows * channels; ++i) {
        const Moments m = field.dtype == DType::u8 ? moments_of(block.values<std::uint8_t>().subspan(i * plane, plane))
                                                   : moments_of(block.values<float>().subspan(i * plane, plane));
        parts[static_cast<std::size_t>(b) * channels + i % channels].add(m);
      }
    }
  });
  std::vector<Moments> total(channels);
  for (std::size_t i = 0; i < parts.size(); ++i) total[i % channels].add(parts[i]);
  const double count = static_cast<double>(n) * static_cast<double>(plane);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = total[c].sum / count;
    const double deviation = std::sqrt(std::max(0.0, total[c].squares / count - mean * mean));
    dataset.mean[c] = static_cast<float>(mean);
    dataset.stddev[c] = deviation > 0 ? static_cast<float>(deviation) : 1.0F;
  }
}

}  // namespace narae
