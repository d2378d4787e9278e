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

  /// One update. Parameters without a gradient stay as they are. After `accumulate`, it is made from the mean of all
  /// gradients since the last update, weighted by `weight` (positive; without accumulated gradients it has no effect).
  /// Throws Error for the gradient of something that is not a parameter of this optimiser.
  StepResult step(Gradients gradients, double weight = 1);

  /// Computes the gradients of one part of a large batch and adds them, `weight` times (for a mean loss: the samples of
  /// the part), to what the next `step` takes; the last part goes to `step`. The sums take memory like one more set of
  /// parameters. When something is not finite, nothing is added. Throws Error, besides what `step` throws, when the
  /// parts of one update are gradients of different variables.
  StepResult accumulate(Gradients gradients, double weight = 1);

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
  /// Accumulated gradients are let go of.
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
  Optimizer(std::string name, const ParameterGroups& groups, const Common& common, std::vector<StateSlot> slots);
  /// The update formula: the parameter's and its state's next values. Numbers in it are inputs at run time.
  [[nodiscard]] virtual Next next(const Update& at) const = 0;

 private:
  struct Parameter {
    Tensor value;
    double lr_scale;
    std::optional<double> weight_decay;
    std::vector<Tensor> state;
    Tensor sum = {};  ///< of gradients times weights; undefined until the first accumulation
    std::int64_t step = 0;
    std::string name;
  };
  void add(const Tensor& value, const ParameterGroup& group);
  void name_parameters();
  [[nodiscard]] const Parameter& parameter_of(const Tensor& variable) const;
  [[nodiscard]] Parameter& parameter_of(const Tensor& variable);
  void check(const Gradients& gradients, double weight) const;
  [[nodiscard]] Gradients mean_with(Gradients gradients, double weight);
  [[nodiscard]] Gradients clipped(const Gradients& gradients) const;
  [[nodiscard]] Next next_of(const Parameter& parameter, const Tensor& gradient) const;

  std::string name_;
  Common common_;
  std::vector<StateSlot> slots_;
  std::vector<Parameter> parameters_;
  std::unordered_map<const Node*, std::size_t> numbers_;
  double accumulated_ = 0;  ///< sum of the weights since the last update
  std::vector<const Node*> accumulated_variables_;
};

}  // namespace narae::optim
