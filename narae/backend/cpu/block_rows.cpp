// The inner loops of normalisations on channels in blocks, compiled for every instruction set (Highway). A pixel's
// channels are one vector, or a few.
#include "narae/backend/cpu/block_rows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/block_rows.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/block_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

constexpr std::int64_t run = 256;  // pixels that are summed in float

// Calls visit(pixel, even) for the pixels, two sums at a time, and flush() after each run.
template <class Visit, class Flush>
HWY_INLINE void in_runs(std::int64_t pixels, const Visit& visit, const Flush& flush) {
  for (std::int64_t first = 0; first < pixels; first += run) {
    const std::int64_t last = std::min(first + run, pixels);
    std::int64_t p = first;
    for (; p + 2 <= last; p += 2) {
      visit(p, std::integral_constant<int, 0>());
      visit(p + 1, std::integral_constant<int, 1>());
    }
    if (p < last) visit(p, std::integral_constant<int, 0>());
    flush();
  }
}

template <int block>
void moments(const float* x, std::int64_t pixels, const float* about, double* sums, double* squares) {
  using B = BlockVectors<block>;
  const B center = B::load(about);
  B sum[2] = {B::zero(), B::zero()};
  B square[2] = {B::zero(), B::zero()};
  in_runs(
      pixels,
      [&](std::int64_t p, auto side) NARAE_INLINE {
        const B v = B::load(x + p * block);
        unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE {
          const auto z = hn::Sub(v.v[i], center.v[i]);
          sum[side].v[i] = hn::Add(sum[side].v[i], z);
          square[side].v[i] = hn::MulAdd(z, z, square[side].v[i]);
        });
      },
      [&] {
        B::add_to(sum[0], sum[1], sums);
        B::add_to(square[0], square[1], squares);
        sum[0] = sum[1] = square[0] = square[1] = B::zero();
      });
}

template <int block>
void gradient_sums(const float* x, const float* dy, std::int64_t pixels, const float* mean, double* sums,
                   double* products) {
  using B = BlockVectors<block>;
  const B center = B::load(mean);
  B sum[2] = {B::zero(), B::zero()};
  B product[2] = {B::zero(), B::zero()};
  in_runs(
      pixels,
      [&](std::int64_t p, auto side) NARAE_INLINE {
        const B v = B::load(x + p * block);
        const B g = B::load(dy + p * block);
        unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE {
          sum[side].v[i] = hn::Add(sum[side].v[i], g.v[i]);
          product[side].v[i] = hn::MulAdd(g.v[i], hn::Sub(v.v[i], center.v[i]), product[side].v[i]);
        });
      },
      [&] {
        B::add_to(sum[0], sum[1], sums);
        B::add_to(product[0], product[1], products);
        sum[0] = sum[1] = product[0] = product[1] = B::zero();
      });
}

template <int block>
void gradient(const float* x, const float* dy, std::int64_t pixels, const float* mean, const float* a, const float* b,
              const float* c, float* dx) {
  using B = BlockVectors<block>;
  const B center = B::load(mean);
  const B of_dy = B::load(a);
  const B of_x = B::load(b);
  const B rest = B::load(c);
  for (std::int64_t p = 0; p < pixels; ++p) {
    const B v = B::load(x + p * block);
    const B g = B::load(dy + p * block);
    unrolled(Count<B::count>(), [&](auto i) NARAE_INLINE {
      const auto inner = hn::MulAdd(hn::Sub(v.v[i], center.v[i]), of_x.v[i], rest.v[i]);
      hn::StoreU(hn::MulAdd(g.v[i], of_dy.v[i], inner), typename B::D(), dx + p * block + i * B::lanes);
    });
  }
}

template <int block>
const BlockRows& table() {
  static constexpr BlockRows rows = {moments<block>, gradient_sums<block>, gradient<block>};
  return rows;
}

const BlockRows& block_rows_8() {
  return table<8>();
}
const BlockRows& block_rows_16() {
  return table<16>();
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(block_rows_8);
HWY_EXPORT(block_rows_16);

const BlockRows& block_rows(std::int64_t block) {
  return block == 8 ? HWY_DYNAMIC_DISPATCH(block_rows_8)() : HWY_DYNAMIC_DISPATCH(block_rows_16)();
}

}  // namespace narae::cpu
#endif
