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

/// How a thread goes through its share of a parallel loop: in portions, of which other threads that have ended take
/// some over, so that nobody waits for one whose core is slower or was taken away; or in one piece, where a thread
/// finds its part of the data in its cache and a piece less is worth more.
enum class Sharing { in_portions, in_one_piece };

namespace detail {
/// A borrowed `void(int64 begin, int64 end, int64 thread)`, so that a parallel loop allocates nothing.
struct RangeBody {
  void* object;
  void (*call)(void* object, std::int64_t begin, std::int64_t end, std::int64_t thread);
};
NARAE_API void parallel_ranges(std::int64_t count, std::int64_t grain, std::int64_t most_threads, RangeBody body,
                               Sharing sharing);
}  // namespace detail

/// So much to read from memory is worth another thread: some microseconds.
constexpr std::int64_t bytes_worth_a_thread = 96 * 1024;

/// Threads that parallel_for takes at present.
[[nodiscard]] NARAE_API std::int64_t loop_threads(std::int64_t count, std::int64_t grain);

/// Calls body(begin, end) on disjoint ranges that cover [0, count), from at most as many threads as there are grains;
/// on the calling thread alone when count <= grain or inside a parallel loop. The ranges are of about `grain` items or
/// more. They depend on the arguments and thread_count only, also where OpenMP grants fewer threads; which thread takes
/// which does not. When bodies throw, the exception of the first of their ranges is thrown again after all have ended.
/// The body may take the number of its thread, below `most_threads`, as a third argument: it says which work area is
/// its.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body,
                  std::int64_t most_threads = std::numeric_limits<std::int64_t>::max(),
                  Sharing sharing = Sharing::in_portions) {
  if (count <= 0) return;
  using Function = std::remove_reference_t<Body>;
  const auto call = [](void* object, std::int64_t begin, std::int64_t end, [[maybe_unused]] std::int64_t thread) {
    Function& f = *static_cast<Function*>(object);
    if constexpr (std::is_invocable_v<Function&, std::int64_t, std::int64_t, std::int64_t>)
      f(begin, end, thread);
    else
      f(begin, end);
  };
  detail::parallel_ranges(count, grain, most_threads, {const_cast<void*>(static_cast<const void*>(&body)), call},
                          sharing);
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
