#include "narae/graph/eval.h"

#include <utility>

#include "narae/core/buffer.h"

namespace narae {
namespace {

detail::Evaluator evaluator = nullptr;
thread_local bool enabled = true;
detail::AllocationCounter allocation_counter = nullptr;

}  // namespace

void eval(std::span<const Tensor> tensors) {
  evaluator({tensors, {}, {}});
}

UpdateResult update(std::span<const Assignment> assignments, const Tensor& guard, std::span<const Tensor> also) {
  for (const Assignment& a : assignments) {
    if (!a.variable.is_variable()) throw Error("assign: the tensor is not a variable");
    if (!a.value.defined()) throw Error("assign: undefined value for variable '" + a.variable.name() + "'");
    if (a.variable.dtype() != a.value.dtype() || !(a.variable.shape() == a.value.shape())) {
      throw Error("assign: variable '" + a.variable.name() + "' is " + std::string(name_of(a.variable.dtype())) + " " +
                  to_string(a.variable.shape()) + ", the value " + std::string(name_of(a.value.dtype())) + " " +
                  to_string(a.value.shape()));
    }
  }
  return evaluator({also, assignments, guard});
}

NoGrad::NoGrad() : outer_(std::exchange(enabled, false)) {}
NoGrad::~NoGrad() {
  enabled = outer_;
}
bool gradients_enabled() {
  return enabled;
}

EngineCounts engine_counts() {
  const detail::AtomicEngineCounts& c = detail::mutable_engine_counts();
  return {.evaluations = c.evaluations,
          .plans_built = c.plans_built,
          .recomputed = c.recomputed,
          .steps = c.steps,
          .executor_allocations = c.executor_allocations};
}

namespace detail {
void set_evaluator(Evaluator e) {
  evaluator = e;
}
AtomicEngineCounts& mutable_engine_counts() {
  static AtomicEngineCounts counts;
  return counts;
}
void set_allocation_counter(AllocationCounter counter) {
  allocation_counter = counter;
}
std::int64_t count_allocations() {
  return allocation_counter != nullptr ? allocation_counter() : memory_use().allocations;
}
}  // namespace detail

}  // namespace narae
