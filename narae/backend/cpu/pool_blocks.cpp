// Pooling of channels in blocks, compiled for every instruction set (Highway): all channels of a pixel at once.
#include <algorithm>

#include "narae/backend/cpu/pool_windows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/pool_blocks.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/block_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// Calls visit(pixel) for the pixels of a window.
template <class Visit>
HWY_INLINE void for_each_pixel(const PoolWindows& w, const PoolRange& rows, const PoolRange& columns,
                               const Visit& visit) {
  for (std::int64_t r = rows.begin; r < rows.end; ++r)
    for (std::int64_t c = columns.begin; c < columns.end; ++c) visit(r * w.in_width + c);
}

HWY_INLINE float share_of(const PoolRange& rows, const PoolRange& columns) {
  return 1.0F / static_cast<float>(rows.counted * columns.counted);
}

template <int block>
void max_of_block(const PoolWindows& w, const float* x, float* y, std::int32_t* indices) {
  using B = BlockVectors<block>;
  using D = typename B::D;

  const hn::RebindToSigned<D> di;
  w.for_each([&](std::int64_t at, const PoolRange& rows, const PoolRange& columns) {
    const std::int64_t first = rows.begin * w.in_width + columns.begin;
    B best = B::load(x + first * block);
    hn::Vec<decltype(di)> places[B::count];
    unrolled(Count<B::count>(),
             [&](auto i) NARAE_INLINE { places[i] = hn::Set(di, static_cast<std::int32_t>(first)); });
    for_each_pixel(w, rows, columns, [&](std::int64_t pixel) NARAE_INLINE {
      const B mine = B::load(x + pixel * block);
      const auto place = hn::Set(di, static_cast<std::int32_t>(pixel));
      unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE {
        const auto kept = hn::Or(hn::Le(mine.v[i], best.v[i]), hn::IsNaN(best.v[i]));
        best.v[i] = hn::IfThenElse(kept, best.v[i], mine.v[i]);
        places[i] = hn::IfThenElse(hn::RebindMask(di, kept), places[i], place);
      });
    });
    best.store(y + at * block);
    unrolled(Count<B::count>(),
             [&](auto i) NARAE_INLINE { hn::StoreU(places[i], di, indices + at * block + i * B::lanes); });
  });
}

template <int block>
void average_of_block(const PoolWindows& w, const float* x, float* y) {
  using B = BlockVectors<block>;
  w.for_each([&](std::int64_t at, const PoolRange& rows, const PoolRange& columns) {
    B sum = B::zero();
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {  // sums of rows, then of those: a plane may be large
      B row = B::zero();
      for (std::int64_t c = columns.begin; c < columns.end; ++c) {
        const B mine = B::load(x + (r * w.in_width + c) * block);
        unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE { row.v[i] = hn::Add(row.v[i], mine.v[i]); });
      }
      unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE { sum.v[i] = hn::Add(sum.v[i], row.v[i]); });
    }
    const auto share = hn::Set(typename B::D(), share_of(rows, columns));
    unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE { sum.v[i] = hn::Mul(sum.v[i], share); });
    sum.store(y + at * block);
  });
}

template <int block>
void average_gradient_of_block(const PoolWindows& w, const float* dy, float* dx) {
  using B = BlockVectors<block>;
  std::fill_n(dx, w.in_size() * block, 0.0F);
  w.for_each([&](std::int64_t at, const PoolRange& rows, const PoolRange& columns) {
    B mine = B::load(dy + at * block);
    const auto share = hn::Set(typename B::D(), share_of(rows, columns));
    unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE { mine.v[i] = hn::Mul(mine.v[i], share); });
    for_each_pixel(w, rows, columns, [&](std::int64_t pixel) NARAE_INLINE {
      B sum = B::load(dx + pixel * block);
      unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE { sum.v[i] = hn::Add(sum.v[i], mine.v[i]); });
      sum.store(dx + pixel * block);
    });
  });
}

template <int block>
const BlockPooling& pooling() {
  static constexpr BlockPooling table = {max_of_block<block>, average_of_block<block>,
                                         average_gradient_of_block<block>};
  return table;
}

const BlockPooling& block_pooling_8() {
  return pooling<8>();
}
const BlockPooling& block_pooling_16() {
  return pooling<16>();
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(block_pooling_8);
HWY_EXPORT(block_pooling_16);

const BlockPooling& block_pooling(std::int64_t block) {
  return block == 8 ? HWY_DYNAMIC_DISPATCH(block_pooling_8)() : HWY_DYNAMIC_DISPATCH(block_pooling_16)();
}

}  // namespace narae::cpu
#endif
