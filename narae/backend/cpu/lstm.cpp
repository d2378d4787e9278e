// lstm and its gradient: the recurrent product of each step and its gates, panel by panel.
#include <algorithm>
#include <memory>

#include "narae/backend/cpu/recurrent_gates.h"
#include "narae/backend/cpu/recurrent_layer.h"

namespace narae::cpu {
namespace {

// One use of the forward kernel.
template <class T>
struct Forward {
  const Sequences& all;
  const LstmArguments& in;
  const KernelArguments& at;
  std::int64_t units, outputs;
  T* m;  // o tanh(c) of the step at hand; null: it is h
  const RecurrentGates<T>& gates = recurrent_gates<T>();

  [[nodiscard]] const T* h_before(std::int64_t k, std::int64_t n) const {
    return all.before(k, n, static_cast<const T*>(at.out<T>(0)), at.in<T>(in.h0), outputs);
  }

  // What cells() reads and writes.
  void fetch(std::int64_t k, std::int64_t n, std::int64_t unit) const {
    const std::int64_t t = all.time(k);
    const std::int64_t gate_row = all.row(t, n, 4 * units) + unit;
    const std::int64_t cell_row = all.row(t, n, units) + unit;
    fetch_to_read(at.in<T>(in.p) + gate_row, 4, units);
    fetch_to_write(at.out<T>(2) + gate_row, 4, units);
    fetch_to_write(at.out<T>(1) + cell_row);
    if (m == nullptr) fetch_to_write(at.out<T>(0) + cell_row);
  }

  // The gates of sequence n in step k, for `count` units from `unit` on.
  void cells(std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product,
             std::int64_t product_pitch) const {
    const std::int64_t t = all.time(k);
    const std::int64_t gate_row = all.row(t, n, 4 * units) + unit;
    T* kept = at.out<T>(2) + gate_row;
    T* c = at.out<T>(1) + all.row(t, n, units) + unit;
    T* h = m != nullptr ? m + n * units + unit : at.out<T>(0) + all.row(t, n, units) + unit;
    const T* c_before = all.before(k, n, static_cast<const T*>(at.out<T>(1)), at.in<T>(in.c0), units) + unit;
    if (is_active(at, in.lengths, t, n)) {
      gates.lstm({.count = count,
                  .product_pitch = product_pitch,
                  .pitch = units,
                  .product = product,
                  .p = at.in<T>(in.p) + gate_row,
                  .c_before = c_before,
                  .c = c,
                  .h = h,
                  .gates = kept});
      return;
    }
    std::copy_n(c_before, count, c);
    for (std::int64_t gate = 0; gate < 4; ++gate) std::fill_n(kept + gate * units, count, T{});
    if (m == nullptr) std::copy_n(h_before(k, n) + unit, count, h);
  }

  // The projected output of sequence n in step k.
  void project(std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) const {
    const std::int64_t t = all.time(k);
    const T* from = is_active(at, in.lengths, t, n) ? product : h_before(k, n) + unit;
    std::copy_n(from, count, at.out<T>(0) + all.row(t, n, outputs) + unit);
  }
};

// (p, h0, c0, w_hh, [w_hr], [lengths]) -> (h, c, gates after their activation)
template <class T>
Kernel forward(const Sequences& all, const RecurrentAttributes& a, std::int64_t units, std::int64_t outputs) {
  using Sizes = typename Panels<T>::Sizes;
  const auto gates = std::make_shared<const Panels<T>>(Sizes{.batch = all.batch,
                                                             .k = outputs,
                                                             .gates = 4,
                                                             .units = units,
                                                             .width = vector_lanes<T>(),
                                                             .left_pitch = outputs,
                                                             .transposed = true});
  const auto projection = std::make_shared<const Panels<T>>(Sizes{.batch = all.batch,
                                                                  .k = units,
                                                                  .gates = 1,
                                                                  .units = outputs,
                                                                  .width = 2 * vector_lanes<T>(),
                                                                  .left_pitch = units,
                                                                  .transposed = true});
  const bool projected = a.projected != 0;
  const Workspace<T> space = projected ? Workspace<T>(all, {gates.get(), projection.get()}, all.batch * units)
                                       : Workspace<T>(all, {gates.get()});
  const LstmArguments in(a);
  const auto run = [=](const KernelArguments& at) {
    T* m = projected ? space.own(at) : nullptr;
    const Forward<T> step{all, in, at, units, outputs, m};
    gates->pack(at.in<T>(in.w_hh), space.packed(at, 0));
    const RecurrentPhase cells{
        *gates, space.packed(at, 0), [&](std::int64_t k) { return step.h_before(k, 0); },
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows) {
          for (std::int64_t n = first; n < first + rows; ++n) step.fetch(k, n, gates->first_unit(panel));
        },
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          for (std::int64_t n = first; n < first + rows; ++n, tile += gates->columns())
            step.cells(k, n, gates->first_unit(panel), gates->units_of(panel), tile, gates->width());
        }};
    if (!projected) {
      run_recurrent(space.schedule, all.steps, space.tiles(at), space.tile, cells);
      return;
    }
    projection->pack(at.in<T>(in.w_hr), space.packed(at, 1));
    const RecurrentPhase outputs_of_cells{
        *projection, space.packed(at, 1), [&](std::int64_t) -> const T* { return m; }, PrepareNothing{},
        [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
          for (std::int64_t n = first; n < first + rows; ++n, tile += projection->columns())
            step.project(k, n, projection->first_unit(panel), projection->units_of(panel), tile);
        }};
    run_recurrent(space.schedule, all.steps, space.tiles(at), space.tile, cells, outputs_of_cells);
  };
  return space.kernel(run, all.steps);
}

// One use of the gradient's kernel. Step k is time step steps - 1 - k of the layer; one more makes dh0. What the steps
// hand back lies in dh0 (of sequences that are over) and dc0 meanwhile.
template <class T>
struct Backward {
  const Sequences& all;
  const LstmGradientArguments& in;
  const KernelArguments& at;
  std::int64_t units, outputs;
  const RecurrentGates<T>& gates = recurrent_gates<T>();

  [[nodiscard]] bool packed() const { return in.lengths >= 0; }
  [[nodiscard]] std::int64_t time(std::int64_t k) const { return all.time(all.steps - 1 - k); }
  [[nodiscard]] const T* dp_of_step_before(std::int64_t k) const {
    return k == 0 ? nullptr : at.out<T>(0) + all.row(time(k - 1), 0, 4 * units);
  }

  // dh0 of sequence n.
  void first_state(std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) const {
    T* back = at.out<T>(1) + n * outputs + unit;
    if (packed())
      gates.add(count, product, back, nullptr, back);
    else
      std::copy_n(product, count, back);
  }

  // Sequence n is over at time t: it hands its cotangents back as they are.
  void pass_cells(std::int64_t t, std::int64_t n, std::int64_t unit, std::int64_t count) const {
    T* dp = at.out<T>(0) + all.row(t, n, 4 * units) + unit;
    for (std::int64_t gate = 0; gate < 4; ++gate) std::fill_n(dp + gate * units, count, T{});
    T* dc = at.out<T>(2) + n * units + unit;
    if (in.dc >= 0) gates.add(count, at.in<T>(in.dc) + all.row(t, n, units) + unit, dc, nullptr, dc);
  }
  void pass_outputs(std::int64_t t, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) const {
    T* back = at.out<T>(1) + n * outputs + unit;
    gates.add(count, product, at.in<T>(in.dh) + all.row(t, n, outputs) + unit, back, back);
  }

  // What cells() reads and writes.
  void fetch(std::int64_t k, std::int64_t n, std::int64_t unit) const {
    if (k == all.steps) return;
    const std::int64_t gate_row = all.row(time(k), n, 4 * units) + unit;
    const std::int64_t cell_row = all.row(time(k), n, units) + unit;
    fetch_to_read(at.in<T>(in.gates) + gate_row, 4, units);
    fetch_to_write(at.out<T>(0) + gate_row, 4, units);
    fetch_to_read(at.in<T>(in.c) + cell_row);
    if (in.w_hr < 0) fetch_to_read(at.in<T>(in.dh) + cell_row);
    if (in.dc >= 0) fetch_to_read(at.in<T>(in.dc) + cell_row);
  }

  // The gates of sequence n; `product` is the cotangent of o tanh(c), less dh and what was handed back when `with_dh`.
  void cells(std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product,
             bool with_dh) const {
    const std::int64_t t = time(k);
    const std::int64_t gate_row = all.row(t, n, 4 * units) + unit;
    const std::int64_t cell_row = all.row(t, n, units) + unit;
    T* back = with_dh && packed() ? at.out<T>(1) + n * units + unit : nullptr;
    gates.lstm_gradient({.count = count,
                         .pitch = units,
                         .product = product,
                         .dh = with_dh ? at.in<T>(in.dh) + cell_row : nullptr,
                         .handed_back = back,
                         .outside = in.dc >= 0 ? at.in<T>(in.dc) + cell_row : nullptr,
                         .gates = at.in<T>(in.gates) + gate_row,
                         .c = at.in<T>(in.c) + cell_row,
                         .c_before = all.before(all.steps - 1 - k, n, at.in<T>(in.c), at.in<T>(in.c0), units) + unit,
                         .dc = at.out<T>(2) + n * units + unit,
                         .dp = at.out<T>(0) + gate_row});
    if (back != nullptr) std::fill_n(back, count, T{});
  }

  // Without a projection: `product` is what the step before handed back through w_hh.
  void plain(std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) const {
    if (k == all.steps) return first_state(n, unit, count, product);
    const std::int64_t t = time(k);
    if (is_active(at, in.lengths, t, n)) return cells(k, n, unit, count, product, true);
    pass_outputs(t, n, unit, count, product);
    pass_cells(t, n, unit, count);
  }

  // With one: the cotangent of h first, then that of the cells.
  void projected_output(std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) const {
    if (k == all.steps) return first_state(n, unit, count, product);
    const std::int64_t t = time(k);
    const std::int64_t row = all.row(t, n, outputs) + unit;
    T* dh = at.out<T>(3) + row;
    T* back = at.out<T>(1) + n * outputs + unit;
    if (!is_active(at, in.lengths, t, n)) {
      pass_outputs(t, n, unit, count, product);
      std::fill_n(dh, count, T{});
      return;
    }
    gates.add(count, product, at.in<T>(in.dh) + row, packed() ? back : nullptr, dh);
    if (packed()) std::fill_n(back, count, T{});
  }
  void projected_cells(std::int64_t k, std::int64_t n, std::int64_t unit, std::int64_t count, const T* product) const {
    if (k == all.steps) return;
    const std::int64_t t = time(k);
    if (is_active(at, in.lengths, t, n))
      cells(k, n, unit, count, product, false);
    else
      pass_cells(t, n, unit, count);
  }
};

// (gates, c, c0, w_hh, dh, [w_hr], [dc], [lengths]) -> (dp, dh0, dc0, the whole cotangent of h)
template <class T>
Kernel backward(const Sequences& all, const RecurrentAttributes& a, std::int64_t units, std::int64_t outputs) {
  const auto recurrent = std::make_shared<const Panels<T>>(gradient_panels<T>(all, 4 * units, outputs, 4 * units));
  const auto projection = std::make_shared<const Panels<T>>(gradient_panels<T>(all, outputs, units, outputs));
  const bool projected = a.projected != 0;
  const Workspace<T> space =
      projected ? Workspace<T>(all, {recurrent.get(), projection.get()}) : Workspace<T>(all, {recurrent.get()});
  const LstmGradientArguments in(a);
  const auto run = [=](const KernelArguments& at) {
    const Backward<T> step{all, in, at, units, outputs};
    if (step.packed()) std::fill_n(at.out<T>(1), all.batch * outputs, T{});
    std::fill_n(at.out<T>(2), all.batch * units, T{});
    recurrent->pack(at.in<T>(in.w_hh), space.packed(at, 0));
    const auto phase = [&](const Panels<T>& panels, std::size_t product, const auto& left, const auto& of_sequence) {
      // Panels of outputs are panels of cells unless there is a projection, whose own panels are those of the cells.
      const bool of_cells = !projected || product == 1;
      return RecurrentPhase{
          panels, space.packed(at, product), left,
          [&, of_cells](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows) {
            if (!of_cells) return;
            for (std::int64_t n = first; n < first + rows; ++n)
              for (std::int64_t u = 0; u < panels.units_of(panel); u += 64 / std::int64_t{sizeof(T)})
                step.fetch(k, n, panels.first_unit(panel) + u);
          },
          [&](std::int64_t k, std::int64_t panel, std::int64_t first, std::int64_t rows, const T* tile) {
            for (std::int64_t n = first; n < first + rows; ++n, tile += panels.columns())
              of_sequence(k, n, panels.first_unit(panel), panels.units_of(panel), tile);
          }};
    };
    const auto dp_before = [&](std::int64_t k) { return step.dp_of_step_before(k); };
    if (!projected) {
      const auto plain = [&](auto... place) { step.plain(place...); };
      run_recurrent(space.schedule, all.steps + 1, space.tiles(at), space.tile, phase(*recurrent, 0, dp_before, plain));
      return;
    }
    projection->pack(at.in<T>(in.w_hr), space.packed(at, 1));
    const auto whole_dh = [&](std::int64_t k) -> const T* {
      return k == all.steps ? nullptr : at.out<T>(3) + all.row(step.time(k), 0, outputs);
    };
    const auto output = [&](auto... place) { step.projected_output(place...); };
    const auto cells = [&](auto... place) { step.projected_cells(place...); };
    run_recurrent(space.schedule, all.steps + 1, space.tiles(at), space.tile, phase(*recurrent, 0, dp_before, output),
                  phase(*projection, 1, whole_dh, cells));
  };
  return space.kernel(run, all.steps);
}

Kernel make_lstm(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const Shape& h = request.results[0].shape;
  const std::int64_t units = request.results[1].shape[2];
  return for_recurrent(request, h[0],
                       [&](auto zero) { return forward<decltype(zero)>(Sequences(h, a), a, units, h[2]); });
}

Kernel make_lstm_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  if ((a.cotangents & 2) != 0) return {};  // of the gates: in gradients of gradients alone
  const Shape& dp = request.results[0].shape;
  const std::int64_t outputs = request.results[1].shape[1];
  const std::int64_t units = request.results[2].shape[1];
  return for_recurrent(request, dp[0],
                       [&](auto zero) { return backward<decltype(zero)>(Sequences(dp, a), a, units, outputs); });
}

const DefineKernel lstm(cpu_backend(), "lstm", make_lstm);
const DefineKernel lstm_gradient(cpu_backend(), "lstm_gradient", make_lstm_gradient);

}  // namespace
}  // namespace narae::cpu
