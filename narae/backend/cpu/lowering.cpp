// The copies between images and matrices of windows, compiled for every instruction set (Highway). Rows are a few
// numbers long, so they are moved as whole vectors: what is written too far is overwritten by the next row.
#include "narae/backend/cpu/lowering.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/lowering.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// Calls visit(tap, first element of its window in the image) for each tap in order.
template <class Visit>
HWY_INLINE void for_each_tap(const Windows& w, const Visit& visit) {
  std::int64_t k = 0;
  for (std::int64_t c = 0; c < w.channels; ++c)
    for (std::int64_t r = 0; r < w.kernel[0]; ++r)
      for (std::int64_t s = 0; s < w.kernel[1]; ++s, ++k) {
        visit(k, (c * w.padded[0] + r * w.dilation[0]) * w.padded[1] + s * w.dilation[1]);
      }
}

template <class T>
void by_tap(const Windows& w, const T* image, T* matrix, std::int64_t pitch) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t row_step = w.stride[0] * w.padded[1];
  for_each_tap(w, [&](std::int64_t k, std::int64_t start) NARAE_INLINE {
    const T* from = image + start;
    T* to = matrix + k * pitch;
    for (std::int64_t p = 0; p < w.pixels[0]; ++p, from += row_step, to += w.pixels[1]) {
      if (w.stride[1] == 1) {
        for (std::int64_t q = 0; q < w.pixels[1]; q += lanes) hn::StoreU(hn::LoadU(d, from + q), d, to + q);
      } else {
        for (std::int64_t q = 0; q < w.pixels[1]; ++q) to[q] = from[q * w.stride[1]];
      }
    }
  });
}

template <class T, class D>
HWY_INLINE void by_pixel_in(D d, const Windows& w, const T* image, T* matrix, std::int64_t pitch) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t p = 0; p < w.pixels[0]; ++p) {
    for (std::int64_t q = 0; q < w.pixels[1]; ++q) {
      const T* pixel = image + p * w.stride[0] * w.padded[1] + q * w.stride[1];
      T* to = matrix + (p * w.pixels[1] + q) * pitch;
      for (std::int64_t c = 0; c < w.channels; ++c) {
        for (std::int64_t r = 0; r < w.kernel[0]; ++r, to += w.kernel[1]) {
          const T* from = pixel + (c * w.padded[0] + r * w.dilation[0]) * w.padded[1];
          if (w.dilation[1] == 1) {
            for (std::int64_t s = 0; s < w.kernel[1]; s += lanes) hn::StoreU(hn::LoadU(d, from + s), d, to + s);
          } else {
            for (std::int64_t s = 0; s < w.kernel[1]; ++s) to[s] = from[s * w.dilation[1]];
          }
        }
      }
    }
  }
}

// Vectors no longer than the rows need: most kernels are 3 or 5 wide.
template <class T>
void by_pixel(const Windows& w, const T* image, T* matrix, std::int64_t pitch) {
  if (w.kernel[1] <= 4)
    by_pixel_in(hn::CappedTag<T, 4>(), w, image, matrix, pitch);
  else
    by_pixel_in(hn::CappedTag<T, 8>(), w, image, matrix, pitch);
}

template <class T>
void add(const Windows& w, const T* matrix, std::int64_t pitch, T* image) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t row_step = w.stride[0] * w.padded[1];
  const std::int64_t whole = w.pixels[1] / lanes * lanes;
  const auto rest = hn::FirstN(d, static_cast<std::size_t>(w.pixels[1] - whole));
  for_each_tap(w, [&](std::int64_t k, std::int64_t start) NARAE_INLINE {
    T* to = image + start;
    const T* from = matrix + k * pitch;
    for (std::int64_t p = 0; p < w.pixels[0]; ++p, to += row_step, from += w.pixels[1]) {
      if (w.stride[1] == 1) {
        std::int64_t q = 0;
        for (; q < whole; q += lanes) hn::StoreU(hn::Add(hn::LoadU(d, to + q), hn::LoadU(d, from + q)), d, to + q);
        if (q == w.pixels[1]) continue;
        const auto last = hn::IfThenElseZero(rest, hn::LoadU(d, from + q));
        hn::StoreU(hn::Add(hn::LoadU(d, to + q), last), d, to + q);
      } else {
        for (std::int64_t q = 0; q < w.pixels[1]; ++q) to[q * w.stride[1]] += from[q];
      }
    }
  });
}

void by_tap_f32(const Windows& w, const float* image, float* matrix, std::int64_t pitch) {
  by_tap(w, image, matrix, pitch);
}
void by_tap_f64(const Windows& w, const double* image, double* matrix, std::int64_t pitch) {
  by_tap(w, image, matrix, pitch);
}
void by_pixel_f32(const Windows& w, const float* image, float* matrix, std::int64_t pitch) {
  by_pixel(w, image, matrix, pitch);
}
void by_pixel_f64(const Windows& w, const double* image, double* matrix, std::int64_t pitch) {
  by_pixel(w, image, matrix, pitch);
}
void add_f32(const Windows& w, const float* matrix, std::int64_t pitch, float* image) {
  add(w, matrix, pitch, image);
}
void add_f64(const Windows& w, const double* matrix, std::int64_t pitch, double* image) {
  add(w, matrix, pitch, image);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(by_tap_f32);
HWY_EXPORT(by_tap_f64);
HWY_EXPORT(by_pixel_f32);
HWY_EXPORT(by_pixel_f64);
HWY_EXPORT(add_f32);
HWY_EXPORT(add_f64);

void windows_by_tap(const Windows& w, const float* image, float* matrix, std::int64_t pitch) {
  HWY_DYNAMIC_DISPATCH(by_tap_f32)(w, image, matrix, pitch);
}
void windows_by_tap(const Windows& w, const double* image, double* matrix, std::int64_t pitch) {
  HWY_DYNAMIC_DISPATCH(by_tap_f64)(w, image, matrix, pitch);
}
void windows_by_pixel(const Windows& w, const float* image, float* matrix, std::int64_t pitch) {
  HWY_DYNAMIC_DISPATCH(by_pixel_f32)(w, image, matrix, pitch);
}
void windows_by_pixel(const Windows& w, const double* image, double* matrix, std::int64_t pitch) {
  HWY_DYNAMIC_DISPATCH(by_pixel_f64)(w, image, matrix, pitch);
}
void add_windows(const Windows& w, const float* matrix, std::int64_t pitch, float* image) {
  HWY_DYNAMIC_DISPATCH(add_f32)(w, matrix, pitch, image);
}
void add_windows(const Windows& w, const double* matrix, std::int64_t pitch, double* image) {
  HWY_DYNAMIC_DISPATCH(add_f64)(w, matrix, pitch, image);
}

}  // namespace narae::cpu
#endif
