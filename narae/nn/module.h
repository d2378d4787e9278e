#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "narae/core/array.h"
#include "narae/graph/module_path.h"
#include "narae/graph/tensor.h"

namespace narae::nn {

/// Names and values in order, as in a weights file.
using StateDict = std::vector<std::pair<std::string, Array>>;
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct LoadOptions {
  bool strict = true;  ///< missing and unexpected names are errors
  /// Modules or patterns (see Module::freeze) of tensors that are left as they are, whatever the file holds for them;
  /// UsageError for one that matches nothing.
  std::vector<std::string> except = {};
};
/// What did not match when `strict` is false.
struct LoadResult {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
};

/// An answer of a network, and the weight of its loss in training.
struct TrainingOutput {
  Tensor logits;
  double weight = 1;
};

/// Type of the parameters of layers built from now on, in this thread; f32 at first. Throws Error unless floating.
NARAE_API void set_default_dtype(DType dtype);
[[nodiscard]] NARAE_API DType default_dtype();

/// A part of a network: parameters, buffers and submodules by name, in the order in which they were registered. Like a
/// Tensor, a Module is a handle: copies share everything registered. A network registers its parts where it declares
/// them:
///
///     struct Net : nn::Module {
///       nn::Linear hidden = register_module("hidden", nn::Linear(784, 256));
///       nn::Linear head = register_module("head", nn::Linear(256, 10));
///       Tensor forward(const Tensor& x) const override { return head(relu(hidden(x))); }
///     };
class NARAE_API Module {
 public:
  /// `kind` and `details` describe it in summaries: "Conv2d", "3, 64, kernel 3x3".
  explicit Module(std::string kind = "Module", std::string details = "");
  Module(const Module&) = default;
  Module(Module&&) noexcept = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) noexcept = default;
  virtual ~Module() = default;

  /// What the module computes. Throws Error for a module that takes other arguments than one tensor.
  [[nodiscard]] virtual Tensor forward(const Tensor& x) const;
  /// forward(x); the nodes that it writes carry the module's path.
  [[nodiscard]] Tensor operator()(const Tensor& x) const;
  /// Every answer that a training step looks at: forward's first, then those of auxiliary classifiers, each with the
  /// weight of its loss. The step minimises the weighted sum of their losses.
  [[nodiscard]] virtual std::vector<TrainingOutput> training_outputs(const Tensor& x) const;

  /// The trainable variables, those of submodules too, each once: what an optimiser takes.
  [[nodiscard]] std::vector<Tensor> parameters() const;
  /// Every parameter, frozen or not, under its full name ("features.0.weight").
  [[nodiscard]] NamedTensors named_parameters() const;
  [[nodiscard]] NamedTensors named_buffers() const;
  /// Elements of all parameters, each variable counted once.
  [[nodiscard]] std::int64_t parameter_count() const;

  /// Values of parameters and buffers in PyTorch's order: a module's own before its submodules'.
  [[nodiscard]] StateDict state_dict() const;
  /// Gives parameters and buffers the values of the same names. Throws one Error that lists every missing, unexpected,
  /// misshapen and mistyped tensor, before anything is changed. The counters num_batches_tracked, which older files do
  /// not have, may be missing: they start at 0 then. Of a shared parameter's names, one is enough.
  LoadResult load_state_dict(const StateDict& state, const LoadOptions& options = {}) const;
  LoadResult load_state_dict(const std::map<std::string, Array>& state, const LoadOptions& options = {}) const;

  /// Training mode (dropout drops, batch norm uses the batch's statistics) for this module and all below it.
  void train(bool training = true) const;
  void eval() const { train(false); }
  [[nodiscard]] bool is_training() const;

  /// Makes the parameters that match `pattern` untrainable (or trainable again): a module's name ("features.0") or a
  /// pattern with * and ? over full names. Returns how many matched; throws UsageError when none does.
  int freeze(const std::string& pattern, bool frozen = true) const;
  int unfreeze(const std::string& pattern) const { return freeze(pattern, false); }

  /// While it trains, values inside this module are not kept for the gradient but computed a second time: less memory,
  /// a longer step, the same gradients. Holds for calls with one tensor. A Sequential does so part by part; see
  /// `checkpoint_activations` for a whole network.
  void set_recomputed(bool recomputed = true) const;
  [[nodiscard]] bool is_recomputed() const;
  /// True for a module like Sequential, which stays as it is and recomputes the parts that it consists of.
  [[nodiscard]] bool recomputes_in_parts() const;

  [[nodiscard]] const std::string& kind() const;
  [[nodiscard]] const std::string& details() const;
  /// The submodules by name, as plain handles: everything but their forward.
  [[nodiscard]] std::vector<std::pair<std::string, Module>> children() const;

 protected:
  /// Registers a variable made of `initial` as a parameter (a buffer) and returns it. Throws Error for a name that is
  /// taken, empty or contains a dot.
  Tensor register_parameter(const std::string& name, const Tensor& initial) const;
  Tensor register_parameter(const std::string& name, Array initial) const;
  Tensor register_buffer(const std::string& name, const Tensor& initial) const;
  /// Registers a variable that is another module's parameter under a second name, as tied weights are. It keeps its
  /// first name; both names stand in `named_parameters` and in weights files. Throws Error for no variable.
  Tensor register_shared(const std::string& name, const Tensor& parameter) const;
  /// Registers a submodule and returns it.
  template <class M>
  M register_module(const std::string& name, M module) const {
    adopt(name, module);
    return module;
  }

  /// For modules whose forward looks at `is_recomputed` itself.
  void recompute_in_parts() const;

  /// For modules with a call operator of their own: nodes carry the module's path while the scope lives.
  [[nodiscard]] std::optional<ModuleScope> scope() const;

 private:
  struct State;
  void adopt(const std::string& name, const Module& module) const;
  static void rename(const State& state, const std::string& prefix);
  static void collect(const State& state, const std::string& prefix, bool buffers, NamedTensors& result);
  static void collect_all(const State& state, const std::string& prefix, NamedTensors& result);

  std::shared_ptr<State> state_;
};

/// The tree of modules, one line each: "(features): Sequential", "  (0): Conv2d(1, 6, kernel 5x5)".
[[nodiscard]] NARAE_API std::string to_string(const Module& module);

}  // namespace narae::nn
