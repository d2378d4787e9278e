#include "bench/resnet.h"

#include <cmath>
#include <optional>
#include <string>

#include "narae/nn/nn.h"
#include "narae/ops/ops.h"

namespace narae::bench {
namespace {

nn::Conv2d conv3x3(int channels, int filters, int stride) {
  return nn::Conv2d(channels, filters, 3, {.stride = stride, .padding = 1, .bias = false});
}

class Block : public nn::Module {
 public:
  Block(int channels, int filters, int stride)
      : Module("Block"),
        conv1_(register_module("conv1", conv3x3(channels, filters, stride))),
        bn1_(register_module("bn1", nn::BatchNorm2d(filters))),
        conv2_(register_module("conv2", conv3x3(filters, filters, 1))),
        bn2_(register_module("bn2", nn::BatchNorm2d(filters))) {
    if (stride == 1 && channels == filters) return;
    projection_ = register_module(
        "downsample",
        nn::Sequential(nn::Conv2d(channels, filters, 1, {.stride = stride, .bias = false}), nn::BatchNorm2d(filters)));
  }
  [[nodiscard]] Tensor forward(const Tensor& x) const override {
    const Tensor y = bn2_(conv2_(relu(bn1_(conv1_(x)))));
    return relu(y + (projection_ ? (*projection_)(x) : x));
  }

 private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;
  std::optional<nn::Sequential> projection_;
};

}  // namespace

std::unique_ptr<nn::Module> make_resnet(int width, int blocks, int stages) {
  auto model = std::make_unique<nn::Sequential>(conv3x3(3, width, 1), nn::BatchNorm2d(width), nn::ReLU());
  int channels = width;
  for (int stage = 0; stage < stages; ++stage) {
    for (int block = 0; block < blocks; ++block) {
      const int filters = width << stage;
      model->push_back(Block(channels, filters, stage > 0 && block == 0 ? 2 : 1));
      channels = filters;
    }
  }
  model->push_back(nn::AdaptiveAvgPool2d(1));
  model->push_back(nn::Flatten());
  model->push_back(nn::Linear(channels, 10));
  return model;
}

Array made_up(const Shape& shape, std::int64_t k, double scale) {
  Array result = Array::empty(DType::f32, shape);
  double i = 0;
  for (float& x : result.mutable_values<float>()) {
    i += 1;
    const double turn = i * 0.6180339887498949 + static_cast<double>(k) * 0.7548776662466927;
    x = static_cast<float>(scale * (2 * (turn - std::floor(turn)) - 1));
  }
  return result;
}

void make_up_weights(const nn::Module& model) {
  std::int64_t k = 0;
  for (const auto& [name, parameter] : model.named_parameters()) {
    const Shape& shape = parameter.shape();
    if (shape.rank() > 1) {
      const auto fan_in = static_cast<double>(shape.count()) / static_cast<double>(shape[0]);
      parameter.assign(made_up(shape, k, std::sqrt(6 / fan_in)));
    } else if (!name.ends_with("weight")) {
      parameter.assign(zeros(shape));
    }
    ++k;
  }
}

}  // namespace narae::bench
