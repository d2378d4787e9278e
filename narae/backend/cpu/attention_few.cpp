// Attention of a few queries, as in generation: keys and values are read once, and nothing is packed.
#include <cmath>
#include <memory>

#include "narae/backend/cpu/attention_plan.h"

namespace narae::cpu {
namespace {

// The queries of all heads that share one head of keys, each with a row of scores.
template <class T>
class FewQueries {
 public:
  FewQueries(const AttentionPlan& plan, const KernelArguments& at, T* memory)
      : plan_(plan),
        at_(at),
        rows_(plan.s.queries * plan.s.group()),
        scores_(memory),
        values_(memory + rows_ * plan.s.keys),
        row_offsets_(offsets(rows_, plan.s.keys)) {}

  [[nodiscard]] static std::int64_t numbers(const AttentionPlan& plan) {
    return plan.s.queries * plan.s.group() * (plan.s.keys + plan.s.value_size);
  }

  void run(std::int64_t n, std::int64_t kv_head) {
    const AttentionSizes& s = plan_.s;
    const AttentionSight sight(at_, plan_.in, plan_.a, s, n);
    const KeyRange all{sight.of(0).begin, sight.of(s.queries - 1).end};
    std::fill_n(values_, rows_ * s.value_size, T{0});
    for (std::int64_t key = all.begin; key < all.end; key += attention_keys) {
      const std::int64_t count = std::min(attention_keys, all.end - key);
      for (std::int64_t row = 0; row < rows_; ++row) find_scores(n, head(kv_head, row), query(row), key, count, row);
    }
    for (std::int64_t row = 0; row < rows_; ++row) {
      const T sum = normalise(sight, n, head(kv_head, row), query(row), all, row);
      sums_[static_cast<std::size_t>(row)] = sum;
    }
    for (std::int64_t key = all.begin; key < all.end; key += attention_keys)
      add_values(n, kv_head, key, std::min(attention_keys, all.end - key));
    for (std::int64_t row = 0; row < rows_; ++row) {
      const T sum = sums_[static_cast<std::size_t>(row)];
      attention_functions<T>().scale(values_ + row * s.value_size, s.value_size, sum == T{0} ? T{0} : T{1} / sum,
                                     at_.out<T>(0) + plan_.y_at(n, query(row), head(kv_head, row)));
    }
  }

 private:
  [[nodiscard]] std::int64_t head(std::int64_t kv_head, std::int64_t row) const {
    return kv_head * plan_.s.group() + row / plan_.s.queries;
  }
  [[nodiscard]] std::int64_t query(std::int64_t row) const { return row % plan_.s.queries; }

  void find_scores(std::int64_t n, std::int64_t h, std::int64_t i, std::int64_t key, std::int64_t count,
                   std::int64_t row) const {
    const T* keys = at_.in<T>(plan_.in.key) + plan_.key_at(n, key, h);
    const bool alike = plan_.s.value_size == plan_.s.size;
    const T* values = alike ? at_.in<T>(plan_.in.value) + plan_.value_at(n, key, h) : keys;
    attention_functions<T>().scores(at_.in<T>(plan_.in.query) + plan_.query_at(n, i, h), plan_.s.size,
                                    *at_.in<T>(plan_.in.scale), keys, plan_.s.kv_heads * plan_.s.size, count, values,
                                    scores_ + row * plan_.s.keys + key);
  }

  // Makes exp(score - highest) of a row, zero where a key is not seen; returns their sum and stores the log-sum-exp.
  T normalise(const AttentionSight& sight, std::int64_t n, std::int64_t h, std::int64_t i, const KeyRange& all,
              std::int64_t row) const {
    T* s = scores_ + row * plan_.s.keys;
    const KeyRange seen = sight.of(i);
    std::fill(s + all.begin, s + seen.begin, T{0});
    std::fill(s + seen.end, s + all.end, T{0});
    const T slope = plan_.in.slopes < 0 ? T{0} : at_.in<T>(plan_.in.slopes)[h];
    auto highest = static_cast<T>(lowest_score);
    for (std::int64_t j = seen.begin; j < seen.end; ++j) {
      if (plan_.in.mask >= 0) s[j] += plan_.mask_value<T>(at_, plan_.mask_at(n, h, i, j));
      if (plan_.in.slopes >= 0) s[j] -= slope * static_cast<T>(std::abs(sight.position(i) - j));
      highest = s[j] > highest ? s[j] : highest;
    }
    const T sum = attention_functions<T>().exponentials(s + seen.begin, seen.end - seen.begin, highest);
    at_.out<T>(1)[plan_.sum_at(n, i, h)] = sum == T{0} ? static_cast<T>(masked_score) : highest + std::log(sum);
    return sum;
  }

  void add_values(std::int64_t n, std::int64_t kv_head, std::int64_t key, std::int64_t count) const {
    const AttentionSizes& s = plan_.s;
    gemm(Gemm<T>{.m = rows_,
                 .n = s.value_size,
                 .k = count,
                 .a = scores_ + key,
                 .a_rows = row_offsets_.data(),
                 .a_columns = plan_.unit.data(),
                 .b = at_.in<T>(plan_.in.value) + plan_.value_at(n, key, kv_head * s.group()),
                 .b_rows = plan_.value_rows.data(),
                 .c = values_,
                 .c_row = s.value_size,
                 .accumulate = true});
  }

  const AttentionPlan& plan_;
  const KernelArguments& at_;
  std::int64_t rows_;
  T* scores_;
  T* values_;
  std::vector<std::int64_t> row_offsets_;
  std::array<T, 8> sums_{};
};

}  // namespace

template <class T>
Kernel attention_of_few(const AttentionPlan& made) {
  const std::int64_t numbers = (FewQueries<T>::numbers(made) + 15) / 16 * 16;
  Kernel kernel{.run = {},
                .scratch_bytes = static_cast<std::size_t>(made.threads * numbers) * sizeof(T),
                .flops = 2 * made.products()};
  kernel.run = [shared = std::make_shared<const AttentionPlan>(made), numbers](const KernelArguments& at) {
    const AttentionPlan& plan = *shared;
    const std::int64_t tasks = plan.s.batch * plan.s.kv_heads;
    parallel_for(
        tasks, plan.grain(tasks),
        [&](std::int64_t begin, std::int64_t end, std::int64_t range) {
          FewQueries<T> few(plan, at, reinterpret_cast<T*>(at.scratch) + range * numbers);
          for (std::int64_t task = begin; task < end; ++task) few.run(task / plan.s.kv_heads, task % plan.s.kv_heads);
        },
        plan.threads);
  };
  return kernel;
}

template Kernel attention_of_few<float>(const AttentionPlan& made);
template Kernel attention_of_few<double>(const AttentionPlan& made);

}  // namespace narae::cpu
