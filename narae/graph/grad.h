#pragma once

#include <span>
#include <vector>

#include "narae/graph/tensor.h"

namespace narae {

/// The gradients of `of` in the order in which they were asked for. Keeps `of`, so that an optimiser's guard sees
/// a non-finite loss.
struct Gradients {
  Tensor of;
  std::vector<Tensor> variables;
  std::vector<Tensor> values;

  [[nodiscard]] std::size_t size() const { return values.size(); }
  [[nodiscard]] const Tensor& operator[](std::size_t i) const { return values[i]; }
  [[nodiscard]] auto begin() const { return values.begin(); }
  [[nodiscard]] auto end() const { return values.end(); }
};

/// d(loss)/d(with_respect_to[i]) by reverse-mode differentiation, as recipes: nothing is computed, and the results
/// can be differentiated again. `loss` has one element. Zeros where the loss does not depend on a tensor. Throws
/// Error for a loss that is not floating or has more than one element, for an operator without a gradient, and when
/// the recipe that leads to a tensor was dropped: by an update (naming the variable), or because it was computed when
/// it read no trainable variable.
[[nodiscard]] NARAE_API Gradients grad(const Tensor& loss, std::span<const Tensor> with_respect_to);
[[nodiscard]] inline Gradients grad(const Tensor& loss, std::initializer_list<Tensor> with_respect_to) {
  return grad(loss, std::span(with_respect_to.begin(), with_respect_to.size()));
}

/// The vector-Jacobian products sum_k cotangents[k]^T d(outputs[k])/d(with_respect_to[i]). Cotangents have the
/// type and shape of their outputs.
[[nodiscard]] NARAE_API std::vector<Tensor> vjp(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                                                std::span<const Tensor> with_respect_to);

namespace detail {
/// The trainable variables that the recipes of `of` reach, each once: the versions that they read, not the handles.
[[nodiscard]] NARAE_API std::vector<Tensor> trainable_versions_of(std::span<const Tensor> of);
}  // namespace detail

}  // namespace narae
