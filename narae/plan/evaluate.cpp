// Ties the graph to the plans: capture, look up or build, execute, hand the values to their nodes.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "narae/core/log.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/graph/variable.h"
#include "narae/plan/cache.h"
#include "narae/plan/capture.h"
#include "narae/plan/execute.h"

namespace narae::plan {
namespace {

PlanOptions& options() {
  static PlanOptions value;
  return value;
}

thread_local std::shared_ptr<const Plan> last;

// Whether gradients may still be asked for through `output` when this evaluation is over: it reads trainable
// variables and none of them takes a new value.
bool stays_differentiable(const std::vector<Tensor>& variables, const detail::EvaluationRequest& request) {
  if (variables.empty()) return false;
  return std::none_of(request.assignments.begin(), request.assignments.end(), [&](const Assignment& a) {
    return std::any_of(variables.begin(), variables.end(),
                       [&](const Tensor& v) { return v.node()->variable == a.variable.node()->variable; });
  });
}

// A value that is asked for before its gradient (a loss that is printed, the fake picture in the judge's step): its
// gradient's recipe is written, so that the values which it reads count as asked for and are kept. Computing the
// gradient later does not repeat the forward computation.
std::vector<std::vector<Tensor>> keep_for_gradients(const Capture& c, const detail::EvaluationRequest& request) {
  std::vector<std::vector<Tensor>> kept;
  if (!gradients_enabled()) return kept;
  for (Node* node : c.outputs) {
    if (!is_floating(node->dtype) || node->backward || node->differentiated) continue;
    const std::vector<Tensor> output = {Tensor(NodeRef::share(node))};
    const std::vector<Tensor> variables = trainable_variables_of(output[0]);
    if (!stays_differentiable(variables, request)) continue;
    const std::vector<Tensor> cotangent = {
        Tensor(NodeRef::adopt(detail::create_node(data_op, {node->dtype, node->shape}, {}, {})))};
    try {
      kept.push_back(vjp(output, cotangent, variables));
    } catch (const Error&) {
      // Not differentiable: then nothing needs to be kept for it.
    }
    node->differentiated = false;  // the user has not asked yet
  }
  return kept;
}

void count_recomputed(const Capture& c) {
  std::int64_t n = 0;
  const Node* first = nullptr;
  for (Node* node : c.order) {
    if (node->computed() || node->op->kind == OpClass::leaf) continue;
    if (node->ran) {
      ++n;
      if (first == nullptr) first = node;
    }
    node->ran = true;
  }
  if (n == 0) return;
  detail::mutable_engine_counts().recomputed += n;
  if (debug_level() >= 1) {
    log_line(fmt::format("narae: forward computed twice: {} nodes, the first is {} {} {}", n, first->op->name,
                         narae::to_string(first->shape), module_path(first->module)));
  }
}

std::shared_ptr<const Plan> plan_for(const Capture& c, const detail::EvaluationRequest& request) {
  std::shared_ptr<const Plan> plan = plan_cache().find(c.hash, c.key);
  if (plan) {
    if (debug_level() >= 1) log_line(fmt::format("narae: plan hit {:016x}, {} steps", c.hash, plan->steps.size()));
    return plan;
  }
  if (debug_level() >= 1) log_line(fmt::format("narae: plan miss {:016x}: {}", c.hash, plan_cache().explain(c.key)));
  plan = build_plan(to_program(c, request), options());
  plan_cache().insert(c.hash, c.key, plan);
  ++detail::mutable_engine_counts().plans_built;
  if (debug_level() >= 2) {
    std::size_t outputs = 0;
    for (const std::size_t bytes : plan->buffers) outputs += bytes;
    log_line(fmt::format("narae: plan {:016x}: {} nodes, {} steps, arena {} bytes, outputs {} bytes", c.hash,
                         c.order.size(), plan->steps.size(), plan->arena_bytes, outputs));
  }
  if (debug_level() >= 4) log_line(plan->text);
  return plan;
}

// The trainable variables that a leaf stands for: itself, or those of the recipe it still has.
void add_dependencies(const Node* leaf, std::uint64_t stamp, std::vector<Variable*>& found) {
  const auto add = [&](Variable* v) {
    if (v->trainable && std::exchange(v->stamp, stamp) != stamp) found.push_back(v);
  };
  if (leaf->op == &version_op)
    add(leaf->variable);
  else if (leaf->extra != nullptr && leaf->extra->listed)
    for (Variable* v : leaf->extra->depends_on) add(v);
}

void hand_out(const Plan& plan, const Capture& c, const Execution& e, std::vector<Variable*>& dependencies) {
  for (std::size_t o = 0; o < c.outputs.size(); ++o) {
    Node* node = c.outputs[o];
    if (node->computed()) continue;  // another thread was faster
    node->value = e.buffers[plan.outputs[o].buffer];
    dependencies.clear();
    if (gradients_enabled()) {
      const std::uint64_t stamp = detail::next_visit();
      for (const int a : plan.output_arguments[o])
        add_dependencies(c.arguments[static_cast<std::size_t>(a)], stamp, dependencies);
    }
    if (!dependencies.empty()) detail::keep_recipe(node, dependencies);
  }
  // Recipes are dropped when all values are in: an output may be part of another's recipe.
  for (Node* node : c.outputs)
    if (node->extra == nullptr || !node->extra->listed) detail::drop_recipe(node, "");
}

// Variables take their new versions; recipes that were computed from the old ones are dropped.
void store(const Capture& c, const detail::EvaluationRequest& request, std::vector<Variable*>& assigned) {
  assigned.clear();
  for (Node* version : c.versions) {
    Variable* v = version->variable;
    v->stored = std::max(v->stored, version->version);
    version->value = v->storage;
    if (v->trainable) assigned.push_back(v);
  }
  for (Node* version : c.versions) detail::drop_inputs(version);
  for (const Assignment& a : request.assignments) {
    Variable* v = a.variable.node()->variable;
    Node* version = detail::create_node(version_op, {a.variable.dtype(), a.variable.shape()}, {}, {});
    version->variable = v;
    detail::retain(v);
    version->version = ++v->newest;
    version->value = v->storage;
    v->stored = v->newest;
    detail::release(std::exchange(v->current, version));
    assigned.push_back(v);
  }
  if (!assigned.empty()) detail::drop_recipes_of(assigned);
}

// The running statistics of a refused update stay as they were.
void cancel(const Capture& c) {
  for (Node* version : c.versions) {
    version->variable->stored = std::max(version->variable->stored, version->version);
    version->value = version->variable->storage;
  }
  for (Node* version : c.versions) detail::drop_inputs(version);
}

UpdateResult evaluate(const detail::EvaluationRequest& request) {
  thread_local Capture c;
  thread_local Execution e;
  thread_local std::vector<Variable*> variables;
  std::shared_ptr<const Plan> plan;
  thread_local std::vector<NodeRef> held;  // what other threads must not free meanwhile
  {
    const std::lock_guard lock(detail::graph_mutex());
    capture(request, c);
    const std::vector<std::vector<Tensor>> kept = keep_for_gradients(c, request);
    if (!kept.empty()) capture(request, c);
    if (c.outputs.empty() && c.versions.empty() && request.assignments.empty()) return {};
    count_recomputed(c);
    plan = plan_for(c, request);
    held.clear();
    for (Node* node : c.arguments) held.push_back(NodeRef::share(node));
    for (Node* node : c.outputs) held.push_back(NodeRef::share(node));
    for (Node* node : c.versions) held.push_back(NodeRef::share(node));
  }
  execute(*plan, c, e);
  const std::lock_guard lock(detail::graph_mutex());
  hand_out(*plan, c, e, variables);
  if (e.applied)
    store(c, request, variables);
  else
    cancel(c);
  e.buffers.clear();
  held.clear();
  last = std::move(plan);
  return {e.applied, std::exchange(e.first_non_finite, {})};
}

[[maybe_unused]] const bool registered = [] {
  detail::set_evaluator(evaluate);
  return true;
}();

}  // namespace

PlanOptions plan_options() {
  return options();
}

void set_plan_options(const PlanOptions& value) {
  options() = value;
  plan_cache().clear();
}

PlanFacts last_plan() {
  PlanFacts facts;
  if (!last) return facts;
  facts.steps = static_cast<std::int64_t>(last->steps.size());
  facts.arena_bytes = static_cast<std::int64_t>(last->arena_bytes);
  for (const std::size_t bytes : last->buffers) facts.output_bytes += static_cast<std::int64_t>(bytes);
  for (const Step& step : last->steps) facts.names.push_back(step.name);
  facts.text = last->text;
  return facts;
}

}  // namespace narae::plan
