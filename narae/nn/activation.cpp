#include "narae/nn/activation.h"

#include <sstream>

#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/softmax.h"

namespace narae::nn {
namespace {

// "0.01" rather than "0.010000".
std::string text_of(const char* name, double value) {
  std::ostringstream text;
  text << name << ' ' << value;
  return text.str();
}

}  // namespace

Tensor ReLU::forward(const Tensor& x) const {
  return relu(x);
}
Tensor Tanh::forward(const Tensor& x) const {
  return narae::tanh(x);
}
Tensor Sigmoid::forward(const Tensor& x) const {
  return sigmoid(x);
}
Tensor SiLU::forward(const Tensor& x) const {
  return silu(x);
}

GELU::GELU(const GELUOptions& options) : Module("GELU", options.tanh ? "tanh" : ""), options_(options) {}
Tensor GELU::forward(const Tensor& x) const {
  return options_.tanh ? gelu_tanh(x) : gelu(x);
}

LeakyReLU::LeakyReLU(double slope) : Module("LeakyReLU", text_of("slope", slope)), slope_(slope) {}
Tensor LeakyReLU::forward(const Tensor& x) const {
  return leaky_relu(x, slope_);
}

ELU::ELU(double alpha) : Module("ELU", text_of("alpha", alpha)), alpha_(alpha) {}
Tensor ELU::forward(const Tensor& x) const {
  return elu(x, alpha_);
}

Softplus::Softplus(double beta) : Module("Softplus", text_of("beta", beta)), beta_(beta) {
  if (!(beta > 0)) throw Error("Softplus: beta must be positive");
}
Tensor Softplus::forward(const Tensor& x) const {
  return beta_ == 1 ? softplus(x) : softplus(x * beta_) / beta_;
}

Softmax::Softmax(std::int64_t axis) : Module("Softmax", "axis " + std::to_string(axis)), axis_(axis) {}
Tensor Softmax::forward(const Tensor& x) const {
  return softmax(x, axis_);
}

}  // namespace narae::nn
