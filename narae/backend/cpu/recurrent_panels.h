#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "narae/backend/cpu/gemm.h"
#include "narae/core/threads.h"

namespace narae::cpu {

/// Sequences whose products are made at a time, so that they are still in the first cache for the gates.
constexpr std::int64_t recurrent_rows = 24;

/// The weights of a recurrent product (batch, k) (k, gates * units), packed for gemm when a kernel starts: panels of k
/// rows, each with all gates of a few neighbouring units, so that the gates of a unit can be computed as soon as the
/// products of its panel are there.
template <class T>
class Panels {
 public:
  struct Sizes {
    std::int64_t batch, k, gates, units;
    std::int64_t width;       ///< units of a panel
    std::int64_t left_pitch;  ///< from one sequence to the next in the left operand
    bool transposed;          ///< the weights lie as (gates * units, k), otherwise as (k, units) with one gate
  };
  explicit Panels(const Sizes& sizes)
      : s_(sizes),
        left_rows_(offsets(sizes.batch, sizes.left_pitch)),
        left_columns_(offsets(sizes.k, 1)),
        rows_(offsets(sizes.k, columns())) {}

  [[nodiscard]] std::int64_t count() const { return (s_.units + s_.width - 1) / s_.width; }
  [[nodiscard]] std::int64_t columns() const { return s_.gates * s_.width; }
  [[nodiscard]] std::int64_t width() const { return s_.width; }
  [[nodiscard]] std::int64_t first_unit(std::int64_t panel) const { return panel * s_.width; }
  [[nodiscard]] std::int64_t units_of(std::int64_t panel) const {
    return std::min(s_.width, s_.units - panel * s_.width);
  }
  [[nodiscard]] std::size_t packed_numbers() const { return static_cast<std::size_t>(count() * s_.k * columns()); }
  [[nodiscard]] double flops_of_panel() const {
    return 2.0 * static_cast<double>(s_.batch) * static_cast<double>(s_.k) * static_cast<double>(columns());
  }

  /// Whether the next panel is worth fetching in advance: the packed weights don't stay in the cache of a core.
  [[nodiscard]] bool large() const { return packed_numbers() * sizeof(T) > (std::size_t{1} << 20); }

  void pack(const T* w, T* packed) const;

  /// tile (rows, columns) = rows of `left` from `first` on times a panel; zeros without `left`. The panel `next` (-1:
  /// none) is fetched meanwhile.
  void multiply(const T* left, std::int64_t first, std::int64_t rows, std::int64_t panel, std::int64_t next,
                const T* packed, T* tile) const {
    if (left == nullptr) {
      std::memset(tile, 0, static_cast<std::size_t>(rows * columns()) * sizeof(T));
      return;
    }
    gemm(Gemm<T>{.m = rows,
                 .n = columns(),
                 .k = s_.k,
                 .a = left,
                 .a_rows = left_rows_.data() + first,
                 .a_columns = left_columns_.data(),
                 .b = packed + panel * s_.k * columns(),
                 .b_rows = rows_.data(),
                 .c = tile,
                 .c_row = columns(),
                 .ahead = large() && next >= 0 ? packed + next * s_.k * columns() : nullptr});
  }

 private:
  Sizes s_;
  std::vector<std::int64_t> left_rows_, left_columns_, rows_;
};
extern template class Panels<float>;
extern template class Panels<double>;

/// Numbers in a vector of this machine.
template <class T>
[[nodiscard]] std::int64_t vector_lanes() {
  return vector_bytes() / static_cast<std::int64_t>(sizeof(T));
}

/// How the time steps of a layer are shared out to threads. Either each thread takes some sequences through all steps
/// and waits for nobody, which reads all weights in every thread: for those that stay in its cache. Or the units of
/// each step are shared out, and the threads meet after it.
struct RecurrentSchedule {
  std::int64_t batch;
  bool by_sequence;
  std::int64_t sequence_grain;  ///< sequences that are worth a thread
  int threads;

  RecurrentSchedule(std::int64_t batch, std::int64_t steps, double step_flops, std::size_t weight_bytes);
};

/// One product of a step and what is done with it: left(k) is the left operand in step k, null for zeros;
/// finish(k, panel, first, rows, tile) takes the products of some sequences. prepare(k, panel, first, rows) is called
/// before that product: what finish reads and writes can be fetched into the cache meanwhile.
template <class T, class Left, class Prepare, class Finish>
struct RecurrentPhase {
  const Panels<T>& panels;
  const T* packed;
  Left left;
  Prepare prepare;
  Finish finish;

  // Panels [begin, end) for sequences [first, last), to and fro: the panels that a step reads last are still in the
  // cache for the next, where all of them do not fit.
  void run(std::int64_t k, std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last, T* tile) const {
    const T* operand = left(k);
    const bool back = k % 2 == 1;
    for (std::int64_t i = 0; i < end - begin; ++i) {
      const std::int64_t panel = back ? end - 1 - i : begin + i;
      const std::int64_t next = i + 1 == end - begin ? -1 : back ? panel - 1 : panel + 1;
      for (std::int64_t row = first; row < last; row += recurrent_rows) {
        const std::int64_t rows = std::min(recurrent_rows, last - row);
        prepare(k, panel, row, rows);
        panels.multiply(operand, row, rows, panel, next, packed, tile);
        finish(k, panel, row, rows, static_cast<const T*>(tile));
      }
    }
  }
  // All panels for all sequences, shared out to threads.
  void run_shared(std::int64_t k, const RecurrentSchedule& schedule, T* tiles, std::int64_t tile) const {
    const auto grain = static_cast<std::int64_t>(1 + 5e5 / panels.flops_of_panel());
    parallel_for(
        panels.count(), grain,
        [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
          run(k, begin, end, 0, schedule.batch, tiles + thread * tile);
        },
        schedule.threads, Sharing::in_one_piece);
  }
};
template <class T, class Left, class Prepare, class Finish>
RecurrentPhase(const Panels<T>&, const T*, Left, Prepare, Finish) -> RecurrentPhase<T, Left, Prepare, Finish>;
template <class T, class Left, class Prepare, class Finish>
RecurrentPhase(const Panels<T>&, T*, Left, Prepare, Finish) -> RecurrentPhase<T, Left, Prepare, Finish>;

/// Nothing to fetch.
struct PrepareNothing {
  void operator()(std::int64_t, std::int64_t, std::int64_t, std::int64_t) const {}
};

/// Fetches the line at p, and those of further gates `pitch` numbers apart, to be read or written.
template <class T>
void fetch_to_read(const T* p, std::int64_t gates = 1, std::int64_t pitch = 0) {
  for (std::int64_t gate = 0; gate < gates; ++gate) __builtin_prefetch(p + gate * pitch, 0);
}
template <class T>
void fetch_to_write(const T* p, std::int64_t gates = 1, std::int64_t pitch = 0) {
  for (std::int64_t gate = 0; gate < gates; ++gate) __builtin_prefetch(p + gate * pitch, 1);
}

/// Runs the phases one after the other in steps 0, ..., steps - 1. `tiles`: a tile of `tile` numbers a thread.
template <class T, class... Phases>
void run_recurrent(const RecurrentSchedule& schedule, std::int64_t steps, T* tiles, std::int64_t tile,
                   const Phases&... phases) {
  if (!schedule.by_sequence) {
    for (std::int64_t k = 0; k < steps; ++k) (phases.run_shared(k, schedule, tiles, tile), ...);
    return;
  }
  parallel_for(
      schedule.batch, schedule.sequence_grain,
      [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
        for (std::int64_t k = 0; k < steps; ++k)
          (phases.run(k, 0, phases.panels.count(), begin, end, tiles + thread * tile), ...);
      },
      schedule.threads, Sharing::in_one_piece);
}

/// Parts of a kernel's scratch memory, each at a multiple of 64 bytes.
class ScratchLayout {
 public:
  /// The place of `numbers` more numbers of T, in bytes.
  template <class T>
  std::size_t add(std::size_t numbers) {
    const std::size_t place = bytes_;
    bytes_ += (numbers * sizeof(T) + 63) / 64 * 64;
    return place;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

}  // namespace narae::cpu
