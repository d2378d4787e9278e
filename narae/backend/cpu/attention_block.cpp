#include "narae/backend/cpu/attention_block.h"

#include <type_traits>

#include "narae/backend/cpu/philox.h"
#include "narae/backend/cpu/transpose2d.h"
#include "narae/core/random.h"

namespace narae::cpu {

template <class T>
void QueryBlock<T>::load(std::int64_t n, std::int64_t h, std::int64_t i) {
  n_ = n;
  h_ = h;
  i_ = i;
  count_ = std::min(attention_lanes, plan_.s.queries - i);
  const AttentionSight sight(at_, plan_.in, plan_.a, plan_.s, n);
  position_ = sight.position(i);
  for (std::int64_t lane = 0; lane < count_; ++lane) seen_[index(lane)] = sight.of(i + lane);
}

template <class T>
void QueryBlock<T>::pack(const T* rows, std::int64_t pitch, std::int64_t width, T factor, T* to) const {
  transpose2d(count_, width, rows, pitch, to, attention_lanes);
  const std::int64_t all = lanes();
  const auto scale = attention_functions<T>().scale;
  for (std::int64_t j = 0; j < width; ++j) {
    T* row = to + j * attention_lanes;
    std::fill(row + count_, row + all, T{0});
    if (factor != T{1}) scale(row, count_, factor, row);
  }
}

template <class T>
void QueryBlock<T>::cut_lanes(AttentionPiece& piece) const {
  std::int64_t lo = 0;
  while (lo < count_ && seen_[index(lo)].end <= piece.key) ++lo;
  std::int64_t hi = count_;
  while (hi > lo && seen_[index(hi - 1)].begin >= piece.key + piece.rows) --hi;
  piece.lo = lo / attention_lane_step * attention_lane_step;
  piece.hi = lo == hi ? piece.lo : (hi + attention_lane_step - 1) / attention_lane_step * attention_lane_step;
}

template <class T>
bool QueryBlock<T>::load_mask(const AttentionPiece& piece) const {
  T* rows = part(plan_.area.rows);
  const std::int64_t step = plan_.mask_strides[3];
  bool any = false;
  const std::int64_t queries = queries_of(piece);
  for (std::int64_t lane = 0; lane < queries; ++lane) {
    T* row = rows + lane * attention_keys;
    if (lane > 0 && plan_.mask_strides[2] == 0) {
      std::copy_n(rows, piece.rows, row);
      continue;
    }
    const std::int64_t place = plan_.mask_at(n_, h_, i_ + piece.lo + lane, piece.key);
    for (std::int64_t j = 0; j < piece.rows; ++j) {
      row[j] = plan_.mask_value<T>(at_, place + j * step);
      any = any || row[j] != static_cast<T>(masked_score);
    }
  }
  if (!any) return false;
  T* bias = part(plan_.area.bias);
  transpose2d(queries, piece.rows, rows, attention_keys, bias + piece.lo, attention_lanes);
  for (std::int64_t j = 0; j < piece.rows; ++j)
    std::fill(bias + j * attention_lanes + piece.lo + queries, bias + j * attention_lanes + piece.hi, T{0});
  return true;
}

// The numbers that dropout of the probabilities (batch, heads, queries, keys) would draw.
template <class T>
void QueryBlock<T>::draw_factors(const AttentionPiece& piece) const {
  const T rate = *at_.in<T>(plan_.in.rate);
  const auto seed = static_cast<std::uint64_t>(*at_.in<std::int64_t>(plan_.in.seed));
  const auto counter = static_cast<std::uint64_t>(*at_.in<std::int64_t>(plan_.in.counter));
  auto* words = reinterpret_cast<std::uint32_t*>(part(plan_.area.words));
  T* rows = part(plan_.area.rows);
  const T kept = T{1} / (T{1} - rate);
  const std::int64_t queries = queries_of(piece);
  for (std::int64_t lane = 0; lane < queries; ++lane) {
    const std::int64_t first = plan_.sum_at(n_, i_ + piece.lo + lane, h_) * plan_.s.keys + piece.key;
    const std::int64_t skipped = first & 3;
    philox_words(seed, counter, static_cast<std::uint64_t>(first) >> 2, (skipped + piece.rows + 3) / 4, words);
    T* row = rows + lane * attention_keys;
    for (std::int64_t j = 0; j < piece.rows; ++j) row[j] = uniform_from(words[skipped + j]) >= rate ? kept : T{0};
  }
  T* factors = part(plan_.area.factors);
  transpose2d(queries, piece.rows, rows, attention_keys, factors + piece.lo, attention_lanes);
  for (std::int64_t j = 0; j < piece.rows; ++j)
    std::fill(factors + j * attention_lanes + piece.lo + queries, factors + j * attention_lanes + piece.hi, T{0});
}

// For each key, the lanes before the first query that sees it and those from the first one that has left it behind.
template <class T>
void QueryBlock<T>::hide(const AttentionPiece& piece) const {
  std::int64_t from = 0;
  std::int64_t to = 0;
  for (std::int64_t row = 0; row < piece.rows; ++row) {
    const std::int64_t key = piece.key + row;
    while (from < count_ && seen_[index(from)].end <= key) ++from;
    while (to < count_ && seen_[index(to)].begin <= key) ++to;
    T* s = part(plan_.area.scores) + row * attention_lanes;
    std::fill(s + piece.lo, s + std::clamp(from, piece.lo, piece.hi), static_cast<T>(masked_score));
    std::fill(s + std::clamp(to, piece.lo, piece.hi), s + piece.hi, static_cast<T>(masked_score));
  }
}

template <class T>
bool QueryBlock<T>::scores(const AttentionPiece& piece) {
  if (plan_.in.mask >= 0 && !load_mask(piece)) return false;
  if (plan_.in.rate >= 0) draw_factors(piece);
  gemm(Gemm<T>{.m = piece.rows,
               .n = piece.hi - piece.lo,
               .k = plan_.s.size,
               .a = at_.in<T>(plan_.in.key) + plan_.key_at(n_, piece.key, h_),
               .a_rows = plan_.key_rows.data(),
               .a_columns = plan_.unit.data(),
               .b = part(plan_.area.query) + piece.lo,
               .b_rows = plan_.lane_rows.data(),
               .c = part(plan_.area.scores) + piece.lo,
               .c_row = attention_lanes});
  if (plan_.in.mask >= 0 || plan_.in.slopes >= 0) {
    ScoreTile<T> with_bias = tile(piece);
    if (plan_.in.mask >= 0) with_bias.bias = part(plan_.area.bias);
    if (plan_.in.slopes >= 0) with_bias.slope = at_.in<T>(plan_.in.slopes)[h_];
    with_bias.distance = static_cast<T>(position_ - piece.key);
    attention_functions<T>().add_bias(with_bias);
  }
  if (piece.cut) hide(piece);
  return true;
}

template class QueryBlock<float>;
template class QueryBlock<double>;

}  // namespace narae::cpu
