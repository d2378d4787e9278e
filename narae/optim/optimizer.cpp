#include "narae/optim/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "narae/graph/eval.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"
#include "narae/optim/clip.h"

namespace narae::optim {
namespace {

Array filled(DType dtype, const Shape& shape, double value) {
  Array result = Array::zeros(dtype, shape);
  if (value == 0) return result;
  if (dtype == DType::f64)
    std::ranges::fill(result.mutable_values<double>(), value);
  else
    std::ranges::fill(result.mutable_values<float>(), static_cast<float>(value));
  return result;
}

// 1 when the gradients and the loss are finite, else 0.
Tensor guard_of(const Tensor& squared_norm, const Tensor& loss) {
  Tensor total = squared_norm;
  if (loss.defined()) total = total + reshape(cast(loss, total.dtype()), Shape{});
  return cast(is_finite(total), DType::f32);
}

// Runs the update; the loss and the norm are computed with it.
void commit(std::span<const Assignment> assignments, const Tensor& guard, const Tensor& loss, StepResult& result) {
  const std::array<Tensor, 2> also = {result.squared_norm, loss};
  UpdateResult outcome = update(assignments, guard, std::span(also).first(loss.defined() ? 2 : 1));
  result.applied = outcome.applied;
  result.first_non_finite = std::move(outcome.first_non_finite);
}

std::string describe(DType dtype, const Shape& shape) {
  return std::string(name_of(dtype)) + " " + to_string(shape);
}

}  // namespace

double StepResult::gradient_norm() const {
  if (!squared_norm.defined()) throw Error("gradient_norm: the step had no gradients");
  return std::sqrt(squared_norm.item());
}

Optimizer::Optimizer(std::string name, const ParameterGroups& groups, const Common& common,
                     std::vector<StateSlot> slots)
    : name_(std::move(name)), common_(common), slots_(std::move(slots)) {
  const auto require = [&](double value, const char* what) {
    if (!(value >= 0)) throw Error(name_ + ": " + what + " must not be negative, but is " + std::to_string(value));
  };
  require(common.lr, "the learning rate");
  require(common.weight_decay, "weight decay");
  require(common.l1, "the L1 penalty");
  require(common.clip_norm, "clip_norm");
  require(common.clip_value, "clip_value");
  for (const ParameterGroup& group : groups.groups)
    for (const Tensor& value : group.parameters) add(value, group);
  if (parameters_.empty()) throw Error(name_ + ": there are no parameters to update");
  name_parameters();
}

void Optimizer::add(const Tensor& value, const ParameterGroup& group) {
  if (!value.is_variable() || !is_floating(value.dtype())) {
    throw Error(name_ + ": parameter " + std::to_string(parameters_.size()) + " is not a floating variable");
  }
  if (!numbers_.emplace(value.node(), parameters_.size()).second) {
    throw Error(name_ + ": parameter '" + value.name() + "' is named twice");
  }
  parameters_.push_back({.value = value,
                         .lr_scale = group.lr_scale,
                         .weight_decay = group.weight_decay,
                         .state = {},
                         .name = value.name()});
  Parameter& parameter = parameters_.back();
  for (const StateSlot& slot : slots_) {
    parameter.state.push_back(
        variable(filled(value.dtype(), value.shape(), slot.initial), {.name = slot.name, .trainable = false}));
  }
}

// By the variables' own names where they tell them apart, else by number.
void Optimizer::name_parameters() {
  std::set<std::string> names;
  for (const Parameter& p : parameters_) names.insert(p.name);
  const bool distinct = names.size() == parameters_.size() && !names.contains("");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = parameters_[i];
    if (!distinct) p.name = std::to_string(i);
    for (std::size_t k = 0; k < slots_.size(); ++k) p.state[k].set_name(p.name + "." + slots_[k].name);
  }
}

const Optimizer::Parameter& Optimizer::parameter_of(const Tensor& variable) const {
  const auto found = numbers_.find(variable.node());
  if (found == numbers_.end()) {
    throw Error(name_ + ": a gradient by '" + variable.name() + "' of shape " + to_string(variable.shape()) +
                ", which is not among the parameters");
  }
  return parameters_[found->second];
}

Optimizer::Parameter& Optimizer::parameter_of(const Tensor& variable) {
  return const_cast<Parameter&>(std::as_const(*this).parameter_of(variable));
}

Gradients Optimizer::clipped(const Gradients& gradients) const {
  Gradients result = gradients;
  if (common_.clip_norm > 0) result = clip_norm(result, common_.clip_norm).gradients;
  if (common_.clip_value > 0) result = clip_value(result, common_.clip_value);
  return result;
}

Optimizer::Next Optimizer::next_of(const Parameter& p, const Tensor& gradient) const {
  const double weight_decay = p.weight_decay.value_or(common_.weight_decay);
  Tensor g = gradient;
  if (weight_decay != 0 && !common_.decoupled) g = g + weight_decay * p.value;
  if (common_.l1 != 0) g = g + common_.l1 * sign(p.value);
  return next({.value = p.value,
               .gradient = g,
               .state = p.state,
               .lr = common_.lr * p.lr_scale,
               .weight_decay = weight_decay,
               .step = p.step + 1});
}

void Optimizer::check(const Gradients& gradients, double weight) const {
  if (gradients.size() == 0 || gradients.size() != gradients.variables.size()) {
    throw Error(name_ + ": " + std::to_string(gradients.size()) + " gradients of " +
                std::to_string(gradients.variables.size()) + " variables");
  }
  if (!(weight > 0 && std::isfinite(weight))) {
    throw Error(name_ + ": the weight of gradients must be positive, but is " + std::to_string(weight));
  }
  std::set<const Node*> seen;
  for (const Tensor& variable : gradients.variables) {
    static_cast<void>(parameter_of(variable));
    if (!seen.insert(variable.node()).second) throw Error(name_ + ": two gradients by '" + variable.name() + "'");
  }
  if (accumulated_ > 0 && !std::ranges::equal(accumulated_variables_, gradients.variables, {}, {}, &Tensor::node)) {
    throw Error(name_ + ": the parts of one update must be gradients of the same variables in the same order");
  }
}

// The weighted mean of these gradients and the accumulated ones.
Gradients Optimizer::mean_with(Gradients gradients, double weight) {
  if (accumulated_ == 0) return gradients;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Tensor& sum = parameter_of(gradients.variables[i]).sum;
    gradients.values[i] = (sum + weight * gradients.values[i]) * (1 / (accumulated_ + weight));
  }
  return gradients;
}

StepResult Optimizer::accumulate(Gradients gradients, double weight) {
  check(gradients, weight);
  StepResult result;
  result.squared_norm = squared_norm(gradients);
  const Tensor guard = guard_of(result.squared_norm, gradients.of);
  std::vector<Assignment> assignments;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Parameter& p = parameter_of(gradients.variables[i]);
    if (!p.sum.defined()) {
      p.sum = variable(Array::zeros(p.value.dtype(), p.value.shape()),
                       {.name = p.name + ".accumulated", .trainable = false});
    }
    const Tensor part = weight * gradients.values[i];
    assignments.push_back({p.sum, accumulated_ == 0 ? part : p.sum + part});
  }
  gradients.values.clear();
  commit(assignments, guard, gradients.of, result);
  if (!result.applied) return result;
  accumulated_ += weight;
  accumulated_variables_.clear();
  for (const Tensor& variable : gradients.variables) accumulated_variables_.push_back(variable.node());
  return result;
}

StepResult Optimizer::step(Gradients gradients, double weight) {
  check(gradients, weight);
  StepResult result;
  const Tensor of = gradients.of;
  std::vector<Assignment> assignments;
  std::vector<Parameter*> updated;
  Tensor guard;
  {
    // The gradients are let go of before the plan is made: what nobody holds need not outlive its use.
    Gradients mean = mean_with(std::move(gradients), weight);
    result.squared_norm = squared_norm(mean);
    guard = guard_of(result.squared_norm, of);
    const Gradients own = clipped(mean);
    mean.values.clear();
    for (std::size_t i = 0; i < own.size(); ++i) {
      Parameter& p = parameter_of(own.variables[i]);
      updated.push_back(&p);
      Next next = next_of(p, own[i]);
      assignments.push_back({p.value, std::move(next.value)});
      for (std::size_t k = 0; k < p.state.size(); ++k) assignments.push_back({p.state[k], std::move(next.state[k])});
    }
  }
  commit(assignments, guard, of, result);
  if (!result.applied) return result;
  for (Parameter* p : updated) ++p->step;
  accumulated_ = 0;
  return result;
}

std::int64_t Optimizer::steps() const {
  std::int64_t result = 0;
  for (const Parameter& p : parameters_) result = std::max(result, p.step);
  return result;
}

std::vector<Tensor> Optimizer::parameters() const {
  std::vector<Tensor> result;
  for (const Parameter& p : parameters_) result.push_back(p.value);
  return result;
}

StateDict Optimizer::state_dict() const {
  StateDict result;
  Array steps = Array::empty(DType::i64, {static_cast<std::int64_t>(parameters_.size())});
  for (std::size_t i = 0; i < parameters_.size(); ++i) steps.mutable_values<std::int64_t>()[i] = parameters_[i].step;
  result.emplace_back("step", steps);
  for (const Parameter& p : parameters_)
    for (const Tensor& state : p.state) result.emplace_back(state.name(), state.array());
  return result;
}

void Optimizer::load_state_dict(const std::map<std::string, Array>& state) {
  load_state_dict(StateDict(state.begin(), state.end()));
}

void Optimizer::load_state_dict(const StateDict& state) {
  std::map<std::string, const Array*> given;
  for (const auto& [name, array] : state) given[name] = &array;
  std::string wrong;
  const auto take = [&](const std::string& name, DType dtype, const Shape& shape) -> const Array* {
    const auto found = given.find(name);
    if (found == given.end()) {
      wrong += "\n  missing: " + name;
      return nullptr;
    }
    const Array* array = found->second;
    given.erase(found);
    if (array->dtype == dtype && array->shape == shape) return array;
    wrong += "\n  " + name + " is " + describe(array->dtype, array->shape) + " instead of " + describe(dtype, shape);
    return nullptr;
  };
  const Array* steps = take("step", DType::i64, {static_cast<std::int64_t>(parameters_.size())});
  std::vector<Assignment> assignments;
  for (const Parameter& p : parameters_) {
    for (const Tensor& tensor : p.state) {
      const Array* array = take(tensor.name(), tensor.dtype(), tensor.shape());
      if (array != nullptr) assignments.push_back({tensor, *array});
    }
  }
  for (const auto& [name, array] : state)
    if (given.contains(name)) wrong += "\n  unexpected: " + name;
  if (!wrong.empty()) throw Error(name_ + ": the saved state does not fit; nothing was loaded" + wrong);

  if (!assignments.empty()) update(assignments);
  accumulated_ = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].step = steps->values<std::int64_t>()[i];
}

}  // namespace narae::optim
