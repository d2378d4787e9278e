// Attention of a few queries, as in generation. It is bound by reading keys and values, so they are read once, all
// heads of a key in the order in which they lie; parts of the keys have each a softmax of their own, and these are
// joined (Dao et al. 2023, "Flash-Decoding for long-context inference"). The parts are the same for any number of
// threads.
#include <cmath>
#include <memory>

#include "narae/backend/cpu/attention_plan.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t most_parts = 16;

// The parts of a sequence's keys, and the memory for them, in numbers of T. Rows are the queries of all heads, those
// that share a head of keys side by side.
struct FewParts {
  std::int64_t rows, value_numbers, query_numbers, count, most_keys;

  FewParts(const AttentionSizes& s, std::int64_t bytes_of_a_key)
      : rows(s.heads * s.queries),
        value_numbers(rows * s.value_size),
        query_numbers(rows * s.size),
        count(std::clamp<std::int64_t>(s.keys / std::clamp<std::int64_t>(bytes_worth_a_thread / bytes_of_a_key, 4, 32),
                                       1, most_parts)),
        most_keys(s.keys / count + 1) {}

  // Of a part: the sums of its values; the highest score and the sum of exponentials of each row.
  [[nodiscard]] std::int64_t result_numbers() const { return (value_numbers + 2 * rows + 15) / 16 * 16; }
  // Of a thread: queries and scores.
  [[nodiscard]] std::int64_t area_numbers() const { return (query_numbers + rows * most_keys + 15) / 16 * 16; }
};

template <class T>
class Sequence {
 public:
  Sequence(const AttentionPlan& plan, const KernelArguments& at, const FewParts& parts, std::int64_t n)
      : plan_(plan),
        at_(at),
        parts_(parts),
        n_(n),
        sight_(at, plan.in, plan.a, plan.s, n),
        all_{sight_.of(0).begin, sight_.of(plan.s.queries - 1).end},
        results_(reinterpret_cast<T*>(at.scratch) + n * parts.count * parts.result_numbers()) {}

  void run(std::int64_t part, T* area) const {
    const KeyRange keys{from(part), from(part + 1)};
    const std::int64_t count = keys.end - keys.begin;
    T* const queries = area;
    T* const scores = area + parts_.query_numbers;
    for (std::int64_t row = 0; row < parts_.rows; ++row)
      std::copy_n(at_.in<T>(plan_.in.query) + plan_.query_at(n_, query(row), head(row)), plan_.s.size,
                  queries + row * plan_.s.size);
    attention_functions<T>().scores(sizes(plan_.s.size), queries, *at_.in<T>(plan_.in.scale),
                                    at_.in<T>(plan_.in.key) + plan_.key_at(n_, keys.begin, 0), count, scores,
                                    parts_.most_keys);
    for (std::int64_t row = 0; row < parts_.rows; ++row)
      sum_of(part, row) = normalise(row, keys, scores + row * parts_.most_keys, highest_of(part, row));
    std::fill_n(values_of(part, 0), parts_.value_numbers, T{0});
    attention_functions<T>().add_values(sizes(plan_.s.value_size), scores, parts_.most_keys,
                                        at_.in<T>(plan_.in.value) + plan_.value_at(n_, keys.begin, 0), count,
                                        values_of(part, 0));
  }

  // Joins the parts of a row: each sum counts from the highest score of its part.
  void join(std::int64_t row) const {
    const AttentionFunctions<T>& functions = attention_functions<T>();
    const std::int64_t size = plan_.s.value_size;
    auto highest = static_cast<T>(lowest_score);
    for (std::int64_t part = 0; part < parts_.count; ++part) highest = std::max(highest, highest_of(part, row));
    T sum = 0;
    for (std::int64_t part = 0; part < parts_.count; ++part) {
      const T factor = std::exp(highest_of(part, row) - highest);
      sum += factor * sum_of(part, row);
      if (factor != T{1}) functions.scale(values_of(part, row), size, factor, values_of(part, row));
      if (part > 0) functions.add(values_of(part, row), size, values_of(0, row));
    }
    const bool nothing = sum == T{0};
    functions.scale(values_of(0, row), size, nothing ? T{0} : T{1} / sum,
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
  [[nodiscard]] T* values_of(std::int64_t part, std::int64_t row) const {
    return results_ + part * parts_.result_numbers() + row * plan_.s.value_size;
  }
  [[nodiscard]] T& highest_of(std::int64_t part, std::int64_t row) const {
    return *(values_of(part, 0) + parts_.value_numbers + row);
  }
  [[nodiscard]] T& sum_of(std::int64_t part, std::int64_t row) const {
    return *(values_of(part, 0) + parts_.value_numbers + parts_.rows + row);
  }
  // The first key of a part; where the last one ends for the next number.
  [[nodiscard]] std::int64_t from(std::int64_t part) const {
    return all_.begin + (all_.end - all_.begin) * part / parts_.count;
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
    constexpr auto hidden = static_cast<T>(masked_score);
    highest = static_cast<T>(lowest_score);
    for (std::int64_t j = seen.begin; j < seen.end; ++j) {
      if (plan_.in.mask >= 0) {
        const T mask = plan_.mask_value<T>(at_, plan_.mask_at(n_, h, i, j));
        s[j] = mask == hidden ? hidden : s[j] + mask;
      }
      if (plan_.in.slopes >= 0) s[j] -= slope * static_cast<T>(std::abs(sight_.position(i) - j));
      highest = s[j] > highest ? s[j] : highest;
    }
    return attention_functions<T>().exponentials(s + seen.begin, seen.end - seen.begin, highest);
  }

  const AttentionPlan& plan_;
  const KernelArguments& at_;
  const FewParts& parts_;
  std::int64_t n_;
  AttentionSight sight_;
  KeyRange all_;
  T* results_;
};

}  // namespace

template <class T>
Kernel attention_of_few(const AttentionPlan& made) {
  const std::int64_t key_bytes =
      static_cast<std::int64_t>(sizeof(T)) * made.s.kv_heads * (made.s.size + made.s.value_size);
  const FewParts parts(made.s, key_bytes);
  const std::int64_t tasks = made.s.batch * parts.count;
  const std::int64_t results = tasks * parts.result_numbers();
  Kernel kernel{.run = {},
                .scratch_bytes = static_cast<std::size_t>(results + made.threads * parts.area_numbers()) * sizeof(T),
                .flops = 2 * made.products()};
  kernel.run = [=, shared = std::make_shared<const AttentionPlan>(made)](const KernelArguments& at) {
    const AttentionPlan& plan = *shared;
    T* const areas = reinterpret_cast<T*>(at.scratch) + results;
    parallel_for(
        tasks, 1 + bytes_worth_a_thread / (1 + parts.most_keys * key_bytes),
        [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
          for (std::int64_t task = begin; task < end; ++task)
            Sequence<T>(plan, at, parts, task % plan.s.batch)
                .run(task / plan.s.batch, areas + thread * parts.area_numbers());
        },
        plan.threads);
    const std::int64_t rows = plan.s.batch * parts.rows;
    parallel_for(rows, 1 + 16384 / (parts.count * plan.s.value_size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        Sequence<T>(plan, at, parts, row / parts.rows).join(row % parts.rows);
    });
  };
  return kernel;
}

template Kernel attention_of_few<float>(const AttentionPlan& made);
template Kernel attention_of_few<double>(const AttentionPlan& made);

}  // namespace narae::cpu
