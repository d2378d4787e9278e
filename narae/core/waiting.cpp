// How OpenMP's threads wait for each other. Spinning, they are there within a microsecond, and half the time of a small
// step is saved where waking a thread takes 60 us (virtual machines); but with a busy neighbour the one that is waited
// for may not run at all meanwhile, and a small product takes milliseconds. Sleeping at once, they are as good with a
// neighbour as without. libgomp spins for some milliseconds unless it manages more threads than there are cores, and
// that is how it is told: a second team of two, parked while there is competition.
//
// Competition shows in involuntary context switches. Two cores, steps of 0.3 ms: alone 30..60 a second (spinning) and
// 5..20 (sleeping), with a busy neighbour 160..210 and 17,000.
#include "narae/core/waiting.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "narae/core/threads.h"

namespace narae::detail {
namespace {

constexpr double window = 0.1;  // seconds

std::int64_t involuntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

std::int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A team of two threads that does nothing.
class ParkedTeam {
 public:
  ParkedTeam() : thread_([this] { park(); }) {}
  ~ParkedTeam() {
    {
      const std::lock_guard lock(mutex_);
      leave_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  ParkedTeam(const ParkedTeam&) = delete;
  ParkedTeam& operator=(const ParkedTeam&) = delete;

 private:
  void park() {
#pragma omp parallel num_threads(2)
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return leave_; });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool leave_ = false;
  std::thread thread_;
};

class Waiting {
 public:
  void adapt() {
    const std::int64_t now = nanoseconds();
    if (now < next_.load(std::memory_order_relaxed)) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    const std::int64_t switches = involuntary_switches();
    const double rate = since_ == 0 ? 0 : static_cast<double>(switches - switches_) / (1e-9 * static_cast<double>(now - since_));
    since_ = now;
    switches_ = switches;
    next_.store(now + static_cast<std::int64_t>(window * 1e9), std::memory_order_relaxed);
    set(should_sleep(team_ != nullptr, rate));
  }
  void sleep(bool wanted) {
    const std::lock_guard lock(mutex_);
    set(wanted);
  }

 private:
  void set(bool sleeps) {
    if (sleeps && team_ == nullptr) team_ = std::make_unique<ParkedTeam>();
    if (!sleeps) team_.reset();
  }

  std::atomic<std::int64_t> next_ = 0;
  std::mutex mutex_;
  std::int64_t since_ = 0;
  std::int64_t switches_ = 0;
  std::unique_ptr<ParkedTeam> team_;
};

Waiting& waiting() {
  static auto* instance = new Waiting;  // never destroyed: the process may end while a team is parked
  return *instance;
}

}  // namespace

void adapt_waiting() {
  if (thread_count() > 1) waiting().adapt();
}

bool should_sleep(bool sleeps, double switches) {
  return switches > (sleeps ? 60 : 120);
}

void let_waiting_sleep(bool sleep) {
  waiting().sleep(sleep);
}

}  // namespace narae::detail
