#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "narae/graph/tensor.h"

namespace narae {

/// Computes several tensors as one plan.
NARAE_API void eval(std::span<const Tensor> tensors);
inline void eval(std::initializer_list<Tensor> tensors) {
  eval(std::span(tensors.begin(), tensors.size()));
}

/// A variable and its next value.
struct Assignment {
  Tensor variable;
  Tensor value;
};

/// What became of an update.
struct UpdateResult {
  bool applied = true;
  /// When not applied: the module and operator where the first NaN or infinity appeared.
  std::string first_non_finite = {};
};

/// Computes all values as one plan and stores them in their variables, in place where it can. With `guard` (a
/// scalar; undefined: none), variables and running statistics keep their old values when it is zero or not finite, and
/// the same inputs are replayed to find where the first non-finite value came from. `also` is computed in the same
/// plan. Throws Error for a tensor that is no variable, for values of another type or shape, and when a kernel fails;
/// if variables had been stored into by then, the message says so.
NARAE_API UpdateResult update(std::span<const Assignment> assignments, const Tensor& guard = {},
                              std::span<const Tensor> also = {});

/// While it lives, this thread's evaluations keep no recipes: values are computed for their own sake and are constants
/// for later gradients; a gradient that such a value leaves nothing of throws. Use it for evaluation and generation.
class NARAE_API NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool outer_;
};
[[nodiscard]] NARAE_API bool gradients_enabled();

/// Counts since the process began; tests and NARAE_DEBUG read them.
struct EngineCounts {
  std::int64_t evaluations = 0;           ///< plans executed
  std::int64_t plans_built = 0;           ///< misses of the plan cache
  std::int64_t recomputed = 0;            ///< nodes computed a second time
  std::int64_t steps = 0;                 ///< kernels run
  std::int64_t executor_allocations = 0;  ///< times that executing plans fetched memory which was not in a free list
};
[[nodiscard]] NARAE_API EngineCounts engine_counts();

namespace detail {

struct EvaluationRequest {
  std::span<const Tensor> targets;
  std::span<const Assignment> assignments;
  Tensor guard;
};
/// The plan layer sets this when it is linked in; the graph does not know it.
using Evaluator = UpdateResult (*)(const EvaluationRequest& request);
NARAE_API void set_evaluator(Evaluator evaluator);
/// The counts as threads add to them.
struct AtomicEngineCounts {
  std::atomic<std::int64_t> evaluations{0};
  std::atomic<std::int64_t> plans_built{0};
  std::atomic<std::int64_t> recomputed{0};
  std::atomic<std::int64_t> steps{0};
  std::atomic<std::int64_t> executor_allocations{0};
};
NARAE_API AtomicEngineCounts& mutable_engine_counts();
/// Counts heap allocations of the process. Tests set one that sees all of them; without one (null), executors count
/// the fresh blocks of tensor memory.
using AllocationCounter = std::int64_t (*)();
NARAE_API void set_allocation_counter(AllocationCounter counter);
[[nodiscard]] NARAE_API std::int64_t count_allocations();

}  // namespace detail
}  // namespace narae
