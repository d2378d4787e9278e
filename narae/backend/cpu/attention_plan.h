#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "narae/backend/cpu/attention_lanes.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/core/threads.h"
#include "narae/graph/attention_sight.h"

// What the kernels of attention know when they are made.
namespace narae::cpu {

/// Keys of a tile; where some queries may not see some of its keys it is cut into chunks.
constexpr std::int64_t attention_keys = 64;
constexpr std::int64_t attention_chunk = 16;
/// Highest score of a query that has seen nothing: far above masked scores, far below all others.
constexpr double lowest_score = masked_score / 10;

/// The memory of one thread, in numbers of T from its beginning (the random words of dropout included).
struct AttentionArea {
  std::int64_t query, dy, scores, dp, bias, factors, rows, sums, words, numbers;
};

/// Shapes, strides and work areas of one use of attention. Key and value rows are read where they lie.
struct AttentionPlan {
  AttentionAttributes a;
  AttentionGradientArguments in;
  AttentionSizes s;
  DType mask_type = DType::f32;
  std::array<std::int64_t, 4> mask_strides{};  ///< of (batch, heads, queries, keys); 0 where it is broadcast
  std::vector<std::int64_t> key_rows, value_rows, query_rows, y_rows, lane_rows, unit;
  AttentionArea area{};
  int threads = thread_count();

  AttentionPlan(const KernelRequest& request, bool backward)
      : a(attributes_as<AttentionAttributes>(request.attributes)),
        in(a),
        s(request.inputs[0].shape, request.inputs[1].shape, request.inputs[2].shape),
        key_rows(offsets(attention_keys, s.kv_heads * s.size)),
        value_rows(offsets(attention_keys, s.kv_heads * s.value_size)),
        query_rows(offsets(attention_lanes, s.heads * s.size)),
        y_rows(offsets(attention_lanes, s.heads * s.value_size)),
        lane_rows(offsets(std::max({attention_keys, s.size, s.value_size}), attention_lanes)),
        unit(offsets(std::max({attention_lanes, s.size, s.value_size}), 1)) {
    if (in.mask >= 0) {
      const Signature& mask = request.inputs[static_cast<std::size_t>(in.mask)];
      mask_type = mask.dtype;
      const Shape strides = contiguous_strides(mask.shape);
      for (int i = 0; i < 4; ++i) mask_strides[static_cast<std::size_t>(i)] = mask.shape[i] == 1 ? 0 : strides[i];
    }
    constexpr std::int64_t tile = attention_keys * attention_lanes;
    const auto part = [&](std::int64_t numbers) {
      const std::int64_t place = area.numbers;
      area.numbers += (numbers + 15) / 16 * 16;
      return place;
    };
    area.query = part(s.size * attention_lanes);
    area.dy = part(s.value_size * attention_lanes);  // forward: the sums of the values
    area.scores = part(tile);
    area.dp = part(backward ? tile : 0);
    area.bias = part(in.mask >= 0 ? tile : 0);
    area.factors = part(in.rate >= 0 ? tile : 0);
    area.rows = part(in.mask >= 0 || in.rate >= 0 ? tile : 0);
    area.sums = part(3 * attention_lanes);
    area.words = part(in.rate >= 0 ? attention_keys + 8 : 0);
  }

  [[nodiscard]] std::int64_t blocks() const { return (s.queries + attention_lanes - 1) / attention_lanes; }
  [[nodiscard]] std::int64_t tiles() const { return (s.keys + attention_keys - 1) / attention_keys; }
  /// Products of two numbers for each element of the scores, with the values as well.
  [[nodiscard]] double products() const {
    const double all = static_cast<double>(s.batch * s.heads) * static_cast<double>(s.queries * s.keys);
    return (a.causal != 0 && s.queries == s.keys ? all / 2 : all) * static_cast<double>(s.size + s.value_size);
  }
  /// Tasks of this many together are worth a thread.
  [[nodiscard]] std::int64_t grain(std::int64_t tasks) const {
    return static_cast<std::int64_t>(1 + 2e5 * static_cast<double>(tasks) / products());
  }

  // Where row i (of queries or keys) of a head begins.
  [[nodiscard]] std::int64_t query_at(std::int64_t n, std::int64_t i, std::int64_t h) const {
    return ((n * s.queries + i) * s.heads + h) * s.size;
  }
  [[nodiscard]] std::int64_t y_at(std::int64_t n, std::int64_t i, std::int64_t h) const {
    return ((n * s.queries + i) * s.heads + h) * s.value_size;
  }
  [[nodiscard]] std::int64_t key_at(std::int64_t n, std::int64_t j, std::int64_t h) const {
    return ((n * s.keys + j) * s.kv_heads + h / s.group()) * s.size;
  }
  [[nodiscard]] std::int64_t value_at(std::int64_t n, std::int64_t j, std::int64_t h) const {
    return ((n * s.keys + j) * s.kv_heads + h / s.group()) * s.value_size;
  }
  [[nodiscard]] std::int64_t sum_at(std::int64_t n, std::int64_t i, std::int64_t h) const {
    return (n * s.heads + h) * s.queries + i;
  }
  /// The mask's number for a query and a key; `masked_score` where the key is hidden.
  template <class T>
  [[nodiscard]] T mask_value(const KernelArguments& at, std::int64_t place) const {
    if (mask_type == DType::boolean) return at.in<bool>(in.mask)[place] ? T{0} : static_cast<T>(masked_score);
    const T value = at.in<T>(in.mask)[place];
    return value < static_cast<T>(masked_score) ? static_cast<T>(masked_score) : value;
  }
  [[nodiscard]] std::int64_t mask_at(std::int64_t n, std::int64_t h, std::int64_t i, std::int64_t j) const {
    return n * mask_strides[0] + h * mask_strides[1] + i * mask_strides[2] + j * mask_strides[3];
  }
};

/// The k-th of `count` pieces of work whose cost grows from the first to the last: one from either end in turn, so that
/// threads that share them out in their order have the same to do.
[[nodiscard]] constexpr std::int64_t from_both_ends(std::int64_t k, std::int64_t count) {
  return k % 2 == 0 ? k / 2 : count - 1 - k / 2;
}

/// Attention of a few queries, as in generation: kernel for y and log-sum-exp.
template <class T>
[[nodiscard]] Kernel attention_of_few(const AttentionPlan& made);
[[nodiscard]] inline bool are_few(const AttentionPlan& plan) {
  return plan.s.queries * plan.s.group() <= 8 && plan.in.rate < 0;
}
extern template Kernel attention_of_few<float>(const AttentionPlan& plan);
extern template Kernel attention_of_few<double>(const AttentionPlan& plan);

}  // namespace narae::cpu
