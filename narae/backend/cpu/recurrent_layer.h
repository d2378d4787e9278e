#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "narae/backend/cpu/recurrent_panels.h"
#include "narae/graph/kernel.h"
#include "narae/graph/recurrent_attributes.h"

// What the kernels of the recurrent layers share.
namespace narae::cpu {

/// Time steps and sequences of a layer, and the order in which it takes the steps.
struct Sequences {
  std::int64_t steps, batch;
  bool reverse;

  /// `of`: (time, batch, ...).
  Sequences(const Shape& of, const RecurrentAttributes& a) : steps(of[0]), batch(of[1]), reverse(a.reverse != 0) {}
  /// The time of the k-th step.
  [[nodiscard]] std::int64_t time(std::int64_t k) const { return reverse ? steps - 1 - k : k; }
  /// The row (time, sequence) of a tensor with rows of `width` numbers.
  [[nodiscard]] std::int64_t row(std::int64_t t, std::int64_t n, std::int64_t width) const {
    return (t * batch + n) * width;
  }
  /// The state that step k of sequence n begins with, given all states and the first ones.
  template <class T>
  [[nodiscard]] const T* before(std::int64_t k, std::int64_t n, const T* states, const T* first,
                                std::int64_t width) const {
    return k == 0 ? first + n * width : states + row(time(k - 1), n, width);
  }
};

/// Whether sequence n is not over at time t; place -1: there are no lengths.
inline bool is_active(const KernelArguments& at, int lengths, std::int64_t t, std::int64_t n) {
  return lengths < 0 || t < at.in<std::int64_t>(lengths)[n];
}

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
