// Attention of a few queries, as in generation. It is bound by reading keys and values, so they are read once, all
// heads of a key in the order in which they lie; parts of the keys have each a softmax of their own, and these are
// joined (Dao et al. 2023, "Flash-Decoding for long-context inference"). The parts are the same for any number of
// threads.
#include <cmath>
#include <memory>

#include "narae/backend/cpu/attention_plan.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t part_keys = 32;  // parts of fewer are not worth it
constexpr std::int64_t most_parts = 16;
constexpr std::int64_t bytes_of_a_thread = 96 * 1024;  // of keys and values that are worth another thread

// The memory of a sequence's parts, in numbers of T. Rows are the queries of all heads, those that share a head of keys
// side by side.
struct FewMemory {
  std::int64_t parts, rows, queries, keys, values;

  explicit FewMemory(const AttentionSizes& s)
      : parts(std::clamp<std::int64_t>(s.keys / part_keys, 1, most_parts)),
        rows(s.heads * s.queries),
        queries(rows * s.size),
        keys(s.keys / parts + 1),
        values(rows * s.value_size) {}

  // Of a part: values, the highest score and the sum of exponentials of each row; behind them what it works with.
  [[nodiscard]] std::int64_t result() const { return values + 2 * rows; }
  [[nodiscard]] std::int64_t part() const { return (result() + queries + rows * keys + 15) / 16 * 16; }
};

template <class T>
class Sequence {
 public:
  Sequence(const AttentionPlan& plan, const KernelArguments& at, const FewMemory& memory, std::int64_t n)
      : plan_(plan),
        at_(at),
        memory_(memory),
        n_(n),
        sight_(at, plan.in, plan.a, plan.s, n),
        all_{sight_.of(0).begin, sight_.of(plan.s.queries - 1).end},
        first_(reinterpret_cast<T*>(at.scratch) + n * memory.parts * memory.part()) {}

  void run(std::int64_t part) const {
    const KeyRange keys{from(part), from(part + 1)};
    const std::int64_t count = keys.end - keys.begin;
    T* const y = part_at(part);
    T* const queries = y + memory_.result();
    T* const scores = queries + memory_.queries;
    for (std::int64_t row = 0; row < memory_.rows; ++row)
      std::copy_n(at_.in<T>(plan_.in.query) + plan_.query_at(n_, query(row), head(row)), plan_.s.size,
                  queries + row * plan_.s.size);
    attention_functions<T>().scores(sizes(plan_.s.size), queries, *at_.in<T>(plan_.in.scale),
                                    at_.in<T>(plan_.in.key) + plan_.key_at(n_, keys.begin, 0), count, scores,
                                    memory_.keys);
    for (std::int64_t row = 0; row < memory_.rows; ++row) {
      T* const highest = y + memory_.values + row;
      highest[memory_.rows] = normalise(row, keys, scores + row * memory_.keys, *highest);
    }
    std::fill_n(y, memory_.values, T{0});
    attention_functions<T>().add_values(sizes(plan_.s.value_size), scores, memory_.keys,
                                        at_.in<T>(plan_.in.value) + plan_.value_at(n_, keys.begin, 0), count, y);
  }

  // Joins the parts of a row: each sum counts from the highest score of its part.
  void join(std::int64_t row) const {
    const std::int64_t size = plan_.s.value_size;
    auto highest = static_cast<T>(lowest_score);
    for (std::int64_t part = 0; part < memory_.parts; ++part) highest = std::max(highest, highest_of(part, row));
    T* const sums = part_at(0) + row * size;
    T sum = 0;
    for (std::int64_t part = 0; part < memory_.parts; ++part) {
      const T factor = std::exp(highest_of(part, row) - highest);
      T* const values = part_at(part) + row * size;
      sum += factor * (&highest_of(part, row))[memory_.rows];
      if (factor != T{1}) attention_functions<T>().scale(values, size, factor, values);
      if (part > 0) attention_functions<T>().add(values, size, sums);
    }
    const bool nothing = sum == T{0};
    attention_functions<T>().scale(sums, size, nothing ? T{0} : T{1} / sum,
                                   at_.out<T>(0) + plan_.y_at(n_, query(row), head(row)));
    at_.out<T>(1)[plan_.sum_at(n_, query(row), head(row))] =
        nothing ? static_cast<T>(masked_score) : highest + std::log(sum);
  }

 private:
  [[nodiscard]] FewQueries sizes(std::int64_t size) const {
    return {plan_.s.kv_heads, plan_.s.group() * plan_.s.queries, size};
  }
  [[nodiscard]] std::int64_t head(std::int64_t row) const { return row / plan_.s.queries; }
  [[nodiscard]] std::int64_t query(std::int64_t row) const { return row % plan_.s.queries; }
  [[nodiscard]] T* part_at(std::int64_t part) const { return first_ + part * memory_.part(); }
  [[nodiscard]] const T& highest_of(std::int64_t part, std::int64_t row) const {
    return part_at(part)[memory_.values + row];
  }
  // The first key of a part; where the last one ends for the next number.
  [[nodiscard]] std::int64_t from(std::int64_t part) const {
    return all_.begin + (all_.end - all_.begin) * part / memory_.parts;
  }

  // Makes exp(score - highest) of a row's scores for `keys`, zero where a key is not seen; returns their sum.
  T normalise(std::int64_t row, const KeyRange& keys, T* scores, T& highest) const {
    const std::int64_t h = head(row);
    const std::int64_t i = query(row);
    const KeyRange seen{std::clamp(sight_.of(i).begin, keys.begin, keys.end),
                        std::clamp(sight_.of(i).end, keys.begin, keys.end)};
    T* const s = scores - keys.begin;
    std::fill(s + keys.begin, s + seen.begin, T{0});
    std::fill(s + seen.end, s + keys.end, T{0});
    const T slope = plan_.in.slopes < 0 ? T{0} : at_.in<T>(plan_.in.slopes)[h];
    highest = static_cast<T>(lowest_score);
    for (std::int64_t j = seen.begin; j < seen.end; ++j) {
      if (plan_.in.mask >= 0) s[j] += plan_.mask_value<T>(at_, plan_.mask_at(n_, h, i, j));
      if (plan_.in.slopes >= 0) s[j] -= slope * static_cast<T>(std::abs(sight_.position(i) - j));
      highest = s[j] > highest ? s[j] : highest;
    }
    return attention_functions<T>().exponentials(s + seen.begin, seen.end - seen.begin, highest);
  }

  const AttentionPlan& plan_;
  const KernelArguments& at_;
  const FewMemory& memory_;
  std::int64_t n_;
  AttentionSight sight_;
  KeyRange all_;
  T* first_;
};

}  // namespace

template <class T>
Kernel attention_of_few(const AttentionPlan& made) {
  const FewMemory memory(made.s);
  Kernel kernel{.run = {},
                .scratch_bytes = static_cast<std::size_t>(made.s.batch * memory.parts * memory.part()) * sizeof(T),
                .flops = 2 * made.products()};
  kernel.run = [shared = std::make_shared<const AttentionPlan>(made), memory](const KernelArguments& at) {
    const AttentionPlan& plan = *shared;
    const std::int64_t parts = plan.s.batch * memory.parts;
    const auto bytes =
        static_cast<std::int64_t>(sizeof(T)) * memory.keys * plan.s.kv_heads * (plan.s.size + plan.s.value_size);
    parallel_for(parts, 1 + bytes_of_a_thread / (1 + bytes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task)
        Sequence<T>(plan, at, memory, task % plan.s.batch).run(task / plan.s.batch);
    });
    const std::int64_t rows = plan.s.batch * memory.rows;
    parallel_for(rows, 1 + 16384 / (memory.parts * plan.s.value_size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task)
        Sequence<T>(plan, at, memory, task / memory.rows).join(task % memory.rows);
    });
  };
  return kernel;
}

template Kernel attention_of_few<float>(const AttentionPlan& made);
template Kernel attention_of_few<double>(const AttentionPlan& made);

}  // namespace narae::cpu
