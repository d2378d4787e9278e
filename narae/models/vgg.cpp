#include "narae/models/vgg.h"

#include <array>

#include "narae/core/error.h"
#include "narae/models/first_weights.h"
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

constexpr std::int64_t smallest = 32;  // five times halved
constexpr std::array<std::int64_t, 5> filters = {64, 128, 256, 512, 512};

struct Configuration {
  int depth;
  std::array<int, 5> convolutions;  // of each group; table 1 of the paper, columns A, B, D, E
};
constexpr std::array<Configuration, 4> configurations = {
    {{11, {1, 1, 2, 2, 2}}, {13, {2, 2, 2, 2, 2}}, {16, {2, 2, 3, 3, 3}}, {19, {2, 2, 4, 4, 4}}}};

const Configuration& configuration(int depth) {
  for (const Configuration& c : configurations)
    if (c.depth == depth) return c;
  throw Error("vgg: the depth is 11, 13, 16 or 19, not " + std::to_string(depth));
}

nn::Sequential make_features(std::int64_t channels, const VggOptions& options) {
  nn::Sequential features;
  for (std::size_t group = 0; group < filters.size(); ++group) {
    for (int i = 0; i < configuration(options.depth).convolutions[group]; ++i) {
      features.push_back(nn::Conv2d(channels, filters[group], 3, {.padding = 1}));
      if (options.batch_norm) features.push_back(nn::BatchNorm2d(filters[group]));
      features.push_back(nn::ReLU());
      channels = filters[group];
    }
    features.push_back(nn::MaxPool2d(2));
  }
  return features;
}

nn::Sequential make_classifier(std::int64_t classes, const VggOptions& options) {
  return nn::Sequential(nn::Linear(filters.back() * options.pooled * options.pooled, options.hidden), nn::ReLU(),
                        nn::Dropout(options.dropout), nn::Linear(options.hidden, options.hidden), nn::ReLU(),
                        nn::Dropout(options.dropout), nn::Linear(options.hidden, classes));
}

}  // namespace

Vgg::Vgg(const Shape& input, std::int64_t classes, const VggOptions& options) : Module("Vgg"), pooled_(options.pooled) {
  require_picture("vgg" + std::to_string(options.depth) + (options.batch_norm ? "-bn" : ""), input, smallest);
  {
    const nn::init::Skip skip;  // all weights are drawn below, once
    features_ = register_module("features", make_features(input[0], options));
    classifier_ = register_module("classifier", make_classifier(classes, options));
  }
  initialize_convolutions(*this);
  for (const auto& [name, tensor] : named_parameters()) {
    if (tensor.rank() == 2) nn::init::normal(tensor, 0, 0.01);
    if (name.ends_with(".bias")) nn::init::zeros(tensor);
  }
}

Tensor Vgg::forward(const Tensor& x) const {
  return classifier_(flatten(adaptive_avg_pool2d(features_(x), pooled_), 1));
}

}  // namespace narae::models
