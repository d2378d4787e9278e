#include "narae/models/googlenet.h"

#include <array>

#include "narae/models/inception_module.h"
#include "narae/models/picture.h"
#include "narae/nn/init.h"
#include "narae/ops/activation.h"
#include "narae/ops/pool.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

constexpr std::int64_t smallest = 31;
constexpr double auxiliary_weight = 0.3;
constexpr std::int64_t stem_filters = 192;
constexpr std::int64_t five_kernel = 3;  // of the "5x5" branches, as in torchvision

struct Part {
  const char* name;
  InceptionWidths widths;
};
// Table 1 of the paper.
constexpr std::array<Part, 9> parts = {{{"inception3a", {64, 96, 128, 16, 32, 32}},
                                        {"inception3b", {128, 128, 192, 32, 96, 64}},
                                        {"inception4a", {192, 96, 208, 16, 48, 64}},
                                        {"inception4b", {160, 112, 224, 24, 64, 64}},
                                        {"inception4c", {128, 128, 256, 24, 64, 64}},
                                        {"inception4d", {112, 144, 288, 32, 64, 64}},
                                        {"inception4e", {256, 160, 320, 32, 128, 128}},
                                        {"inception5a", {256, 160, 320, 32, 128, 128}},
                                        {"inception5b", {384, 192, 384, 48, 128, 128}}}};
constexpr std::size_t last_of_3 = 1;
constexpr std::size_t first_auxiliary = 2;   // behind 4a
constexpr std::size_t second_auxiliary = 5;  // behind 4d
constexpr std::size_t last_of_4 = 6;

// Rounded up at the border, as in the network's original framework.
Tensor halved(const Tensor& x, std::int64_t kernel) {
  return max_pool2d(x, kernel, {.stride = 2, .ceil_mode = true});
}

std::int64_t channels_of(const Shape& input, const GoogLeNetOptions& options) {
  require_picture(options.naive ? "googlenet-naive" : "googlenet", input, smallest);
  return input[0];
}

}  // namespace

GoogLeNetAuxiliary::GoogLeNetAuxiliary(std::int64_t channels, std::int64_t classes, double dropout)
    : Module("GoogLeNetAuxiliary"),
      conv_(register_module("conv", ConvBlock(channels, 128, 1))),
      fc1_(register_module("fc1", nn::Linear(128 * 4 * 4, 1024))),
      fc2_(register_module("fc2", nn::Linear(1024, classes))),
      dropout_(register_module("dropout", nn::Dropout(dropout))) {}

Tensor GoogLeNetAuxiliary::forward(const Tensor& x) const {
  const Tensor features = flatten(conv_(adaptive_avg_pool2d(x, 4)), 1);
  return fc2_(dropout_(relu(fc1_(features))));
}

GoogLeNet::GoogLeNet(const Shape& input, std::int64_t classes, const GoogLeNetOptions& options)
    : Module("GoogLeNet"),
      conv1_(register_module("conv1", ConvBlock(channels_of(input, options), 64, 7, {.stride = 2, .padding = 3}))),
      conv2_(register_module("conv2", ConvBlock(64, 64, 1))),
      conv3_(register_module("conv3", ConvBlock(64, stem_filters, 3, {.padding = 1}))),
      dropout_(options.dropout) {
  std::int64_t channels = stem_filters;
  std::int64_t auxiliary_channels[2] = {0, 0};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& [name, widths] = parts[i];
    if (options.naive) {
      modules_.push_back(std::make_shared<NaiveInceptionModule>(
          register_module(name, NaiveInceptionModule(channels, widths.one, widths.three, widths.five))));
      channels += widths.one + widths.three + widths.five;
    } else {
      modules_.push_back(
          std::make_shared<InceptionModule>(register_module(name, InceptionModule(channels, widths, five_kernel))));
      channels = widths.one + widths.three + widths.five + widths.pool;
    }
    if (i == first_auxiliary) auxiliary_channels[0] = channels;
    if (i == second_auxiliary) auxiliary_channels[1] = channels;
  }
  if (options.auxiliary) {
    const double dropout = options.auxiliary_dropout;
    aux1_ = register_module("aux1", GoogLeNetAuxiliary(auxiliary_channels[0], classes, dropout));
    aux2_ = register_module("aux2", GoogLeNetAuxiliary(auxiliary_channels[1], classes, dropout));
  }
  register_module("dropout", dropout_);
  fc_ = register_module("fc", nn::Linear(channels, classes));
  for (const auto& [name, tensor] : named_parameters()) {
    if (tensor.rank() > 1) nn::init::normal(tensor, 0, 0.01);
  }
}

Tensor GoogLeNet::logits(const Tensor& x, std::vector<nn::TrainingOutput>* auxiliary) const {
  Tensor y = halved(conv1_(x), 3);
  y = halved(conv3_(conv2_(y)), 3);
  for (std::size_t i = 0; i < modules_.size(); ++i) {
    y = (*modules_[i])(y);
    if (i == last_of_3) y = halved(y, 3);
    if (i == last_of_4) y = halved(y, 2);
    if (auxiliary == nullptr) continue;
    if (i == first_auxiliary) auxiliary->push_back({.logits = (*aux1_)(y), .weight = auxiliary_weight});
    if (i == second_auxiliary) auxiliary->push_back({.logits = (*aux2_)(y), .weight = auxiliary_weight});
  }
  return (*fc_)(dropout_(global_avg_pool(y)));
}

Tensor GoogLeNet::forward(const Tensor& x) const {
  return logits(x, nullptr);
}

std::vector<nn::TrainingOutput> GoogLeNet::training_outputs(const Tensor& x) const {
  std::vector<nn::TrainingOutput> outputs(1);
  outputs.front().logits = logits(x, aux1_ ? &outputs : nullptr);
  return outputs;
}

}  // namespace narae::models
