// Vectors for channels in blocks, for the files that are compiled once for each instruction set (Highway).
#if defined(NARAE_BACKEND_CPU_BLOCK_VECTORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NARAE_BACKEND_CPU_BLOCK_VECTORS_INL
#undef NARAE_BACKEND_CPU_BLOCK_VECTORS_INL
#else
#define NARAE_BACKEND_CPU_BLOCK_VECTORS_INL
#endif

#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

/// Vectors for the channels of a block of 8 or 16: one, or a few.
template <int block>
struct BlockVectors {
  using D = hn::CappedTag<float, block>;
  using V = hn::Vec<D>;
  static constexpr int lanes = static_cast<int>(hn::MaxLanes(D()));
  static constexpr int count = block / lanes;
  V v[count];

  static HWY_INLINE BlockVectors load(const float* p) {
    BlockVectors r;
    unrolled(Count<count>(), [&](auto i) NARAE_INLINE { r.v[i] = hn::LoadU(D(), p + i * lanes); });
    return r;
  }
  HWY_INLINE void store(float* p) const {
    unrolled(Count<count>(), [&](auto i) NARAE_INLINE { hn::StoreU(v[i], D(), p + i * lanes); });
  }
  static HWY_INLINE BlockVectors zero() {
    BlockVectors r;
    unrolled(Count<count>(), [&](auto i) NARAE_INLINE { r.v[i] = hn::Zero(D()); });
    return r;
  }
  /// sums += a + b, in double.
  static HWY_INLINE void add_to(const BlockVectors& a, const BlockVectors& b, double* sums) {
    HWY_ALIGN float numbers[block];
    unrolled(Count<count>(),
             [&](auto i) NARAE_INLINE { hn::Store(hn::Add(a.v[i], b.v[i]), D(), numbers + i * lanes); });
    for (int i = 0; i < block; ++i) sums[i] += static_cast<double>(numbers[i]);
  }
};

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // NARAE_BACKEND_CPU_BLOCK_VECTORS_INL
