#pragma once

#include <functional>
#include <span>

#include "narae/core/export.h"
#include "narae/graph/tensor.h"

namespace narae {

/// f(inputs), whose inner values are not kept for the gradient but computed a second time (Chen et al., "Training deep
/// nets with sublinear memory cost", 2016). Variables that f reads get their gradients as well; random numbers are the
/// same both times. Throws Error when f gives back an undefined tensor.
[[nodiscard]] NARAE_API Tensor checkpoint(const std::function<Tensor(std::span<const Tensor>)>& f,
                                          std::span<const Tensor> inputs);

}  // namespace narae
