#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
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

/// image: (batch, sample shape...) in f32, NCHW for pictures; label: (batch, label shape...) in i64, or f32 when the
/// dataset's labels are floating. When samples are mixed (mixup, cutmix), label is f32 (batch, classes): the share of
/// each class.
struct Batch {
  Array image;
  Array label;
};

/// Where a loader stands: the batch that comes next.
struct LoaderState {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;  ///< equals `batches()` when the epoch's last batch was handed out

  friend bool operator==(const LoaderState&, const LoaderState&) = default;
};

/// Batches of a dataset with fields "image" and "label", epoch after epoch. The batches are a pure function of the
/// dataset, the options (except workers and prefetch) and the state. To be used from one thread.
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
