#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/nn/sequential.h"

namespace narae::models {

struct MlpOptions {
  std::vector<std::int64_t> hidden = {256};  ///< units of each hidden layer
  std::string activation = "relu";           ///< see models/activations.h
  double dropout = 0;                        ///< after every hidden layer
};

/// A multilayer perceptron, 784-256-10 at first: linear layers with an activation between them, over the flattened
/// input (batch, ...) -> (batch, classes). Parameters `0.weight`, `2.weight`, ... as those of torch's
/// nn.Sequential(Linear, ReLU, Linear).
class NARAE_API Mlp : public nn::Sequential {
 public:
  Mlp(std::int64_t inputs, std::int64_t classes, const MlpOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
};

}  // namespace narae::models
