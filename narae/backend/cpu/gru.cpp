// gru and its gradient: the recurrent products of each step and the gates, panel by panel. With the reset gate after
// the product a step has one product, with the gate before it two.
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

// The reset gate before the product: (p, h0, w_hh, [lengths]) -> (h, gates). The first product gives r and z, the
// second, of r h, the candidate.
template <class T>
Kernel forward_reset_before(const Sequences& all, const RecurrentAttributes& a, std::int64_t units) {
  const auto panels = [&](std::int64_t gates, std::int64_t width) {
    return std::make_shared<const Panels<T>>(typename Panels<T>::Sizes{.batch = all.batch,
                                                                       .k = units,
                                                                       .gates = gates,
                                                                       .units = units,
                                                                       .width = width,
                                                                       .left_pitch = units,
                                                                       .transposed = true});
  };
  const auto of_gates = panels(2, vector_lanes<T>());
  const auto of_candidate = panels(1, 2 * vector_lanes<T>());
  const Workspace<T> space(all, {of_gates.get(), of_candidate.get()}, all.batch * units);
  const GruArguments in(a);
  const auto run = [=](const KernelArguments& at) {
    const RecurrentGates<T>& gates = recurrent_gates<T>();
    T* h = at.out<T>(0);
    T* reset = space.own(at);
    of_gates->pack(at.in<T>(in.w_hh), space.packed(at, 0));
    of_candidate->pack(at.in<T>(in.w_hh) + 2 * units * units, space.packed(at, 1));
    const auto before = [&](std::int64_t k, std::int64_t n) {
      return all.before(k, n, static_cast<const T*>(h), at.in<T>(in.h0), units);
    };
    const RecurrentPhase first_product{
        *of_gates, space.packed(at, 0), [&](std::int64_t k) { return before(k, 0); }, PrepareNothing{},
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          const std::int64_t t = all.time(k);
          const std::int64_t unit = of_gates->first_unit(panel);
          const std::int64_t count = of_gates->units_of(panel);
          for (std::int64_t n = first; n < first + rows; ++n, tile += of_gates->columns()) {
            T* kept = at.out<T>(1) + all.row(t, n, 3 * units) + unit;
            if (is_active(at, in.lengths, t, n)) {
              gates.gru_reset({.count = count,
                               .product_pitch = of_gates->width(),
                               .pitch = units,
                               .product = tile,
                               .p = at.in<T>(in.p) + all.row(t, n, 3 * units) + unit,
                               .h_before = before(k, n) + unit,
                               .reset = reset + n * units + unit,
                               .gates = kept});
              continue;
            }
            for (std::int64_t gate = 0; gate < 3; ++gate) std::fill_n(kept + gate * units, count, T{});
            std::fill_n(reset + n * units + unit, count, T{});
          }
        }};
    const RecurrentPhase second_product{
        *of_candidate, space.packed(at, 1), [&](std::int64_t) -> const T* { return reset; }, PrepareNothing{},
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          const std::int64_t t = all.time(k);
          const std::int64_t unit = of_candidate->first_unit(panel);
          const std::int64_t count = of_candidate->units_of(panel);
          for (std::int64_t n = first; n < first + rows; ++n, tile += of_candidate->columns()) {
            T* after = h + all.row(t, n, units) + unit;
            if (is_active(at, in.lengths, t, n)) {
              gates.gru_candidate({.count = count,
                                   .pitch = units,
                                   .product = tile,
                                   .p = at.in<T>(in.p) + all.row(t, n, 3 * units) + unit,
                                   .h_before = before(k, n) + unit,
                                   .h = after,
                                   .gates = at.out<T>(1) + all.row(t, n, 3 * units) + unit});
            } else {
              std::copy_n(before(k, n) + unit, count, after);
            }
          }
        }};
    run_recurrent(space.schedule, all.steps, space.tiles(at), space.tile, first_product, second_product);
  };
  return space.kernel(run, all.steps);
}

// (gates, h, h0, w_hh, dh, [lengths]) -> (dp, nothing, dh0). A step takes what the one before handed back through W_r
// and W_z, then hands its own cotangent of n back through W_n. One step more makes dh0, in which lies meanwhile what is
// handed back beside the products.
template <class T>
Kernel backward_reset_before(const Sequences& all, const RecurrentAttributes& a, std::int64_t units) {
  const auto of_gates = std::make_shared<const Panels<T>>(gradient_panels<T>(all, 2 * units, units, 3 * units));
  const auto of_candidate = std::make_shared<const Panels<T>>(gradient_panels<T>(all, units, units, 3 * units));
  const Workspace<T> space(all, {of_gates.get(), of_candidate.get()});
  const GruGradientArguments in(a);
  const auto run = [=](const KernelArguments& at) {
    const RecurrentGates<T>& gates = recurrent_gates<T>();
    T* dp = at.out<T>(0);
    T* back = at.out<T>(2);
    of_gates->pack(at.in<T>(in.w_hh), space.packed(at, 0));
    of_candidate->pack(at.in<T>(in.w_hh) + 2 * units * units, space.packed(at, 1));
    std::fill_n(back, all.batch * units, T{});
    const auto time = [&](std::int64_t k) { return all.time(all.steps - 1 - k); };
    const auto before = [&](std::int64_t k, std::int64_t n) {
      return all.before(all.steps - 1 - k, n, at.in<T>(in.h), at.in<T>(in.h0), units);
    };
    const RecurrentPhase candidate{
        *of_gates, space.packed(at, 0),
        [&](std::int64_t k) -> const T* { return k == 0 ? nullptr : dp + all.row(time(k - 1), 0, 3 * units); },
        PrepareNothing{},
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          const std::int64_t unit = of_gates->first_unit(panel);
          const std::int64_t count = of_gates->units_of(panel);
          for (std::int64_t n = first; n < first + rows; ++n, tile += of_gates->columns()) {
            T* handed_back = back + n * units + unit;
            if (k == all.steps) {
              gates.add(count, tile, handed_back, nullptr, handed_back);
              continue;
            }
            const std::int64_t t = time(k);
            const std::int64_t row = all.row(t, n, 3 * units) + unit;
            const T* dh = at.in<T>(in.dh) + all.row(t, n, units) + unit;
            if (is_active(at, in.lengths, t, n)) {
              gates.gru_candidate_gradient({.count = count,
                                            .pitch = units,
                                            .product = tile,
                                            .dh = dh,
                                            .gates = at.in<T>(in.gates) + row,
                                            .h_before = before(k, n) + unit,
                                            .handed_back = handed_back,
                                            .dp = dp + row});
              continue;
            }
            gates.add(count, tile, dh, handed_back, handed_back);
            for (std::int64_t gate = 0; gate < 3; ++gate) std::fill_n(dp + row + gate * units, count, T{});
          }
        }};
    const RecurrentPhase reset{
        *of_candidate, space.packed(at, 1),
        [&](std::int64_t k) -> const T* {
          return k == all.steps ? nullptr : dp + all.row(time(k), 0, 3 * units) + 2 * units;
        },
        PrepareNothing{},
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          if (k == all.steps) return;
          const std::int64_t unit = of_candidate->first_unit(panel);
          for (std::int64_t n = first; n < first + rows; ++n, tile += of_candidate->columns()) {
            const std::int64_t t = time(k);
            const std::int64_t row = all.row(t, n, 3 * units) + unit;
            if (!is_active(at, in.lengths, t, n)) continue;
            gates.gru_reset_gradient({.count = of_candidate->units_of(panel),
                                      .pitch = units,
                                      .product = tile,
                                      .gates = at.in<T>(in.gates) + row,
                                      .h_before = before(k, n) + unit,
                                      .handed_back = back + n * units + unit,
                                      .dp = dp + row});
          }
        }};
    run_recurrent(space.schedule, all.steps + 1, space.tiles(at), space.tile, candidate, reset);
  };
  return space.kernel(run, all.steps);
}

Kernel make_gru(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const Shape& h = request.results[0].shape;
  return for_recurrent(request, h[0], [&](auto zero) {
    using T = decltype(zero);
    return a.variant == 0 ? forward<T>(Sequences(h, a), a, h[2]) : forward_reset_before<T>(Sequences(h, a), a, h[2]);
  });
}

Kernel make_gru_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  if ((a.cotangents & 2) != 0) return {};  // of the gates: in gradients of gradients alone
  const Shape& dp = request.results[0].shape;
  const std::int64_t units = dp[2] / 3;
  return for_recurrent(request, dp[0], [&](auto zero) {
    using T = decltype(zero);
    return a.variant == 0 ? backward<T>(Sequences(dp, a), a, units)
                          : backward_reset_before<T>(Sequences(dp, a), a, units);
  });
}

const DefineKernel gru(cpu_backend(), "gru", make_gru);
const DefineKernel gru_gradient(cpu_backend(), "gru_gradient", make_gru_gradient);

}  // namespace
}  // namespace narae::cpu
