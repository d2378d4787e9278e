#include "narae/nn/linear.h"

#include <cmath>

#include "narae/nn/init.h"
#include "narae/ops/matmul.h"

namespace narae::nn {
namespace {

std::string details_of(std::int64_t inputs, std::int64_t outputs, const LinearOptions& options) {
  return std::to_string(inputs) + ", " + std::to_string(outputs) + (options.bias ? "" : ", no bias");
}

std::string details_of(const Tensor& weight, const LinearOptions& options) {
  if (weight.rank() != 2) throw Error("Linear: a shared weight of shape " + to_string(weight.shape()) + ", no matrix");
  return details_of(weight.size(1), weight.size(0), options) + ", shared weight";
}

// kaiming_uniform with a = sqrt(5), PyTorch's choice.
double bound_of(std::int64_t inputs) {
  return 1 / std::sqrt(static_cast<double>(inputs));
}

}  // namespace

Linear::Linear(std::int64_t inputs, std::int64_t outputs, const LinearOptions& options)
    : Module("Linear", details_of(inputs, outputs, options)) {
  if (inputs < 1 || outputs < 1) throw Error("Linear: " + details() + ": inputs and outputs must be at least 1");
  const double bound = bound_of(inputs);
  weight_ = register_parameter("weight", init::draw_uniform(options.dtype, {outputs, inputs}, -bound, bound));
  if (options.bias) bias_ = register_parameter("bias", init::draw_uniform(options.dtype, {outputs}, -bound, bound));
}

Linear::Linear(const Tensor& weight, const LinearOptions& options)
    : Module("Linear", details_of(weight, options)), weight_(register_shared("weight", weight)) {
  const double bound = bound_of(weight.size(1));
  if (options.bias) {
    bias_ = register_parameter("bias", init::draw_uniform(options.dtype, {weight.size(0)}, -bound, bound));
  }
}

Tensor Linear::forward(const Tensor& x) const {
  return linear(x, weight_, bias_);
}

}  // namespace narae::nn
