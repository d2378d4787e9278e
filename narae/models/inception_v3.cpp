#include "narae/models/inception_v3.h"

#include "narae/core/error.h"
#include "narae/models/picture.h"
#include "narae/nn/init.h"
#include "narae/ops/pool.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

constexpr std::int64_t smallest = 75;
constexpr std::int64_t smallest_auxiliary = 17;  // what its pooling and its 5x5 convolution need
constexpr double auxiliary_weight = 0.4;

std::int64_t channels_of(const Shape& input) {
  require_picture("inception-v3", input, smallest);
  return input[0];
}

}  // namespace

InceptionV3Auxiliary::InceptionV3Auxiliary(std::int64_t channels, std::int64_t classes)
    : Module("InceptionV3Auxiliary"),
      conv0_(register_module("conv0", ConvBlock(channels, 128, 1))),
      conv1_(register_module("conv1", ConvBlock(128, 768, 5))),
      fc_(register_module("fc", nn::Linear(768, classes))) {}

Tensor InceptionV3Auxiliary::forward(const Tensor& x) const {
  if (x.size(2) < smallest_auxiliary || x.size(3) < smallest_auxiliary) {
    throw Error("inception-v3: the auxiliary classifier needs pictures of at least 299x299 in training, as it takes " +
                std::string("features of 17x17, but they are ") + narae::to_string(x.shape()) +
                "; leave it out with model.auxiliary=false");
  }
  return fc_(global_avg_pool(conv1_(conv0_(avg_pool2d(x, 5, {.stride = 3})))));
}

InceptionV3::InceptionV3(const Shape& input, std::int64_t classes, const InceptionV3Options& options)
    : Module("InceptionV3"),
      conv1a_(register_module("Conv2d_1a_3x3", ConvBlock(channels_of(input), 32, 3, {.stride = 2}))),
      conv2a_(register_module("Conv2d_2a_3x3", ConvBlock(32, 32, 3))),
      conv2b_(register_module("Conv2d_2b_3x3", ConvBlock(32, 64, 3, {.padding = 1}))),
      conv3b_(register_module("Conv2d_3b_1x1", ConvBlock(64, 80, 1))),
      conv4a_(register_module("Conv2d_4a_3x3", ConvBlock(80, 192, 3))),
      mixed5b_(register_module("Mixed_5b", InceptionA(192, 32))),
      mixed5c_(register_module("Mixed_5c", InceptionA(256, 64))),
      mixed5d_(register_module("Mixed_5d", InceptionA(288, 64))),
      mixed6a_(register_module("Mixed_6a", InceptionB(288))),
      mixed6b_(register_module("Mixed_6b", InceptionC(768, 128))),
      mixed6c_(register_module("Mixed_6c", InceptionC(768, 160))),
      mixed6d_(register_module("Mixed_6d", InceptionC(768, 160))),
      mixed6e_(register_module("Mixed_6e", InceptionC(768, 192))),
      auxiliary_(options.auxiliary ? std::optional(register_module("AuxLogits", InceptionV3Auxiliary(768, classes)))
                                   : std::nullopt),
      mixed7a_(register_module("Mixed_7a", InceptionD(768))),
      mixed7b_(register_module("Mixed_7b", InceptionE(1280))),
      mixed7c_(register_module("Mixed_7c", InceptionE(2048))),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))),
      fc_(register_module("fc", nn::Linear(2048, classes))) {
  for (const auto& [name, tensor] : named_parameters()) {
    if (tensor.rank() > 1) nn::init::normal(tensor, 0, 0.1);
  }
  if (auxiliary_) nn::init::normal(auxiliary_->fc().weight(), 0, 0.001);
}

Tensor InceptionV3::middle(const Tensor& x) const {
  Tensor y = max_pool2d(conv2b_(conv2a_(conv1a_(x))), 3, {.stride = 2});
  y = max_pool2d(conv4a_(conv3b_(y)), 3, {.stride = 2});
  y = mixed6a_(mixed5d_(mixed5c_(mixed5b_(y))));
  return mixed6e_(mixed6d_(mixed6c_(mixed6b_(y))));
}

Tensor InceptionV3::logits(const Tensor& features) const {
  const Tensor y = mixed7c_(mixed7b_(mixed7a_(features)));
  return fc_(dropout_(global_avg_pool(y)));
}

Tensor InceptionV3::forward(const Tensor& x) const {
  return logits(middle(x));
}

std::vector<nn::TrainingOutput> InceptionV3::training_outputs(const Tensor& x) const {
  const Tensor features = middle(x);
  std::vector<nn::TrainingOutput> outputs = {{.logits = logits(features)}};
  if (auxiliary_) outputs.push_back({.logits = (*auxiliary_)(features), .weight = auxiliary_weight});
  return outputs;
}

}  // namespace narae::models
