#include "narae/data/loader.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/threads.h"
#include "narae/data/epoch_order.h"
#include "narae/data/mix.h"

namespace narae {
namespace {

using Order = std::shared_ptr<const std::vector<std::int64_t>>;

// One batch to be made: samples [begin, end) of an epoch's order (null: in the dataset's own).
struct Job {
  std::int64_t epoch;
  std::int64_t number;  // of the batch in its epoch
  std::int64_t begin;
  std::int64_t end;
  Order order;
};

// The work itself; constant after construction, so that any number of threads may share it.
class BatchMaker {
 public:
  BatchMaker(const Dataset& dataset, const LoaderOptions& options)
      : dataset_(dataset),
        options_(options),
        image_(field_index(dataset, "image")),
        label_(field_index(dataset, "label")),
        numbers_(image().dtype == DType::i64),
        whole_(options.augment.resized_crop > 0 && dataset.whole),
        augmenter_(image().dtype, image().shape, options.augment,
                   Normalizer(image().dtype, image().shape, statistics(dataset.mean), statistics(dataset.stddev)),
                   options.seed) {
    if (dataset.lengths) check_lengths();
    if (dataset.label_lengths) check_label_lengths();
    if (numbers_ && options.augment.mixes()) {
      throw Error("loader: mixup and cutmix mix pictures, but dataset " + dataset.name + " holds numbers of tokens");
    }
    if (options.augment.mixes() && (is_floating(label().dtype) || label().shape.rank() != 0 || classes() == 0)) {
      throw Error("loader: mixup and cutmix mix classes, but labels of dataset " + dataset.name + " are " +
                  std::string(name_of(label().dtype)) + " " + to_string(label().shape) + " of " +
                  std::to_string(classes()) + " classes");
    }
    if (label().dtype == DType::bf16 || label().dtype == DType::f16) {
      throw Error("loader: labels of dataset " + dataset.name + " are half precision; cast them to f32 first");
    }
  }

  /// Throws what the generator throws. Stops early, with an unfinished batch, when `stop` is requested.
  [[nodiscard]] Batch make(const Job& job, const std::stop_token& stop) const {
    const std::int64_t n = job.end - job.begin;
    Batch batch = make_room(job);
    Work work = make_work();
    for (std::int64_t i = 0; i < n && !stop.stop_requested(); ++i) {
      const std::int64_t index = sample_of(job, i);
      if (numbers_ || dataset_.lengths) {
        find(dataset_.stored_index(index), work.slots);
        write_sequence(index, work, batch, i, n);
        continue;
      }
      const std::span<float> out = row_of(batch.image.mutable_values<float>(), i, n);
      if (whole_) {
        LabelledPicture picture = dataset_.whole(dataset_.stored_index(index));
        augmenter_.apply(view_of(picture.image), job.epoch, index, out, work.augmenting);
        write_label(reinterpret_cast<const std::byte*>(&picture.label), batch.label, i, n);
      } else {
        find(dataset_.stored_index(index), work.slots);
        augmenter_.apply(work.slots[image_].data, job.epoch, index, out, work.augmenting);
        write_label(work.slots[label_].data, batch.label, i, n);
      }
    }
    if (options_.augment.mixes() && !stop.stop_requested()) {
      RandomStream random = sample_stream("augment/mix", options_.seed, job.epoch, job.number);
      batch.label = mix_batch(batch.image, batch.label, classes(), options_.augment, random);
    }
    return batch;
  }

 private:
  [[nodiscard]] const Field& image() const { return dataset_.fields[image_]; }
  [[nodiscard]] const Field& label() const { return dataset_.fields[label_]; }
  [[nodiscard]] std::int64_t classes() const { return std::ssize(dataset_.classes); }
  // Numbers of tokens have neither mean nor deviation.
  [[nodiscard]] std::span<const float> statistics(const std::vector<float>& values) const {
    return options_.normalize && !numbers_ ? std::span(values) : std::span<const float>{};
  }
  // Whether every position of a sequence has a label of its own.
  [[nodiscard]] bool labels_positions() const {
    return dataset_.lengths && !dataset_.label_lengths && label().shape.rank() > 0 &&
           label().shape[0] == image().shape[0];
  }

  void check_lengths() const {
    const auto fail = [&](const std::string& what) { throw Error("loader: dataset " + dataset_.name + ": " + what); };
    if (image().shape.rank() == 0) fail("samples of shape () have no positions, but there are lengths");
    if (std::ssize(*dataset_.lengths) != dataset_.stored) {
      fail(std::to_string(dataset_.lengths->size()) + " lengths for " + std::to_string(dataset_.stored) + " samples");
    }
    for (const std::int64_t length : *dataset_.lengths) {
      if (length >= 1 && length <= image().shape[0]) continue;
      fail("a length of " + std::to_string(length) + "; samples have 1 to " + std::to_string(image().shape[0]) +
           " positions");
    }
    if (options_.augment.enabled() || options_.augment.mixes())
      fail("sequences of different lengths are not augmented");
    if (options_.normalize && dataset_.mean.size() > 1) fail("sequences are normalised by one mean, not by several");
  }

  void check_label_lengths() const {
    const auto fail = [&](const std::string& what) { throw Error("loader: dataset " + dataset_.name + ": " + what); };
    if (!dataset_.lengths) fail("labels have lengths, but samples have none");
    if (label().dtype != DType::i64 || label().shape.rank() != 1) {
      fail("labels that are sequences are i64 (positions), not " + std::string(name_of(label().dtype)) + " " +
           to_string(label().shape));
    }
    if (std::ssize(*dataset_.label_lengths) != dataset_.stored) {
      fail(std::to_string(dataset_.label_lengths->size()) + " lengths of labels for " +
           std::to_string(dataset_.stored) + " samples");
    }
    for (const std::int64_t length : *dataset_.label_lengths) {
      if (length >= 1 && length <= label().shape[0]) continue;
      fail("a label of " + std::to_string(length) + " positions; they have 1 to " + std::to_string(label().shape[0]));
    }
  }

  [[nodiscard]] static std::int64_t sample_of(const Job& job, std::int64_t i) {
    return job.order ? (*job.order)[static_cast<std::size_t>(job.begin + i)] : job.begin + i;
  }

  // What one batch needs while it is being made.
  struct Work {
    std::vector<Buffer> buffers;  ///< of generated samples
    std::vector<Slot> slots;
    Augmenter::Scratch augmenting;
  };

  // The arrays of a batch, uninitialised.
  [[nodiscard]] Batch make_room(const Job& job) const {
    const std::int64_t n = job.end - job.begin;
    Shape image_shape = image().shape;
    Shape label_shape = label().shape;
    if (dataset_.lengths) {
      const auto cut_to = [&](Shape& shape, auto length_of) {
        std::int64_t longest = 1;
        for (std::int64_t i = 0; i < n; ++i) longest = std::max(longest, length_of(sample_of(job, i)));
        shape.set(0, bucket_length(longest, shape[0]));
      };
      cut_to(image_shape, [&](std::int64_t i) { return dataset_.length(i); });
      if (labels_positions()) label_shape.set(0, image_shape[0]);
      if (dataset_.label_lengths) cut_to(label_shape, [&](std::int64_t i) { return dataset_.label_length(i); });
    }
    Batch batch{.image = Array::empty(numbers_ ? DType::i64 : DType::f32, batched(n, image_shape)),
                .label = Array::empty(is_floating(label().dtype) ? DType::f32 : DType::i64, batched(n, label_shape))};
    if (dataset_.lengths) batch.lengths = Array::empty(DType::i64, {n});
    batch.goes_on = dataset_.streams > 0;
    if (dataset_.label_lengths) batch.target = Array::empty(DType::i64, batch.label.shape);
    return batch;
  }

  // Sample `index`, which lies in the slots, as row i of the batch: what it fills, and filler behind.
  void write_sequence(std::int64_t index, Work& work, Batch& batch, std::int64_t i, std::int64_t n) const {
    std::int64_t filled = 1;  // in 1/of
    std::int64_t of = 1;
    if (dataset_.lengths) {
      of = batch.image.shape[1];
      filled = batch.lengths.mutable_values<std::int64_t>()[static_cast<std::size_t>(i)] = dataset_.length(index);
    }
    const auto head_of = [&](auto row) {
      return row.first(row.size() / static_cast<std::size_t>(of) * static_cast<std::size_t>(filled));
    };
    const auto fill_tail = [&](auto row, auto filler) { std::fill(head_of(row).end(), row.end(), filler); };
    const std::byte* stored = work.slots[image_].data;
    if (numbers_) {
      const auto row = row_of(batch.image.mutable_values<std::int64_t>(), i, n);
      std::copy_n(reinterpret_cast<const std::int64_t*>(stored), head_of(row).size(), row.begin());
      fill_tail(row, 0);
    } else {
      const auto row = row_of(batch.image.mutable_values<float>(), i, n);
      augmenter_.apply(stored, 0, index, head_of(row), work.augmenting);
      fill_tail(row, 0.0F);
    }
    write_label(work.slots[label_].data, batch.label, i, n);
    if (dataset_.label_lengths) return finish_label(dataset_.label_length(index), batch, i, n);
    if (!labels_positions()) return;
    if (batch.label.dtype == DType::f32) {
      fill_tail(row_of(batch.label.mutable_values<float>(), i, n), 0.0F);
    } else {
      fill_tail(row_of(batch.label.mutable_values<std::int64_t>(), i, n), no_label);
    }
  }

  // Fills label i of a batch behind its end, and the row of `target` that belongs to it.
  void finish_label(std::int64_t length, Batch& batch, std::int64_t i, std::int64_t n) const {
    const auto label_row = row_of(batch.label.mutable_values<std::int64_t>(), i, n);
    const auto target_row = row_of(batch.target.mutable_values<std::int64_t>(), i, n);
    const auto filled = static_cast<std::size_t>(length);
    std::fill(label_row.begin() + length, label_row.end(), no_label);
    target_row[0] = dataset_.begin_token;
    std::copy_n(label_row.begin(), filled - 1, target_row.begin() + 1);
    std::fill(target_row.begin() + length, target_row.end(), 0);
  }

  [[nodiscard]] Work make_work() const {
    Work work;
    for (const Field& field : dataset_.fields) {
      if (dataset_.generate) work.buffers.push_back(Buffer::allocate(field.bytes()));
      work.slots.push_back({dataset_.generate ? work.buffers.back().data() : nullptr, field.bytes()});
    }
    return work;
  }

  // The image and the label of a stored sample: generated into the slots, or where they lie in memory.
  void find(std::int64_t stored, std::vector<Slot>& slots) const {
    if (dataset_.generate) return dataset_.generate(stored, slots);
    for (const std::size_t f : {image_, label_}) {
      slots[f].data = dataset_.arrays[f].buffer.data() + static_cast<std::size_t>(stored) * slots[f].bytes;
    }
  }

  template <class T>
  static std::span<T> row_of(std::span<T> values, std::int64_t i, std::int64_t n) {
    const std::size_t row = values.size() / static_cast<std::size_t>(n);
    return values.subspan(static_cast<std::size_t>(i) * row, row);
  }

  void write_label(const std::byte* stored, Array& labels, std::int64_t i, std::int64_t n) const {
    visit_dtype(label().dtype, [&]<class T>(T) {
      if constexpr (std::is_arithmetic_v<T>) {
        using Out = std::conditional_t<std::is_floating_point_v<T>, float, std::int64_t>;
        const auto* values = reinterpret_cast<const T*>(stored);
        const std::span<Out> row = row_of(labels.mutable_values<Out>(), i, n);
        for (std::size_t k = 0; k < row.size(); ++k) row[k] = static_cast<Out>(values[k]);
      }
    });
  }

  Dataset dataset_;
  LoaderOptions options_;
  std::size_t image_;
  std::size_t label_;
  bool numbers_;  ///< samples are i64 and stay so
  bool whole_;    ///< random parts are cut out of whole pictures
  Augmenter augmenter_;
};

std::int64_t batches_of(const Dataset& dataset, const LoaderOptions& options) {
  const auto number = [](std::int64_t n) { return std::to_string(n); };
  if (options.batch_size < 1) throw Error("loader: a batch size of " + number(options.batch_size) + "; at least 1");
  if (options.workers < 0) throw Error("loader: " + number(options.workers) + " workers; at least 0");
  if (options.prefetch < 1) throw Error("loader: prefetch of " + number(options.prefetch) + " batches; at least 1");
  if (dataset.size() == 0) throw Error("loader: dataset " + dataset.name + " has no samples");
  const std::int64_t whole = dataset.size() / options.batch_size;
  const std::int64_t rest = dataset.size() % options.batch_size;
  if (options.drop_last && whole == 0) {
    throw Error("loader: drop_last leaves nothing of the " + number(dataset.size()) + " samples of " + dataset.name +
                ", less than one batch of " + number(options.batch_size));
  }
  return whole + (rest > 0 && !options.drop_last ? 1 : 0);
}

}  // namespace

struct Loader::State {
  State(Dataset data, const LoaderOptions& chosen)
      : dataset(std::move(data)),
        options(chosen),
        batches(batches_of(dataset, options)),
        maker(dataset, options),
        ring(static_cast<std::size_t>(options.prefetch)) {}
  ~State() { stop(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// The batch at `cursor`, which moves on. Not thread-safe: workers hold the mutex.
  Job claim() {
    if (cursor.batch == batches) cursor = {.epoch = cursor.epoch + 1, .batch = 0};
    if (options.shuffle && (!order || order_epoch != cursor.epoch)) {
      order = std::make_shared<const std::vector<std::int64_t>>(
          detail::epoch_order(dataset, options.batch_size, options.seed, cursor.epoch));
      order_epoch = cursor.epoch;
    }
    const std::int64_t number = cursor.batch++;
    const std::int64_t begin = number * options.batch_size;
    return {cursor.epoch, number, begin, std::min(begin + options.batch_size, dataset.size()), order};
  }

  Batch take() {
    if (options.workers == 0) {
      cursor = position;
      return maker.make(claim(), {});
    }
    if (threads.empty()) start();
    Place result;
    {
      std::unique_lock lock(mutex);
      Place& place = ring[static_cast<std::size_t>(taken) % ring.size()];
      ready.wait(lock, [&] { return place.done; });
      result = std::exchange(place, {});
      ++taken;
    }
    room.notify_one();
    if (result.failure) {
      stop();
      std::rethrow_exception(result.failure);
    }
    return std::move(*result.batch);
  }

  void start() {
    cursor = position;
    try {
      for (int i = 0; i < options.workers; ++i) {
        threads.emplace_back([this](const std::stop_token& token) { work(token); });
      }
    } catch (const std::system_error& e) {
      stop();
      throw Error("loader: " + std::to_string(options.workers) + " workers can't be started (" + e.what() +
                  "); fewer may do, or 0");
    }
  }

  void stop() {
    for (std::jthread& thread : threads) thread.request_stop();
    threads.clear();  // joins
    ring.assign(ring.size(), {});
    claimed = 0;
    taken = 0;
  }

  void work(const std::stop_token& token) {
    // A thread has a priority of its own on Linux. The step that is being computed goes first.
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
    flush_denormals();
    for (;;) {
      std::size_t place = 0;
      Place result{.done = true, .batch = {}, .failure = {}};
      try {
        std::unique_lock lock(mutex);
        const bool go =
            room.wait(lock, token, [&] { return claimed - taken < static_cast<std::int64_t>(ring.size()); });
        if (!go || token.stop_requested()) return;
        place = static_cast<std::size_t>(claimed++) % ring.size();
        const Job job = claim();
        lock.unlock();
        result.batch = maker.make(job, token);
      } catch (...) {
        result.failure = std::current_exception();
      }
      if (token.stop_requested()) return;
      {
        const std::lock_guard lock(mutex);
        ring[place] = std::move(result);
      }
      ready.notify_one();
    }
  }

  struct Place {
    bool done = false;
    std::optional<Batch> batch;
    std::exception_ptr failure;
  };

  const Dataset dataset;
  const LoaderOptions options;
  const std::int64_t batches;
  const BatchMaker maker;
  LoaderState position;  ///< of the batch that is handed out next
  double waited = 0;     ///< seconds

  std::mutex mutex;
  std::condition_variable_any room;
  std::condition_variable ready;
  LoaderState cursor;  ///< of the batch that is made next
  Order order;
  std::int64_t order_epoch = 0;
  std::int64_t claimed = 0;  ///< batches since the threads were started; batch k waits in place k % ring.size()
  std::int64_t taken = 0;
  std::vector<Place> ring;
  std::vector<std::jthread> threads;
};

Loader::Loader(Dataset dataset, const LoaderOptions& options)
    : state_(std::make_unique<State>(std::move(dataset), options)) {}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

std::optional<Batch> Loader::next() {
  LoaderState& position = state_->position;
  if (position.batch == state_->batches) {
    position = {.epoch = position.epoch + 1, .batch = 0};
    return std::nullopt;
  }
  const auto begin = std::chrono::steady_clock::now();
  std::optional<Batch> batch = state_->take();
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  ++position.batch;
  return batch;
}

std::int64_t Loader::batches() const {
  return state_->batches;
}

const Dataset& Loader::dataset() const {
  return state_->dataset;
}

const LoaderOptions& Loader::options() const {
  return state_->options;
}

double Loader::waited() const {
  return state_->waited;
}

LoaderState Loader::state() const {
  return state_->position;
}

void Loader::restore(const LoaderState& state) {
  constexpr std::int64_t epochs = std::int64_t{1} << 24;  // what the random streams tell apart
  if (state.epoch < 0 || state.epoch >= epochs || state.batch < 0 || state.batch > state_->batches) {
    throw Error("loader: epoch " + std::to_string(state.epoch) + ", batch " + std::to_string(state.batch) +
                " can't be restored; an epoch of dataset " + state_->dataset.name + " has " +
                std::to_string(state_->batches) + " batches of " + std::to_string(state_->options.batch_size));
  }
  if (state == state_->position) return;
  state_->stop();
  state_->position = state;
}

}  // namespace narae
