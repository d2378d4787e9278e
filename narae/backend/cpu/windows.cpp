// What convolutions of few channels do besides products, compiled for every instruction set (Highway).
#include "narae/backend/cpu/windows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/windows.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

template <class T>
void copy(std::int64_t rows, std::int64_t n, const T* from, std::int64_t from_pitch, T* to, std::int64_t to_pitch) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r, from += from_pitch, to += to_pitch) {
    for_each_vector(d, from, static_cast<std::size_t>(n),
                    [&](auto v, std::size_t i, std::size_t count) NARAE_INLINE { store(d, v, to + i, count); });
  }
}

// Adds the windows of column s of the kernel to one channel. The output pixels of a row that read a vector of the image
// are next to each other; those beyond the row are masked.
template <class T>
void add_column(const Windows& w, const T* matrix, std::int64_t matrix_pitch, std::int64_t s, T* image,
                std::int64_t image_pitch) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t tap_step = w.kernel[1] * matrix_pitch;
  for (std::int64_t j = 0; j < w.x[1]; j += lanes) {
    const std::int64_t pixel = j + w.padding[1] - s * w.dilation[1];  // of lane 0
    const std::int64_t begin = std::clamp<std::int64_t>(-pixel, 0, lanes);
    const std::int64_t end = std::clamp<std::int64_t>(std::min(w.y[1] - pixel, w.x[1] - j), 0, lanes);
    if (begin >= end) continue;
    const auto inside =
        hn::AndNot(hn::FirstN(d, static_cast<std::size_t>(begin)), hn::FirstN(d, static_cast<std::size_t>(end)));
    for (std::int64_t i = 0; i < w.x[0]; ++i) {
      T* to = image + i * image_pitch + j;
      auto sum = hn::LoadU(d, to);
      for (std::int64_t r = 0; r < w.kernel[0]; ++r) {
        const std::int64_t p = i + w.padding[0] - r * w.dilation[0];
        if (p < 0 || p >= w.y[0]) continue;
        sum = hn::Add(sum, hn::IfThenElseZero(inside, hn::LoadU(d, matrix + r * tap_step + p * w.y[1] + pixel)));
      }
      hn::StoreU(sum, d, to);
    }
  }
}

// Adds the windows of one tap to one channel, with strides.
template <class T>
void add_tap(const Windows& w, const T* matrix, std::int64_t r, std::int64_t s, T* image, std::int64_t image_pitch) {
  for (std::int64_t p = 0; p < w.y[0]; ++p) {
    const std::int64_t i = p * w.stride[0] + r * w.dilation[0] - w.padding[0];
    if (i < 0 || i >= w.x[0]) continue;
    for (std::int64_t q = 0; q < w.y[1]; ++q) {
      const std::int64_t j = q * w.stride[1] + s * w.dilation[1] - w.padding[1];
      if (j >= 0 && j < w.x[1]) image[i * image_pitch + j] += matrix[p * w.y[1] + q];
    }
  }
}

template <class T>
void add(const Windows& w, const T* matrix, std::int64_t matrix_pitch, T* image, std::int64_t image_pitch) {
  const std::int64_t plane = w.x[0] * image_pitch;
  std::fill_n(image, w.channels * plane, T{0});
  const bool dense = w.stride[0] == 1 && w.stride[1] == 1;
  for (std::int64_t c = 0; c < w.channels; ++c, image += plane) {
    const T* own = matrix + c * w.kernel[0] * w.kernel[1] * matrix_pitch;
    for (std::int64_t s = 0; s < w.kernel[1]; ++s) {
      if (dense) {
        add_column(w, own + s * matrix_pitch, matrix_pitch, s, image, image_pitch);
        continue;
      }
      for (std::int64_t r = 0; r < w.kernel[0]; ++r) {
        add_tap(w, own + (r * w.kernel[1] + s) * matrix_pitch, r, s, image, image_pitch);
      }
    }
  }
}

// The products of `filters` filters with `taps` neighbouring columns of one kernel row: sums stay in registers.
template <class T, int filters, int taps>
HWY_NOINLINE void products(const Windows& w, const T* image, const T* dy, T* sums, std::int64_t filter_step) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = w.y[1] / lanes * lanes;
  const auto rest = static_cast<std::size_t>(w.y[1] - whole);
  V sum[filters][taps];
  unrolled(Count<filters>(), [&](auto f) NARAE_INLINE {
    unrolled(Count<taps>(), [&](auto s) NARAE_INLINE { sum[f][s] = hn::LoadU(d, sums + f * filter_step + s * 16); });
  });
  const auto add_vector = [&](const T* x, const T* y, auto partial) NARAE_INLINE {
    V column[taps];
    unrolled(Count<taps>(), [&](auto s) NARAE_INLINE {
      column[s] = hn::LoadU(d, x + s * w.dilation[1]);
      if constexpr (decltype(partial)::value) column[s] = keep_first(d, column[s], hn::Zero(d), rest);
    });
    unrolled(Count<filters>(), [&](auto f) NARAE_INLINE {
      V v;
      if constexpr (decltype(partial)::value)
        v = load_first(d, y + f * w.pixels(), rest);
      else
        v = hn::LoadU(d, y + f * w.pixels());
      unrolled(Count<taps>(), [&](auto s) NARAE_INLINE { sum[f][s] = hn::MulAdd(v, column[s], sum[f][s]); });
    });
  };
  for (std::int64_t p = 0; p < w.y[0]; ++p, image += w.stride[0] * w.pitch(), dy += w.y[1]) {
    for (std::int64_t q = 0; q < whole; q += lanes) add_vector(image + q, dy + q, std::false_type());
    if (rest != 0) add_vector(image + whole, dy + whole, std::true_type());
  }
  unrolled(Count<filters>(), [&](auto f) NARAE_INLINE {
    unrolled(Count<taps>(), [&](auto s) NARAE_INLINE { hn::StoreU(sum[f][s], d, sums + f * filter_step + s * 16); });
  });
}

// 32 registers hold 6 x 4 sums, 16 hold 3 x 3.
constexpr int filter_block = HWY_TARGET <= HWY_AVX3 ? 6 : 3;
constexpr int tap_block = HWY_TARGET <= HWY_AVX3 ? 4 : 3;

template <class T>
void weight_products(const Windows& w, const T* image, const T* dy, T* sums) {
  const std::int64_t filter_step = w.taps() * 16;
  const auto row = [&](const T* x, T* to, auto filters, std::int64_t f) NARAE_INLINE {
    constexpr int n = decltype(filters)::value;
    std::int64_t s = 0;
    for (; s + tap_block <= w.kernel[1]; s += tap_block) {
      products<T, n, tap_block>(w, x + s * w.dilation[1], dy + f * w.pixels(), to + s * 16, filter_step);
    }
    for (; s < w.kernel[1]; ++s) {
      products<T, n, 1>(w, x + s * w.dilation[1], dy + f * w.pixels(), to + s * 16, filter_step);
    }
  };
  for (std::int64_t c = 0; c < w.channels; ++c) {
    for (std::int64_t r = 0; r < w.kernel[0]; ++r) {
      const T* x = image + (c * w.padded_height() + r * w.dilation[0]) * w.pitch();
      T* to = sums + (c * w.kernel[0] + r) * w.kernel[1] * 16;
      std::int64_t f = 0;
      for (; f + filter_block <= w.filters; f += filter_block) {
        row(x, to + f * filter_step, std::integral_constant<int, filter_block>(), f);
      }
      for (; f < w.filters; ++f) row(x, to + f * filter_step, std::integral_constant<int, 1>(), f);
    }
  }
}

template <class T>
void lanes_to_sums(std::int64_t count, std::int64_t parts, std::int64_t part_size, const T* sums, T* dw) {
  const hn::ScalableTag<T> d;
  for (std::int64_t i = 0; i < count; ++i) {
    auto total = hn::Zero(d);
    for (std::int64_t part = 0; part < parts; ++part) {
      total = hn::Add(total, hn::LoadU(d, sums + part * part_size + i * 16));
    }
    dw[i] = fold_lanes(d, total, [](T a, T b) { return a + b; });
  }
}

void copy_f32(std::int64_t rows, std::int64_t n, const float* from, std::int64_t from_pitch, float* to,
              std::int64_t to_pitch) {
  copy(rows, n, from, from_pitch, to, to_pitch);
}
void copy_f64(std::int64_t rows, std::int64_t n, const double* from, std::int64_t from_pitch, double* to,
              std::int64_t to_pitch) {
  copy(rows, n, from, from_pitch, to, to_pitch);
}
void add_f32(const Windows& w, const float* matrix, std::int64_t matrix_pitch, float* image, std::int64_t pitch) {
  add(w, matrix, matrix_pitch, image, pitch);
}
void add_f64(const Windows& w, const double* matrix, std::int64_t matrix_pitch, double* image, std::int64_t pitch) {
  add(w, matrix, matrix_pitch, image, pitch);
}
void products_f32(const Windows& w, const float* image, const float* dy, float* sums) {
  weight_products(w, image, dy, sums);
}
void products_f64(const Windows& w, const double* image, const double* dy, double* sums) {
  weight_products(w, image, dy, sums);
}
void lanes_f32(std::int64_t count, std::int64_t parts, std::int64_t part_size, const float* sums, float* dw) {
  lanes_to_sums(count, parts, part_size, sums, dw);
}
void lanes_f64(std::int64_t count, std::int64_t parts, std::int64_t part_size, const double* sums, double* dw) {
  lanes_to_sums(count, parts, part_size, sums, dw);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(copy_f32);
HWY_EXPORT(copy_f64);
HWY_EXPORT(add_f32);
HWY_EXPORT(add_f64);
HWY_EXPORT(products_f32);
HWY_EXPORT(products_f64);
HWY_EXPORT(lanes_f32);
HWY_EXPORT(lanes_f64);

void copy_rows(std::int64_t rows, std::int64_t n, const float* from, std::int64_t from_pitch, float* to,
               std::int64_t to_pitch) {
  HWY_DYNAMIC_DISPATCH(copy_f32)(rows, n, from, from_pitch, to, to_pitch);
}
void copy_rows(std::int64_t rows, std::int64_t n, const double* from, std::int64_t from_pitch, double* to,
               std::int64_t to_pitch) {
  HWY_DYNAMIC_DISPATCH(copy_f64)(rows, n, from, from_pitch, to, to_pitch);
}
void add_windows(const Windows& w, const float* matrix, std::int64_t matrix_pitch, float* image,
                 std::int64_t image_pitch) {
  HWY_DYNAMIC_DISPATCH(add_f32)(w, matrix, matrix_pitch, image, image_pitch);
}
void add_windows(const Windows& w, const double* matrix, std::int64_t matrix_pitch, double* image,
                 std::int64_t image_pitch) {
  HWY_DYNAMIC_DISPATCH(add_f64)(w, matrix, matrix_pitch, image, image_pitch);
}
void add_weight_products(const Windows& w, const float* image, const float* dy, float* sums) {
  HWY_DYNAMIC_DISPATCH(products_f32)(w, image, dy, sums);
}
void add_weight_products(const Windows& w, const double* image, const double* dy, double* sums) {
  HWY_DYNAMIC_DISPATCH(products_f64)(w, image, dy, sums);
}
void sum_lanes(std::int64_t count, std::int64_t parts, std::int64_t part_size, const float* sums, float* dw) {
  HWY_DYNAMIC_DISPATCH(lanes_f32)(count, parts, part_size, sums, dw);
}
void sum_lanes(std::int64_t count, std::int64_t parts, std::int64_t part_size, const double* sums, double* dw) {
  HWY_DYNAMIC_DISPATCH(lanes_f64)(count, parts, part_size, sums, dw);
}

}  // namespace narae::cpu
#endif
