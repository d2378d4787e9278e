#include "narae/plan/execute.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <mutex>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/log.h"
#include "narae/core/threads.h"
#include "narae/core/waiting.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/graph/profile.h"

namespace narae::plan {
namespace {

// Arenas are shared by all plans: an execution borrows the smallest that is large enough. When none is, the largest
// gives way to a new one, so that there are no more arenas than executions at the same time.
class Arenas {
 public:
  Buffer take(std::size_t bytes) {
    Buffer outgrown;
    {
      const std::lock_guard lock(mutex_);
      const auto by_size = [](const Buffer& a, const Buffer& b) { return a.size() < b.size(); };
      auto best = free_.end();
      for (auto at = free_.begin(); at != free_.end(); ++at)
        if (at->size() >= bytes && (best == free_.end() || by_size(*at, *best))) best = at;
      const bool fits = best != free_.end();
      if (!fits) best = std::max_element(free_.begin(), free_.end(), by_size);
      if (best != free_.end()) {
        std::swap(*best, free_.back());
        outgrown = std::move(free_.back());
        free_.pop_back();
      }
      if (fits) return outgrown;
    }
    outgrown = {};  // before the new one is fetched
    return Buffer::allocate(bytes);
  }
  void give(Buffer arena) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(arena));
  }

 private:
  std::mutex mutex_;
  std::vector<Buffer> free_;
};

Arenas& arenas() {
  static auto* instance = new Arenas;
  return *instance;
}

// An arena for one execution, given back however that ends.
class Lease {
 public:
  explicit Lease(std::size_t bytes) : arena_(arenas().take(bytes)) {}
  ~Lease() { arenas().give(std::move(arena_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  [[nodiscard]] std::byte* data() const { return arena_.data(); }

 private:
  Buffer arena_;
};

std::string module_of(const Step& step, const Capture& capture) {
  return step.node < 0 ? std::string() : module_path(capture.order[static_cast<std::size_t>(step.node)]->module);
}

void write_scalar(std::byte* to, const Node* leaf) {
  visit_dtype(leaf->dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>)
      *reinterpret_cast<T*>(to) = static_cast<T>(leaf->real);
    else if constexpr (std::is_integral_v<T>)
      *reinterpret_cast<T*>(to) = static_cast<T>(leaf->integer);
  });
}

bool is_true(const std::byte* value, DType dtype) {
  return visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const T x = *reinterpret_cast<const T*>(value);
      return std::isfinite(x) && x != T(0);
    } else if constexpr (std::is_integral_v<T>) {
      return *reinterpret_cast<const T*>(value) != T(0);
    } else {
      return true;
    }
  });
}

bool all_finite(const std::byte* data, const Signature& s) {
  return visit_dtype(s.dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const T* x = reinterpret_cast<const T*>(data);
      for (std::int64_t i = 0; i < s.shape.count(); ++i)
        if (!std::isfinite(x[i])) return false;
    }
    return true;
  });
}

// Vectors that an execution needs, kept by each thread so that a cached step allocates nothing.
struct Workspace {
  std::vector<std::byte*> pointers;
  std::vector<const std::byte*> inputs;
  std::vector<std::byte*> results;
};

class Runner {
 public:
  Runner(const Plan& plan, const Capture& capture, Workspace& w, std::byte* arena, std::span<const Buffer> buffers,
         std::byte* prepared)
      : plan_(plan), capture_(capture), w_(w), arena_(arena) {
    w_.pointers.resize(plan.slots.size());
    for (std::size_t i = 0; i < plan.slots.size(); ++i) {
      const Slot& slot = plan.slots[i];
      std::byte*& p = w_.pointers[i];
      switch (slot.place) {
        case Slot::Place::argument:
          p = data_of(capture.arguments[slot.number]);
          break;
        case Slot::Place::constant:
          p = plan.constants.data() + slot.offset;
          break;
        case Slot::Place::arena:
          p = arena + slot.offset;
          break;
        case Slot::Place::output:
          p = buffers[slot.number].data();
          break;
        case Slot::Place::prepared:
          p = prepared + slot.offset;
          break;
      }
    }
    for (std::size_t a = 0; a < plan.arguments.size(); ++a) {
      if (plan.arguments[a].kind == Argument::Kind::scalar) {
        write_scalar(arena + plan.scalar_offsets[a], capture.arguments[a]);
      }
    }
  }

  void run(const Step& step) {
    w_.inputs.clear();
    w_.results.clear();
    for (const std::uint32_t s : step.inputs) w_.inputs.push_back(w_.pointers[s]);
    for (const std::uint32_t s : step.results) w_.results.push_back(w_.pointers[s]);
    step.kernel.run({w_.inputs.data(), w_.results.data(), arena_ + step.scratch});
  }

  [[nodiscard]] bool guard() const {
    return plan_.guard_slot < 0 || is_true(w_.pointers[static_cast<std::size_t>(plan_.guard_slot)], plan_.guard_type);
  }

  // Runs the steps before the stores again, looking at every result.
  std::string find_non_finite() {
    for (const Step& step : plan_.steps) {
      if (step.late) break;
      run(step);
      for (std::size_t k = 0; k < step.result_signatures.size(); ++k) {
        if (all_finite(w_.pointers[step.results[k]], step.result_signatures[k])) continue;
        const std::string module = module_of(step, capture_);
        return (module.empty() ? "" : module + ": ") + step.name;
      }
    }
    return "";
  }

 private:
  static std::byte* data_of(const Node* leaf) {
    return leaf->op == &version_op ? leaf->variable->storage.data() : leaf->value.data();
  }

  const Plan& plan_;
  const Capture& capture_;
  Workspace& w_;
  std::byte* arena_;
};

// What the prepared values of a plan are computed from: variables with their versions, and numbers.
void write_sources(const Plan& plan, const Capture& capture, std::vector<std::uint64_t>& words) {
  words.clear();
  for (const int a : plan.prepared_from) {
    const Node* leaf = capture.arguments[static_cast<std::size_t>(a)];
    if (leaf->op == &version_op) {
      words.push_back(leaf->variable->id);
      words.push_back(static_cast<std::uint64_t>(leaf->variable->stored));
    } else {
      words.push_back(is_floating(leaf->dtype) ? std::bit_cast<std::uint64_t>(leaf->real)
                                               : static_cast<std::uint64_t>(leaf->integer));
    }
  }
}

// The plan's prepared values for these arguments: those of the execution before, or memory to be filled.
struct Preparation {
  std::shared_ptr<const Prepared> values;
  bool ready = true;

  Preparation(const Plan& plan, const Capture& capture) {
    if (plan.prepared_bytes == 0) return;
    thread_local std::vector<std::uint64_t> sources;
    write_sources(plan, capture, sources);
    values = plan.prepared.get();
    ready = values != nullptr && values->sources == sources;
    ++plan.executions;
    if (!ready) ++plan.preparations;
    if (!ready) values = std::make_shared<Prepared>(Prepared{sources, Buffer::allocate(plan.prepared_bytes)});
  }
  [[nodiscard]] std::byte* data() const { return values != nullptr ? values->memory.data() : nullptr; }
};

// For NARAE_DEBUG=3 and for a Profile (`evaluation`: its number there, -1 for none).
void run_with_times(const Plan& plan, const Capture& capture, Runner& runner, Execution& result, bool prepared,
                    std::int64_t evaluation) {
  using Clock = std::chrono::steady_clock;
  const bool logged = debug_level() >= 3;
  double total = 0;
  bool checked = false;
  for (const Step& step : plan.steps) {
    if (step.late && !checked) {
      checked = true;
      if (!(result.applied = runner.guard())) break;
    }
    if (step.prepares && prepared) continue;
    result.storing = result.storing || step.stores;
    const double since = evaluation >= 0 ? detail::profile_time() : 0;
    const auto begin = Clock::now();
    runner.run(step);
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    total += us;
    const std::string module = module_of(step, capture);
    if (logged)
      log_line(fmt::format("narae: step {:9.1f} us {:7.1f} GFLOP/s {:7.2f} GB/s  {} {}", us,
                           step.kernel.flops / us * 1e-3, step.bytes / us * 1e-3, step.name, module));
    if (evaluation >= 0)
      detail::add_profiled_step({.name = step.name,
                                 .module = module,
                                 .evaluation = evaluation,
                                 .thread = 0,
                                 .begin = since,
                                 .seconds = us * 1e-6,
                                 .flops = step.kernel.flops,
                                 .bytes = step.bytes});
  }
  if (logged)
    log_line(
        fmt::format("narae: plan {:9.1f} us, {} steps, arena {} bytes", total, plan.steps.size(), plan.arena_bytes));
}

}  // namespace

void execute(const Plan& plan, const Capture& capture, Execution& result) {
  thread_local Workspace workspace;
  const FlushDenormals scope;
  detail::adapt_waiting();
  detail::AtomicEngineCounts& counts = detail::mutable_engine_counts();
  const std::int64_t allocations = detail::count_allocations();
  result.buffers.clear();
  result.applied = true;
  result.storing = false;
  result.first_non_finite.clear();
  for (const std::size_t bytes : plan.buffers) result.buffers.push_back(Buffer::allocate(bytes));
  const Lease arena(plan.arena_bytes);
  const Preparation preparation(plan, capture);
  Runner runner(plan, capture, workspace, arena.data(), result.buffers, preparation.data());
  const std::int64_t profiled = detail::begin_profiled_evaluation();
  if (debug_level() >= 3 || profiled >= 0) {
    run_with_times(plan, capture, runner, result, preparation.ready, profiled);
  } else {
    bool checked = false;
    for (const Step& step : plan.steps) {
      if (step.late && !checked) {
        checked = true;
        if (!(result.applied = runner.guard())) break;
      }
      result.storing = result.storing || step.stores;
      if (!step.prepares || !preparation.ready) runner.run(step);
    }
  }
  if (!preparation.ready) plan.prepared.set(preparation.values);
  if (!result.applied) result.first_non_finite = runner.find_non_finite();
  counts.steps += static_cast<std::int64_t>(plan.steps.size()) - (preparation.ready ? plan.preparing_steps : 0);
  ++counts.evaluations;
  counts.executor_allocations += detail::count_allocations() - allocations;
}

}  // namespace narae::plan
