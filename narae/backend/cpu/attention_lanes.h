#pragma once

#include <cstdint>

namespace narae::cpu {

/// Queries that are taken together: the lanes of a tile. Ranges of lanes are cut at multiples of `attention_lane_step`.
constexpr std::int64_t attention_lanes = 64;
constexpr std::int64_t attention_lane_step = 16;

/// Scores of some keys (rows) for the queries of a block (lanes [lo, hi)), rows attention_lanes numbers apart.
template <class T>
struct ScoreTile {
  std::int64_t rows, lo, hi;
  T* s;                        ///< scores; then probabilities
  T* dp = nullptr;             ///< dy v^T; then the cotangents of the scores
  const T* bias = nullptr;     ///< added to the scores; null: nothing
  const T* factors = nullptr;  ///< of dropout; null: all 1
  T slope = 0;                 ///< times distance, taken from the scores
  T distance = 0;              ///< position of lane 0 less that of row 0
};

/// What a few queries read: keys or values (count, heads, size), each head for `rows` queries.
struct FewQueries {
  std::int64_t heads, rows, size;
};

/// What the kernels of attention do with tiles and rows of numbers.
template <class T>
struct AttentionFunctions {
  /// s += bias - slope |distance - row + lane|
  void (*add_bias)(const ScoreTile<T>& tile);
  /// One step of a softmax over more and more rows: the highest score so far and the sum of exp(s - highest) for each
  /// lane. s becomes exp(s - highest) times the factor of dropout; what was summed before is to be multiplied by
  /// `corrections`. True unless these are all 1.
  bool (*softmax)(const ScoreTile<T>& tile, T* highest, T* sums, T* corrections);
  /// With p = exp(s - log_sum): dp becomes p (dp factor - delta), s becomes p factor.
  void (*gradient)(const ScoreTile<T>& tile, const T* log_sums, const T* deltas);
  /// y = x factor
  void (*scale)(const T* x, std::int64_t n, T factor, T* y);
  /// y += x
  void (*add)(const T* x, std::int64_t n, T* y);
  T (*dot)(const T* a, const T* b, std::int64_t n);
  /// s (heads * rows, pitch): scale q k_j for `count` keys; q (heads * rows, size).
  void (*scores)(const FewQueries& f, const T* q, T scale, const T* keys, std::int64_t count, T* s, std::int64_t pitch);
  /// y += p values; p (heads * rows, pitch), y (heads * rows, size). What has the weight 0 is left out, even a NaN.
  void (*add_values)(const FewQueries& f, const T* p, std::int64_t pitch, const T* values, std::int64_t count, T* y);
  /// s = exp(s - highest); returns their sum.
  T (*exponentials)(T* s, std::int64_t n, T highest);
};
template <class T>
[[nodiscard]] const AttentionFunctions<T>& attention_functions();
template <>
[[nodiscard]] const AttentionFunctions<float>& attention_functions<float>();
template <>
[[nodiscard]] const AttentionFunctions<double>& attention_functions<double>();

}  // namespace narae::cpu
