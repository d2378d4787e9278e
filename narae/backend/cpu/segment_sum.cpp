// segment_sum: rows added up by their numbers, as in the gradient of an embedding; and its update, which touches the
// rows that were looked up alone.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "narae/backend/cpu/loop_behind.h"
#include "narae/backend/cpu/rows.h"
#include "narae/backend/cpu/strided_copy.h"
#include "narae/core/threads.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// Rows of T added up. Threads share the columns, so that each sum is made in the order of the rows.
template <class T>
struct RowSums {
  std::int64_t rows, count, width;
  TileFunction add = add_function<T>();

  // y (count, width): row place_of(k) += row k of values (rows, width); no place: a negative number.
  template <class PlaceOf>
  void run(const T* values, const PlaceOf& place_of, T* y) const {
    constexpr auto size = static_cast<std::int64_t>(sizeof(T));
    parallel_for(count * width, copy_grain_bytes / size, [&](std::int64_t begin, std::int64_t end) {
      std::memset(y + begin, 0, static_cast<std::size_t>(end - begin) * sizeof(T));
    });
    const std::int64_t grain = std::max<std::int64_t>(64, copy_grain_bytes / (size * std::max<std::int64_t>(rows, 1)));
    parallel_for(width, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = 0; k < rows; ++k) {
        const std::int64_t place = place_of(k);
        if (place < 0 || place >= count) continue;
        T* const to = y + place * width;
        add(to + begin, values + k * width + begin, nullptr, to + begin, static_cast<std::size_t>(end - begin));
      }
    });
  }
};

template <class T>
Kernel segment_sum_of(const KernelRequest& request) {
  const std::int64_t n = request.inputs[1].shape.count();
  const Shape& y = request.results[0].shape;
  const RowSums<T> sums{n, y[0], y[0] == 0 ? 0 : y.count() / y[0]};
  return for_indices(request.inputs[1].dtype, [&](auto index) -> Kernel {
    using Index = decltype(index);
    return {.run = [sums](const KernelArguments& at) {
      const Index* const segments = at.in<Index>(1);
      sums.run(
          at.in<T>(0), [&](std::int64_t k) { return static_cast<std::int64_t>(segments[k]); }, at.out<T>(0));
    }};
  });
}

Kernel make_segment_sum(const KernelRequest& request) {
  if (request.results[0].shape.count() == 0) return {};
  return for_floating(request.inputs[0].dtype, [&](auto zero) { return segment_sum_of<decltype(zero)>(request); });
}

// Where numbers of [0, count) stand for the first time, by a table of at least twice as many entries.
class FirstPlaces {
 public:
  FirstPlaces(std::int64_t n, std::int64_t count)
      : n_(n), count_(count), entries_(std::bit_ceil(static_cast<std::uint64_t>(2 * n + 1))) {}

  [[nodiscard]] std::size_t scratch_bytes() const { return entries_ * sizeof(std::int32_t); }

  // store(k, first place of number k, or -1)
  template <class Index, class Store>
  void find(const Index* numbers, std::byte* scratch, const Store& store) const {
    auto* const table = reinterpret_cast<std::int32_t*>(scratch);
    std::fill_n(table, entries_, -1);
    for (std::int64_t k = 0; k < n_; ++k) {
      if (numbers[k] < 0 || numbers[k] >= count_) {
        store(k, -1);
        continue;
      }
      std::uint64_t entry = static_cast<std::uint64_t>(numbers[k]) * 0x9e3779b97f4a7c15U;
      for (entry = (entry >> 32U) & (entries_ - 1); table[entry] >= 0 && numbers[table[entry]] != numbers[k];)
        entry = (entry + 1) & (entries_ - 1);
      if (table[entry] < 0) table[entry] = static_cast<std::int32_t>(k);
      store(k, table[entry]);
    }
  }

 private:
  std::int64_t n_, count_;
  std::uint64_t entries_;
};

constexpr std::int64_t most_numbers = 1 << 30;  // places fit in 32 bits

Kernel make_first_occurrence(const KernelRequest& request) {
  const std::int64_t n = request.inputs[0].shape.count();
  if (n == 0 || n > most_numbers) return {};
  return for_indices(request.inputs[0].dtype, [&](auto index) -> Kernel {
    using Index = decltype(index);
    const FirstPlaces first(n, request.attributes[0]);
    return {.run =
                [first](const KernelArguments& at) {
                  Index* const places = at.out<Index>(0);
                  first.find(at.in<Index>(0), at.scratch,
                             [&](std::int64_t k, std::int64_t place) { places[k] = static_cast<Index>(place); });
                },
            .scratch_bytes = first.scratch_bytes()};
  });
}

// The input that a loop gives back where input `from` is zero, all else being finite: w of w - a g b or w + a g.
// -1: there is none.
int kept_input(const Loop& loop, int from) {
  constexpr int zero = -1;
  constexpr int other = -2;
  const auto inputs = static_cast<int>(loop.inputs.size());
  std::vector<int> is;  // what each register is: an input, zero, or something else
  for (int i = 0; i < inputs; ++i) is.push_back(i == from ? zero : i);
  for (const Loop::Instruction& instruction : loop.instructions) {
    const auto operand = [&](std::size_t k) { return is[static_cast<std::size_t>(instruction.registers[k])]; };
    const std::string_view op = instruction.op->name;
    int result = other;
    if (op == "neg" && operand(0) == zero) result = zero;
    if (op == "mul" && (operand(0) == zero || operand(1) == zero)) result = zero;
    if ((op == "add" || op == "sub") && operand(1) == zero) result = operand(0);
    if (op == "add" && operand(0) == zero) result = operand(1);
    is.push_back(result);
  }
  if (loop.results.size() != 1) return -1;
  const int result = is[static_cast<std::size_t>(loop.results[0])];
  return result >= 0 && result < inputs ? result : -1;
}

template <class Index>
class RowsBehind {
 public:
  RowsBehind(const KernelRequest& r, const Loop& loop, int from, int kept)
      : sums_{r.inputs[1].shape[0], r.inputs[1].shape[0], r.results[0].shape.count() / r.results[0].shape[0]},
        count_(r.results[0].shape[0]),
        loop_(loop, from),
        kept_(loop_.input_of(kept)),
        first_(sums_.rows, count_),
        threads_(loop_threads(sums_.rows, grain())) {}

  [[nodiscard]] Kernel kernel() const {
    Kernel result{.run = {},
                  .scratch_bytes = places_at() + static_cast<std::size_t>(sums_.rows) * sizeof(std::int64_t)};
    result.flops = loop_.pieces().flops * static_cast<double>(sums_.rows) / static_cast<double>(count_);
    result.in_place = {kept_};
    result.run = [self = std::make_shared<const RowsBehind>(*this)](const KernelArguments& at) { self->run(at); };
    return result;
  }

 private:
  [[nodiscard]] std::int64_t grain() const { return 1 + 16384 / sums_.width; }
  // Scratch: sums of rows, areas of the loop, the table of first places, and these.
  [[nodiscard]] std::size_t areas_at() const {
    return (static_cast<std::size_t>(sums_.rows * sums_.width) * sizeof(float) + 63) / 64 * 64;
  }
  [[nodiscard]] std::size_t table_at() const {
    return areas_at() + (static_cast<std::size_t>(threads_) * loop_.pieces().area_bytes + 63) / 64 * 64;
  }
  [[nodiscard]] std::size_t places_at() const { return table_at() + (first_.scratch_bytes() + 63) / 64 * 64; }

  void run(const KernelArguments& at) const {
    const Index* const segments = at.in<Index>(1);
    auto* const sums = reinterpret_cast<float*>(at.scratch);
    auto* const places = reinterpret_cast<std::int64_t*>(at.scratch + places_at());
    first_.find(segments, at.scratch + table_at(), [&](std::int64_t k, std::int64_t place) { places[k] = place; });
    sums_.run(
        at.in<float>(0), [&](std::int64_t k) { return places[k]; }, sums);
    const std::byte* const kept = at.inputs[kept_];
    if (kept != at.results[0])
      parallel_for(count_ * sums_.width, copy_grain_bytes / 4, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(at.out<float>(0) + begin, reinterpret_cast<const float*>(kept) + begin,
                    static_cast<std::size_t>(end - begin) * sizeof(float));
      });
    parallel_for(
        sums_.rows, grain(),
        [&](std::int64_t begin, std::int64_t end, std::int64_t area) {
          for (std::int64_t k = begin; k < end; ++k)
            if (places[k] == k)
              loop_.run(at, sums + k * sums_.width, segments[k] * sums_.width, (segments[k] + 1) * sums_.width,
                        at.scratch + areas_at(), area);
        },
        threads_);
  }

  RowSums<float> sums_;
  std::int64_t count_;
  LoopBehind loop_;
  int kept_;
  FirstPlaces first_;
  std::int64_t threads_;
};

const DefineKernel segment_sum(cpu_backend(), "segment_sum", make_segment_sum);
const DefineKernel first_occurrence(cpu_backend(), "first_occurrence", make_first_occurrence);

}  // namespace

Kernel make_rows_behind(const KernelRequest& r, const Loop& loop, int from) {
  if (r.op->name != "segment_sum" || r.results[0].dtype != DType::f32 || r.results[0].shape.count() == 0) return {};
  const std::int64_t rows = r.inputs[1].shape[0];
  const int kept = kept_input(loop, from);
  const auto whole = [&](int i) {
    const Loop::Input& input = loop.inputs[static_cast<std::size_t>(i)];
    return input.dtype == DType::f32 && input.strides == contiguous_strides(loop.shape);
  };
  const bool fits = kept >= 0 && whole(kept) && whole(from) && rows > 0 && rows < r.results[0].shape[0] &&
                    rows <= most_numbers && loop.inputs.size() <= LoopBehind::most_inputs && !is_wide(loop);
  if (!fits) return {};
  return for_indices(r.inputs[1].dtype,
                     [&](auto index) { return RowsBehind<decltype(index)>(r, loop, from, kept).kernel(); });
}

}  // namespace narae::cpu
