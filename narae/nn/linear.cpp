#include "narae/nn/linear.h"

#include <cmath>

#include "narae/nn/init.h"
#include "narae/ops/matmul.h"

namespace narae::nn {

Linear::Linear(std::int64_t inputs, std::int64_t outputs, const LinearOptions& options)
    : Module("Linear", std::to_string(inputs) + ", " + std::to_string(outputs) + (options.bias ? "" : ", no bias")) {
  if (inputs < 1 || outputs < 1) throw Error("Linear: " + details() + ": inputs and outputs must be at least 1");
  // kaiming_uniform with a = sqrt(5), PyTorch's choice.
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  weight_ = register_parameter("weight", init::draw_uniform(options.dtype, {outputs, inputs}, -bound, bound));
  if (options.bias) bias_ = register_parameter("bias", init::draw_uniform(options.dtype, {outputs}, -bound, bound));
}

Tensor Linear::forward(const Tensor& x) const {
  return linear(x, weight_, bias_);
}

}  // namespace narae::nn
