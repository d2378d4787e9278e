#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/error.h"
#include "narae/graph/node.h"

namespace narae {

namespace detail {
/// The current version when `node` names a variable, else the node itself.
[[nodiscard]] NARAE_API Node* resolve(Node* node);
}  // namespace detail

/// A value that may not have been computed yet: a recipe of operators over data and variables. Copying a Tensor
/// copies the reference. Operators (ops/*.h) check types and shapes at once and compute nothing; `item`, `array`
/// and `eval` compute. Any number of threads may read computed values; a variable, or a recipe that has not been
/// computed, belongs to one thread at a time (docs/architecture.md).
class NARAE_API Tensor {
 public:
  /// Undefined: has neither type nor shape.
  Tensor() = default;
  /// The numbers of an array; the memory is shared, not copied.
  Tensor(const Array& data);  // NOLINT(google-explicit-constructor)
  explicit Tensor(NodeRef node) : node_(std::move(node)) {}

  /// float32 (or T) numbers in row-major order; throws Error when there are not as many as the shape says.
  template <class T>
  [[nodiscard]] static Tensor of(std::span<const T> values, const Shape& shape) {
    return of_bytes(dtype_of<T>, shape, values.data(), values.size());
  }
  [[nodiscard]] static Tensor of(std::initializer_list<float> values, const Shape& shape) {
    return of(std::span<const float>(values.begin(), values.size()), shape);
  }
  [[nodiscard]] static Tensor of(std::initializer_list<float> values) {
    return of(values, {static_cast<std::int64_t>(values.size())});
  }

  [[nodiscard]] bool defined() const { return static_cast<bool>(node_); }
  [[nodiscard]] DType dtype() const { return node_->dtype; }
  [[nodiscard]] const Shape& shape() const { return node_->shape; }
  [[nodiscard]] int rank() const { return node_->shape.rank(); }
  /// Extent of an axis; a negative axis counts from the back. Throws Error when out of range.
  [[nodiscard]] std::int64_t size(int axis) const;
  [[nodiscard]] std::int64_t count() const { return node_->shape.count(); }

  /// The value of a tensor with one element; computes it if need be. Throws Error for any other count.
  [[nodiscard]] double item() const;
  /// All values; computes them if need be. The memory is shared with the tensor (copied when it is a variable's).
  [[nodiscard]] Array array() const;
  /// All values as T, converted if need be.
  template <class T>
  [[nodiscard]] std::vector<T> to_vector() const;
  /// Computes the value now, if it has not been.
  const Tensor& eval() const;

  /// True for the handle of a variable.
  [[nodiscard]] bool is_variable() const;
  [[nodiscard]] bool is_trainable() const;
  /// Name of the variable; "" otherwise.
  [[nodiscard]] std::string name() const;
  void set_name(const std::string& name) const;
  void set_trainable(bool trainable) const;
  /// Gives the variable its next version, computed and stored at once: later reads see it, recipes that were
  /// written before and have not been computed can't be any more (computing them throws and names the variable).
  /// Throws Error unless this is a variable and type and shape agree.
  void assign(const Tensor& value) const;

  [[nodiscard]] Node* node() const { return node_.get(); }
  /// The node that an operator reads: a variable's current version.
  [[nodiscard]] Node* read() const { return node_->variable == nullptr ? node_.get() : detail::resolve(node_.get()); }

 private:
  static Tensor of_bytes(DType dtype, const Shape& shape, const void* data, std::size_t count);

  NodeRef node_;
};

struct VariableOptions {
  std::string name = {};
  bool trainable = true;
};

/// A variable that starts with a copy of `initial`: identity and versions; everything else is immutable.
[[nodiscard]] NARAE_API Tensor variable(const Tensor& initial, const VariableOptions& options = {});
/// The same; the array's memory becomes the variable's when nobody else holds it.
[[nodiscard]] NARAE_API Tensor variable(Array initial, const VariableOptions& options = {});

/// A snapshot: the value as it is now, whatever happens to the variables it came from.
[[nodiscard]] NARAE_API Tensor copy(const Tensor& x);

/// The same value without its recipe: nothing flows back through it. Not computed by this call.
[[nodiscard]] NARAE_API Tensor detach(const Tensor& x);

/// A number of the host program as a tensor of shape (): an input at run time, so that changing it makes no new plan.
[[nodiscard]] NARAE_API Tensor scalar(double value, DType dtype = DType::f32);
[[nodiscard]] NARAE_API Tensor scalar_integer(std::int64_t value, DType dtype = DType::i64);

/// An input of an operator: borrowed for the call, so that writing a node counts each reference once.
struct Operand {
  Operand(const Tensor& t) : tensor(&t) {}  // NOLINT(google-explicit-constructor)
  const Tensor* tensor;
};

/// Writes one node. Inputs that name variables are read at their current version. Throws Error for undefined
/// inputs and whatever the operator's rule finds wrong.
[[nodiscard]] NARAE_API Tensor apply(const Op& op, std::span<const Operand> inputs, Attributes attributes = {});
[[nodiscard]] NARAE_API Tensor apply(const Op& op, std::span<const Tensor> inputs, Attributes attributes = {});
[[nodiscard]] inline Tensor apply(const Op& op, std::initializer_list<Operand> inputs, Attributes attributes = {}) {
  return apply(op, std::span(inputs.begin(), inputs.size()), attributes);
}
[[nodiscard]] inline Tensor apply(const Op& op, std::initializer_list<Operand> inputs,
                                  std::initializer_list<std::int64_t> attributes) {
  return apply(op, std::span(inputs.begin(), inputs.size()), Attributes(attributes.begin(), attributes.size()));
}
/// Result `k` of a node written by `apply` for an operator with several results.
[[nodiscard]] NARAE_API Tensor output(const Tensor& node, int k);
/// All results of a node: itself when it has one.
[[nodiscard]] NARAE_API std::vector<Tensor> outputs(const Tensor& node);

/// `version` of the variable `of` is `value`, stored with the first plan that computes `with` (a running statistic).
/// `with` may be an undefined tensor: then with the first plan that reads the variable.
NARAE_API void assign_with(const Tensor& with, const Tensor& of, const Tensor& value);

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Array values = array();
  std::vector<T> result(static_cast<std::size_t>(values.count()));
  visit_dtype(values.dtype, [&](auto zero) {
    using From = decltype(zero);
    if constexpr (std::convertible_to<From, T>) {
      const auto from = values.values<From>();
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<T>(from[i]);
    } else {
      throw Error("to_vector: cast the tensor to float32 first");
    }
  });
  return result;
}

}  // namespace narae
