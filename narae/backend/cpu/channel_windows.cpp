// Sums over neighbouring channels for local response normalisation, compiled for every instruction set (Highway).
// Vectors hold neighbouring pixels; a tile of pixels is small enough for all its channels to stay in cache.
#include "narae/backend/cpu/channel_windows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "narae/backend/cpu/channel_windows.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which compiles this file again for each target.
#include "hwy/highway.h"
#include "narae/backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narae::cpu::HWY_NAMESPACE {

// The channels of a window: [begin, end).
struct ChannelRange {
  std::int64_t begin, end;
};
template <class T>
HWY_INLINE ChannelRange range_of(const ChannelWindows<T>& w, std::int64_t c, std::int64_t before) {
  return {std::max<std::int64_t>(c - before, 0), std::min(c - before + w.size, w.channels)};
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* p, std::size_t count) {
  return count == hn::Lanes(d) ? hn::LoadU(d, p) : load_first(d, p, count);
}

// k + alpha / size * the sum of squares over the window of channel c; x points at the pixels of channel 0.
template <class D, class T>
HWY_INLINE hn::Vec<D> base_of(D d, const ChannelWindows<T>& w, const T* x, std::int64_t c, std::size_t count) {
  const ChannelRange window = range_of(w, c, w.size / 2);
  auto squares = hn::Zero(d);
  for (std::int64_t i = window.begin; i < window.end; ++i) {
    const auto v = load(d, x + i * w.plane, count);
    squares = hn::MulAdd(v, v, squares);
  }
  return hn::MulAdd(squares, hn::Set(d, w.alpha / static_cast<T>(w.size)), hn::Set(d, w.k));
}

// base^-beta
template <class D, class T>
HWY_INLINE hn::Vec<D> power(D d, hn::Vec<D> base, T beta) {
  return exp_of(d, hn::Mul(hn::Set(d, -beta), log_of(d, base)));
}

// Calls visit(first pixel, pixels) for the vectors of a tile.
template <class D, class Visit>
HWY_INLINE void for_each_pixel_vector(D d, std::int64_t first, std::int64_t last, const Visit& visit) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t j = first; j < last; j += lanes) visit(j, static_cast<std::size_t>(std::min(lanes, last - j)));
}

template <class T>
void forward(const ChannelWindows<T>& w, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  for (std::int64_t first = 0; first < w.plane; first += channel_windows_tile) {
    const std::int64_t last = std::min(first + channel_windows_tile, w.plane);
    for (std::int64_t c = 0; c < w.channels; ++c) {
      for_each_pixel_vector(d, first, last, [&](std::int64_t j, std::size_t count) NARAE_INLINE {
        const auto factor = power(d, base_of(d, w, x + j, c, count), w.beta);
        const std::int64_t at = c * w.plane + j;
        store(d, hn::Mul(load(d, x + at, count), factor), y + at, count);
      });
    }
  }
}

template <class T>
void backward(const ChannelWindows<T>& w, const T* x, const T* dy, T* dx, T* memory) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, static_cast<T>(2) * w.alpha * w.beta / static_cast<T>(w.size));
  for (std::int64_t first = 0; first < w.plane; first += channel_windows_tile) {
    const std::int64_t last = std::min(first + channel_windows_tile, w.plane);
    // dx = dy s^-beta and memory = dy x s^(-beta - 1), where s is the base.
    for (std::int64_t c = 0; c < w.channels; ++c) {
      for_each_pixel_vector(d, first, last, [&](std::int64_t j, std::size_t count) NARAE_INLINE {
        const std::int64_t at = c * w.plane + j;
        const auto base = base_of(d, w, x + j, c, count);
        const auto direct = hn::Mul(load(d, dy + at, count), power(d, base, w.beta));
        store(d, direct, dx + at, count);
        const auto product = hn::Div(hn::Mul(direct, load(d, x + at, count)), base);
        store(d, product, memory + c * channel_windows_tile + j - first, count);
      });
    }
    for (std::int64_t c = 0; c < w.channels; ++c) {
      const ChannelRange window = range_of(w, c, (w.size - 1) / 2);
      for_each_pixel_vector(d, first, last, [&](std::int64_t j, std::size_t count) NARAE_INLINE {
        auto sum = hn::Zero(d);
        for (std::int64_t i = window.begin; i < window.end; ++i) {
          sum = hn::Add(sum, load(d, memory + i * channel_windows_tile + j - first, count));
        }
        const std::int64_t at = c * w.plane + j;
        const auto through_windows = hn::Mul(factor, hn::Mul(load(d, x + at, count), sum));
        store(d, hn::Sub(load(d, dx + at, count), through_windows), dx + at, count);
      });
    }
  }
}

void response_f32(const ChannelWindows<float>& w, const float* x, float* y) {
  forward(w, x, y);
}
void response_f64(const ChannelWindows<double>& w, const double* x, double* y) {
  forward(w, x, y);
}
void response_gradient_f32(const ChannelWindows<float>& w, const float* x, const float* dy, float* dx, float* memory) {
  backward(w, x, dy, dx, memory);
}
void response_gradient_f64(const ChannelWindows<double>& w, const double* x, const double* dy, double* dx,
                           double* memory) {
  backward(w, x, dy, dx, memory);
}

}  // namespace narae::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narae::cpu {

HWY_EXPORT(response_f32);
HWY_EXPORT(response_f64);
HWY_EXPORT(response_gradient_f32);
HWY_EXPORT(response_gradient_f64);

void local_response(const ChannelWindows<float>& w, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(response_f32)(w, x, y);
}
void local_response(const ChannelWindows<double>& w, const double* x, double* y) {
  HWY_DYNAMIC_DISPATCH(response_f64)(w, x, y);
}
void local_response_gradient(const ChannelWindows<float>& w, const float* x, const float* dy, float* dx,
                             float* memory) {
  HWY_DYNAMIC_DISPATCH(response_gradient_f32)(w, x, dy, dx, memory);
}
void local_response_gradient(const ChannelWindows<double>& w, const double* x, const double* dy, double* dx,
                             double* memory) {
  HWY_DYNAMIC_DISPATCH(response_gradient_f64)(w, x, dy, dx, memory);
}

}  // namespace narae::cpu
#endif
