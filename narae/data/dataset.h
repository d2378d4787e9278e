#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/core/random.h"
#include "narae/data/picture_files.h"

namespace narae {

enum class Split { train, validation, test };

/// "train", "validation", "test".
[[nodiscard]] NARAE_API std::string_view name_of(Split split);
/// Accepts "val" too. Throws UsageError for any other name.
[[nodiscard]] NARAE_API Split split_from(const std::string& name);

/// What one field of a sample looks like; `shape` has no batch dimension: (channels, height, width) for a picture, ()
/// for a label.
struct Field {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;

  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(shape.count()) * size_of(dtype); }
};

/// Where one field of one sample is written to.
struct Slot {
  std::byte* data;
  std::size_t bytes;

  /// The elements; T must be the C++ type of the field (unchecked).
  template <class T>
  [[nodiscard]] std::span<T> values() const {
    return {reinterpret_cast<T*>(data), bytes / sizeof(T)};
  }
};

/// Writes sample `index` into one slot per field. Must depend on `index` alone and is called from several threads.
using Generator = std::function<void(std::int64_t index, std::span<const Slot> out)>;

/// A picture as it lies in its file, u8 (channels, height, width) of any size, and its class.
struct LabelledPicture {
  Array image;
  std::int64_t label = 0;
};
/// Reads the whole picture of stored sample `index`. Must depend on `index` alone and is called from several threads.
using PictureReader = std::function<LabelledPicture(std::int64_t index)>;

/// Samples with named fields ("image", the input whatever it is, and "label" for the loader): arrays in memory or a
/// generator, seen through an optional list of indices. A value: copies share the memory.
struct Dataset {
  std::string name;
  std::vector<Field> fields;
  std::int64_t stored = 0;    ///< samples behind `indices`
  std::vector<Array> arrays;  ///< one per field, (stored, field shape...); empty when there is a generator
  Generator generate;
  /// For fields "image" u8 (channels, height, width) and "label", where samples were brought to that size: the picture
  /// that a sample was before, with the same channels; null for others. Random parts are cut out of it.
  PictureReader whole;
  std::shared_ptr<const std::vector<std::int64_t>> indices;  ///< null: all of them, in order
  std::vector<std::string> classes;
  /// Of the training pictures, per channel, pixels in 0..1; empty when the input is not to be normalised.
  std::vector<float> mean;
  std::vector<float> stddev;
  /// The classes of the stored samples, where they are known without reading the samples; null elsewhere.
  std::shared_ptr<const std::vector<std::int64_t>> labels;
  /// Of sequences of different lengths: the positions that the stored samples fill, of those along the first axis of
  /// field "image" (and of "label" where that has the same first axis); what lies behind is filler. Null for others.
  std::shared_ptr<const std::vector<std::int64_t>> lengths;
  /// Of sequences whose labels, i64 (positions), are sequences of their own, as translations are: the positions that
  /// each label fills. Null for others.
  std::shared_ptr<const std::vector<std::int64_t>> label_lengths;
  std::int64_t begin_token = 0;  ///< of those labels: what stands before their first token (Batch::target)
  /// Different tokens, where field "image" holds their numbers; 0 elsewhere.
  std::int64_t vocabulary = 0;
  /// Above 0: batches are this large and read in order, as each row goes on in the same row of the batch that follows.
  std::int64_t streams = 0;
  std::shared_ptr<PictureFiles> files;  ///< of pictures that lie in files of their own; null for others

  [[nodiscard]] std::int64_t size() const { return indices ? static_cast<std::int64_t>(indices->size()) : stored; }
  /// Which of the stored samples sample i is.
  [[nodiscard]] std::int64_t stored_index(std::int64_t i) const {
    return indices ? (*indices)[static_cast<std::size_t>(i)] : i;
  }
  /// Positions that sample i fills; for a dataset with `lengths`.
  [[nodiscard]] std::int64_t length(std::int64_t i) const {
    return (*lengths)[static_cast<std::size_t>(stored_index(i))];
  }
  /// Positions that its label fills; for a dataset with `label_lengths`.
  [[nodiscard]] std::int64_t label_length(std::int64_t i) const {
    return (*label_lengths)[static_cast<std::size_t>(stored_index(i))];
  }
};

/// A dataset of arrays that share their leading dimension. Throws Error naming the fields when they don't.
[[nodiscard]] NARAE_API Dataset in_memory(std::string name, const std::vector<std::pair<std::string, Array>>& arrays);
/// A dataset whose samples are made when they are asked for.
[[nodiscard]] NARAE_API Dataset generated(std::string name, std::vector<Field> fields, std::int64_t size,
                                          Generator generate);
/// The same samples, all generated once (on all threads) and kept in memory.
[[nodiscard]] NARAE_API Dataset loaded(const Dataset& dataset);

/// Position of a field. Throws Error listing the fields when there is none of that name.
[[nodiscard]] NARAE_API std::size_t field_index(const Dataset& dataset, std::string_view name);
/// Copies or generates sample i into one slot per field. Throws Error when i is out of range.
NARAE_API void read_sample(const Dataset& dataset, std::int64_t i, std::span<const Slot> out);
/// Samples [begin, end) of one field, unchanged: (end - begin, field shape...).
[[nodiscard]] NARAE_API Array read_field(const Dataset& dataset, std::string_view field, std::int64_t begin,
                                         std::int64_t end);

/// The samples `positions` of the dataset, in that order; nothing is copied. Throws Error for one out of range.
[[nodiscard]] NARAE_API Dataset subset(const Dataset& dataset, std::span<const std::int64_t> positions);
/// The first n samples, or all when there are fewer.
[[nodiscard]] NARAE_API Dataset first(const Dataset& dataset, std::int64_t n);
/// Parts the samples at random: {the rest, `fraction` of them}, both in their old order. A pure function of the size,
/// the fraction and the seed. Throws Error unless 0 <= fraction < 1.
[[nodiscard]] NARAE_API std::pair<Dataset, Dataset> split_off(const Dataset& dataset, double fraction,
                                                              std::uint64_t seed);

/// 0 ... n - 1 in random order (Fisher and Yates).
[[nodiscard]] NARAE_API std::vector<std::int64_t> permutation(std::int64_t n, RandomStream stream);

/// Samples of each class, by the field "label"; reads or generates the samples where their classes are not known yet.
/// Throws Error for a label without a class.
[[nodiscard]] NARAE_API std::vector<std::int64_t> class_counts(const Dataset& dataset);

/// The dataset with pictures of another size, scaled and cropped as `options` say, when they are asked for. Throws
/// Error for samples that are no u8 pictures (channels, height, width).
[[nodiscard]] NARAE_API Dataset with_size(const Dataset& dataset, PictureSize size, const FitOptions& options = {});

/// Sets mean and stddev from the first `samples` samples of field "image" (u8 counts as 0..1; per channel for
/// pictures of shape (channels, height, width)). Works on all threads; the sums have one order whatever their number.
NARAE_API void measure(Dataset& dataset, std::int64_t samples);

}  // namespace narae
