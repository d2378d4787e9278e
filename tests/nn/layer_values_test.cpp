// The layers of convolutional networks against PyTorch, in float64: values and gradients with random cotangents. See
// tests/reference/make_layers.py.
#include "narae/nn/nn.h"
#include "tests/nn/value_case.h"

namespace narae {
namespace {

using testing::ReferenceFile;
using testing::Tensors;
using Case = testing::ValueCase;

const ReferenceFile& layer_values() {
  static const ReferenceFile file("layers.safetensors", "cases");
  return file;
}

template <class Layer>
Tensors instance_norm(Case& c) {
  return c.through_with_statistics(Layer(c.x().size(1), {.eps = c.arguments["eps"],
                                                         .momentum = c.arguments["momentum"],
                                                         .affine = c.arguments["affine"],
                                                         .track_running_stats = c.arguments["track_running_stats"],
                                                         .dtype = DType::f64}));
}

const testing::ValueFunctions& functions() {
  static const testing::ValueFunctions table = {
      {"conv_transpose2d",
       [](Case& c) {
         const Shape& w = c.parameters.at("weight").shape;
         const std::int64_t groups = c.arguments["groups"];
         return Tensors{{"y", c.through(nn::ConvTranspose2d(w[0], w[1] * groups, {w[2], w[3]},
                                                            {.stride = c.size("stride"),
                                                             .padding = c.size("padding"),
                                                             .output_padding = c.size("output_padding"),
                                                             .groups = groups,
                                                             .bias = c.arguments["bias"],
                                                             .dilation = c.size("dilation"),
                                                             .dtype = DType::f64}))}};
       }},
      {"max_pool2d",
       [](Case& c) {
         return Tensors{{"y", nn::MaxPool2d(c.size("kernel_size"), {.stride = c.size("stride"),
                                                                    .padding = c.size("padding"),
                                                                    .ceil_mode = c.arguments["ceil_mode"]})(c.x())}};
       }},
      {"avg_pool2d",
       [](Case& c) {
         const nn::AvgPool2d pool(c.size("kernel_size"), {.stride = c.size("stride"),
                                                          .padding = c.size("padding"),
                                                          .ceil_mode = c.arguments["ceil_mode"],
                                                          .count_include_pad = c.arguments["count_include_pad"]});
         return Tensors{{"y", pool(c.x())}};
       }},
      {"adaptive_avg_pool2d",
       [](Case& c) {
         return Tensors{{"y", nn::AdaptiveAvgPool2d(c.size("output_size"))(c.x())}};
       }},
      {"adaptive_max_pool2d",
       [](Case& c) {
         return Tensors{{"y", nn::AdaptiveMaxPool2d(c.size("output_size"))(c.x())}};
       }},
      {"local_response_norm",
       [](Case& c) {
         const nn::LocalResponseNorm norm(
             c.arguments["size"], {.alpha = c.arguments["alpha"], .beta = c.arguments["beta"], .k = c.arguments["k"]});
         return Tensors{{"y", norm(c.x())}};
       }},
      {"group_norm",
       [](Case& c) {
         return Tensors{{"y", c.through(nn::GroupNorm(
                                  c.arguments["groups"], c.x().size(1),
                                  {.eps = c.arguments["eps"], .affine = c.arguments["affine"], .dtype = DType::f64}))}};
       }},
      {"instance_norm1d", instance_norm<nn::InstanceNorm1d>},
      {"instance_norm2d", instance_norm<nn::InstanceNorm2d>},
      {"batch_norm2d", instance_norm<nn::BatchNorm2d>},
      {"rms_norm",
       [](Case& c) {
         nn::RMSNormOptions options{.elementwise_affine = c.arguments["affine"], .dtype = DType::f64};
         if (c.arguments.contains("eps")) options.eps = c.arguments["eps"].get<double>();
         return Tensors{{"y", c.through(nn::RMSNorm(c.shape("normalized_shape"), options))}};
       }},
      {"layer_norm",
       [](Case& c) {
         return Tensors{
             {"y", c.through(nn::LayerNorm(c.shape("normalized_shape"), {.eps = c.arguments["eps"],
                                                                         .elementwise_affine = c.arguments["affine"],
                                                                         .bias = c.arguments["bias"],
                                                                         .dtype = DType::f64}))}};
       }},
      {"squeeze_excitation",
       [](Case& c) {
         return Tensors{
             {"y", c.through(nn::SqueezeExcitation(c.arguments["input_channels"], c.arguments["squeeze_channels"],
                                                   {.dtype = DType::f64}))}};
       }},
  };
  return table;
}

TEST(LayerValues, FollowPyTorch) {
  for (const auto& [name, arguments] : layer_values().description.items()) {
    testing::check_case(layer_values(), functions(), name, arguments);
  }
  EXPECT_GE(layer_values().description.size(), 60U);
}

// All parameters have PyTorch's names: nothing is missing either.
TEST(LayerValues, StateDictsHavePyTorchsNames) {
  const auto names = [](const nn::Module& layer) {
    std::vector<std::string> result;
    for (const auto& [name, value] : layer.state_dict()) result.push_back(name);
    return result;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(nn::ConvTranspose2d(2, 3, 3)), (Names{"weight", "bias"}));
  EXPECT_EQ(names(nn::BatchNorm2d(2, {.affine = false})),
            (Names{"running_mean", "running_var", "num_batches_tracked"}));
  EXPECT_EQ(names(nn::BatchNorm2d(2, {.track_running_stats = false})), (Names{"weight", "bias"}));
  EXPECT_EQ(names(nn::InstanceNorm2d(2)), Names{});
  EXPECT_EQ(names(nn::InstanceNorm2d(2, {.affine = true, .track_running_stats = true})),
            (Names{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}));
  EXPECT_EQ(names(nn::GroupNorm(1, 2)), (Names{"weight", "bias"}));
  EXPECT_EQ(names(nn::RMSNorm(2)), Names{"weight"});
  EXPECT_EQ(names(nn::LayerNorm(2, {.bias = false})), Names{"weight"});
  EXPECT_EQ(names(nn::SqueezeExcitation(4, 2)), (Names{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
}

}  // namespace
}  // namespace narae
