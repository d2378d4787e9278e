#pragma once

#include <cstdint>

#include "narae/graph/attributes.h"

namespace narae {

/// attention and its gradient: which of the optional arguments there are (0 or 1).
struct AttentionAttributes {
  std::int64_t causal;
  std::int64_t mask;     ///< (batch, heads, queries, keys) or 1 instead of an extent, boolean or floating
  std::int64_t lengths;  ///< (batch) i64
  std::int64_t first;    ///< (batch) i64
  std::int64_t slopes;   ///< (heads)
  std::int64_t window;   ///< () i64
  std::int64_t dropout;  ///< the rate (), seed and counter () i64
  /// Of the gradient: which cotangents are wanted besides those of query, key and value; a sum of
  /// wants_mask, ...
  std::int64_t wanted;
};

constexpr std::int64_t wants_mask = 1;
constexpr std::int64_t wants_slopes = 2;
constexpr std::int64_t wants_scale = 4;
constexpr std::int64_t wants_rate = 8;

/// A score that a masked key gets, so that its probability is exactly 0; also the log-sum-exp of no key at all.
constexpr double masked_score = -1e30;

/// Where the arguments are; -1 for one that is not there.
struct AttentionArguments {
  int query = 0, key = 1, value = 2, scale = 3;
  int count = 4;
  int mask, lengths, first, slopes, window, rate, seed, counter;
  explicit AttentionArguments(const AttentionAttributes& a)
      : mask(a.mask != 0 ? count++ : -1),
        lengths(a.lengths != 0 ? count++ : -1),
        first(a.first != 0 ? count++ : -1),
        slopes(a.slopes != 0 ? count++ : -1),
        window(a.window != 0 ? count++ : -1),
        rate(a.dropout != 0 ? count++ : -1),
        seed(a.dropout != 0 ? count++ : -1),
        counter(a.dropout != 0 ? count++ : -1) {}
};
/// The arguments of attention, its results and the cotangent of y.
struct AttentionGradientArguments : AttentionArguments {
  int y, log_sum, dy;
  explicit AttentionGradientArguments(const AttentionAttributes& a)
      : AttentionArguments(a), y(count++), log_sum(count++), dy(count++) {}
};

/// The extents of query (batch, queries, heads, size), key (batch, keys, kv_heads, size) and value (batch, keys,
/// kv_heads, value_size). Head h reads key and value head h / group().
struct AttentionSizes {
  std::int64_t batch, queries, heads, size, keys, kv_heads, value_size;

  AttentionSizes(const Shape& query, const Shape& key, const Shape& value)
      : batch(query[0]),
        queries(query[1]),
        heads(query[2]),
        size(query[3]),
        keys(key[1]),
        kv_heads(key[2]),
        value_size(value[3]) {}
  [[nodiscard]] std::int64_t group() const { return heads / kv_heads; }
};

}  // namespace narae
