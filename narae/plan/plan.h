#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/buffer.h"
#include "narae/plan/passes.h"
#include "narae/plan/program.h"

namespace narae::plan {

/// Where a step finds one of its operands.
struct Slot {
  enum class Place : std::uint8_t { argument, constant, arena, output, prepared } place;
  std::uint32_t number = 0;  ///< of the argument or output
  std::size_t offset = 0;    ///< in the arena, the block of constants or that of prepared values
};

/// One kernel of a plan, with the slots of its operands.
struct Step {
  Kernel kernel;
  std::vector<std::uint32_t> inputs;   ///< slots
  std::vector<std::uint32_t> results;  ///< slots
  std::size_t scratch = 0;             ///< offset in the arena
  bool late = false;                   ///< skipped when the guard says no
  bool stores = false;                 ///< writes into a variable
  bool prepares = false;               ///< its results are kept until the plan's sources change
  std::string name;                    ///< "loop[mul add]", "matmul", ...
  int node = -1;                       ///< which of the captured nodes it computes; -1: none of them
  double bytes = 0;                    ///< read and written
  std::vector<Signature> result_signatures;
};

/// Values that a plan computes from variables alone, such as weights in a layout of the backend's own: kept from one
/// execution to the next for as long as these stay the same.
struct Prepared {
  std::vector<std::uint64_t> sources;  ///< the variables that they were computed from, their versions, and numbers
  Buffer memory;
};

/// Those of the last execution: the one part of a plan that changes. It is replaced as a whole, and threads that still
/// read the one before keep it.
class PreparedValues {
 public:
  [[nodiscard]] std::shared_ptr<const Prepared> get() const {
    const std::lock_guard lock(mutex_);
    return values_;
  }
  void set(std::shared_ptr<const Prepared> values) const {
    const std::lock_guard lock(mutex_);
    values_ = std::move(values);
  }

 private:
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Prepared> values_;
};

/// A program that is ready to run: kernels bound, memory planned. Immutable, so threads may share it; what an
/// execution needs besides is leased for its duration.
struct Plan {
  std::vector<Slot> slots;
  std::vector<Step> steps;
  std::size_t arena_bytes = 0;
  Buffer constants;
  std::vector<Argument> arguments;
  std::vector<std::size_t> scalar_offsets;  ///< in the arena, of each argument that is a scalar
  struct Output {
    Signature signature;
    std::uint32_t buffer;  ///< outputs with the same number share memory
  };
  std::vector<Output> outputs;
  std::vector<std::size_t> buffers;  ///< bytes of each output buffer
  std::vector<int> stored_arguments;
  std::vector<int> prepared_from;  ///< arguments that prepared values are computed from
  std::size_t prepared_bytes = 0;
  std::int64_t preparing_steps = 0;
  PreparedValues prepared;
  Lasting lasting = Lasting::numbers;                  ///< what it was made with
  mutable std::atomic<std::int64_t> executions = 0;    ///< with prepared values
  mutable std::atomic<std::int64_t> preparations = 0;  ///< of these, those that had to prepare them anew
  /// Preparing more often than not.
  [[nodiscard]] bool is_restless() const { return preparations >= 4 && 2 * preparations > executions; }
  int guard_slot = -1;
  DType guard_type = DType::f32;
  std::vector<std::vector<int>> output_arguments;   ///< arguments that each output depends on
  std::vector<std::vector<Source>> output_sources;  ///< see Program
  std::string text;                                 ///< the program, for NARAE_DEBUG=4
};

/// Runs the passes and binds kernels and memory.
[[nodiscard]] std::shared_ptr<const Plan> build_plan(Program program, const PlanOptions& options);

/// Facts about the plan that the calling thread ran last, for tests and reports.
struct PlanFacts {
  std::int64_t steps = 0;
  std::int64_t arena_bytes = 0;
  std::int64_t output_bytes = 0;
  std::int64_t prepared_bytes = 0;  ///< kept by the plan between its executions
  std::vector<std::string> names;   ///< of the steps
  std::string text;
};
[[nodiscard]] NARAE_API PlanFacts last_plan();

}  // namespace narae::plan
