#include "bench/machine.h"

#include <algorithm>
#include <chrono>

#include "bench/made_up.h"
#include "bench/peer.h"
#include "narae/core/error.h"
#include "narae/core/switches.h"
#include "narae/graph/eval.h"
#include "narae/ops/ops.h"

namespace narae::bench {
namespace {

template <class Work>
double fastest(int rounds, const Work& work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  work();
  for (int r = 0; r < rounds; ++r) {
    const auto begin = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

double products() {
  constexpr std::int64_t n = 1536;
  const Tensor a = made_up({n, n}, 1, 1);
  const Tensor b = made_up({n, n}, 2, 1);
  return 2e-9 * n * n * n / fastest(10, [&] { static_cast<void>(matmul(a, b).eval()); });
}

}  // namespace

Machine measure_machine() {
  const NoGrad no_gradients;
  Machine machine{};
  machine.products = products();
  {
    const SwitchScope without(true, false);
    machine.vector_products = products();
  }
  constexpr std::int64_t numbers = std::int64_t{1} << 27;  // half a gigabyte
  const Tensor x = zeros({numbers}).eval();
  machine.bandwidth = 4e-9 * numbers / fastest(5, [&] { static_cast<void>(sum(x).eval()); });
  return machine;
}

Machine ask_machine(const std::string& program, int threads) {
  Peer process({program, "--machine", "--threads", std::to_string(threads)});
  if (!process.started()) throw Error("bench: the machine could not be measured");
  Machine machine{};
  machine.products = process.ask("products");
  machine.vector_products = process.ask("vector products");
  machine.bandwidth = process.ask("bandwidth");
  return machine;
}

}  // namespace narae::bench
