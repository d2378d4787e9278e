// The transforms of Winograd's algorithm F(4 x 4, 3 x 3) (Lavin and Gray 2016; Winograd 1980). With a polynomial's
// points 0, a, -a, b, -b and infinity, a convolution of 6 numbers with 3 is
//
//   y = A^T ((G g) * (B^T d))
//
// where row p of A^T's transpose is (1, p, p^2, p^3), of G (1, p, p^2) / N(p), and of B^T the coefficients of the
// product of (x - q) over all other points q, whose value at p is N(p). In two dimensions everything is done for
// columns, then rows. a = 5/8 and b = 3/2 keep numbers small, and their products are exact. Compiled for every
// instruction set (Highway).
#include "narae/backend/cpu/winograd_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/winograd_tiles.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// At most as many lanes as a block has channels.
constexpr hn::CappedTag<float, 16> d16;
constexpr hn::CappedTag<float, 8> d8;

constexpr float a = 0.625F;
constexpr float b = 1.5F;
constexpr float aa = a * a;
constexpr float bb = b * b;
constexpr float n0 = 1 / (aa * bb);             // 1 / N(0)
constexpr float na = 1 / (2 * aa * (aa - bb));  // 1 / N(a), 1 / N(-a)
constexpr float nb = 1 / (2 * bb * (bb - aa));  // 1 / N(b), 1 / N(-b)

template <class D>
struct Transforms {
  using V = hn::Vec<D>;
  static constexpr D d{};

  static HWY_INLINE V times(float factor, V v) { return hn::Mul(hn::Set(d, factor), v); }
  // sum + factor v
  static HWY_INLINE V plus(V sum, float factor, V v) { return hn::MulAdd(hn::Set(d, factor), v, sum); }

  // B^T: 6 numbers to 6.
  struct Input {
    static constexpr int from = 6, to = 6;
    static HWY_INLINE void run(const V* x, V* y) {
      y[0] = plus(plus(x[4], -(aa + bb), x[2]), aa * bb, x[0]);
      const V even_a = plus(x[4], -bb, x[2]);
      const V odd_a = plus(x[3], -bb, x[1]);
      y[1] = plus(even_a, a, odd_a);
      y[2] = plus(even_a, -a, odd_a);
      const V even_b = plus(x[4], -aa, x[2]);
      const V odd_b = plus(x[3], -aa, x[1]);
      y[3] = plus(even_b, b, odd_b);
      y[4] = plus(even_b, -b, odd_b);
      y[5] = plus(plus(x[5], -(aa + bb), x[3]), aa * bb, x[1]);
    }
  };
  // Of six numbers, the sums and differences of those for a and -a, b and -b.
  struct Pairs {
    V even_a, odd_a, even_b, odd_b;
    HWY_INLINE explicit Pairs(const V* x)
        : even_a(hn::Add(x[1], x[2])),
          odd_a(hn::Sub(x[1], x[2])),
          even_b(hn::Add(x[3], x[4])),
          odd_b(hn::Sub(x[3], x[4])) {}
  };
  // A^T: 6 to 4.
  struct Output {
    static constexpr int from = 6, to = 4;
    static HWY_INLINE void run(const V* x, V* y) {
      const auto [even_a, odd_a, even_b, odd_b] = Pairs(x);
      y[0] = hn::Add(x[0], hn::Add(even_a, even_b));
      y[1] = plus(times(a, odd_a), b, odd_b);
      y[2] = plus(times(aa, even_a), bb, even_b);
      y[3] = plus(plus(x[5], a * aa, odd_a), b * bb, odd_b);
    }
  };
  // A: 4 to 6.
  struct Cotangent {
    static constexpr int from = 4, to = 6;
    static HWY_INLINE void run(const V* x, V* y) {
      y[0] = x[0];
      const V even_a = plus(x[0], aa, x[2]);
      const V odd_a = plus(x[1], aa, x[3]);
      y[1] = plus(even_a, a, odd_a);
      y[2] = plus(even_a, -a, odd_a);
      const V even_b = plus(x[0], bb, x[2]);
      const V odd_b = plus(x[1], bb, x[3]);
      y[3] = plus(even_b, b, odd_b);
      y[4] = plus(even_b, -b, odd_b);
      y[5] = x[3];
    }
  };
  // G: 3 to 6.
  struct Filter {
    static constexpr int from = 3, to = 6;
    static HWY_INLINE void run(const V* x, V* y) {
      y[0] = times(n0, x[0]);
      const V even_a = plus(times(na, x[0]), aa * na, x[2]);
      y[1] = plus(even_a, a * na, x[1]);
      y[2] = plus(even_a, -a * na, x[1]);
      const V even_b = plus(times(nb, x[0]), bb * nb, x[2]);
      y[3] = plus(even_b, b * nb, x[1]);
      y[4] = plus(even_b, -b * nb, x[1]);
      y[5] = x[2];
    }
  };
  // G^T: 6 to 3.
  struct FilterGradient {
    static constexpr int from = 6, to = 3;
    static HWY_INLINE void run(const V* x, V* y) {
      const auto [even_a, odd_a, even_b, odd_b] = Pairs(x);
      y[0] = plus(plus(times(n0, x[0]), na, even_a), nb, even_b);
      y[1] = plus(times(a * na, odd_a), b * nb, odd_b);
      y[2] = plus(plus(x[5], aa * na, even_a), bb * nb, even_b);
    }
  };

  // T of the columns, then of the rows: load(row, column) gives numbers, store(row, column, v) takes them.
  template <class T, class Load, class Store>
  static HWY_INLINE void twice(const Load& load, const Store& store) {
    V between[T::to][T::from];
    unrolled(Count<T::from>(), [&](auto column) NARAE_INLINE {
      V x[T::from];
      V y[T::to];
      unrolled(Count<T::from>(), [&](auto row) NARAE_INLINE { x[row] = load(row, column); });
      T::run(x, y);
      unrolled(Count<T::to>(), [&](auto row) NARAE_INLINE { between[row][column] = y[row]; });
    });
    unrolled(Count<T::to>(), [&](auto row) NARAE_INLINE {
      V y[T::to];
      T::run(between[row], y);
      unrolled(Count<T::to>(), [&](auto column) NARAE_INLINE { store(row, column, y[column]); });
    });
  }

  template <class T>
  static void read(const float* picture, const BlockedPicture& p, const TilePlace& at, float* v, std::int64_t apart) {
    const bool inside = at.row >= 0 && at.column >= 0 && at.row + T::from <= p.height && at.column + T::from <= p.width;
    for (std::int64_t c = 0; c < p.channels; c += static_cast<std::int64_t>(hn::Lanes(d))) {
      const float* const x = picture + p.at(c);
      const auto store = [&](auto row, auto column, V y)
                             NARAE_INLINE { hn::StoreU(y, d, v + (row * T::to + column) * apart + c); };
      const auto address = [&](std::int64_t row, std::int64_t column)
                               NARAE_INLINE { return x + ((at.row + row) * p.width + at.column + column) * p.block; };
      if (inside) {
        twice<T>([&](auto row, auto column) NARAE_INLINE { return hn::LoadU(d, address(row, column)); }, store);
      } else {
        twice<T>(
            [&](auto row, auto column) NARAE_INLINE {
              const std::int64_t r = at.row + row;
              const std::int64_t s = at.column + column;
              const bool exists = r >= 0 && r < p.height && s >= 0 && s < p.width;
              return exists ? hn::LoadU(d, address(row, column)) : hn::Zero(d);
            },
            store);
      }
    }
  }

  static void output(const float* m, std::int64_t apart, const AfterTile& after, float* picture,
                     const BlockedPicture& p, const TilePlace& at) {
    for (std::int64_t c = 0; c < p.channels; c += static_cast<std::int64_t>(hn::Lanes(d))) {
      float* const y = picture + p.at(c);
      const V start = after.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, after.bias + c);
      twice<Output>([&](auto row, auto column)
                        NARAE_INLINE { return hn::LoadU(d, m + (row * winograd_input + column) * apart + c); },
                    [&](auto row, auto column, V v) NARAE_INLINE {
                      const std::int64_t r = at.row + row;
                      const std::int64_t s = at.column + column;
                      if (r >= p.height || s >= p.width) return;
                      float* const to = y + (r * p.width + s) * p.block;
                      V result = hn::Add(v, start);
                      if (after.adds) result = hn::Add(result, hn::LoadU(d, to));
                      if (after.rectifies) result = hn::IfThenElseZero(hn::Gt(result, hn::Zero(d)), result);
                      hn::StoreU(result, d, to);
                    });
    }
  }

  static void filter(const float* g, std::int64_t count, bool turned, float* u, std::int64_t apart) {
    for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
      const float* const first = turned ? g + 8 * count + i : g + i;
      const std::int64_t step = turned ? -count : count;
      twice<Filter>([&](auto row, auto column) NARAE_INLINE { return hn::LoadU(d, first + (row * 3 + column) * step); },
                    [&](auto row, auto column, V v)
                        NARAE_INLINE { hn::StoreU(v, d, u + (row * winograd_input + column) * apart + i); });
    }
  }

  static void filter_gradient(const float* m, std::int64_t apart, std::int64_t count, float* g) {
    for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
      twice<FilterGradient>([&](auto row, auto column)
                                NARAE_INLINE { return hn::LoadU(d, m + (row * winograd_input + column) * apart + i); },
                            [&](auto row, auto column, V v)
                                NARAE_INLINE { hn::StoreU(v, d, g + (row * 3 + column) * count + i); });
    }
  }

  static constexpr WinogradTransforms all{.input = read<Input>,
                                          .cotangent = read<Cotangent>,
                                          .output = output,
                                          .filter = filter,
                                          .filter_gradient = filter_gradient};
};

const WinogradTransforms* transforms_of_16() {
  return &Transforms<decltype(d16)>::all;
}
const WinogradTransforms* transforms_of_8() {
  return &Transforms<decltype(d8)>::all;
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(transforms_of_16);
HWY_EXPORT(transforms_of_8);

const WinogradTransforms& winograd_transforms(std::int64_t block) {
  return block == 16 ? *HWY_DYNAMIC_DISPATCH(transforms_of_16)() : *HWY_DYNAMIC_DISPATCH(transforms_of_8)();
}

}  // namespace narae::cpu
#endif
