#include "narae/backend/reference/recurrent.h"

namespace narae {
namespace {

using namespace reference;

// (p, h0, w_hh, [lengths]) -> h
Kernel make_rnn(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const RnnArguments in(a);
  const Sequences all(request.results[0].shape, a);
  const std::int64_t units = request.results[0].shape[2];
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t k = 0; k < all.steps; ++k) {
        const std::int64_t t = all.time(k);
        for (std::int64_t n = 0; n < all.batch; ++n) {
          const T* before = all.before(k, n, at.out<T>(0), at.in<T>(in.h0), units);
          const std::vector<double> y = product(at.in<T>(in.w_hh), units, units, before);
          const std::int64_t row = all.row(t, n, units);
          for (std::int64_t i = 0; i < units; ++i) {
            const double z = static_cast<double>(at.in<T>(in.p)[row + i]) + y[static_cast<std::size_t>(i)];
            const double h = a.variant == 0 ? std::tanh(z) : (z <= 0 ? 0 : z);
            at.out<T>(0)[row + i] = is_active(at, in.lengths, t, n) ? static_cast<T>(h) : before[i];
          }
        }
      }
    }};
  });
}

// (h, w_hh, dh, [lengths]) -> (dp, dh0)
Kernel make_rnn_gradient(const KernelRequest& request) {
  const auto a = attributes_as<RecurrentAttributes>(request.attributes);
  const RnnGradientArguments in(a);
  const Sequences all(request.results[0].shape, a);
  const std::int64_t units = request.results[0].shape[2];
  return for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [=](const KernelArguments& at) {
      for (std::int64_t n = 0; n < all.batch; ++n) {
        std::vector<double> back(static_cast<std::size_t>(units));
        for (std::int64_t k = all.steps - 1; k >= 0; --k) {
          const std::int64_t t = all.time(k);
          const std::int64_t row = all.row(t, n, units);
          const bool active = is_active(at, in.lengths, t, n);
          std::vector<double> next(back.size());
          for (std::int64_t i = 0; i < units; ++i) {
            const double h = at.in<T>(in.h)[row + i];
            const double d = static_cast<double>(at.in<T>(in.dh)[row + i]) + back[static_cast<std::size_t>(i)];
            const double slope = a.variant == 0 ? 1 - h * h : (h > 0 ? 1 : 0);
            at.out<T>(0)[row + i] = static_cast<T>(active ? d * slope : 0);
            if (!active) next[static_cast<std::size_t>(i)] = d;
          }
          add_transposed_product(at.in<T>(in.w_hh), units, units, at.out<T>(0) + row, next.data());
          back = next;
        }
        for (std::int64_t i = 0; i < units; ++i)
          at.out<T>(1)[n * units + i] = static_cast<T>(back[static_cast<std::size_t>(i)]);
      }
    }};
  });
}

const DefineKernel rnn(reference_backend(), "rnn", make_rnn);
const DefineKernel rnn_gradient(reference_backend(), "rnn_gradient", make_rnn_gradient);

}  // namespace
}  // namespace narae
