#include "narae/models/alexnet.h"

#include "narae/models/picture.h"
#include "narae/nn/activation.h"
#include "narae/nn/conv.h"
#include "narae/nn/dropout.h"
#include "narae/nn/init.h"
#include "narae/nn/linear.h"
#include "narae/nn/norm.h"
#include "narae/nn/pool.h"
#include "narae/ops/pool.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

using nn::Conv2d;
using nn::Dropout;
using nn::Linear;
using nn::LocalResponseNorm;
using nn::MaxPool2d;
using nn::ReLU;
using nn::Sequential;

constexpr std::int64_t smallest = 63;      // below, nothing is left after the third pooling
constexpr std::int64_t smallest_227 = 67;  // the first convolution has no padding
constexpr std::int64_t pooled = 6;
constexpr std::int64_t hidden = 4096;

MaxPool2d overlapping_pool() {
  return MaxPool2d(3, {.stride = 2});
}

// n = 5, k = 2, beta = 0.75 and alpha = 1e-4 for the sum of squares; the layer takes alpha for their mean.
LocalResponseNorm response_norm() {
  return LocalResponseNorm(5, {.alpha = 5 * 1e-4, .beta = 0.75, .k = 2});
}

Conv2d initialized(Conv2d layer, double bias) {
  nn::init::normal(layer.weight(), 0, 0.01);
  nn::init::constant(layer.bias(), bias);
  return layer;
}
Linear initialized(Linear layer, double bias) {
  nn::init::normal(layer.weight(), 0, 0.01);
  nn::init::constant(layer.bias(), bias);
  return layer;
}

// An extent behind the first convolution (11x11, stride 4) and three poolings (3x3, stride 2).
std::int64_t reduced(std::int64_t extent) {
  std::int64_t left = (extent - 11) / 4 + 1;
  for (int i = 0; i < 3; ++i) left = (left - 3) / 2 + 1;
  return left;
}

}  // namespace

AlexNet::AlexNet(const Shape& input, std::int64_t classes, const AlexNetOptions& options) : Module("AlexNet") {
  require_picture("alexnet", input, smallest);
  features_ = register_module(
      "features", Sequential(Conv2d(input[0], 64, 11, {.stride = 4, .padding = 2}), ReLU(), overlapping_pool(),
                             Conv2d(64, 192, 5, {.padding = 2}), ReLU(), overlapping_pool(),
                             Conv2d(192, 384, 3, {.padding = 1}), ReLU(), Conv2d(384, 256, 3, {.padding = 1}), ReLU(),
                             Conv2d(256, 256, 3, {.padding = 1}), ReLU(), overlapping_pool()));
  classifier_ = register_module(
      "classifier", Sequential(Dropout(options.dropout), Linear(256 * pooled * pooled, hidden), ReLU(),
                               Dropout(options.dropout), Linear(hidden, hidden), ReLU(), Linear(hidden, classes)));
}

Tensor AlexNet::forward(const Tensor& x) const {
  return classifier_(flatten(adaptive_avg_pool2d(features_(x), pooled), 1));
}

AlexNet227::AlexNet227(const Shape& input, std::int64_t classes, const AlexNetOptions& options) : Module("AlexNet227") {
  require_picture("alexnet-227", input, smallest_227);
  features_ = register_module(
      "features", Sequential(initialized(Conv2d(input[0], 96, 11, {.stride = 4}), 0), ReLU(), overlapping_pool(),
                             response_norm(), initialized(Conv2d(96, 256, 5, {.padding = 2}), 1), ReLU(),
                             overlapping_pool(), response_norm(), initialized(Conv2d(256, 384, 3, {.padding = 1}), 0),
                             ReLU(), initialized(Conv2d(384, 384, 3, {.padding = 1}), 1), ReLU(),
                             initialized(Conv2d(384, 256, 3, {.padding = 1}), 1), ReLU(), overlapping_pool()));
  const std::int64_t inputs = 256 * reduced(input[1]) * reduced(input[2]);
  classifier_ =
      register_module("classifier", Sequential(initialized(Linear(inputs, hidden), 1), ReLU(), Dropout(options.dropout),
                                               initialized(Linear(hidden, hidden), 1), ReLU(), Dropout(options.dropout),
                                               initialized(Linear(hidden, classes), 0)));
}

Tensor AlexNet227::forward(const Tensor& x) const {
  return classifier_(flatten(features_(x), 1));
}

}  // namespace narae::models
