// Convolutions as matrix products, image by image: y = w X, dX = w^T dy and dw = sum over images of dy X^T, where X holds
// the windows of an image (lowering.h).
#include <algorithm>
#include <cstring>

#include "narae/backend/cpu/conv.h"
#include "narae/backend/cpu/gemm.h"
#include "narae/backend/cpu/lowering.h"
#include "narae/core/threads.h"

namespace narae::cpu {
namespace {

std::int64_t rounded_up(std::int64_t n) {
  return (n + 15) / 16 * 16;
}

// Images are worked on in slots: a fixed number of shares, whatever the number of threads.
constexpr std::int64_t most_slots = 16;

template <class T>
struct LoweredConv {
  ConvGeometry g;
  Windows windows;
  std::int64_t slots;
  std::int64_t pitch_by_tap;
  std::int64_t pitch_by_pixel;
  bool has_bias;

  LoweredConv(const ConvGeometry& geometry, bool bias) : g(geometry), has_bias(bias) {
    const Conv2dAttributes& a = g.words;
    windows = {.channels = g.group_channels(),
               .padded = {g.padded(0), g.padded(1)},
               .kernel = {g.w[0], g.w[1]},
               .stride = {a.stride[0], a.stride[1]},
               .dilation = {a.dilation[0], a.dilation[1]},
               .pixels = {g.y[0], g.y[1]}};
    slots = std::min(g.batch, most_slots);
    pitch_by_tap = rounded_up(g.pixels());
    pitch_by_pixel = rounded_up(g.taps());
  }

  // Numbers of scratch: one padded image of a group, the matrix of its windows, and partial sums of the weights.
  [[nodiscard]] std::int64_t image_size() const {
    return rounded_up(windows.channels * g.padded(0) * g.padded(1) + lowering_slack);
  }
  [[nodiscard]] std::int64_t matrix_size(ConvPass pass) const {
    const bool by_pixel = pass == ConvPass::weight_gradient;
    return rounded_up((by_pixel ? g.pixels() * pitch_by_pixel : g.taps() * pitch_by_tap) + lowering_slack);
  }
  [[nodiscard]] std::int64_t weights_size() const { return rounded_up(g.filters * g.taps()); }
  [[nodiscard]] std::int64_t slot_size(ConvPass pass) const { return image_size() + matrix_size(pass); }
  [[nodiscard]] std::size_t scratch_bytes(ConvPass pass) const {
    const std::int64_t sums = pass == ConvPass::weight_gradient ? weights_size() : 0;
    return static_cast<std::size_t>(slots * (slot_size(pass) + sums)) * sizeof(T);
  }

  [[nodiscard]] std::int64_t plane() const { return g.x[0] * g.x[1]; }
  [[nodiscard]] std::int64_t first_image(std::int64_t slot) const { return slot * g.batch / slots; }
  // Slots that are worth a thread: about 20 us of work.
  [[nodiscard]] std::int64_t grain() const {
    const double flops_of_slot = g.flops() / static_cast<double>(slots);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(1e6 / std::max(flops_of_slot, 1.0)), 1, slots);
  }

  // The channels of one group with zeros around them.
  void pad(const T* x, T* image) const {
    const auto& padding = g.words.padding;
    const std::int64_t count = windows.channels * g.padded(0) * g.padded(1);
    if (padding[0] == 0 && padding[1] == 0) {
      std::memcpy(image, x, static_cast<std::size_t>(count) * sizeof(T));
      return;
    }
    std::memset(image, 0, static_cast<std::size_t>(count) * sizeof(T));
    for_each_row([&](std::int64_t row, std::int64_t inside) {
      std::memcpy(image + inside, x + row * g.x[1], static_cast<std::size_t>(g.x[1]) * sizeof(T));
    });
  }
  void unpad(const T* image, T* x) const {
    for_each_row([&](std::int64_t row, std::int64_t inside) {
      std::memcpy(x + row * g.x[1], image + inside, static_cast<std::size_t>(g.x[1]) * sizeof(T));
    });
  }
  // visit(row of a group of channels, its first element in the padded image)
  template <class Visit>
  void for_each_row(const Visit& visit) const {
    const auto& padding = g.words.padding;
    for (std::int64_t c = 0; c < windows.channels; ++c)
      for (std::int64_t r = 0; r < g.x[0]; ++r)
        visit(c * g.x[0] + r, (c * g.padded(0) + padding[0] + r) * g.padded(1) + padding[1]);
  }

  void forward(const KernelArguments& at) const {
    const T* bias = has_bias ? at.in<T>(2) : nullptr;
    for_each_group(at, ConvPass::forward, [&](std::int64_t n, std::int64_t group, T* image, T* matrix, std::int64_t) {
      const std::int64_t filter = group * g.group_filters();
      pad(at.in<T>(0) + (n * g.channels + group * windows.channels) * plane(), image);
      windows_by_tap(windows, image, matrix, pitch_by_tap);
      gemm(Gemm<T>{.m = g.group_filters(),
            .n = g.pixels(),
            .k = g.taps(),
            .a = at.in<T>(1) + filter * g.taps(),
            .a_row = g.taps(),
            .a_column = 1,
            .b = matrix,
            .b_row = pitch_by_tap,
            .c = at.out<T>(0) + (n * g.filters + filter) * g.pixels(),
            .c_row = g.pixels(),
            .row_bias = bias == nullptr ? nullptr : bias + filter});
    });
  }

  // (dy, w) -> dx
  void input_gradient(const KernelArguments& at) const {
    for_each_group(
        at, ConvPass::input_gradient, [&](std::int64_t n, std::int64_t group, T* image, T* matrix, std::int64_t) {
          const std::int64_t filter = group * g.group_filters();
          gemm(Gemm<T>{.m = g.taps(),
                .n = g.pixels(),
                .k = g.group_filters(),
                .a = at.in<T>(1) + filter * g.taps(),
                .a_row = 1,
                .a_column = g.taps(),
                .b = at.in<T>(0) + (n * g.filters + filter) * g.pixels(),
                .b_row = g.pixels(),
                .c = matrix,
                .c_row = pitch_by_tap});
          std::memset(image, 0, static_cast<std::size_t>(image_size()) * sizeof(T));
          add_windows(windows, matrix, pitch_by_tap, image);
          unpad(image, at.out<T>(0) + (n * g.channels + group * windows.channels) * plane());
        });
  }

  // (x, dy) -> dw: each slot sums its images, then the slots are added in order.
  void weight_gradient(const KernelArguments& at) const {
    T* sums = reinterpret_cast<T*>(at.scratch) + slots * slot_size(ConvPass::weight_gradient);
    for_each_group(at, ConvPass::weight_gradient,
                   [&](std::int64_t n, std::int64_t group, T* image, T* matrix, std::int64_t slot) {
                     const std::int64_t filter = group * g.group_filters();
                     pad(at.in<T>(0) + (n * g.channels + group * windows.channels) * plane(), image);
                     windows_by_pixel(windows, image, matrix, pitch_by_pixel);
                     gemm(Gemm<T>{.m = g.group_filters(),
                           .n = g.taps(),
                           .k = g.pixels(),
                           .a = at.in<T>(1) + (n * g.filters + filter) * g.pixels(),
                           .a_row = g.pixels(),
                           .a_column = 1,
                           .b = matrix,
                           .b_row = pitch_by_pixel,
                           .c = sums + slot * weights_size() + filter * g.taps(),
                           .c_row = g.taps(),
                           .accumulate = n != first_image(slot)});
                   });
    const T one = 1;
    gemm(Gemm<T>{.m = 1,
                 .n = g.filters * g.taps(),
                 .k = slots,
                 .a = &one,
                 .a_row = 0,
                 .a_column = 0,
                 .b = sums,
                 .b_row = weights_size(),
                 .c = at.out<T>(0),
                 .c_row = 0});
  }

  // work(image number, group, memory for an image, for a matrix, slot) for each group of each image.
  template <class Work>
  void for_each_group(const KernelArguments& at, ConvPass pass, const Work& work) const {
    parallel_for(slots, grain(), [&](std::int64_t begin, std::int64_t end) {
      T* image = reinterpret_cast<T*>(at.scratch) + begin * slot_size(pass);
      T* matrix = image + image_size();
      for (std::int64_t slot = begin; slot < end; ++slot)
        for (std::int64_t n = first_image(slot); n < first_image(slot + 1); ++n)
          for (std::int64_t group = 0; group < g.words.groups; ++group) work(n, group, image, matrix, slot);
    });
  }
};

template <class T>
Kernel make(const ConvGeometry& g, ConvPass pass, bool has_bias) {
  const LoweredConv<T> conv(g, has_bias);
  Kernel kernel{.run = {}, .scratch_bytes = conv.scratch_bytes(pass), .flops = g.flops()};
  if (pass == ConvPass::forward) kernel.run = [conv](const KernelArguments& at) { conv.forward(at); };
  if (pass == ConvPass::input_gradient) kernel.run = [conv](const KernelArguments& at) { conv.input_gradient(at); };
  if (pass == ConvPass::weight_gradient) kernel.run = [conv](const KernelArguments& at) { conv.weight_gradient(at); };
  return kernel;
}

}  // namespace

Kernel make_lowered_conv(const ConvGeometry& g, ConvPass pass, DType dtype, bool has_bias) {
  if (dtype == DType::f32) return make<float>(g, pass, has_bias);
  if (dtype == DType::f64) return make<double>(g, pass, has_bias);
  return {};
}

}  // namespace narae::cpu
