#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "narae/backend/cpu/attention_plan.h"

namespace narae::cpu {

/// Keys [key, key + rows) for lanes [lo, hi) of a block of queries.
struct AttentionPiece {
  std::int64_t key, rows, lo, hi;
  bool cut;  ///< some of these queries may not see some of these keys
};

/// Up to `attention_lanes` neighbouring queries of one head, in the memory of one thread: their transpose, and scores
/// for one piece of keys after the other. No more of the scores is ever stored.
template <class T>
class QueryBlock {
 public:
  QueryBlock(const AttentionPlan& plan, const KernelArguments& at, T* memory)
      : plan_(plan), at_(at), memory_(memory), scale_(*at.in<T>(plan.in.scale)) {}

  /// Takes queries i, i + 1, ... of head h of sequence n.
  void load(std::int64_t n, std::int64_t h, std::int64_t i);
  /// Packs rows of `width` numbers, one a query, as (width, lanes) times `factor`; zeros in lanes without a query.
  void pack(const T* rows, std::int64_t pitch, std::int64_t width, T factor, T* to) const;
  /// Computes s for a piece, masked, with bias and factors of dropout. False: nothing of it may be seen.
  [[nodiscard]] bool scores(const AttentionPiece& piece);

  /// Calls f(piece) for pieces in the order of keys that cover all that the queries may see of keys [begin, end).
  template <class F>
  void for_each_piece(std::int64_t begin, std::int64_t end, const F& f) const {
    const std::int64_t first = std::max(begin, seen_[0].begin);
    const std::int64_t last = std::min(end, seen_[index(count_ - 1)].end);
    // Keys that every query sees. What follows them is cut, so they end where a chunk does.
    const std::int64_t full_begin = std::max(first, seen_[index(count_ - 1)].begin);
    std::int64_t full_end = std::min(last, seen_[0].end);
    if (full_end < last) full_end = full_begin + (full_end - full_begin) / attention_chunk * attention_chunk;
    for (std::int64_t key = first; key < last;) {
      const bool full = key >= full_begin && key < full_end;
      const std::int64_t stop = full ? full_end : key < full_begin && full_begin < full_end ? full_begin : last;
      const std::int64_t rows = std::min(full ? attention_keys : attention_chunk, stop - key);
      AttentionPiece piece{key, rows, 0, lanes(), !full};
      if (!full) cut_lanes(piece);
      if (piece.lo < piece.hi) f(piece);
      key += rows;
    }
  }
  [[nodiscard]] bool sees(std::int64_t begin, std::int64_t end) const {
    return seen_[0].begin < end && seen_[index(count_ - 1)].end > begin;
  }

  [[nodiscard]] std::int64_t count() const { return count_; }
  /// Lanes with a query among those of a piece.
  [[nodiscard]] std::int64_t queries_of(const AttentionPiece& piece) const {
    return std::min(piece.hi, count_) - piece.lo;
  }
  [[nodiscard]] std::int64_t sequence() const { return n_; }
  [[nodiscard]] std::int64_t head() const { return h_; }
  [[nodiscard]] std::int64_t first() const { return i_; }
  /// `count` rounded up to a range of lanes.
  [[nodiscard]] std::int64_t lanes() const {
    return (count_ + attention_lane_step - 1) / attention_lane_step * attention_lane_step;
  }
  [[nodiscard]] T scale() const { return scale_; }
  [[nodiscard]] T* part(std::int64_t place) const { return memory_ + place; }
  [[nodiscard]] ScoreTile<T> tile(const AttentionPiece& piece) const {
    return {.rows = piece.rows,
            .lo = piece.lo,
            .hi = piece.hi,
            .s = part(plan_.area.scores),
            .dp = part(plan_.area.dp),
            .factors = plan_.in.rate >= 0 ? part(plan_.area.factors) : nullptr};
  }

 private:
  [[nodiscard]] static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  // Keeps the lanes whose queries see one of the keys at least.
  void cut_lanes(AttentionPiece& piece) const;
  // False: the mask hides every key of the piece.
  [[nodiscard]] bool load_mask(const AttentionPiece& piece) const;
  void draw_factors(const AttentionPiece& piece) const;
  void hide(const AttentionPiece& piece) const;

  const AttentionPlan& plan_;
  const KernelArguments& at_;
  T* memory_;
  T scale_;
  std::int64_t n_ = 0, h_ = 0, i_ = 0, count_ = 0, position_ = 0;
  std::array<KeyRange, attention_lanes> seen_{};
};
extern template class QueryBlock<float>;
extern template class QueryBlock<double>;

}  // namespace narae::cpu
