#include <algorithm>

#include "narae/backend/reference/recurrent.h"

namespace narae {
namespace {

using namespace reference;

// (p, h0, w_hh, [b_hn], [lengths]) -> (h, gates)
Kernel make_gru(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const GruArguments in(a);
  const Sequences all(request.results[0].shape, a);
  const std::int64_t units = request.results[0].shape[2];
  const std::int64_t kept = request.results[1].shape[2];
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto step = [=](const KernelArguments& at, std::int64_t k, std::int64_t n) {
      const std::int64_t t = all.time(k);
      const T* before = all.before(k, n, at.out<T>(0), at.in<T>(in.h0), units);
      T* h = at.out<T>(0) + all.row(t, n, units);
      T* gates = at.out<T>(1) + all.row(t, n, kept);
      if (!is_active(at, in.lengths, t, n)) {
        std::copy_n(before, units, h);
        std::fill_n(gates, kept, T{});
        return;
      }
      const T* p = at.in<T>(in.p) + all.row(t, n, 3 * units);
      const T* w_hn = at.in<T>(in.w_hh) + 2 * units * units;
      const std::vector<double> y = product(at.in<T>(in.w_hh), 2 * units, units, before);
      std::vector<T> reset(before, before + units);  // what W_hn is applied to
      for (std::int64_t i = 0; i < units; ++i) {
        const double r = sigmoid(static_cast<double>(p[i]) + y[static_cast<std::size_t>(i)]);
        const double z = sigmoid(static_cast<double>(p[units + i]) + y[static_cast<std::size_t>(units + i)]);
        gates[i] = static_cast<T>(r);
        gates[units + i] = static_cast<T>(z);
        if (a.variant != 0) reset[static_cast<std::size_t>(i)] = static_cast<T>(r * static_cast<double>(before[i]));
      }
      const std::vector<double> y_n = product(w_hn, units, units, reset.data());
      for (std::int64_t i = 0; i < units; ++i) {
        double q = y_n[static_cast<std::size_t>(i)];
        if (a.variant == 0) {
          q += static_cast<double>(at.in<T>(in.b_hn)[i]);
          gates[3 * units + i] = static_cast<T>(q);
          q *= static_cast<double>(gates[i]);
        }
        const double candidate = std::tanh(static_cast<double>(p[2 * units + i]) + q);
        const double z = gates[units + i];
        gates[2 * units + i] = static_cast<T>(candidate);
        h[i] = static_cast<T>((1 - z) * candidate + z * static_cast<double>(before[i]));
      }
    };
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t k = 0; k < all.steps; ++k)
        for (std::int64_t n = 0; n < all.batch; ++n) step(at, k, n);
    }};
  });
}

// (gates, h, h0, w_hh, dh, [dgates], [lengths]) -> (dp, the cotangent of W_hh h + b, dh0)
Kernel make_gru_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const GruGradientArguments in(a);
  const Sequences all(request.results[0].shape, a);
  const std::int64_t units = request.results[2].shape[1];
  const std::int64_t kept = request.inputs[0].shape[2];
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto step = [=](const KernelArguments& at, std::int64_t k, std::int64_t n, std::vector<double>& back) {
      const std::int64_t t = all.time(k);
      const std::int64_t gate_row = all.row(t, n, kept);
      T* dp = at.out<T>(0) + all.row(t, n, 3 * units);
      T* of_product = a.variant == 0 ? at.out<T>(1) + all.row(t, n, 3 * units) : dp;
      for (std::int64_t i = 0; i < units; ++i)
        back[static_cast<std::size_t>(i)] += static_cast<double>(at.in<T>(in.dh)[all.row(t, n, units) + i]);
      if (!is_active(at, in.lengths, t, n)) {
        std::fill_n(dp, 3 * units, T{});
        std::fill_n(of_product, 3 * units, T{});
        return;
      }
      const auto gate = [&](std::int64_t g, std::int64_t i) {
        return static_cast<double>(at.in<T>(in.gates)[gate_row + g * units + i]);
      };
      const auto outside = [&](std::int64_t g, std::int64_t i) {
        return in.dgates < 0 ? 0.0 : static_cast<double>(at.in<T>(in.dgates)[gate_row + g * units + i]);
      };
      const T* before = all.before(k, n, at.in<T>(in.h), at.in<T>(in.h0), units);
      const T* w = at.in<T>(in.w_hh);
      std::vector<double> next(back.size());
      for (std::int64_t i = 0; i < units; ++i) {
        const double r = gate(0, i);
        const double z = gate(1, i);
        const double candidate = gate(2, i);
        const double dh = back[static_cast<std::size_t>(i)];
        const double of_z = dh * (static_cast<double>(before[i]) - candidate) + outside(1, i);
        const double of_n = (dh * (1 - z) + outside(2, i)) * (1 - candidate * candidate);
        dp[units + i] = static_cast<T>(of_z * z * (1 - z));
        dp[2 * units + i] = static_cast<T>(of_n);
        next[static_cast<std::size_t>(i)] = dh * z;
        if (a.variant != 0) continue;
        dp[i] = static_cast<T>((of_n * gate(3, i) + outside(0, i)) * r * (1 - r));
        of_product[i] = dp[i];
        of_product[units + i] = dp[units + i];
        of_product[2 * units + i] = static_cast<T>(of_n * r + outside(3, i));
      }
      if (a.variant == 0) {
        add_transposed_product(w, 3 * units, units, of_product, next.data());
      } else {
        std::vector<double> of_reset(back.size());  // of r h
        add_transposed_product(w + 2 * units * units, units, units, dp + 2 * units, of_reset.data());
        for (std::int64_t i = 0; i < units; ++i) {
          const double d = of_reset[static_cast<std::size_t>(i)];
          const double r = gate(0, i);
          dp[i] = static_cast<T>((d * static_cast<double>(before[i]) + outside(0, i)) * r * (1 - r));
          next[static_cast<std::size_t>(i)] += d * r;
        }
        add_transposed_product(w, 2 * units, units, dp, next.data());
      }
      back = next;
    };
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t n = 0; n < all.batch; ++n) {
        std::vector<double> back(static_cast<std::size_t>(units));
        for (std::int64_t k = all.steps - 1; k >= 0; --k) step(at, k, n, back);
        for (std::int64_t i = 0; i < units; ++i)
          at.out<T>(2)[n * units + i] = static_cast<T>(back[static_cast<std::size_t>(i)]);
      }
    }};
  });
}

const DefineKernel gru(reference_backend(), "gru", make_gru);
const DefineKernel gru_gradient(reference_backend(), "gru_gradient", make_gru_gradient);

}  // namespace
}  // namespace narae
