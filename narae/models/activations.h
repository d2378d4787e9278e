#pragma once

#include <span>
#include <string>

#include "narae/nn/linear.h"
#include "narae/nn/sequential.h"

namespace narae::models {

/// Names of the activations that a model's option may choose.
[[nodiscard]] NARAE_API std::span<const std::string> activation_names();

/// Appends the activation of that name. Throws UsageError naming the nearest one for an unknown name.
NARAE_API void push_activation(nn::Sequential& network, const std::string& name);

/// Gives a weight its first value for the activation that follows, the scheme and gain of the literature: Kaiming
/// normal (fan in) for the ReLU family, Xavier uniform for the others. `gain` multiplies Xavier's deviation or replaces
/// Kaiming's sqrt(2); 0 means the usual one.
NARAE_API void initialize_for(const std::string& activation, const Tensor& weight, double gain = 0);

/// The layer with weights for that activation and a bias of zero.
[[nodiscard]] NARAE_API nn::Linear initialized(nn::Linear layer, const std::string& activation, double gain = 0);

}  // namespace narae::models
