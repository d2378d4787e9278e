// Local response normalisation and its gradient: images are shared out among the threads.
#include <algorithm>

#include "narae/backend/cpu/channel_windows.h"
#include "narae/core/threads.h"
#include "narae/graph/attributes.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

// Images are worked on in slots: a fixed number of shares, each with memory of its own.
constexpr std::int64_t most_slots = 16;

struct Images {
  std::int64_t batch, channels, plane = 1, size;

  explicit Images(const KernelRequest& request)
      : batch(request.inputs[0].shape[0]),
        channels(request.inputs[0].shape[1]),
        size(attributes_as<LocalResponseNormAttributes>(request.attributes).size) {
    const Shape& x = request.inputs[0].shape;
    for (int i = 2; i < x.rank(); ++i) plane *= x[i];
  }
  [[nodiscard]] std::int64_t image() const { return channels * plane; }
  [[nodiscard]] std::int64_t slots() const { return std::min(batch, most_slots); }
  [[nodiscard]] double numbers() const { return static_cast<double>(batch * image()); }
  template <class T>
  [[nodiscard]] ChannelWindows<T> windows(const KernelArguments& at) const {
    return {channels, plane, size, *at.in<T>(1), *at.in<T>(2), *at.in<T>(3)};
  }
  // Calls work(slot, first number of the image) for every image.
  template <class Work>
  void for_each(const Work& work) const {
    const std::int64_t grain = std::max<std::int64_t>(1, 4096 * slots() / std::max<std::int64_t>(batch * image(), 1));
    parallel_for(slots(), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t slot = begin; slot < end; ++slot)
        for (std::int64_t n = slot * batch / slots(); n < (slot + 1) * batch / slots(); ++n) work(slot, n * image());
    });
  }
};

// (x, alpha, beta, k) -> y
template <class T>
Kernel forward(const Images& s) {
  return {.run =
              [s](const KernelArguments& at) {
                const ChannelWindows<T> w = s.windows<T>(at);
                s.for_each([&](std::int64_t, std::int64_t first) {
                  local_response(w, at.in<T>(0) + first, at.out<T>(0) + first);
                });
              },
          .flops = s.numbers() * (static_cast<double>(2 * s.size) + 20)};
}

// (x, alpha, beta, k, dy) -> dx
template <class T>
Kernel backward(const Images& s) {
  const std::int64_t memory = s.channels * channel_windows_tile;
  return {.run =
              [s, memory](const KernelArguments& at) {
                const ChannelWindows<T> w = s.windows<T>(at);
                s.for_each([&](std::int64_t slot, std::int64_t first) {
                  local_response_gradient(w, at.in<T>(0) + first, at.in<T>(4) + first, at.out<T>(0) + first,
                                          reinterpret_cast<T*>(at.scratch) + slot * memory);
                });
              },
          .scratch_bytes = static_cast<std::size_t>(s.slots() * memory) * sizeof(T),
          .flops = s.numbers() * (static_cast<double>(3 * s.size) + 25)};
}

Kernel make_forward(const KernelRequest& request) {
  if (request.results[0].dtype == DType::f32) return forward<float>(Images(request));
  if (request.results[0].dtype == DType::f64) return forward<double>(Images(request));
  return {};
}

Kernel make_backward(const KernelRequest& request) {
  if (request.results[0].dtype == DType::f32) return backward<float>(Images(request));
  if (request.results[0].dtype == DType::f64) return backward<double>(Images(request));
  return {};
}

const DefineKernel local_response_norm(cpu_backend(), "local_response_norm", make_forward);
const DefineKernel gradient(cpu_backend(), "local_response_norm_gradient", make_backward);

}  // namespace
}  // namespace narae::cpu
