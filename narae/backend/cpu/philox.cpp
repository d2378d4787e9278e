// Philox4x32-10 on vectors of counters, compiled for every instruction set (Highway); the same words as core/random.h.
#include "narae/backend/cpu/philox.h"

#include "narae/core/random.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/philox.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

void words_of_blocks(std::uint64_t key, std::uint64_t counter_high, std::uint64_t first, std::int64_t blocks,
                     std::uint32_t* words) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  // Each word in the low half of 64 bits, so that products keep both halves; the high half may hold anything.
  const hn::ScalableTag<std::uint64_t> d;
  const hn::Repartition<std::uint32_t, decltype(d)> d32;
  const hn::Rebind<std::uint32_t, decltype(d)> narrow;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto times = [&](V a, std::uint64_t factor) NARAE_INLINE {
    return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, hn::Set(d, factor)));
  };
  for (; i + lanes <= blocks; i += lanes) {
    const V low = hn::Add(hn::Set(d, first + static_cast<std::uint64_t>(i)), hn::Iota(d, 0));
    V c[4] = {low, hn::ShiftRight<32>(low), hn::Set(d, counter_high), hn::Set(d, counter_high >> 32)};
    auto k0 = static_cast<std::uint32_t>(key);
    auto k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      const V p0 = times(c[0], 0xD2511F53U);
      const V p1 = times(c[2], 0xCD9E8D57U);
      const V c0 = hn::Xor(hn::ShiftRight<32>(p1), hn::Xor(c[1], hn::Set(d, k0)));
      const V c2 = hn::Xor(hn::ShiftRight<32>(p0), hn::Xor(c[3], hn::Set(d, k1)));
      c[0] = c0;
      c[1] = p1;
      c[2] = c2;
      c[3] = p0;
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
    hn::StoreInterleaved4(hn::TruncateTo(narrow, c[0]), hn::TruncateTo(narrow, c[1]), hn::TruncateTo(narrow, c[2]),
                          hn::TruncateTo(narrow, c[3]), narrow, words + 4 * i);
  }
#endif
  for (; i < blocks; ++i) {
    const auto block = philox(key, counter_high, first + static_cast<std::uint64_t>(i));
    for (std::size_t k = 0; k < 4; ++k) words[4 * i + static_cast<std::int64_t>(k)] = block[k];
  }
}

// uniform_from of vectors; words below 2^31 convert as signed numbers.
template <class D>
HWY_INLINE hn::Vec<D> uniform_of(D d, const std::uint32_t* words, std::size_t count) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto w = count == hn::Lanes(d) ? hn::LoadU(du, words) : load_first(du, words, count);
  return hn::Mul(hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<8>(w))), hn::Set(d, 0x1p-24F));
}

void uniform_words(const std::uint32_t* words, std::int64_t n, float* x) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < n; i += lanes) {
    const auto count = static_cast<std::size_t>(n - i < lanes ? n - i : lanes);
    store(d, uniform_of(d, words + i, count), x + i, count);
  }
}

void drop_words(const std::uint32_t* words, std::int64_t n, float p, const float* x, float* y) {
  const hn::ScalableTag<float> d;
  const auto least = hn::Set(d, p);
  const auto divisor = hn::Set(d, 1 - p);
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    const auto kept = hn::Ge(uniform_of(d, words + i, count), least);
    store(d, hn::IfThenElseZero(kept, hn::Div(v, divisor)), y + i, count);
  });
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(words_of_blocks);
HWY_EXPORT(uniform_words);
HWY_EXPORT(drop_words);

void philox_words(std::uint64_t key, std::uint64_t counter_high, std::uint64_t first, std::int64_t blocks,
                  std::uint32_t* words) {
  HWY_DYNAMIC_DISPATCH(words_of_blocks)(key, counter_high, first, blocks, words);
}
void uniforms(const std::uint32_t* words, std::int64_t n, float* x) {
  HWY_DYNAMIC_DISPATCH(uniform_words)(words, n, x);
}
void drop(const std::uint32_t* words, std::int64_t n, float p, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(drop_words)(words, n, p, x, y);
}

}  // namespace narae::cpu
#endif
