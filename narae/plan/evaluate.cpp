// Ties the graph to the plans: capture, look up or build, execute, hand the values to their nodes.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narae/core/error.h"
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

// Which of the captured nodes depend on a variable that the request assigns.
std::vector<bool> reach_assigned(const Capture& c, const detail::EvaluationRequest& request) {
  std::vector<bool> reaches(c.order.size(), false);
  if (request.assignments.empty()) return reaches;
  const std::uint64_t stamp = detail::next_visit();
  for (const Assignment& a : request.assignments) a.variable.node()->variable->stamp = stamp;
  const auto is_assigned = [&](const Variable* v) { return v->stamp == stamp; };
  for (std::size_t i = 0; i < c.order.size(); ++i) {
    const Node* node = c.order[i];
    if (node->op == &version_op) {
      reaches[i] = is_assigned(node->variable);
    } else if (node->computed()) {
      reaches[i] = node->extra != nullptr && node->extra->listed &&
                   std::any_of(node->extra->depends_on.begin(), node->extra->depends_on.end(), is_assigned);
    } else {
      const auto inputs = node->inputs();
      reaches[i] = std::any_of(inputs.begin(), inputs.end(), [&](const Node* n) { return reaches[n->index]; });
    }
  }
  return reaches;
}

// The vector-Jacobian products of `outputs` with cotangents whose values nobody asks for.
std::vector<Tensor> gradient_recipes(std::span<const Tensor> outputs, std::span<const Tensor> variables) {
  std::vector<Tensor> cotangents;
  for (const Tensor& output : outputs) {
    cotangents.emplace_back(NodeRef::adopt(detail::create_node(data_op, {output.dtype(), output.shape()}, {}, {})));
  }
  return vjp(outputs, cotangents, variables);
}

// A value that is asked for before its gradient (a loss that is printed, the fake picture in the judge's step): its
// gradient's recipe is written, so that the values which it reads count as asked for and are kept. Computing the
// gradient later does not repeat the forward computation. Outputs that depend on a variable which takes a new value
// can't be differentiated afterwards.
std::vector<Tensor> keep_for_gradients(const Capture& c, const detail::EvaluationRequest& request) {
  if (!gradients_enabled()) return {};
  std::vector<Tensor> outputs;
  for (Node* node : c.outputs) {
    if (is_floating(node->dtype) && !node->backward && !node->differentiated)
      outputs.emplace_back(NodeRef::share(node));
  }
  if (outputs.empty()) return {};
  const std::vector<bool> assigned = reach_assigned(c, request);
  std::erase_if(outputs, [&](const Tensor& output) { return assigned[output.node()->index]; });
  const std::vector<Tensor> variables = detail::trainable_versions_of(outputs);
  if (variables.empty()) return {};
  std::vector<Tensor> kept;
  try {
    kept = gradient_recipes(outputs, variables);
  } catch (const Error&) {
    // One of them is not differentiable: then nothing needs to be kept for that one.
    for (const Tensor& output : outputs) {
      try {
        for (Tensor& gradient : gradient_recipes(std::span(&output, 1), variables)) kept.push_back(std::move(gradient));
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch): see above
      }
    }
  }
  for (const Tensor& output : outputs) output.node()->differentiated = false;  // the user has not asked yet
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
  std::shared_ptr<const Plan> plan = plan_cache().find(c.key.hash(), c.key.words());
  PlanOptions allowed = options();
  if (plan && plan->is_restless()) {
    allowed.lasting = static_cast<Lasting>(static_cast<int>(plan->lasting) - 1);
    if (debug_level() >= 1)
      log_line(fmt::format("narae: plan {:016x} prepares values that never stay, and is made anew", c.key.hash()));
  } else if (plan) {
    if (debug_level() >= 1)
      log_line(fmt::format("narae: plan hit {:016x}, {} steps", c.key.hash(), plan->steps.size()));
    return plan;
  }
  if (debug_level() >= 1 && !plan)
    log_line(fmt::format("narae: plan miss {:016x}: {}", c.key.hash(), plan_cache().explain(c.key.words())));
  plan = build_plan(to_program(c, request), allowed);
  plan_cache().insert(c.key.hash(), c.key.words(), plan);
  ++detail::mutable_engine_counts().plans_built;
  if (debug_level() >= 2) {
    std::size_t outputs = 0;
    for (const std::size_t bytes : plan->buffers) outputs += bytes;
    log_line(fmt::format("narae: plan {:016x}: {} nodes, {} steps, arena {} bytes, outputs {} bytes, prepared {} bytes",
                         c.key.hash(), c.order.size(), plan->steps.size(), plan->arena_bytes, outputs,
                         plan->prepared_bytes));
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

// Notes what a value came from, for the day when its recipe is gone. An update of a trainable variable detaches what
// was computed from it; a version that was written before the value, and is stored with it, does not.
void note_origins(const Plan& plan, const Capture& c, std::size_t output) {
  Node* node = c.outputs[output];
  if (!is_floating(node->dtype)) return;
  Origins& origins = detail::extra_of(node).origins;
  for (const Source& source : plan.output_sources[output]) {
    const auto number = static_cast<std::size_t>(source.number);
    Node* from = source.kind == Source::Kind::output ? c.outputs[number] : c.arguments[number];
    if (from->op != &version_op)
      detail::add_origin(origins, *from);
    else if (!from->variable->trainable || source.kind == Source::Kind::pending)
      detail::add_origin(origins, *from->variable);
  }
  detail::close_origins(origins);
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
      note_origins(plan, c, o);
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

// What one thread needs for an evaluation, kept so that a cached step allocates nothing.
struct Workplace {
  Capture c;
  Execution e;
  std::vector<Variable*> variables;
  std::vector<NodeRef> held;  // what other threads must not free meanwhile
};

// Lets go of values and nodes however an evaluation ends.
class Tidy {
 public:
  explicit Tidy(Workplace& at) : at_(at) {}
  ~Tidy() {
    at_.e.buffers.clear();
    at_.held.clear();
  }
  Tidy(const Tidy&) = delete;
  Tidy& operator=(const Tidy&) = delete;

 private:
  Workplace& at_;
};

// A kernel that fails half-way leaves some variables with their new values: there is no way back, so it must be said.
void execute_or_explain(const Plan& plan, const Capture& c, Execution& e) {
  try {
    execute(plan, c, e);
  } catch (const std::exception& failure) {
    if (!e.storing) throw;
    throw Error(
        std::string(failure.what()) +
        "; the update was broken off and variables may hold new and old values side by side: load a checkpoint");
  }
}

UpdateResult evaluate(const detail::EvaluationRequest& request) {
  thread_local Workplace workplace;
  auto& [c, e, variables, held] = workplace;
  const Tidy tidy(workplace);
  std::shared_ptr<const Plan> plan;
  {
    const std::lock_guard lock(detail::graph_mutex());
    capture(request, c);
    const std::vector<Tensor> kept = keep_for_gradients(c, request);
    if (!kept.empty()) capture(request, c);
    if (c.outputs.empty() && c.versions.empty() && request.assignments.empty()) return {};
    count_recomputed(c);
    plan = plan_for(c, request);
    for (Node* node : c.arguments) held.push_back(NodeRef::share(node));
    for (Node* node : c.outputs) held.push_back(NodeRef::share(node));
    for (Node* node : c.versions) held.push_back(NodeRef::share(node));
  }
  execute_or_explain(*plan, c, e);
  const std::lock_guard lock(detail::graph_mutex());
  hand_out(*plan, c, e, variables);
  if (e.applied)
    store(c, request, variables);
  else
    cancel(c);
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
  facts.prepared_bytes = static_cast<std::int64_t>(last->prepared_bytes);
  for (const std::size_t bytes : last->buffers) facts.output_bytes += static_cast<std::int64_t>(bytes);
  for (const Step& step : last->steps) facts.names.push_back(step.name);
  facts.text = last->text;
  return facts;
}

}  // namespace narae::plan
