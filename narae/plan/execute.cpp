#include "narae/plan/execute.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <mutex>

#include "narae/core/error.h"
#include "narae/core/log.h"
#include "narae/core/threads.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"

namespace narae::plan {
namespace {

// Arenas are shared by all plans: an execution borrows the largest that is free.
class Arenas {
 public:
  Buffer take(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        Buffer arena = std::move(free_.back());
        free_.pop_back();
        if (arena.size() >= bytes) return arena;
      }
    }
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
  Runner(const Plan& plan, const Capture& capture, Workspace& w, Buffer& arena, std::span<const Buffer> buffers)
      : plan_(plan), w_(w), arena_(arena) {
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
          p = arena.data() + slot.offset;
          break;
        case Slot::Place::output:
          p = buffers[slot.number].data();
          break;
      }
    }
    for (std::size_t a = 0; a < plan.arguments.size(); ++a) {
      if (plan.arguments[a].kind == Argument::Kind::scalar) {
        write_scalar(arena.data() + plan.scalar_offsets[a], capture.arguments[a]);
      }
    }
  }

  void run(const Step& step) {
    w_.inputs.clear();
    w_.results.clear();
    for (const std::uint32_t s : step.inputs) w_.inputs.push_back(w_.pointers[s]);
    for (const std::uint32_t s : step.results) w_.results.push_back(w_.pointers[s]);
    step.kernel.run({w_.inputs.data(), w_.results.data(), arena_.data() + step.scratch});
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
        const std::string module = module_path(step.module);
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
  Workspace& w_;
  Buffer& arena_;
};

void run_with_times(const Plan& plan, Runner& runner, bool& applied) {
  using Clock = std::chrono::steady_clock;
  double total = 0;
  for (const Step& step : plan.steps) {
    if (step.late && !(applied = runner.guard())) break;
    const auto begin = Clock::now();
    runner.run(step);
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    total += us;
    log_line(fmt::format("narae: step {:9.1f} us {:7.1f} GFLOP/s {:7.2f} GB/s  {} {}", us,
                         step.kernel.flops / us * 1e-3, step.bytes / us * 1e-3, step.name, module_path(step.module)));
  }
  log_line(fmt::format("narae: plan {:9.1f} us, {} steps, arena {} bytes", total, plan.steps.size(), plan.arena_bytes));
}

}  // namespace

void execute(const Plan& plan, const Capture& capture, Execution& result) {
  thread_local Workspace workspace;
  flush_denormals();
  EngineCounts& counts = detail::mutable_engine_counts();
  const std::int64_t allocations = detail::count_allocations();
  result.buffers.clear();
  for (const std::size_t bytes : plan.buffers) result.buffers.push_back(Buffer::allocate(bytes));
  Buffer arena = arenas().take(plan.arena_bytes);
  Runner runner(plan, capture, workspace, arena, result.buffers);
  result.applied = true;
  if (debug_level() >= 3) {
    run_with_times(plan, runner, result.applied);
  } else {
    bool checked = false;
    for (const Step& step : plan.steps) {
      if (step.late && !checked) {
        checked = true;
        if (!(result.applied = runner.guard())) break;
      }
      runner.run(step);
    }
  }
  if (!result.applied) result.first_non_finite = runner.find_non_finite();
  counts.steps += static_cast<std::int64_t>(plan.steps.size());
  ++counts.evaluations;
  arenas().give(std::move(arena));
  counts.executor_allocations += detail::count_allocations() - allocations;
}

}  // namespace narae::plan
