// Products of a few rows with a matrix: y (m, n) = a (m, k) b, m <= 4. Every number of b is read once, in the order in
// which it lies in memory, several rows side by side. Compiled for every instruction set (Highway).
#include "narae/backend/cpu/few_rows.h"

#include <algorithm>
#include <cstddef>

#include "narae/core/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/few_rows.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

constexpr hn::ScalableTag<float> d;
using V = hn::Vec<decltype(d)>;

// A part of the product: `count` columns of b's rows, all rows n apart, and of y's.
struct Part {
  const float* a;
  std::int64_t a_row;
  const float* b;
  std::int64_t n;
  std::int64_t k, count;
  float* y;
};

// y (m, count) += or = a (m, rows) b (rows, count) for `rows` rows of b from row l on.
template <int m, int rows>
void add_rows(const Part& p, std::int64_t l) {
  const float* a = p.a + l;
  const float* b = p.b + l * p.n;
  const std::int64_t n = p.n;
  float* y = p.y;
  const bool first = l == 0;
  V left[m][rows];
  unrolled(Count<m>(), [&](auto r) NARAE_INLINE {
    unrolled(Count<rows>(), [&](auto row) NARAE_INLINE { left[r][row] = hn::Set(d, a[r * p.a_row + row]); });
  });
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto piece = [&](std::int64_t j, auto load, auto store) NARAE_INLINE {
    V sum[m];
    unrolled(Count<m>(), [&](auto r) NARAE_INLINE { sum[r] = first ? hn::Zero(d) : load(y + r * n + j); });
    unrolled(Count<rows>(), [&](auto row) NARAE_INLINE {
      const V right = load(b + row * n + j);
      unrolled(Count<m>(), [&](auto r) NARAE_INLINE { sum[r] = hn::MulAdd(left[r][row], right, sum[r]); });
    });
    unrolled(Count<m>(), [&](auto r) NARAE_INLINE { store(sum[r], y + r * n + j); });
  };
  std::int64_t j = 0;
  for (; j + lanes <= p.count; j += lanes)
    piece(
        j, [](const float* p) NARAE_INLINE { return hn::LoadU(d, p); },
        [](V v, float* p) NARAE_INLINE { hn::StoreU(v, d, p); });
  const auto left_over = static_cast<std::size_t>(p.count - j);
  if (left_over > 0)
    piece(
        j, [=](const float* p) NARAE_INLINE { return load_first(d, p, left_over); },
        [=](V v, float* p) NARAE_INLINE { store_first(d, v, p, left_over); });
}

template <int m>
void multiply_rows(const Part& p) {
  std::int64_t l = 0;
  for (; l + 4 <= p.k; l += 4) add_rows<m, 4>(p, l);
  for (; l < p.k; ++l) add_rows<m, 1>(p, l);
}

// y (m, n) = a (m, k) b^T for `rows` rows of b (n, k) from row i on, plus the bias.
template <int m, int rows>
void dots(const float* a, const float* b, const float* bias, std::int64_t k, std::int64_t n, std::int64_t i, float* y) {
  V sum[m][rows];
  unrolled(Count<m>(), [&](auto r) NARAE_INLINE {
    unrolled(Count<rows>(), [&](auto c) NARAE_INLINE { sum[r][c] = hn::Zero(d); });
  });
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float* right = b + i * k;
  const auto piece = [&](std::int64_t l, auto load) NARAE_INLINE {
    V left[m];
    unrolled(Count<m>(), [&](auto r) NARAE_INLINE { left[r] = load(a + r * k + l); });
    unrolled(Count<rows>(), [&](auto c) NARAE_INLINE {
      const V v = load(right + c * k + l);
      unrolled(Count<m>(), [&](auto r) NARAE_INLINE { sum[r][c] = hn::MulAdd(left[r], v, sum[r][c]); });
    });
  };
  std::int64_t l = 0;
  for (; l + lanes <= k; l += lanes) piece(l, [](const float* p) NARAE_INLINE { return hn::LoadU(d, p); });
  const auto left_over = static_cast<std::size_t>(k - l);
  if (left_over > 0) piece(l, [=](const float* p) NARAE_INLINE { return load_first(d, p, left_over); });
  unrolled(Count<m>(), [&](auto r) NARAE_INLINE {
    unrolled(Count<rows>(), [&](auto c) NARAE_INLINE {
      y[r * n + i + c] = hn::GetLane(hn::SumOfLanes(d, sum[r][c])) + (bias != nullptr ? bias[i + c] : 0.0F);
    });
  });
}

template <int m>
void multiply_columns(const float* a, const float* b, const float* bias, std::int64_t k, std::int64_t n,
                      std::int64_t begin, std::int64_t end, float* y) {
  std::int64_t i = begin;
  for (; i + 4 <= end; i += 4) dots<m, 4>(a, b, bias, k, n, i, y);
  for (; i < end; ++i) dots<m, 1>(a, b, bias, k, n, i, y);
}

template <class F>
void with_rows(std::int64_t m, const F& f) {
  if (m == 1) return f(std::integral_constant<int, 1>());
  if (m == 2) return f(std::integral_constant<int, 2>());
  if (m == 3) return f(std::integral_constant<int, 3>());
  f(std::integral_constant<int, 4>());
}

void rows_of(std::int64_t m, const float* a, std::int64_t a_row, const float* b, std::int64_t n, std::int64_t k,
             std::int64_t count, float* y) {
  with_rows(m, [&](auto rows) { multiply_rows<rows>({a, a_row, b, n, k, count, y}); });
}
void columns_of(std::int64_t m, const float* a, const float* b, const float* bias, std::int64_t k, std::int64_t n,
                std::int64_t begin, std::int64_t end, float* y) {
  with_rows(m, [&](auto rows) { multiply_columns<rows>(a, b, bias, k, n, begin, end, y); });
}
// y += x
void add(const float* x, std::int64_t n, float* y) {
  for_each_vector(d, x, static_cast<std::size_t>(n), [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE {
    store(d, hn::Add(load_first(d, y + i, count), v), y + i, count);
  });
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(rows_of);
HWY_EXPORT(columns_of);
HWY_EXPORT(add);

namespace {

constexpr std::int64_t block = 4096;  // columns of a part

// Tasks that read so many numbers of b each.
std::int64_t grain_for(std::int64_t numbers) {
  return 1 + bytes_worth_a_thread / (static_cast<std::int64_t>(sizeof(float)) * numbers);
}

// b (k, n) in parts of rows and blocks of columns, the same for any number of threads; the parts' sums are added in
// order. Rows are read as far as possible: the processor foresees that.
Kernel make_by_parts(const Product& p, bool has_bias) {
  constexpr std::int64_t most_parts = 32;
  const std::int64_t rows = std::max<std::int64_t>(64, ((p.k + most_parts - 1) / most_parts + 3) / 4 * 4);
  const std::int64_t parts = (p.k + rows - 1) / rows;
  const std::int64_t blocks = (p.n + block - 1) / block;
  const std::int64_t numbers = p.m * p.n;
  Kernel kernel{
      .run = {}, .scratch_bytes = static_cast<std::size_t>((parts - 1) * numbers) * sizeof(float), .flops = p.flops()};
  kernel.run = [p, has_bias, rows, parts, blocks, numbers](const KernelArguments& at) {
    auto* sums = reinterpret_cast<float*>(at.scratch);
    auto* y = at.out<float>(0);
    parallel_for(parts * blocks, grain_for(rows * std::min(p.n, block)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t part = task / blocks;
        const std::int64_t l = part * rows;
        const std::int64_t j = task % blocks * block;
        HWY_DYNAMIC_DISPATCH(rows_of)
        (p.m, at.in<float>(0) + l, p.k, at.in<float>(1) + l * p.n + j, p.n, std::min(rows, p.k - l),
         std::min(block, p.n - j), (part == 0 ? y : sums + (part - 1) * numbers) + j);
      }
    });
    parallel_for(numbers, grain_for(parts), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = 1; part < parts; ++part)
        HWY_DYNAMIC_DISPATCH(add)(sums + (part - 1) * numbers + begin, end - begin, y + begin);
    });
    if (!has_bias) return;
    for (std::int64_t i = 0; i < p.m; ++i) HWY_DYNAMIC_DISPATCH(add)(at.in<float>(2), p.n, y + i * p.n);
  };
  return kernel;
}

// b (n, k), transposed: a number of the result is a product of two rows.
Kernel make_by_columns(const Product& p, bool has_bias) {
  Kernel kernel{.run = {}, .flops = p.flops()};
  kernel.run = [p, has_bias](const KernelArguments& at) {
    constexpr std::int64_t together = 4;
    parallel_for((p.n + together - 1) / together, grain_for(together * p.k), [&](std::int64_t begin, std::int64_t end) {
      HWY_DYNAMIC_DISPATCH(columns_of)
      (p.m, at.in<float>(0), at.in<float>(1), has_bias ? at.in<float>(2) : nullptr, p.k, p.n, begin * together,
       std::min(end * together, p.n), at.out<float>(0));
    });
  };
  return kernel;
}

}  // namespace

Kernel make_few_rows(const Product& p, bool has_bias) {
  constexpr std::int64_t least_columns = 16;  // fewer do not fill a vector
  if (p.batch != 1 || p.m > 4 || (p.transpose_a && p.m > 1)) return {};
  if (p.transpose_b || p.n == 1) return make_by_columns(p, has_bias);  // a column lies as its transpose does
  return p.n < least_columns ? Kernel{} : make_by_parts(p, has_bias);
}

}  // namespace narae::cpu
#endif
