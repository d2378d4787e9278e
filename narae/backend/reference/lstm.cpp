#include <algorithm>

#include "narae/backend/reference/recurrent.h"

namespace narae {
namespace {

using namespace reference;

// (p, h0, c0, w_hh, [w_hr], [lengths]) -> (h, c, gates after their activation)
Kernel make_lstm(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const LstmArguments in(a);
  const Sequences all(request.results[0].shape, a);
  const std::int64_t outputs = request.results[0].shape[2];
  const std::int64_t units = request.results[1].shape[2];
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto step = [=](const KernelArguments& at, std::int64_t k, std::int64_t n) {
      const std::int64_t t = all.time(k);
      const T* h_before = all.before(k, n, at.out<T>(0), at.in<T>(in.h0), outputs);
      const T* c_before = all.before(k, n, at.out<T>(1), at.in<T>(in.c0), units);
      T* h = at.out<T>(0) + all.row(t, n, outputs);
      T* c = at.out<T>(1) + all.row(t, n, units);
      T* gates = at.out<T>(2) + all.row(t, n, 4 * units);
      if (!is_active(at, in.lengths, t, n)) {
        std::copy_n(h_before, outputs, h);
        std::copy_n(c_before, units, c);
        std::fill_n(gates, 4 * units, T{});
        return;
      }
      const T* p = at.in<T>(in.p) + all.row(t, n, 4 * units);
      const std::vector<double> y = product(at.in<T>(in.w_hh), 4 * units, outputs, h_before);
      const auto z = [&](std::int64_t gate, std::int64_t i) {
        return static_cast<double>(p[gate * units + i]) + y[static_cast<std::size_t>(gate * units + i)];
      };
      std::vector<T> m(static_cast<std::size_t>(units));
      for (std::int64_t i = 0; i < units; ++i) {
        const double input = sigmoid(z(0, i));
        const double forget = sigmoid(z(1, i));
        const double candidate = std::tanh(z(2, i));
        const double output = sigmoid(z(3, i));
        const double cell = forget * static_cast<double>(c_before[i]) + input * candidate;
        gates[i] = static_cast<T>(input);
        gates[units + i] = static_cast<T>(forget);
        gates[2 * units + i] = static_cast<T>(candidate);
        gates[3 * units + i] = static_cast<T>(output);
        c[i] = static_cast<T>(cell);
        m[static_cast<std::size_t>(i)] = static_cast<T>(output * std::tanh(cell));
      }
      if (in.w_hr < 0) {
        std::copy(m.begin(), m.end(), h);
      } else {
        const std::vector<double> projected = product(at.in<T>(in.w_hr), outputs, units, m.data());
        for (std::int64_t i = 0; i < outputs; ++i) h[i] = static_cast<T>(projected[static_cast<std::size_t>(i)]);
      }
    };
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t k = 0; k < all.steps; ++k)
        for (std::int64_t n = 0; n < all.batch; ++n) step(at, k, n);
    }};
  });
}

// What the steps of one sequence hand back.
struct HandedBack {
  std::vector<double> h, c;
};

// (gates, c, c0, w_hh, dh, [w_hr], [dc], [dgates], [lengths]) -> (dp, dh0, dc0, the whole cotangent of h)
Kernel make_lstm_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const LstmGradientArguments in(a);
  const Sequences all(request.results[0].shape, a);
  const std::int64_t outputs = request.results[1].shape[1];
  const std::int64_t units = request.results[2].shape[1];
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto optional = [](const KernelArguments& at, int place, std::int64_t i) {
      return place < 0 ? 0.0 : static_cast<double>(at.in<T>(place)[i]);
    };
    const auto step = [=](const KernelArguments& at, std::int64_t k, std::int64_t n, HandedBack& back) {
      const std::int64_t t = all.time(k);
      const std::int64_t gate_row = all.row(t, n, 4 * units);
      const std::int64_t cell_row = all.row(t, n, units);
      const std::int64_t output_row = all.row(t, n, outputs);
      const bool active = is_active(at, in.lengths, t, n);
      std::vector<double> dh = back.h;
      for (std::int64_t i = 0; i < outputs; ++i) {
        dh[static_cast<std::size_t>(i)] += static_cast<double>(at.in<T>(in.dh)[output_row + i]);
        if (in.w_hr >= 0) at.out<T>(3)[output_row + i] = active ? static_cast<T>(dh[static_cast<std::size_t>(i)]) : T{};
      }
      T* dp = at.out<T>(0) + gate_row;
      if (!active) {
        std::fill_n(dp, 4 * units, T{});
        back.h = dh;
        for (std::int64_t i = 0; i < units; ++i)
          back.c[static_cast<std::size_t>(i)] += optional(at, in.dc, cell_row + i);
        return;
      }
      std::vector<double> dm = dh;  // of o tanh(c)
      if (in.w_hr >= 0) {
        dm.assign(static_cast<std::size_t>(units), 0);
        add_transposed_product(at.in<T>(in.w_hr), outputs, units, dh.data(), dm.data());
      }
      const T* c_before = all.before(k, n, at.in<T>(in.c), at.in<T>(in.c0), units);
      for (std::int64_t i = 0; i < units; ++i) {
        const auto gate = [&](std::int64_t g) {
          return static_cast<double>(at.in<T>(in.gates)[gate_row + g * units + i]);
        };
        const double tanh_c = std::tanh(static_cast<double>(at.in<T>(in.c)[cell_row + i]));
        const double d = dm[static_cast<std::size_t>(i)];
        const double dc = back.c[static_cast<std::size_t>(i)] + optional(at, in.dc, cell_row + i) +
                          d * gate(3) * (1 - tanh_c * tanh_c);
        const double of_gates[4] = {dc * gate(2), dc * static_cast<double>(c_before[i]), dc * gate(0), d * tanh_c};
        for (std::int64_t g = 0; g < 4; ++g) {
          const double slope = g == 2 ? 1 - gate(g) * gate(g) : gate(g) * (1 - gate(g));
          const double outside = optional(at, in.dgates, gate_row + g * units + i);
          dp[g * units + i] = static_cast<T>((of_gates[g] + outside) * slope);
        }
        back.c[static_cast<std::size_t>(i)] = dc * gate(1);
      }
      back.h.assign(static_cast<std::size_t>(outputs), 0);
      add_transposed_product(at.in<T>(in.w_hh), 4 * units, outputs, dp, back.h.data());
    };
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t n = 0; n < all.batch; ++n) {
        HandedBack back{std::vector<double>(static_cast<std::size_t>(outputs)),
                        std::vector<double>(static_cast<std::size_t>(units))};
        for (std::int64_t k = all.steps - 1; k >= 0; --k) step(at, k, n, back);
        for (std::int64_t i = 0; i < outputs; ++i)
          at.out<T>(1)[n * outputs + i] = static_cast<T>(back.h[static_cast<std::size_t>(i)]);
        for (std::int64_t i = 0; i < units; ++i)
          at.out<T>(2)[n * units + i] = static_cast<T>(back.c[static_cast<std::size_t>(i)]);
      }
    }};
  });
}

const DefineKernel lstm(reference_backend(), "lstm", make_lstm);
const DefineKernel lstm_gradient(reference_backend(), "lstm_gradient", make_lstm_gradient);

}  // namespace
}  // namespace narae
