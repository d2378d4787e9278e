// Convolutions of few channels (and all in f64), image by image. Vectors hold either neighbouring pixels or
// neighbouring filters, whichever fills them better; the windows of an image are read where they lie, through tables of
// offsets.
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "narae/backend/cpu/conv.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/transpose2d.h"
#include "narae/backend/cpu/windows.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

constexpr std::int64_t rounded_up(std::int64_t n, std::int64_t to = 16) {
  return (n + to - 1) / to * to;
}

// Images are worked on in slots: a fixed number of shares, whatever the number of threads, so that sums over the batch
// have one order. Threads that run at the same time have an area to work in each.
constexpr std::int64_t most_slots = 16;

template <class T>
class DirectConv {
 public:
  DirectConv(const ConvGeometry& g, ConvPass pass, bool has_bias) : g_(g), pass_(pass), has_bias_(has_bias) {
    const Conv2dAttributes& a = g.words;
    w_ = {.channels = g.group_channels(),
          .filters = g.group_filters(),
          .x = {g.x[0], g.x[1]},
          .kernel = {g.w[0], g.w[1]},
          .y = {g.y[0], g.y[1]},
          .stride = {a.stride[0], a.stride[1]},
          .padding = {a.padding[0], a.padding[1]},
          .dilation = {a.dilation[0], a.dilation[1]}};
    slots_ = std::min(g.batch, most_slots);
    areas_ = loop_threads(slots_, grain());
    filter_pitch_ = rounded_up(w_.filters);
    choose_vectors();
    make_tables();
    image_size_ = rounded_up(w_.padded_size()) + 2 * rounded_up(windows_slack);
    if (pass == ConvPass::input_gradient) image_size_ = w_.channels * w_.x[0] * rounded_up(w_.x[1]);
    matrix_size_ = matrix_size() + 2 * rounded_up(windows_slack);
    if (pass == ConvPass::weight_gradient)
      sums_size_ = w_.taps() * g.words.groups * (by_pixel_ ? w_.filters * 16 : filter_pitch_);
    if (pass == ConvPass::forward && !by_pixel_) weights_size_ = g.words.groups * w_.taps() * filter_pitch_;
    if (pass == ConvPass::weight_gradient && !by_pixel_) weights_size_ = sums_size_;
  }

  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(weights_size_ + areas_ * (image_size_ + matrix_size_) + slots_ * sums_size_) *
           sizeof(T);
  }

  void run(const KernelArguments& at) const {
    switch (pass_) {
      case ConvPass::forward:
        return by_pixel_ ? forward_by_pixel(at) : forward_by_filter(at);
      case ConvPass::input_gradient:
        return input_gradient(at);
      case ConvPass::weight_gradient:
        return by_pixel_ ? weight_gradient_by_pixel(at) : weight_gradient_by_filter(at);
    }
  }

 private:
  // Multiply-adds of vectors for one tap.
  void choose_vectors() {
    const std::int64_t lanes = vector_bytes() / static_cast<std::int64_t>(sizeof(T));
    const auto vectors = [&](std::int64_t n) { return (n + lanes - 1) / lanes; };
    const std::int64_t by_filter = w_.pixels() * vectors(w_.filters);
    if (pass_ == ConvPass::forward) {
      by_pixel_ = w_.stride[0] == 1 && w_.stride[1] == 1 && vectors(strip()) * w_.filters <= by_filter;
    } else {
      by_pixel_ = w_.stride[1] == 1 && w_.y[0] * vectors(w_.y[1]) * w_.filters <= by_filter;
    }
  }

  // Pixels of all rows one after the other, as far apart as in the padded image; the ends of the rows are not used.
  [[nodiscard]] std::int64_t strip() const { return (w_.y[0] - 1) * w_.pitch() + w_.y[1]; }
  [[nodiscard]] bool strip_is_dense() const { return w_.pitch() == w_.y[1]; }

  [[nodiscard]] std::int64_t matrix_size() const {
    if (pass_ == ConvPass::input_gradient) return w_.taps() * rounded_up(w_.pixels());
    if (!by_pixel_) return w_.pixels() * filter_pitch_;
    return pass_ == ConvPass::forward && !strip_is_dense() ? w_.filters * rounded_up(strip()) : 0;
  }

  void make_tables() {
    for (std::int64_t c = 0; c < w_.channels; ++c)
      for (std::int64_t r = 0; r < w_.kernel[0]; ++r)
        for (std::int64_t s = 0; s < w_.kernel[1]; ++s)
          taps_.push_back((c * w_.padded_height() + r * w_.dilation[0]) * w_.pitch() + s * w_.dilation[1]);
    for (std::int64_t p = 0; p < w_.y[0]; ++p)
      for (std::int64_t q = 0; q < w_.y[1]; ++q) pixels_.push_back(p * w_.stride[0] * w_.pitch() + q * w_.stride[1]);
    tap_numbers_ = offsets(w_.taps(), 1);
    if (pass_ == ConvPass::forward && by_pixel_) make_spans();
    filter_rows_ = offsets(w_.filters, w_.taps());
    planes_ = offsets(w_.filters, w_.pixels());
    by_filter_taps_ = offsets(w_.taps(), filter_pitch_);
    by_filter_pixels_ = offsets(w_.pixels(), filter_pitch_);
  }

  // Taps are taken by rows of the kernel, so that those that meet more than zeros are neighbours.
  void make_spans() {
    std::vector<std::int64_t> taps;
    tap_numbers_.clear();
    for (std::int64_t r = 0; r < w_.kernel[0]; ++r) {
      for (std::int64_t c = 0; c < w_.channels; ++c) {
        for (std::int64_t s = 0; s < w_.kernel[1]; ++s) {
          tap_numbers_.push_back((c * w_.kernel[0] + r) * w_.kernel[1] + s);
          taps.push_back(taps_[static_cast<std::size_t>(tap_numbers_.back())]);
        }
      }
    }
    taps_ = std::move(taps);
    const std::int64_t taps_of_row = w_.channels * w_.kernel[1];
    // Rows of the kernel that begin before `rows` rows of the padded image.
    const auto kernel_rows = [&](std::int64_t rows) {
      return std::min((std::max<std::int64_t>(rows, 0) + w_.dilation[0] - 1) / w_.dilation[0], w_.kernel[0]);
    };
    for (std::int64_t begin = 0; begin < strip(); begin += span_size) {
      const std::int64_t count = std::min(span_size, strip() - begin);
      // Output row i meets input row i + r dilation - padding.
      const std::int64_t first = kernel_rows(w_.padding[0] - (begin + count - 1) / w_.pitch());
      const std::int64_t end = kernel_rows(w_.padding[0] + w_.x[0] - begin / w_.pitch());
      const Span span{begin, count, first * taps_of_row, (end - first) * taps_of_row};
      if (!spans_.empty() && spans_.back().first_tap == span.first_tap && spans_.back().taps == span.taps)
        spans_.back().count += count;
      else
        spans_.push_back(span);
    }
  }

  [[nodiscard]] std::int64_t first_image(std::int64_t slot) const { return slot * g_.batch / slots_; }
  // Slots that are worth a thread: about 20 us of work.
  [[nodiscard]] std::int64_t grain() const {
    const double flops_of_slot = g_.flops() / static_cast<double>(slots_);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(1e6 / flops_of_slot), 1, slots_);
  }

  struct Work {
    std::int64_t slot, filter;  // the group's first filter
    bool first;                 // of the slot's images
    const T* x;                 // of the group; null where it is a result
    const T* y;
    T* image;
    T* matrix;
  };
  // Calls work for each group of each image, with the memory of x and y at the given places.
  template <class F>
  void for_each_group(const KernelArguments& at, const T* x, const T* y, const F& work) const {
    const auto body = [&](std::int64_t begin, std::int64_t end, std::int64_t area) {
      T* image = reinterpret_cast<T*>(at.scratch) + weights_size_ + area * (image_size_ + matrix_size_);
      for (std::int64_t slot = begin; slot < end; ++slot) {
        for (std::int64_t n = first_image(slot); n < first_image(slot + 1); ++n) {
          for (std::int64_t group = 0; group < g_.words.groups; ++group) {
            const std::int64_t filter = group * w_.filters;
            work(Work{.slot = slot,
                      .filter = filter,
                      .first = n == first_image(slot),
                      .x = x + (n * g_.channels + group * w_.channels) * w_.x[0] * w_.x[1],
                      .y = y + (n * g_.filters + filter) * w_.pixels(),
                      .image = image,
                      .matrix = image + image_size_ + windows_slack});
          }
        }
      }
    };
    parallel_for(slots_, grain(), body, areas_);
  }

  // The group's channels with zeros around them.
  const T* padded_image(const Work& work) const {
    const std::int64_t rows = w_.channels * w_.x[0];
    if (w_.padding[0] == 0 && w_.padding[1] == 0) {
      std::memcpy(work.image, work.x, static_cast<std::size_t>(rows * w_.x[1]) * sizeof(T));
      return work.image;
    }
    std::memset(work.image, 0, static_cast<std::size_t>(image_size_) * sizeof(T));
    for (std::int64_t c = 0; c < w_.channels; ++c) {
      copy_rows(w_.x[0], w_.x[1], work.x + c * w_.x[0] * w_.x[1], w_.x[1],
                work.image + (c * w_.padded_height() + w_.padding[0]) * w_.pitch() + w_.padding[1], w_.pitch());
    }
    return work.image;
  }

  // y (filters, pixels) = w (filters, taps) windows (taps, pixels), span by span
  void forward_by_pixel(const KernelArguments& at) const {
    const std::int64_t pitch = strip_is_dense() ? w_.pixels() : rounded_up(strip());
    for_each_group(at, at.in<T>(0), at.out<T>(0), [&](const Work& work) {
      T* y = const_cast<T*>(work.y);
      T* strips = strip_is_dense() ? y : work.matrix;
      const T* image = padded_image(work);
      for (const Span& span : spans_) {
        gemm(Gemm<T>{.m = w_.filters,
                     .n = span.count,
                     .k = span.taps,
                     .a = at.in<T>(1) + work.filter * w_.taps(),
                     .a_rows = filter_rows_.data(),
                     .a_columns = tap_numbers_.data() + span.first_tap,
                     .b = image + span.begin,
                     .b_rows = taps_.data() + span.first_tap,
                     .c = strips + span.begin,
                     .c_row = pitch,
                     .row_bias = has_bias_ ? at.in<T>(2) + work.filter : nullptr});
      }
      if (strip_is_dense()) return;
      for (std::int64_t f = 0; f < w_.filters; ++f)
        copy_rows(w_.y[0], w_.y[1], strips + f * pitch, w_.pitch(), y + f * w_.pixels(), w_.y[1]);
    });
  }

  // y^T (pixels, filters) = windows^T (pixels, taps) w^T (taps, filters)
  void forward_by_filter(const KernelArguments& at) const {
    T* weights = reinterpret_cast<T*>(at.scratch);
    const std::int64_t group_weights = w_.taps() * filter_pitch_;
    for (std::int64_t group = 0; group < g_.words.groups; ++group) {
      transpose2d(w_.filters, w_.taps(), at.in<T>(1) + group * w_.filters * w_.taps(), w_.taps(),
                  weights + group * group_weights, filter_pitch_);
    }
    for_each_group(at, at.in<T>(0), at.out<T>(0), [&](const Work& work) {
      gemm(Gemm<T>{.m = w_.pixels(),
                   .n = w_.filters,
                   .k = w_.taps(),
                   .a = padded_image(work),
                   .a_rows = pixels_.data(),
                   .a_columns = taps_.data(),
                   .b = weights + work.filter / w_.filters * group_weights,
                   .b_rows = by_filter_taps_.data(),
                   .c = work.matrix,
                   .c_row = filter_pitch_,
                   .column_bias = has_bias_ ? at.in<T>(2) + work.filter : nullptr});
      transpose2d(w_.pixels(), w_.filters, work.matrix, filter_pitch_, const_cast<T*>(work.y), w_.pixels());
    });
  }

  // (dy, w) -> dx: windows (taps, pixels) = w^T (taps, filters) dy (filters, pixels), added where they came from.
  void input_gradient(const KernelArguments& at) const {
    const std::int64_t matrix_pitch = rounded_up(w_.pixels());
    const std::int64_t image_pitch = rounded_up(w_.x[1]);
    for_each_group(at, at.out<T>(0), at.in<T>(0), [&](const Work& work) {
      gemm(Gemm<T>{.m = w_.taps(),
                   .n = w_.pixels(),
                   .k = w_.filters,
                   .a = at.in<T>(1) + work.filter * w_.taps(),
                   .a_rows = tap_numbers_.data(),
                   .a_columns = filter_rows_.data(),
                   .b = work.y,
                   .b_rows = planes_.data(),
                   .c = work.matrix,
                   .c_row = matrix_pitch});
      add_windows(w_, work.matrix, matrix_pitch, work.image, image_pitch);
      copy_rows(w_.channels * w_.x[0], w_.x[1], work.image, image_pitch, const_cast<T*>(work.x), w_.x[1]);
    });
  }

  [[nodiscard]] T* sums_of(const KernelArguments& at) const {
    return reinterpret_cast<T*>(at.scratch) + weights_size_ + areas_ * (image_size_ + matrix_size_);
  }

  // (x, dy) -> dw: each slot sums over its images, then the slots are added in order.
  void weight_gradient_by_pixel(const KernelArguments& at) const {
    T* sums = sums_of(at);
    for_each_group(at, at.in<T>(0), at.in<T>(1), [&](const Work& work) {
      T* own = sums + work.slot * sums_size_ + work.filter * w_.taps() * 16;
      if (work.first) std::memset(own, 0, static_cast<std::size_t>(w_.filters * w_.taps() * 16) * sizeof(T));
      add_weight_products(w_, padded_image(work), work.y, own);
    });
    sum_lanes(g_.filters * w_.taps(), slots_, sums_size_, sums, at.out<T>(0));
  }

  // dw^T (taps, filters) = windows (taps, pixels) dy^T (pixels, filters)
  void weight_gradient_by_filter(const KernelArguments& at) const {
    T* sums = sums_of(at);
    const std::int64_t group_sums = w_.taps() * filter_pitch_;
    for_each_group(at, at.in<T>(0), at.in<T>(1), [&](const Work& work) {
      transpose2d(w_.filters, w_.pixels(), work.y, w_.pixels(), work.matrix, filter_pitch_);
      gemm(Gemm<T>{.m = w_.taps(),
                   .n = w_.filters,
                   .k = w_.pixels(),
                   .a = padded_image(work),
                   .a_rows = taps_.data(),
                   .a_columns = pixels_.data(),
                   .b = work.matrix,
                   .b_rows = by_filter_pixels_.data(),
                   .c = sums + work.slot * sums_size_ + work.filter / w_.filters * group_sums,
                   .c_row = filter_pitch_,
                   .accumulate = !work.first});
    });
    T* total = reinterpret_cast<T*>(at.scratch);
    std::memcpy(total, sums, static_cast<std::size_t>(sums_size_) * sizeof(T));
    for (std::int64_t slot = 1; slot < slots_; ++slot) {
      const T* part = sums + slot * sums_size_;
      for (std::int64_t i = 0; i < sums_size_; ++i) total[i] += part[i];
    }
    for (std::int64_t group = 0; group < g_.words.groups; ++group) {
      transpose2d(w_.taps(), w_.filters, total + group * group_sums, filter_pitch_,
                  at.out<T>(0) + group * w_.filters * w_.taps(), w_.taps());
    }
  }

  // Part of a strip, and the taps that meet more than zeros around the image there.
  struct Span {
    std::int64_t begin, count, first_tap, taps;
  };
  static constexpr std::int64_t span_size = 48;

  ConvGeometry g_;
  ConvPass pass_;
  bool has_bias_;
  bool by_pixel_ = false;  // vectors of pixels, else of filters
  Windows w_{};
  std::int64_t slots_ = 0;
  std::int64_t areas_ = 0;
  std::int64_t filter_pitch_ = 0;
  // Numbers of scratch memory: transposed weights; for each area an image and a matrix; for each slot sums of weights.
  std::int64_t weights_size_ = 0;
  std::int64_t image_size_ = 0;
  std::int64_t matrix_size_ = 0;
  std::int64_t sums_size_ = 0;
  std::vector<Span> spans_;
  // Offsets for gemm: what each tap adds and where each pixel's window starts in the padded image; the others are even.
  std::vector<std::int64_t> taps_, pixels_, tap_numbers_, filter_rows_, planes_, by_filter_taps_, by_filter_pixels_;
};

// With stride 1 the input gradient is a convolution as well: of dy, which has more zeros around it, with the kernels
// turned round, filters and channels exchanged.
std::optional<ConvGeometry> turned_round(const ConvGeometry& g) {
  const Conv2dAttributes& a = g.words;
  ConvGeometry t = g;
  t.channels = g.filters;
  t.filters = g.channels;
  for (int i = 0; i < 2; ++i) {
    t.x[i] = g.y[i];
    t.y[i] = g.x[i];
    t.words.padding[i] = a.dilation[i] * (g.w[i] - 1) - a.padding[i];
    if (a.stride[i] != 1 || t.words.padding[i] < 0) return {};
  }
  return t;
}

// w (filters, group channels, rows, columns) -> (channels, group filters, rows, columns), the last two backwards.
template <class T>
void turn_round(const ConvGeometry& g, const T* w, T* turned) {
  const std::int64_t channels = g.group_channels();
  const std::int64_t filters = g.group_filters();
  const std::int64_t area = g.w[0] * g.w[1];
  for (std::int64_t f = 0; f < g.filters; ++f) {
    const std::int64_t group = f / filters;
    for (std::int64_t c = 0; c < channels; ++c, w += area)
      std::reverse_copy(w, w + area, turned + ((group * channels + c) * filters + f % filters) * area);
  }
}

template <class T>
Kernel make_input_gradient(const ConvGeometry& g, const ConvGeometry& turned) {
  const auto conv = std::make_shared<const DirectConv<T>>(turned, ConvPass::forward, false);
  const std::size_t weights = static_cast<std::size_t>(rounded_up(g.filters * g.taps())) * sizeof(T);
  return {.run =
              [conv, g, weights](const KernelArguments& at) {
                turn_round(g, at.in<T>(1), reinterpret_cast<T*>(at.scratch));
                const std::byte* const inputs[] = {at.inputs[0], at.scratch};
                conv->run({inputs, at.results, at.scratch + weights});
              },
          .scratch_bytes = weights + conv->scratch_bytes(),
          .flops = g.flops()};
}

template <class T>
Kernel make(const ConvGeometry& g, ConvPass pass, bool has_bias) {
  if (pass == ConvPass::input_gradient)
    if (const auto turned = turned_round(g)) return make_input_gradient<T>(g, *turned);
  const auto conv = std::make_shared<const DirectConv<T>>(g, pass, has_bias);
  return {.run = [conv](const KernelArguments& at) { conv->run(at); },
          .scratch_bytes = conv->scratch_bytes(),
          .flops = g.flops()};
}

}  // namespace

Kernel make_direct_conv(const ConvGeometry& g, ConvPass pass, DType dtype, bool has_bias) {
  if (dtype == DType::f32) return make<float>(g, pass, has_bias);
  if (dtype == DType::f64) return make<double>(g, pass, has_bias);
  return {};
}

}  // namespace narae::cpu
