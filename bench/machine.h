#pragma once

#include <string>

namespace narae::bench {

/// What the machine reaches with all threads, measured here and now.
struct Machine {
  double products;         ///< GFLOP/s of a large matrix product, as the library makes it
  double vector_products;  ///< without tile units
  double bandwidth;        ///< GB/s, reading an array beyond all caches
};
[[nodiscard]] Machine measure_machine();

/// measure_machine() in a process of its own (`program` with --machine): the memory of this one stays small, which the
/// processes that it starts would inherit as their peak.
[[nodiscard]] Machine ask_machine(const std::string& program, int threads);

}  // namespace narae::bench
