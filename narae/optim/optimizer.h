#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "narae/core/array.h"
#include "narae/graph/grad.h"

namespace narae::optim {

/// Names and values in order.
using StateDict = std::vector<std::pair<std::string, Array>>;

/// Parameters that are updated alike.
struct ParameterGroup {
  std::vector<Tensor> parameters;
  double lr_scale = 1;                      ///< factor of the optimiser's learning rate
  std::optional<double> weight_decay = {};  ///< the optimiser's unless given
};

/// What an optimiser updates: `model.parameters()`, or groups.
struct ParameterGroups {
  ParameterGroups(std::vector<Tensor> parameters)  // NOLINT(google-explicit-constructor)
      : groups{{.parameters = std::move(parameters)}} {}
  ParameterGroups(std::vector<ParameterGroup> list) : groups(std::move(list)) {}  // NOLINT(google-explicit-constructor)
  ParameterGroups(std::initializer_list<Tensor> parameters) : ParameterGroups(std::vector<Tensor>(parameters)) {}
  ParameterGroups(std::initializer_list<ParameterGroup> list) : groups(list) {}

  std::vector<ParameterGroup> groups;
};

/// What became of a step.
struct StepResult {
  bool applied = true;
  /// When not applied: the module and operator where the first NaN or infinity appeared.
  std::string first_non_finite = {};
  Tensor squared_norm = {};  ///< of all gradients before clipping; computed with the step

  /// Norm of all gradients before clipping.
  [[nodiscard]] double gradient_norm() const;
};

/// Updates parameters from gradients. A step is one plan: forward, backward and update. When the loss or a gradient is
/// not finite, nothing changes (parameters, state, running statistics, step counts) and the result says where it came
/// from.
class NARAE_API Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  /// One update. Parameters without a gradient stay as they are. Throws Error for the gradient of something that is not
  /// a parameter of this optimiser.
  StepResult step(Gradients gradients);

  [[nodiscard]] double lr() const { return common_.lr; }
  void set_lr(double lr) { common_.lr = lr; }
  [[nodiscard]] double weight_decay() const { return common_.weight_decay; }
  void set_weight_decay(double weight_decay) { common_.weight_decay = weight_decay; }
  /// Updates made so far (of the parameter that was updated most often).
  [[nodiscard]] std::int64_t steps() const;
  [[nodiscard]] std::vector<Tensor> parameters() const;

  /// The count of updates ("step", one number a parameter), then the state of each parameter
  /// ("features.0.weight.momentum_buffer").
  [[nodiscard]] StateDict state_dict() const;
  /// Throws one Error that lists everything missing, unexpected, misshapen or mistyped, before anything is changed.
  void load_state_dict(const StateDict& state);
  void load_state_dict(const std::map<std::string, Array>& state);

 protected:
  /// What all optimisers have.
  struct Common {
    double lr;
    double weight_decay;
    double l1;
    double clip_norm;
    double clip_value;
    bool decoupled = false;  ///< the rule applies weight decay itself; it is not added to the gradient
  };
  /// A tensor of each parameter's shape that the optimiser keeps.
  struct StateSlot {
    std::string name;
    double initial = 0;
  };
  /// One parameter at one step.
  struct Update {
    Tensor value;
    Tensor gradient;  ///< clipped, penalties added
    std::span<const Tensor> state;
    double lr;
    double weight_decay;
    std::int64_t step;  ///< 1 at the first update
  };
  struct Next {
    Tensor value;
    std::vector<Tensor> state = {};
  };

  /// Throws Error for a negative rate or penalty, an empty list, a tensor that is no variable or one named twice.
  Optimizer(const std::string& name, ParameterGroups groups, const Common& common, std::vector<StateSlot> slots);
  /// The update formula: the parameter's and its state's next values. Numbers in it are inputs at run time.
  [[nodiscard]] virtual Next next(const Update& at) const = 0;

 private:
  struct Parameter {
    Tensor value;
    double lr_scale;
    std::optional<double> weight_decay;
    std::vector<Tensor> state;
    std::int64_t step = 0;
    std::string name;
  };
  void add(const Tensor& value, const ParameterGroup& group);
  void name_parameters();
  [[nodiscard]] Parameter& parameter_of(const Tensor& variable);
  [[nodiscard]] Gradients clipped(const Gradients& gradients) const;
  [[nodiscard]] Next next_of(const Parameter& parameter, const Tensor& gradient) const;

  std::string name_;
  Common common_;
  std::vector<StateSlot> slots_;
  std::vector<Parameter> parameters_;
  std::unordered_map<const Node*, std::size_t> numbers_;
};

}  // namespace narae::optim
