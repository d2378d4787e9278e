#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "narae/core/array.h"
#include "narae/core/export.h"
#include "narae/data/augment.h"
#include "narae/data/dataset.h"

namespace narae {

struct LoaderOptions {
  std::int64_t batch_size = 64;
  bool shuffle = false;    ///< another order in every epoch, from `seed`
  bool drop_last = false;  ///< leave out a last batch that is not full
  std::uint64_t seed = 0;
  int workers = 1;           ///< threads that prepare batches ahead, at low priority; 0: the caller prepares them
  int prefetch = 4;          ///< batches that wait ready at most
  bool normalize = true;     ///< by the dataset's mean and stddev; otherwise u8 becomes 0..1 and the rest stays
  AugmentOptions augment{};  ///< random changes of pictures; none by default
};

/// The label of a position behind a sequence's end: what losses and metrics ignore.
inline constexpr std::int64_t no_label = -1;

/// image: (batch, sample shape...) in f32, NCHW for pictures, or in i64 when the samples are i64 (token numbers);
/// label: (batch, label shape...) in i64, or f32 when the dataset's labels are floating. When samples are mixed (mixup,
/// cutmix), label is f32 (batch, classes): the share of each class.
///
/// Sequences (datasets with `lengths`): lengths is i64 (batch), and image is cut to (batch, positions, ...), where
/// `positions` is the longest length rounded up by `bucket_length`; behind its end a sequence is filled with 0. So is
/// label when it has a value for each position, filled with `no_label` (0 when floating). Otherwise lengths is empty.
///
/// Sequences whose labels are sequences of their own (datasets with `label_lengths`): label is cut and filled by its
/// own lengths, and target, of its shape, holds what is known at each of its positions: the token before it,
/// `Dataset::begin_token` at the first, 0 behind the end. Otherwise target is empty.
///
/// Unpacks into the two that all tasks have: `auto [image, label] = batch`.
struct Batch {
  Array image;
  Array label;
  Array lengths{DType::i64, {0}, {}};
  Array target{DType::i64, {0}, {}};
  bool goes_on = false;  ///< each row goes on where the same row of the batch before ended (Dataset::streams)

  template <std::size_t i>
  [[nodiscard]] Array& get() & {
    return i == 0 ? image : label;
  }
  template <std::size_t i>
  [[nodiscard]] const Array& get() const& {
    return i == 0 ? image : label;
  }
  template <std::size_t i>
  [[nodiscard]] Array&& get() && {
    return std::move(i == 0 ? image : label);
  }
};

/// The positions that a batch gets whose longest sequence fills `longest`: the next multiple of 8 up to 64, of 16 up to
/// 256, of 64 beyond, so that few shapes (and plans) occur; `most` at most.
[[nodiscard]] NARAE_API std::int64_t bucket_length(std::int64_t longest, std::int64_t most);

/// Where a loader stands: the batch that comes next.
struct LoaderState {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;  ///< equals `batches()` when the epoch's last batch was handed out

  friend bool operator==(const LoaderState&, const LoaderState&) = default;
};

/// Batches of a dataset with fields "image" and "label", epoch after epoch. The batches are a pure function of the
/// dataset, the options (except workers and prefetch) and the state. To be used from one thread.
///
/// Sequences (datasets with `lengths`) are shuffled so that those of like length come together: the epoch's random
/// order is cut into pools of 50 batches, each pool is sorted by length (and length of the label), and its batches are
/// shuffled among all others.
///
///     for (auto [image, label] : loader) ...   // the rest of the epoch; then the loader stands at the next one
class NARAE_API Loader {
 public:
  class Iterator;

  /// Throws Error for an empty dataset, a missing field, options out of range, or when drop_last leaves no batch.
  explicit Loader(Dataset dataset, const LoaderOptions& options = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  /// The next batch, or nothing at the end of the epoch, when the loader moves on to the next one. Throws what the
  /// dataset's generator threw for a sample of this batch; the state then stays before it.
  [[nodiscard]] std::optional<Batch> next();

  [[nodiscard]] Iterator begin();
  [[nodiscard]] static std::default_sentinel_t end() { return {}; }

  /// Batches in an epoch.
  [[nodiscard]] std::int64_t batches() const;
  [[nodiscard]] const Dataset& dataset() const;
  [[nodiscard]] const LoaderOptions& options() const;

  [[nodiscard]] LoaderState state() const;
  /// Goes on exactly where a loader of the same dataset and options stood. Throws Error for a batch out of range.
  void restore(const LoaderState& state);
  /// Seconds that `next` has taken so far: what the program waited for its data.
  [[nodiscard]] double waited() const;
  /// Stands at the first batch of epoch e.
  void set_epoch(std::int64_t e) { restore({.epoch = e, .batch = 0}); }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Goes once over the rest of the loader's epoch.
class Loader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;

  explicit Iterator(Loader& loader) : loader_(&loader), batch_(loader.next()) {}

  [[nodiscard]] const Batch& operator*() const { return *batch_; }
  [[nodiscard]] const Batch* operator->() const { return &*batch_; }
  Iterator& operator++() {
    batch_.reset();  // its memory is free for the next one
    batch_ = loader_->next();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return !it.batch_; }

 private:
  Loader* loader_;
  std::optional<Batch> batch_;
};

inline Loader::Iterator Loader::begin() {
  return Iterator(*this);
}

}  // namespace narae

// What `auto [image, label] = batch` unpacks.
template <>
struct std::tuple_size<narae::Batch> : std::integral_constant<std::size_t, 2> {};
template <std::size_t i>
struct std::tuple_element<i, narae::Batch> {
  using type = narae::Array;
};
