#include "narae/graph/profile.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "narae/core/error.h"

namespace narae {
namespace {

using Clock = std::chrono::steady_clock;

// What the living Profile has gathered. Evaluations are numbered through all profiles, so that one which began under
// another is known.
struct Records {
  std::mutex mutex;
  std::atomic<bool> active{false};
  std::vector<ProfiledStep> steps;
  std::size_t most_steps = 0;
  std::int64_t evaluations = 0;
  std::int64_t first = 0;
  std::int64_t left_out = 0;
  Clock::time_point begin;
};

Records& records() {
  static auto* instance = new Records;
  return *instance;
}

std::uint32_t thread_number() {
  static std::atomic<std::uint32_t> next{0};
  thread_local const std::uint32_t number = next++;
  return number;
}

}  // namespace

Profile::Profile(std::size_t most_steps) {
  Records& r = records();
  const std::lock_guard lock(r.mutex);
  if (r.active.exchange(true)) throw Error("Profile: there is another one already");
  r.most_steps = most_steps;
  r.first = r.evaluations;
  r.left_out = 0;
  r.begin = Clock::now();
}

Profile::~Profile() {
  Records& r = records();
  const std::lock_guard lock(r.mutex);
  r.active = false;
  r.steps = {};
}

std::vector<ProfiledStep> Profile::steps() const {
  const std::lock_guard lock(records().mutex);
  return records().steps;
}

std::int64_t Profile::left_out() const {
  const std::lock_guard lock(records().mutex);
  return records().left_out;
}

namespace detail {

std::int64_t begin_profiled_evaluation() {
  Records& r = records();
  if (!r.active.load(std::memory_order_relaxed)) return -1;
  const std::lock_guard lock(r.mutex);
  if (!r.active) return -1;
  if (r.steps.size() >= r.most_steps) {
    ++r.left_out;
    return -1;
  }
  return r.evaluations++;
}

double profile_time() {
  Records& r = records();
  const std::lock_guard lock(r.mutex);
  return std::chrono::duration<double>(Clock::now() - r.begin).count();
}

void add_profiled_step(ProfiledStep step) {
  step.thread = thread_number();
  Records& r = records();
  const std::lock_guard lock(r.mutex);
  if (!r.active || step.evaluation < r.first) return;
  step.evaluation -= r.first;
  r.steps.push_back(std::move(step));
}

}  // namespace detail
}  // namespace narae
