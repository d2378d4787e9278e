#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "narae/backend/cpu/recurrent_panels.h"
#include "narae/graph/kernel.h"
#include "narae/graph/recurrent_sequences.h"

// What the kernels of the recurrent layers share.
namespace narae::cpu {

/// Panels for the product of gradients (batch, k) with weights (k, units).
template <class T>
[[nodiscard]] Panels<T> gradient_panels(const Sequences& all, std::int64_t k, std::int64_t units,
                                        std::int64_t left_pitch) {
  return Panels<T>({.batch = all.batch,
                    .k = k,
                    .gates = 1,
                    .units = units,
                    .width = 2 * vector_lanes<T>(),
                    .left_pitch = left_pitch,
                    .transposed = false});
}

/// The scratch memory of a layer - packed weights of its products, a tile a thread, and numbers of its own - and how
/// its steps are shared out.
template <class T>
class Workspace {
 public:
  Workspace(const Sequences& all, std::initializer_list<const Panels<T>*> products, std::int64_t own = 0)
      : schedule(all.batch, all.steps, flops_of(products), bytes_of(products)) {
    std::size_t i = 0;
    for (const Panels<T>* product : products) {
      places_[i++] = scratch_.add<T>(product->packed_numbers());
      tile = std::max(tile, recurrent_rows * product->columns());
      flops_ += product->flops_of_panel() * static_cast<double>(product->count());
    }
    tiles_ = scratch_.add<T>(static_cast<std::size_t>(tile * schedule.threads));
    own_ = scratch_.add<T>(static_cast<std::size_t>(own));
  }

  [[nodiscard]] T* packed(const KernelArguments& at, std::size_t product) const {
    return reinterpret_cast<T*>(at.scratch + places_[product]);
  }
  [[nodiscard]] T* tiles(const KernelArguments& at) const { return reinterpret_cast<T*>(at.scratch + tiles_); }
  [[nodiscard]] T* own(const KernelArguments& at) const { return reinterpret_cast<T*>(at.scratch + own_); }

  template <class Run>
  [[nodiscard]] Kernel kernel(Run run, std::int64_t steps) const {
    return {.run = std::move(run), .scratch_bytes = scratch_.bytes(), .flops = flops_ * static_cast<double>(steps)};
  }

  RecurrentSchedule schedule;
  std::int64_t tile = 0;

 private:
  static double flops_of(std::initializer_list<const Panels<T>*> products) {
    double sum = 0;
    for (const Panels<T>* p : products) sum += p->flops_of_panel() * static_cast<double>(p->count());
    return sum;
  }
  static std::size_t bytes_of(std::initializer_list<const Panels<T>*> products) {
    std::size_t sum = 0;
    for (const Panels<T>* p : products) sum += p->packed_numbers() * sizeof(T);
    return sum;
  }

  ScratchLayout scratch_;
  std::array<std::size_t, 2> places_{};
  std::size_t tiles_ = 0, own_ = 0;
  double flops_ = 0;
};

/// make(float{}) or make(double{}). Empty for a single step: packing the weights would cost more than it saves, and the
/// composition is one product and one loop.
template <class Make>
[[nodiscard]] Kernel for_recurrent(const KernelRequest& request, std::int64_t steps, const Make& make) {
  if (steps < 2) return {};
  if (request.results[0].dtype == DType::f32) return make(float{});
  if (request.results[0].dtype == DType::f64) return make(double{});
  return {};
}

}  // namespace narae::cpu
