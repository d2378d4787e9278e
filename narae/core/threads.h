#pragma once

#include <cstdint>
#include <functional>

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
  void (*call)(void* object, std::int64_t begin, std::int64_t end);
};
NARAE_API void parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body);
}  // namespace detail

/// Calls body(begin, end) on disjoint ranges that cover [0, count), from as many threads as there are grains
/// (at least `grain` items each); on the calling thread alone when count <= grain or inside a parallel loop.
/// The ranges depend on (count, grain, thread_count) only, also where OpenMP grants fewer threads. When bodies throw,
/// the exception of the first of their ranges is thrown again after all have ended.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  if (count <= 0) return;
  using Function = std::remove_reference_t<Body>;
  detail::parallel_ranges(
      count, grain,
      {const_cast<void*>(static_cast<const void*>(&body)),
       [](void* object, std::int64_t begin, std::int64_t end) { (*static_cast<Function*>(object))(begin, end); }});
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
