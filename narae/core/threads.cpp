#include "narae/core/threads.h"

#include <immintrin.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

#include "narae/core/error.h"
#include "narae/core/waiting.h"

namespace narae {
namespace {

// Exceptions can't leave a parallel region: the one of the lowest range is kept. Ranges behind it are left out.
class FirstException {
 public:
  template <class F>
  void guard(std::int64_t range, const F& f) {
    if (range_.load(std::memory_order_relaxed) < range) return;
    try {
      f();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (range_ < range) return;
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
  std::atomic<std::int64_t> range_ = std::numeric_limits<std::int64_t>::max();
};

// Threads' equal shares of [0, total). Whoever has ended their own goes on with what others have not begun.
class Shares {
 public:
  Shares(std::int64_t total, int threads)
      : total_(total), count_(std::min(threads, most)), size_((total + count_ - 1) / count_) {
    for (int i = 0; i < count_; ++i) shares_[i].next.store(size_ * i, std::memory_order_relaxed);
  }

  // Calls f(begin, end) on portions that nobody else has taken, until there are none.
  template <class F>
  void take(int thread, std::int64_t portion, const F& f) {
    for (int i = 0; i < count_; ++i) {
      const int share = (thread + i) % count_;
      const std::int64_t all = std::min(total_, size_ * (share + 1));
      while (shares_[share].next.load(std::memory_order_relaxed) < all) {
        const std::int64_t begin = shares_[share].next.fetch_add(portion, std::memory_order_relaxed);
        if (begin < all) f(begin, std::min(begin + portion, all));
      }
    }
  }

 private:
  static constexpr int most = 16;  // of more threads several begin with the same share
  struct alignas(64) Share {
    std::atomic<std::int64_t> next;
  };

  std::int64_t total_;
  int count_;
  std::int64_t size_;
  Share shares_[most];
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

std::int64_t loop_threads(std::int64_t count, std::int64_t grain) {
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t grains = (count + grain - 1) / grain;
  return std::min<std::int64_t>(grains, thread_count());
}

namespace detail {

void parallel_ranges(std::int64_t total, std::int64_t grain, std::int64_t most_threads, RangeBody body,
                     Sharing sharing) {
  grain = std::max<std::int64_t>(grain, 1);
  const auto threads = static_cast<int>(std::min(loop_threads(total, grain), most_threads));
  if (threads <= 1 || omp_in_parallel() != 0) {
    body.call(body.object, 0, total, 0);
    return;
  }
  const FlushDenormals scope;  // the calling thread takes part, and goes back to what it was
  FirstException failure;
  Shares shares(total, threads);
  const std::int64_t piece = (total + threads - 1) / threads;
  const std::int64_t portions = sharing == Sharing::in_one_piece ? 1 : std::clamp<std::int64_t>(piece / grain, 1, 8);
  const std::int64_t portion = (piece + portions - 1) / portions;
  const auto take_part = [&](int thread) {
    shares.take(thread, portion, [&](std::int64_t begin, std::int64_t end) {
      failure.guard(begin, [&] { body.call(body.object, begin, end, thread); });
    });
  };
  if (omp_get_thread_limit() == 1) {  // libgomp would fetch memory for a team of one each time
    take_part(0);
  } else {
    adapt_waiting();
    // OpenMP may grant a smaller team (OMP_THREAD_LIMIT, OMP_DYNAMIC): its threads take all shares.
#pragma omp parallel num_threads(threads)
    {
      flush_denormals();
      take_part(omp_get_thread_num());
    }
  }
  failure.rethrow();
}

}  // namespace detail
}  // namespace narae
