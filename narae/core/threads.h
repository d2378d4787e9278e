#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "narae/core/export.h"

namespace narae {

/// Threads that kernels may use; at first the number of cores that this process may run on (affinity and cgroup).
[[nodiscard]] NARAE_API int thread_count();
/// n >= 1; throws Error otherwise. oneDNN follows.
NARAE_API void set_thread_count(int n);
/// The cores that this process may use: affinity mask and cgroup quota.
[[nodiscard]] NARAE_API int available_cores();

namespace detail {
/// A borrowed `void(int64 begin, int64 end)`, so that a parallel loop allocates nothing.
struct RangeBody {
  void* object;
  void (*call)(void* object, std::int64_t begin, std::int64_t end, std::int64_t range);
};
NARAE_API void parallel_ranges(std::int64_t count, std::int64_t grain, std::int64_t most_ranges, RangeBody body);
}  // namespace detail

/// So much to read from memory is worth another thread: some microseconds.
constexpr std::int64_t bytes_worth_a_thread = 96 * 1024;

/// Ranges that parallel_for makes at present.
[[nodiscard]] NARAE_API std::int64_t range_count(std::int64_t count, std::int64_t grain);

/// Calls body(begin, end) on disjoint ranges that cover [0, count), from as many threads as there are grains
/// (at least `grain` items each); on the calling thread alone when count <= grain or inside a parallel loop.
/// The ranges depend on (count, grain, thread_count) only, also where OpenMP grants fewer threads. When bodies throw,
/// the exception of the first of their ranges is thrown again after all have ended.
/// The body may take the number of its range, below `most_ranges`, as a third argument: it says which work area is its.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body,
                  std::int64_t most_ranges = std::numeric_limits<std::int64_t>::max()) {
  if (count <= 0) return;
  using Function = std::remove_reference_t<Body>;
  const auto call = [](void* object, std::int64_t begin, std::int64_t end, [[maybe_unused]] std::int64_t range) {
    Function& f = *static_cast<Function*>(object);
    if constexpr (std::is_invocable_v<Function&, std::int64_t, std::int64_t, std::int64_t>)
      f(begin, end, range);
    else
      f(begin, end);
  };
  detail::parallel_ranges(count, grain, most_ranges, {const_cast<void*>(static_cast<const void*>(&body)), call});
}

/// Sets the calling thread to flush denormal numbers to zero; every worker of the pool does the same.
NARAE_API void flush_denormals();

/// The calling thread flushes denormal numbers to zero while this lives, and does what it did before afterwards.
class NARAE_API FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_;
};

}  // namespace narae
