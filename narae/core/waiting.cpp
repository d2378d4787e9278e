// How OpenMP's threads wait for each other. Spinning, they are there within a microsecond, and half the time of a small
// step is saved where waking a thread takes 60 us (virtual machines); but with a busy neighbour the one that is waited
// for may not run at all meanwhile, and a small product takes milliseconds. Sleeping at once, they are as good with a
// neighbour as without. libgomp spins for some milliseconds unless it manages more threads than there are cores, and
// that is how it is told: a second team, parked for as long as others take the cores (/proc/stat).
#include "narae/core/waiting.h"

#include <fcntl.h>
#include <omp.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "narae/core/threads.h"

namespace narae::detail {
namespace {

std::int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
}

// Seconds that a line of /proc/stat, "cpu0 user nice system idle iowait irq softirq steal ...", counts as busy.
double busy_seconds(const char* line) {
  const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  double ticks = 0;
  char* end = nullptr;
  for (int field = 0; field < 7; ++field, line = end) {
    const auto count = static_cast<double>(std::strtoull(line, &end, 10));
    if (field != 3 && field != 4) ticks += count;
  }
  return ticks * tick;
}

// What the cores that this process may run on have done so far, in seconds.
struct Load {
  std::int64_t when = 0;
  double all = 0;
  double own = 0;
  bool known = false;

  static Load now() {
    Load load{.when = nanoseconds()};
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    load.own = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return load;
    std::array<char, 1 << 16> text{};  // the lines of cores come first
    const int file = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (file < 0) return load;
    const ssize_t bytes = read(file, text.data(), text.size() - 1);
    close(file);
    if (bytes <= 0) return load;
    for (const char* line = std::strstr(text.data(), "\ncpu"); line != nullptr; line = std::strstr(line + 1, "\ncpu")) {
      char* end = nullptr;
      const unsigned long core = std::strtoul(line + 4, &end, 10);
      if (core < CPU_SETSIZE && CPU_ISSET(core, &mine)) load.all += busy_seconds(end);
    }
    load.known = load.all > 0;
    return load;
  }
};

// A team that does nothing and brings the threads that libgomp manages to more than there are cores.
class ParkedTeam {
 public:
  ParkedTeam() : size_(std::max(2, omp_get_num_procs() - thread_count() + 2)), thread_([this] { park(); }) {}
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
#pragma omp parallel num_threads(size_)
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return leave_; });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool leave_ = false;
  int size_;
  std::thread thread_;
};

class Waiting {
 public:
  void adapt() {
    constexpr std::int64_t window = 100'000'000;
    const std::int64_t now = nanoseconds();
    if (now < next_.load(std::memory_order_relaxed)) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    next_.store(now + window, std::memory_order_relaxed);
    const Load load = Load::now();
    const Load before = std::exchange(before_, load);
    const bool pause = load.when - before.when > 3 * window;  // what others did meanwhile says nothing
    if (fixed_ || pause) return;
    if (!load.known) return set(true);
    const double others =
        ((load.all - before.all) - (load.own - before.own)) * 1e9 / static_cast<double>(load.when - before.when);
    set(should_sleep(team_ != nullptr, others - (omp_get_num_procs() - thread_count())));
  }
  void fix(std::optional<bool> sleep) {
    const std::lock_guard lock(mutex_);
    fixed_ = sleep.has_value();
    if (sleep) set(*sleep);
  }

 private:
  void set(bool sleeps) {
    if (!sleeps) team_.reset();
    if (!sleeps || team_ != nullptr) return;
    try {
      team_ = std::make_unique<ParkedTeam>();
    } catch (const std::system_error&) {  // no more threads: they go on spinning
    }
  }

  std::atomic<std::int64_t> next_ = 0;
  std::mutex mutex_;
  bool fixed_ = false;
  Load before_;
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

// Ticks of a hundredth of a second leave an error of a fifth of a core.
bool should_sleep(bool sleeps, double taken) {
  return taken > (sleeps ? 0.25 : 0.5);
}

void let_waiting_sleep(std::optional<bool> sleep) {
  waiting().fix(sleep);
}

}  // namespace narae::detail
