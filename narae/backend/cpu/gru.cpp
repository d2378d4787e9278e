// gru and its gradient, with the reset gate after the product: the recurrent product of each step and its gates, panel
// by panel. The other form has two products a step and runs as its composition.
#include <algorithm>
#include <memory>

#include "narae/backend/cpu/recurrent_gates.h"
#include "narae/backend/cpu/recurrent_layer.h"

namespace narae::cpu {
namespace {

// (p, h0, w_hh, b_hn, [lengths]) -> (h, gates)
template <class T>
Kernel forward(const Sequences& all, const RecurrentAttributes& a, std::int64_t units) {
  const auto panels = std::make_shared<const Panels<T>>(typename Panels<T>::Sizes{.batch = all.batch,
                                                                                  .k = units,
                                                                                  .gates = 3,
                                                                                  .units = units,
                                                                                  .width = vector_lanes<T>(),
                                                                                  .left_pitch = units,
                                                                                  .transposed = true});
  const Workspace<T> space(all, {panels.get()});
  const GruArguments in(a);
  const auto run = [=](const KernelArguments& at) {
    const T* h0 = at.in<T>(in.h0);
    T* h = at.out<T>(0);
    T* packed = space.packed(at, 0);
    panels->pack(at.in<T>(in.w_hh), packed);
    const auto sequence = [&](std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) {
      const std::int64_t t = all.time(k);
      const T* before = all.before(k, n, static_cast<const T*>(h), h0, units) + unit;
      T* kept = at.out<T>(1) + all.row(t, n, 4 * units) + unit;
      T* after = h + all.row(t, n, units) + unit;
      if (is_active(at, in.lengths, t, n)) {
        recurrent_gates<T>().gru({.count = count,
                                  .product_pitch = panels->width(),
                                  .pitch = units,
                                  .product = product,
                                  .p = at.in<T>(in.p) + all.row(t, n, 3 * units) + unit,
                                  .b_hn = at.in<T>(in.b_hn) + unit,
                                  .h_before = before,
                                  .h = after,
                                  .gates = kept});
        return;
      }
      std::copy_n(before, count, after);
      for (std::int64_t gate = 0; gate < 4; ++gate) std::fill_n(kept + gate * units, count, T{});
    };
    const RecurrentPhase phase{
        *panels, packed, [&](std::int64_t k) { return all.before(k, 0, static_cast<const T*>(h), h0, units); },
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows) {
          for (std::int64_t n = first; n < first + rows; ++n) {
            const std::int64_t t = all.time(k);
            const std::int64_t unit = panels->first_unit(panel);
            fetch_to_read(at.in<T>(in.p) + all.row(t, n, 3 * units) + unit, 3, units);
            fetch_to_write(at.out<T>(1) + all.row(t, n, 4 * units) + unit, 4, units);
            fetch_to_write(h + all.row(t, n, units) + unit);
          }
        },
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          for (std::int64_t n = first; n < first + rows; ++n, tile += panels->columns())
            sequence(k, n, panels->first_unit(panel), panels->units_of(panel), tile);
        }};
    run_recurrent(space.schedule, all.steps, space.tiles(at), space.tile, phase);
  };
  return space.kernel(run, all.steps);
}

// (gates, h, h0, w_hh, dh, [lengths]) -> (dp, the cotangent of W_hh h + b, dh0). Step k is time step steps - 1 - k of
// the layer; one more makes dh0, in which lies meanwhile what the steps hand back beside the product.
template <class T>
Kernel backward(const Sequences& all, const RecurrentAttributes& a, std::int64_t units) {
  const auto panels = std::make_shared<const Panels<T>>(gradient_panels<T>(all, 3 * units, units, 3 * units));
  const Workspace<T> space(all, {panels.get()});
  const GruGradientArguments in(a);
  const auto run = [=](const KernelArguments& at) {
    const RecurrentGates<T>& gates = recurrent_gates<T>();
    T* dproduct = at.out<T>(1);
    T* packed = space.packed(at, 0);
    panels->pack(at.in<T>(in.w_hh), packed);
    std::fill_n(at.out<T>(2), all.batch * units, T{});
    const auto sequence = [&](std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) {
      T* back = at.out<T>(2) + n * units + unit;
      if (k == all.steps) return gates.add(count, product, back, nullptr, back);
      const std::int64_t t = all.time(all.steps - 1 - k);
      const std::int64_t row = all.row(t, n, units) + unit;
      const std::int64_t p_row = all.row(t, n, 3 * units) + unit;
      if (is_active(at, in.lengths, t, n)) {
        gates.gru_gradient({.count = count,
                            .pitch = units,
                            .product = product,
                            .dh = at.in<T>(in.dh) + row,
                            .gates = at.in<T>(in.gates) + all.row(t, n, 4 * units) + unit,
                            .h_before = all.before(all.steps - 1 - k, n, at.in<T>(in.h), at.in<T>(in.h0), units) + unit,
                            .handed_back = back,
                            .dp = at.out<T>(0) + p_row,
                            .dproduct = dproduct + p_row});
        return;
      }
      gates.add(count, product, at.in<T>(in.dh) + row, back, back);
      for (std::int64_t gate = 0; gate < 3; ++gate) {
        std::fill_n(at.out<T>(0) + p_row + gate * units, count, T{});
        std::fill_n(dproduct + p_row + gate * units, count, T{});
      }
    };
    const RecurrentPhase phase{
        *panels, packed,
        [&](std::int64_t k) -> const T* {
          return k == 0 ? nullptr : dproduct + all.row(all.time(all.steps - k), 0, 3 * units);
        },
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows) {
          if (k == all.steps) return;
          const std::int64_t t = all.time(all.steps - 1 - k);
          for (std::int64_t n = first; n < first + rows; ++n) {
            for (std::int64_t u = 0; u < panels->units_of(panel); u += 64 / std::int64_t{sizeof(T)}) {
              const std::int64_t unit = panels->first_unit(panel) + u;
              fetch_to_read(at.in<T>(in.gates) + all.row(t, n, 4 * units) + unit, 4, units);
              fetch_to_read(at.in<T>(in.dh) + all.row(t, n, units) + unit);
              fetch_to_write(at.out<T>(0) + all.row(t, n, 3 * units) + unit, 3, units);
              fetch_to_write(dproduct + all.row(t, n, 3 * units) + unit, 3, units);
            }
          }
        },
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          for (std::int64_t n = first; n < first + rows; ++n, tile += panels->columns())
            sequence(k, n, panels->first_unit(panel), panels->units_of(panel), tile);
        }};
    run_recurrent(space.schedule, all.steps + 1, space.tiles(at), space.tile, phase);
  };
  return space.kernel(run, all.steps);
}

Kernel make_gru(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  if (a.variant != 0) return {};
  const Shape& h = request.results[0].shape;
  return for_recurrent(request, h[0], [&](auto zero) { return forward<decltype(zero)>(Sequences(h, a), a, h[2]); });
}

Kernel make_gru_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  if (a.variant != 0 || (a.cotangents & 2) != 0) return {};
  const Shape& dp = request.results[0].shape;
  return for_recurrent(request, dp[0],
                       [&](auto zero) { return backward<decltype(zero)>(Sequences(dp, a), a, dp[2] / 3); });
}

const DefineKernel gru(cpu_backend(), "gru", make_gru);
const DefineKernel gru_gradient(cpu_backend(), "gru_gradient", make_gru_gradient);

}  // namespace
}  // namespace narae::cpu
