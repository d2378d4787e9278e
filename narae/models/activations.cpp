#include "narae/models/activations.h"

#include <array>

#include "narae/core/error.h"
#include "narae/nn/activation.h"
#include "narae/nn/init.h"

namespace narae::models {
namespace {

struct Activation {
  std::string name;
  void (*push)(nn::Sequential& network);
  bool rectifier;  // passes positive inputs as they are
  double gain;     // of Kaiming's deviation for rectifiers, of Xavier's for the others
};

template <class M>
void push(nn::Sequential& network) {
  network.push_back(M());
}

// Sigmoid's slope is at most 1/4, so that gradients keep their size only with weights four times as large.
const std::array<Activation, 8>& activations() {
  static const std::array<Activation, 8> list = {{
      {"relu", push<nn::ReLU>, true, nn::init::gain("relu")},
      {"tanh", push<nn::Tanh>, false, 1},
      {"sigmoid", push<nn::Sigmoid>, false, 4},
      {"leaky_relu", push<nn::LeakyReLU>, true, nn::init::gain("leaky_relu")},
      {"elu", push<nn::ELU>, true, nn::init::gain("relu")},
      {"gelu", push<nn::GELU>, true, nn::init::gain("relu")},
      {"silu", push<nn::SiLU>, true, nn::init::gain("relu")},
      {"softplus", push<nn::Softplus>, true, nn::init::gain("relu")},
  }};
  return list;
}

const Activation& activation(const std::string& name) {
  for (const Activation& a : activations())
    if (a.name == name) return a;
  throw UsageError("activation '" + name + "' is not known" + did_you_mean(name, activation_names()));
}

}  // namespace

std::span<const std::string> activation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Activation& a : activations()) list.push_back(a.name);
    return list;
  }();
  return names;
}

void push_activation(nn::Sequential& network, const std::string& name) {
  activation(name).push(network);
}

void initialize_for(const std::string& name, const Tensor& weight, double gain) {
  const Activation& chosen = activation(name);
  const double factor = gain > 0 ? gain : chosen.gain;
  if (chosen.rectifier) {
    nn::init::normal(weight, 0, factor * nn::init::kaiming_std(weight.shape(), {.nonlinearity = "linear"}));
  } else {
    nn::init::xavier_uniform(weight, factor);
  }
}

nn::Linear initialized(nn::Linear layer, const std::string& name, double gain) {
  initialize_for(name, layer.weight(), gain);
  nn::init::zeros(layer.bias());
  return layer;
}

}  // namespace narae::models
