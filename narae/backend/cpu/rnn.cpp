// rnn and its gradient: the recurrent product of each step and its nonlinearity, panel by panel.
#include <algorithm>
#include <memory>

#include "narae/backend/cpu/recurrent_gates.h"
#include "narae/backend/cpu/recurrent_layer.h"

namespace narae::cpu {
namespace {

// (p, h0, w_hh, [lengths]) -> h
template <class T>
Kernel forward(const Sequences& all, const RecurrentAttributes& a, std::int64_t units) {
  const auto panels = std::make_shared<const Panels<T>>(typename Panels<T>::Sizes{.batch = all.batch,
                                                                                  .k = units,
                                                                                  .gates = 1,
                                                                                  .units = units,
                                                                                  .width = 4 * vector_lanes<T>(),
                                                                                  .left_pitch = units,
                                                                                  .transposed = true});
  const Workspace<T> space(all, {panels.get()});
  const RnnArguments in(a);
  const auto step_of = a.variant == 0 ? recurrent_gates<T>().rnn_tanh : recurrent_gates<T>().rnn_relu;
  const auto run = [=](const KernelArguments& at) {
    const T* p = at.in<T>(in.p);
    const T* h0 = at.in<T>(in.h0);
    T* h = at.out<T>(0);
    T* packed = space.packed(at, 0);
    panels->pack(at.in<T>(in.w_hh), packed);
    const auto left = [&](std::int64_t k) { return all.before(k, 0, static_cast<const T*>(h), h0, units); };
    const auto finish = [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
      const std::int64_t t = all.time(k);
      const std::int64_t unit = panels->first_unit(panel);
      for (std::int64_t n = first; n < first + rows; ++n, tile += panels->columns()) {
        const std::int64_t row = all.row(t, n, units) + unit;
        if (is_active(at, in.lengths, t, n))
          step_of({.count = panels->units_of(panel), .product = tile, .p = p + row, .h = h + row});
        else
          std::copy_n(all.before(k, n, static_cast<const T*>(h), h0, units) + unit, panels->units_of(panel), h + row);
      }
    };
    run_recurrent(space.schedule, all.steps, space.tiles(at), space.tile,
                  RecurrentPhase{*panels, packed, left, PrepareNothing{}, finish});
  };
  return space.kernel(run, all.steps);
}

// (h, w_hh, dh, [lengths]) -> (dp, dh0). Step k is time step steps - 1 - k of the layer; the last one makes dh0. What
// sequences that are over hand back lies in dh0 meanwhile.
template <class T>
Kernel backward(const Sequences& all, const RecurrentAttributes& a, std::int64_t units) {
  const auto panels = std::make_shared<const Panels<T>>(gradient_panels<T>(all, units, units, units));
  const Workspace<T> space(all, {panels.get()});
  const RnnGradientArguments in(a);
  const RecurrentGates<T>& gates = recurrent_gates<T>();
  const auto step_of = a.variant == 0 ? gates.rnn_tanh_gradient : gates.rnn_relu_gradient;
  const auto run = [=, &gates](const KernelArguments& at) {
    const T* h = at.in<T>(in.h);
    const T* dh = at.in<T>(in.dh);
    T* dp = at.out<T>(0);
    T* dh0 = at.out<T>(1);
    T* packed = space.packed(at, 0);
    panels->pack(at.in<T>(in.w_hh), packed);
    const bool over = in.lengths >= 0;
    if (over) std::fill_n(dh0, all.batch * units, T{});
    const auto left = [&](std::int64_t k) -> const T* {
      return k == 0 ? nullptr : dp + all.row(all.time(all.steps - k), 0, units);
    };
    const auto finish = [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
      const std::int64_t unit = panels->first_unit(panel);
      const std::int64_t count = panels->units_of(panel);
      for (std::int64_t n = first; n < first + rows; ++n, tile += panels->columns()) {
        T* back = dh0 + n * units + unit;
        if (k == all.steps) {
          if (over)
            gates.add(count, tile, back, nullptr, back);
          else
            std::copy_n(tile, count, back);
          continue;
        }
        const std::int64_t t = all.time(all.steps - 1 - k);
        const std::int64_t row = all.row(t, n, units) + unit;
        if (is_active(at, in.lengths, t, n)) {
          step_of({.count = count,
                   .product = tile,
                   .dh = dh + row,
                   .handed_back = over ? back : nullptr,
                   .h = h + row,
                   .dp = dp + row});
          if (over) std::fill_n(back, count, T{});
        } else {
          gates.add(count, tile, dh + row, back, back);
          std::fill_n(dp + row, count, T{});
        }
      }
    };
    run_recurrent(space.schedule, all.steps + 1, space.tiles(at), space.tile,
                  RecurrentPhase{*panels, packed, left, PrepareNothing{}, finish});
  };
  return space.kernel(run, all.steps);
}

Kernel make_rnn(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const Shape& h = request.results[0].shape;
  return for_recurrent(request, h[0], [&](auto zero) { return forward<decltype(zero)>(Sequences(h, a), a, h[2]); });
}

Kernel make_rnn_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const Shape& h = request.results[0].shape;
  return for_recurrent(request, h[0], [&](auto zero) { return backward<decltype(zero)>(Sequences(h, a), a, h[2]); });
}

const DefineKernel rnn(cpu_backend(), "rnn", make_rnn);
const DefineKernel rnn_gradient(cpu_backend(), "rnn_gradient", make_rnn_gradient);

}  // namespace
}  // namespace narae::cpu
