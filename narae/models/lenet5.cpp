#include "narae/models/lenet5.h"

#include <array>

#include "narae/core/error.h"
#include "narae/models/activations.h"
#include "narae/models/picture.h"
#include "narae/nn/conv.h"
#include "narae/nn/init.h"
#include "narae/nn/pool.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

constexpr std::int64_t smallest = 12;  // below, nothing is left after the second pooling

nn::Conv2d initialized_conv(nn::Conv2d layer, const LeNet5Options& options) {
  initialize_for(options.activation, layer.weight(), options.gain);
  nn::init::zeros(layer.bias());
  return layer;
}

// The original averages; maxima go with rectifiers.
void push_pooling(nn::Sequential& network, const std::string& activation) {
  if (activation == "relu") {
    network.push_back(nn::MaxPool2d(2));
  } else {
    network.push_back(nn::AvgPool2d(2));
  }
}

void require(const Shape& input, const LeNet5Options& options) {
  require_picture("lenet5", input, smallest);
  constexpr std::array<const char*, 3> known = {"sigmoid", "tanh", "relu"};
  for (const char* name : known)
    if (options.activation == name) return;
  throw UsageError("lenet5: the activation is sigmoid, tanh or relu, not '" + options.activation + "'" +
                   did_you_mean(options.activation, known));
}

nn::Sequential make_features(std::int64_t channels, const LeNet5Options& options) {
  nn::Sequential features;
  features.push_back(initialized_conv(nn::Conv2d(channels, 6, 5, {.padding = 2}), options));
  push_activation(features, options.activation);
  push_pooling(features, options.activation);
  features.push_back(initialized_conv(nn::Conv2d(6, 16, 5), options));
  push_activation(features, options.activation);
  push_pooling(features, options.activation);
  return features;
}

nn::Sequential make_classifier(std::int64_t inputs, std::int64_t classes, const LeNet5Options& options) {
  const auto linear = [&](std::int64_t in, std::int64_t out) {
    return initialized(nn::Linear(in, out), options.activation, options.gain);
  };
  nn::Sequential classifier;
  classifier.push_back(linear(inputs, 120));
  push_activation(classifier, options.activation);
  classifier.push_back(linear(120, 84));
  push_activation(classifier, options.activation);
  classifier.push_back(linear(84, classes));
  return classifier;
}

// An extent after pooling, a convolution without padding, and pooling.
std::int64_t reduced(std::int64_t extent) {
  return (extent / 2 - 4) / 2;
}

}  // namespace

LeNet5::LeNet5(const Shape& input, std::int64_t classes, const LeNet5Options& options) : Module("LeNet5") {
  require(input, options);
  features_ = register_module("features", make_features(input[0], options));
  classifier_ =
      register_module("classifier", make_classifier(16 * reduced(input[1]) * reduced(input[2]), classes, options));
}

Tensor LeNet5::forward(const Tensor& x) const {
  return classifier_(flatten(features_(x), 1));
}

}  // namespace narae::models
