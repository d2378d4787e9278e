#include "narae/nn/module.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <set>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/ops/checkpoint.h"
#include "narae/ops/elementwise.h"

namespace narae::nn {
namespace {

thread_local DType parameter_type = DType::f32;

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0 || name.starts_with(pattern + ".");
}

bool is_real(DType dtype) {
  return is_floating(dtype) || dtype == DType::f16 || dtype == DType::bf16;
}

std::string describe(DType dtype, const Shape& shape) {
  return std::string(name_of(dtype)) + " " + narae::to_string(shape);
}

// "\n  missing: a, b" or "".
std::string listed(const std::string& what, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string text = "\n  " + what + ": ";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return text;
}

constexpr std::string_view batch_counter = "num_batches_tracked";

// For a pattern that names nothing: what it may have meant, or what lies at the top.
std::string no_match(const std::string& what, const std::string& pattern, const std::vector<std::string>& names) {
  std::vector<std::string> known;  // names and those of the modules around them
  std::vector<std::string> top;
  const auto note = [](std::vector<std::string>& list, const std::string& name) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  for (const std::string& name : names) {
    known.push_back(name);
    note(top, name.substr(0, name.find('.')));
    for (std::size_t dot = name.rfind('.'); dot != std::string::npos && dot > 0; dot = name.rfind('.', dot - 1))
      note(known, name.substr(0, dot));
  }
  return "no " + what + " matches '" + pattern + "'" + did_you_mean(pattern, known) + listed("there are", top);
}

// Takes what matches any of the patterns out of both lists.
void leave_out(const std::vector<std::string>& patterns, NamedTensors& own,
               std::map<std::string, const Array*>& given) {
  for (const std::string& pattern : patterns) {
    const auto hit = [&](const auto& entry) { return matches(pattern, entry.first); };
    if (std::any_of(own.begin(), own.end(), hit) || std::any_of(given.begin(), given.end(), hit)) continue;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : own) names.push_back(name);
    throw UsageError(no_match("tensor", pattern, names));
  }
  const auto is_left_out = [&](const auto& entry) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return matches(p, entry.first); });
  };
  std::erase_if(own, is_left_out);
  std::erase_if(given, is_left_out);
}

void print(const Module& module, const std::string& indent, std::string& text) {
  text += module.kind();
  if (!module.details().empty()) text += "(" + module.details() + ")";
  text += "\n";
  for (const auto& [name, child] : module.children()) {
    text.append(indent).append("  (").append(name).append("): ");
    print(child, indent + "  ", text);
  }
}

}  // namespace

struct Module::State {
  std::string kind;
  std::string details;
  ModuleName name;  // in the module around it; "" for the outermost
  bool training = true;
  bool recomputed = false;
  bool in_parts = false;  // forward recomputes by itself
  NamedTensors parameters;
  std::set<std::string> shared;  // those of them that are another module's, whose name they have
  NamedTensors buffers;
  std::vector<std::pair<std::string, std::shared_ptr<State>>> children;

  void require_free(const std::string& wanted) const {
    const auto same = [&](const auto& entry) { return entry.first == wanted; };
    const bool taken = std::any_of(parameters.begin(), parameters.end(), same) ||
                       std::any_of(buffers.begin(), buffers.end(), same) ||
                       std::any_of(children.begin(), children.end(), same);
    if (taken) throw Error(kind + ": '" + wanted + "' is registered twice");
    if (wanted.empty() || wanted.find('.') != std::string::npos) {
      throw Error(kind + ": '" + wanted + "' can't be registered; a name is not empty and has no dot");
    }
  }
};

void set_default_dtype(DType dtype) {
  if (!is_floating(dtype)) throw Error("set_default_dtype: " + std::string(name_of(dtype)) + "; choose f32 or f64");
  parameter_type = dtype;
}
DType default_dtype() {
  return parameter_type;
}

Module::Module(std::string kind, std::string details) : state_(std::make_shared<State>()) {
  state_->kind = std::move(kind);
  state_->details = std::move(details);
}

Tensor Module::forward(const Tensor&) const {
  throw Error(kind() + ": has no forward of one tensor; call it as its own class");
}

Tensor Module::operator()(const Tensor& x) const {
  const auto inside = scope();
  const bool recompute = state_->recomputed && !state_->in_parts && state_->training && gradients_enabled();
  if (!recompute) return forward(x);
  return checkpoint([this](std::span<const Tensor> in) { return forward(in[0]); }, std::array{x});
}

std::vector<TrainingOutput> Module::training_outputs(const Tensor& x) const {
  return {{.logits = (*this)(x)}};
}

std::optional<ModuleScope> Module::scope() const {
  const bool named = !state_->name.text().empty();
  return named ? std::optional<ModuleScope>(std::in_place, state_->name) : std::optional<ModuleScope>();
}

void Module::rename(const State& state, const std::string& prefix) {
  for (const auto& [name, tensor] : state.parameters)
    if (!state.shared.contains(name)) tensor.set_name(join(prefix, name));
  for (const auto& [name, tensor] : state.buffers) tensor.set_name(join(prefix, name));
  for (const auto& [name, child] : state.children) rename(*child, join(prefix, name));
}

Tensor Module::register_parameter(const std::string& name, const Tensor& initial) const {
  state_->require_free(name);
  Tensor result = variable(initial, {.name = name});
  state_->parameters.emplace_back(name, result);
  return result;
}

Tensor Module::register_parameter(const std::string& name, Array initial) const {
  state_->require_free(name);
  Tensor result = variable(std::move(initial), {.name = name});
  state_->parameters.emplace_back(name, result);
  return result;
}

Tensor Module::register_buffer(const std::string& name, const Tensor& initial) const {
  state_->require_free(name);
  Tensor result = variable(initial, {.name = name, .trainable = false});
  state_->buffers.emplace_back(name, result);
  return result;
}

Tensor Module::register_shared(const std::string& name, const Tensor& parameter) const {
  state_->require_free(name);
  if (!parameter.defined() || !parameter.is_variable()) {
    throw Error(kind() + ": '" + name + "' can't be shared: it is no variable of another module");
  }
  state_->parameters.emplace_back(name, parameter);
  state_->shared.insert(name);
  return parameter;
}

void Module::adopt(const std::string& name, const Module& module) const {
  state_->require_free(name);
  module.state_->name.set_text(name);
  rename(*module.state_, name);
  state_->children.emplace_back(name, module.state_);
}

void Module::collect(const State& state, const std::string& prefix, bool buffers, NamedTensors& result) {
  for (const auto& [name, tensor] : buffers ? state.buffers : state.parameters)
    result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, child] : state.children) collect(*child, join(prefix, name), buffers, result);
}

void Module::collect_all(const State& state, const std::string& prefix, NamedTensors& result) {
  for (const auto& [name, tensor] : state.parameters) result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, tensor] : state.buffers) result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, child] : state.children) collect_all(*child, join(prefix, name), result);
}

NamedTensors Module::named_parameters() const {
  NamedTensors result;
  collect(*state_, "", false, result);
  return result;
}

NamedTensors Module::named_buffers() const {
  NamedTensors result;
  collect(*state_, "", true, result);
  return result;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> result;
  std::set<const Node*> seen;
  for (const auto& [name, tensor] : named_parameters())
    if (tensor.is_trainable() && seen.insert(tensor.node()).second) result.push_back(tensor);
  return result;
}

std::int64_t Module::parameter_count() const {
  std::int64_t result = 0;
  std::set<const Node*> seen;
  for (const auto& [name, tensor] : named_parameters())
    if (seen.insert(tensor.node()).second) result += tensor.count();
  return result;
}

StateDict Module::state_dict() const {
  NamedTensors all;
  collect_all(*state_, "", all);
  StateDict result;
  for (const auto& [name, tensor] : all) result.emplace_back(name, tensor.array());
  return result;
}

LoadResult Module::load_state_dict(const StateDict& state, const LoadOptions& options) const {
  std::map<std::string, const Array*> given;
  for (const auto& [name, array] : state) given[name] = &array;
  NamedTensors all;
  collect_all(*state_, "", all);

  LoadResult result;
  std::vector<std::string> different;
  std::vector<Assignment> assignments;
  std::vector<Assignment> counters;
  std::vector<std::pair<std::string, const Node*>> absent;
  std::set<const Node*> assigned;
  leave_out(options.except, all, given);
  for (const auto& [name, tensor] : all) {
    const auto found = given.find(name);
    if (found == given.end()) {
      if (options.strict && name.ends_with(batch_counter)) {
        counters.push_back({tensor, Array::zeros(tensor.dtype(), tensor.shape())});
      } else {
        absent.emplace_back(name, tensor.node());
      }
      continue;
    }
    const Array& array = *found->second;
    given.erase(found);
    const bool fits = array.dtype == tensor.dtype() || (is_real(array.dtype) && is_floating(tensor.dtype()));
    if (!fits || !(array.shape == tensor.shape())) {
      different.push_back(name + " is " + describe(array.dtype, array.shape) + " instead of " +
                          describe(tensor.dtype(), tensor.shape()));
    } else if (assigned.insert(tensor.node()).second) {
      assignments.push_back({tensor, array.dtype == tensor.dtype() ? Tensor(array) : cast(array, tensor.dtype())});
    }
  }
  for (const auto& [name, node] : absent)
    if (!assigned.contains(node)) result.missing.push_back(name);
  for (const auto& [name, array] : state)
    if (given.contains(name)) result.unexpected.push_back(name);

  if (!different.empty() || (options.strict && (!result.missing.empty() || !result.unexpected.empty()))) {
    throw Error("load_state_dict: the weights do not fit this " + kind() + "; nothing was loaded" +
                (options.strict ? listed("missing", result.missing) + listed("unexpected", result.unexpected) : "") +
                listed("of another type or shape", different));
  }
  assignments.insert(assignments.end(), counters.begin(), counters.end());
  if (!assignments.empty()) update(assignments);
  return result;
}

LoadResult Module::load_state_dict(const std::map<std::string, Array>& state, const LoadOptions& options) const {
  return load_state_dict(StateDict(state.begin(), state.end()), options);
}

void Module::train(bool training) const {
  state_->training = training;
  for (const auto& [name, child] : children()) child.train(training);
}

bool Module::is_training() const {
  return state_->training;
}

int Module::freeze(const std::string& pattern, bool frozen) const {
  int matched = 0;
  for (const auto& [name, tensor] : named_parameters()) {
    if (!matches(pattern, name)) continue;
    tensor.set_trainable(!frozen);
    ++matched;
  }
  if (matched == 0) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : named_parameters()) names.push_back(name);
    throw UsageError(no_match("parameter", pattern, names));
  }
  return matched;
}

void Module::set_recomputed(bool recomputed) const {
  state_->recomputed = recomputed;
}

bool Module::is_recomputed() const {
  return state_->recomputed;
}

void Module::recompute_in_parts() const {
  state_->in_parts = true;
}

bool Module::recomputes_in_parts() const {
  return state_->in_parts;
}

const std::string& Module::kind() const {
  return state_->kind;
}
const std::string& Module::details() const {
  return state_->details;
}

std::vector<std::pair<std::string, Module>> Module::children() const {
  std::vector<std::pair<std::string, Module>> result;
  for (const auto& [name, child] : state_->children) {
    Module handle(*this);
    handle.state_ = child;
    result.emplace_back(name, std::move(handle));
  }
  return result;
}

std::string to_string(const Module& module) {
  std::string text;
  print(module, "", text);
  return text;
}

}  // namespace narae::nn
