// Activations, losses and layers against PyTorch, in float64: values and gradients with random cotangents.
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "tests/nn/value_case.h"

namespace narae {
namespace {

using nlohmann::json;
using testing::reference_values;
using testing::Tensors;
using Case = testing::ValueCase;

nn::Reduction reduction_of(const Case& c) {
  if (!c.arguments.contains("reduction")) return nn::Reduction::mean;
  const std::string text = c.arguments["reduction"];
  if (text == "none") return nn::Reduction::none;
  if (text == "sum") return nn::Reduction::sum;
  return text == "mean" ? nn::Reduction::mean : nn::Reduction::batch_mean;
}

template <class Layer>
Tensors batch_norm(Case& c) {
  const std::int64_t channels = c.x().size(1);
  const Layer layer(channels, {.eps = c.arguments["eps"], .momentum = c.arguments["momentum"], .dtype = DType::f64});
  return c.through_with_statistics(layer);
}

const testing::ValueFunctions& functions() {
  static const testing::ValueFunctions table = {
      {"sigmoid",
       [](Case& c) {
         return Tensors{{"y", nn::Sigmoid()(c.x())}};
       }},
      {"tanh",
       [](Case& c) {
         return Tensors{{"y", nn::Tanh()(c.x())}};
       }},
      {"relu",
       [](Case& c) {
         return Tensors{{"y", nn::ReLU()(c.x())}};
       }},
      {"gelu",
       [](Case& c) {
         return Tensors{{"y", nn::GELU()(c.x())}};
       }},
      {"gelu_tanh",
       [](Case& c) {
         return Tensors{{"y", nn::GELU({.tanh = true})(c.x())}};
       }},
      {"silu",
       [](Case& c) {
         return Tensors{{"y", nn::SiLU()(c.x())}};
       }},
      {"leaky_relu",
       [](Case& c) {
         return Tensors{{"y", nn::LeakyReLU(c.arguments["negative_slope"])(c.x())}};
       }},
      {"elu",
       [](Case& c) {
         return Tensors{{"y", nn::ELU(c.arguments["alpha"])(c.x())}};
       }},
      {"softplus",
       [](Case& c) {
         return Tensors{{"y", nn::Softplus(c.arguments["beta"])(c.x())}};
       }},
      {"softmax",
       [](Case& c) {
         return Tensors{{"y", nn::Softmax(c.arguments["dim"].get<int>())(c.x())}};
       }},
      {"log_softmax",
       [](Case& c) {
         return Tensors{{"y", log_softmax(c.x(), c.arguments["dim"].get<int>())}};
       }},
      {"mse_loss",
       [](Case& c) {
         return Tensors{{"y", nn::mse_loss(c.x(), c.in["target"], {.reduction = reduction_of(c)})}};
       }},
      {"l1_loss",
       [](Case& c) {
         return Tensors{{"y", nn::l1_loss(c.x(), c.in["target"], {.reduction = reduction_of(c)})}};
       }},
      {"huber_loss",
       [](Case& c) {
         return Tensors{{"y", nn::huber_loss(c.x(), c.in["target"],
                                             {.delta = c.arguments["delta"], .reduction = reduction_of(c)})}};
       }},
      {"smooth_l1_loss",
       [](Case& c) {
         return Tensors{{"y", nn::smooth_l1_loss(c.x(), c.in["target"],
                                                 {.beta = c.arguments["beta"], .reduction = reduction_of(c)})}};
       }},
      {"multi_margin_loss",
       [](Case& c) {
         return Tensors{
             {"y", nn::hinge_loss(c.x(), c.in["target"], {.p = c.arguments["p"], .margin = c.arguments["margin"]})}};
       }},
      {"cross_entropy",
       [](Case& c) {
         return Tensors{{"y", nn::cross_entropy(c.x(), c.in["target"],
                                                {.label_smoothing = c.arguments["label_smoothing"],
                                                 .ignore_index = c.arguments["ignore_index"],
                                                 .class_weights = c.optional("weight"),
                                                 .reduction = reduction_of(c)})}};
       }},
      {"nll_loss",
       [](Case& c) {
         return Tensors{{"y", nn::nll_loss(c.x(), c.in["target"],
                                           {.ignore_index = c.arguments["ignore_index"],
                                            .class_weights = c.optional("weight"),
                                            .reduction = reduction_of(c)})}};
       }},
      {"binary_cross_entropy_with_logits",
       [](Case& c) {
         return Tensors{
             {"y", nn::bce_with_logits(c.x(), c.in["target"],
                                       {.pos_weight = c.optional("pos_weight"), .reduction = reduction_of(c)})}};
       }},
      {"kl_div",
       [](Case& c) {
         return Tensors{{"y", nn::kl_div(c.x(), c.in["target"],
                                         {.log_target = c.arguments["log_target"], .reduction = reduction_of(c)})}};
       }},
      {"linear",
       [](Case& c) {
         const Shape& w = c.parameters.at("weight").shape;
         return Tensors{{"y", c.through(nn::Linear(w[1], w[0], {.bias = c.arguments["bias"], .dtype = DType::f64}))}};
       }},
      {"conv2d",
       [](Case& c) {
         const Shape& w = c.parameters.at("weight").shape;
         const std::int64_t groups = c.arguments["groups"];
         return Tensors{{"y", c.through(nn::Conv2d(w[1] * groups, w[0], {w[2], w[3]},
                                                   {.stride = c.size("stride"),
                                                    .padding = c.size("padding"),
                                                    .dilation = c.size("dilation"),
                                                    .groups = groups,
                                                    .bias = c.arguments["bias"],
                                                    .dtype = DType::f64}))}};
       }},
      {"max_pool2d",
       [](Case& c) {
         return Tensors{{"y", nn::MaxPool2d(c.size("kernel_size"),
                                            {.stride = c.size("stride"), .padding = c.size("padding")})(c.x())}};
       }},
      {"avg_pool2d",
       [](Case& c) {
         return Tensors{{"y", nn::AvgPool2d(c.size("kernel_size"),
                                            {.stride = c.size("stride"),
                                             .padding = c.size("padding"),
                                             .count_include_pad = c.arguments["count_include_pad"]})(c.x())}};
       }},
      {"adaptive_avg_pool2d",
       [](Case& c) {
         return Tensors{{"y", nn::AdaptiveAvgPool2d(c.size("output_size"))(c.x())}};
       }},
      {"batch_norm1d", batch_norm<nn::BatchNorm1d>},
      {"batch_norm2d", batch_norm<nn::BatchNorm2d>},
      {"layer_norm",
       [](Case& c) {
         const Shape shape = c.parameters.at("weight").shape;
         return Tensors{{"y", c.through(nn::LayerNorm(shape, {.eps = c.arguments["eps"], .dtype = DType::f64}))}};
       }},
      {"embedding",
       [](Case& c) {
         return Tensors{{"y", c.through(nn::Embedding(7, 3, {.dtype = DType::f64}), "indices")}};
       }},
  };
  return table;
}

TEST(PyTorchValues, FollowPyTorch) {
  int checked = 0;
  for (const auto& [name, arguments] : reference_values().description.items()) {
    if (!functions().contains(arguments["kind"])) continue;
    testing::check_case(reference_values(), functions(), name, arguments);
    ++checked;
  }
  EXPECT_GE(checked, 80);
}

TEST(PyTorchValues, EveryKindOfCaseHasATest) {
  // Checked in init_test.cpp and in tests/optim.
  const std::set<std::string> elsewhere = {"clip_grad_norm", "clip_grad_value", "schedule",        "gain",
                                           "xavier_uniform", "xavier_normal",   "kaiming_uniform", "kaiming_normal",
                                           "default_weight"};
  for (const auto& [name, arguments] : reference_values().description.items()) {
    const std::string kind = arguments["kind"];
    EXPECT_TRUE(functions().contains(kind) || elsewhere.contains(kind)) << name;
  }
}

}  // namespace
}  // namespace narae
