#include "narae/core/threads.h"

#include <immintrin.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include "narae/core/error.h"
#include "narae/core/waiting.h"

namespace narae {
namespace {

// Exceptions can't leave a parallel region: the one of the lowest range is kept.
class FirstException {
 public:
  template <class F>
  void guard(std::int64_t range, const F& f) {
    try {
      f();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (exception_ != nullptr && range_ < range) return;
      exception_ = std::current_exception();
      range_ = range;
    }
  }
  void rethrow() const {
    if (exception_ != nullptr) std::rethrow_exception(exception_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr exception_;
  std::int64_t range_ = 0;
};

std::atomic<int>& count() {
  static std::atomic<int> value = available_cores();
  return value;
}

}  // namespace

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  std::string limit;
  double period = 0;
  if (quota >> limit >> period && limit != "max" && period > 0) {
    cores = std::min(cores, static_cast<int>(std::ceil(std::stod(limit) / period)));
  }
  return std::max(cores, 1);
}

int thread_count() {
  return count().load(std::memory_order_relaxed);
}

void set_thread_count(int n) {
  if (n < 1) throw Error("threads: " + std::to_string(n) + "; at least 1 is needed");
  count() = n;
  omp_set_num_threads(n);
}

void flush_denormals() {
  _mm_setcsr(_mm_getcsr() | 0x8040U);
}

FlushDenormals::FlushDenormals() : before_(_mm_getcsr()) {
  flush_denormals();
}

FlushDenormals::~FlushDenormals() {
  _mm_setcsr((_mm_getcsr() & ~0x8040U) | (before_ & 0x8040U));
}

std::int64_t range_count(std::int64_t count, std::int64_t grain) {
  const std::int64_t grains = (count + grain - 1) / std::max<std::int64_t>(grain, 1);
  return std::min<std::int64_t>(grains, thread_count());
}

namespace detail {

void parallel_ranges(std::int64_t total, std::int64_t grain, std::int64_t most_ranges, RangeBody body) {
  const auto threads = static_cast<int>(std::min(range_count(total, grain), most_ranges));
  if (threads <= 1 || omp_in_parallel() != 0) {
    body.call(body.object, 0, total, 0);
    return;
  }
  const std::int64_t chunk = (total + threads - 1) / threads;
  const FlushDenormals scope;  // the calling thread takes part, and goes back to what it was
  FirstException failure;
  // OpenMP may grant a smaller team (OMP_THREAD_LIMIT, OMP_DYNAMIC): its threads share the ranges out.
  const auto share_of = [&](int thread, int team) {
    for (int t = thread; t < threads; t += team) {
      const std::int64_t begin = std::min(total, chunk * t);
      const std::int64_t end = std::min(total, begin + chunk);
      if (begin < end) failure.guard(begin, [&] { body.call(body.object, begin, end, t); });
    }
  };
  if (omp_get_thread_limit() == 1) {  // libgomp would fetch memory for a team of one each time
    share_of(0, 1);
  } else {
    adapt_waiting();
#pragma omp parallel num_threads(threads)
    {
      flush_denormals();
      share_of(omp_get_thread_num(), omp_get_num_threads());
    }
  }
  failure.rethrow();
}

}  // namespace detail
}  // namespace narae
