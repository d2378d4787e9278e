#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "narae/core/error.h"
#include "narae/models/inception_module.h"
#include "narae/models/registry.h"
#include "narae/nn/nn.h"
#include "narae/ops/view.h"
#include "narae/train/summary.h"

// Shapes, parameters, operations and memory of the convolutional networks, counted on the built networks.

namespace narae {
namespace {

ModelSummary summary_of(const std::string& name, Options options = {}) {
  const models::ModelInfo& info = models::model_info(name);
  const nn::init::Skip skip;
  const auto model = models::make_model(
      {.name = name, .options = std::move(options), .input = info.input, .num_classes = info.num_classes});
  return summarize(*model, {1, info.input[0], info.input[1], info.input[2]});
}

template <class M>
ModelSummary summary_of(const M& module, const Shape& input) {
  return summarize(nn::Sequential{module}, input);
}

// Outputs without the batch of the layers of these kinds.
std::vector<Shape> outputs_of(const ModelSummary& summary, const std::vector<std::string>& kinds) {
  std::vector<Shape> shapes;
  for (const LayerSummary& layer : summary.layers) {
    if (std::find(kinds.begin(), kinds.end(), layer.type) != kinds.end())
      shapes.emplace_back(layer.output.dims().subspan(1));
  }
  return shapes;
}

const LayerSummary& layer(const ModelSummary& summary, const std::string& name) {
  for (const LayerSummary& l : summary.layers)
    if (l.name == name) return l;
  throw Error("no layer " + name);
}

TEST(Counting, ConvolutionsGiveFloorOfTheQuotientPlusOne) {
  const auto side = [](std::int64_t stride) {
    return summary_of(nn::Conv2d(1, 1, 3, {.stride = stride}), {1, 1, 7, 7}).layers.front().output[2];
  };
  EXPECT_EQ(side(1), 5);
  EXPECT_EQ(side(2), 3);
  EXPECT_EQ(side(3), 2);  // (7 - 3) / 3 is rounded down; the summary says so, see SaysWhenAStrideDoesNotDivide
}

TEST(Counting, PoolingFollowsTheSameRuleAndHasNoParameters) {
  for (const auto& [in, kernel, stride, out] :
       std::vector<std::array<std::int64_t, 4>>{{224, 2, 2, 112}, {55, 3, 2, 27}, {27, 3, 2, 13}, {13, 3, 2, 6}}) {
    const ModelSummary pooled = summary_of(nn::MaxPool2d(kernel, {.stride = stride}), {1, 4, in, in});
    EXPECT_EQ(pooled.layers.front().output, (Shape{1, 4, out, out}));
    EXPECT_EQ(pooled.parameters, 0);
    EXPECT_EQ(pooled.multiply_adds, 0);
  }
}

TEST(Counting, ParametersOfLayers) {
  EXPECT_EQ(nn::Linear(7, 3).parameter_count(), 7 * 3 + 3);
  EXPECT_EQ(nn::Conv2d(3, 10, {4, 5}).parameter_count(), (5 * 4 * 3 + 1) * 10);
  EXPECT_EQ(nn::BatchNorm2d(12).parameter_count(), 2 * 12);
}

// Ten 5x5 filters over 32x32x3 have 760 parameters where a full connection between the same values has 10,240 x 3,073.
TEST(Counting, AFullConnectionOfTheSameShape) {
  const nn::init::Skip skip;
  const ModelSummary conv = summary_of(nn::Conv2d(3, 10, 5, {.padding = 2}), {1, 3, 32, 32});
  EXPECT_EQ(conv.layers.front().output, (Shape{1, 10, 32, 32}));
  EXPECT_EQ(conv.parameters, 760);
  EXPECT_EQ(nn::Linear(3 * 32 * 32, 10 * 32 * 32).parameter_count(), 10240 * 3073);
}

TEST(Counting, TwoSmallFiltersSeeAsMuchAsALargeOne) {
  const nn::Sequential two{nn::Conv2d(1, 1, 3, {.bias = false}), nn::Conv2d(1, 1, 3, {.bias = false})};
  const nn::Sequential one{nn::Conv2d(1, 1, 5, {.bias = false})};
  const ModelSummary small = summarize(two, {1, 1, 9, 9});
  const ModelSummary large = summarize(one, {1, 1, 9, 9});
  EXPECT_EQ(small.parameters, 18);
  EXPECT_EQ(large.parameters, 25);
  EXPECT_EQ(small.layers.back().receptive_height, 5);
  EXPECT_EQ(large.layers.back().receptive_height, 5);
  EXPECT_EQ(small.layers.front().receptive_height, 3);
}

TEST(Counting, VolumesOfAlexNet) {
  const std::vector<Shape> expected = {{96, 55, 55},  {96, 27, 27},  {256, 27, 27}, {256, 13, 13},
                                       {384, 13, 13}, {384, 13, 13}, {256, 13, 13}, {256, 6, 6},
                                       {4096},        {4096},        {1000}};
  const ModelSummary summary = summary_of("alexnet-227");
  EXPECT_EQ(outputs_of(summary, {"Conv2d", "MaxPool2d", "Linear"}), expected);
  EXPECT_EQ(outputs_of(summary, {"LocalResponseNorm"}), (std::vector<Shape>{{96, 27, 27}, {256, 13, 13}}));
}

TEST(Counting, WeightsOfVgg16) {
  const nn::init::Skip skip;
  const auto model = models::make_model({.name = "vgg16", .options = {}, .input = {3, 224, 224}, .num_classes = 1000});
  std::vector<std::int64_t> weights;
  for (const auto& [name, tensor] : model->named_parameters()) {
    if (name.ends_with(".weight")) weights.push_back(tensor.count());
  }
  EXPECT_EQ(weights, (std::vector<std::int64_t>{1728, 36864, 73728, 147456, 294912, 589824, 589824, 1179648, 2359296,
                                                2359296, 2359296, 2359296, 2359296, 102760448, 16777216, 4096000}));
}

// 15.2 million values an image, 61 MB in float32; 138 million parameters.
TEST(Counting, MemoryOfVgg16) {
  const ModelSummary summary = summary_of("vgg16");
  EXPECT_EQ(summary.parameters, 138357544);
  EXPECT_EQ(summary.activation_bytes, 4 * 15237608);
  EXPECT_EQ(readable_bytes(summary.activation_bytes), "61.0 MB");
  EXPECT_EQ(summary.multiply_adds, 15470264320);
}

TEST(Counting, InceptionModulesWithAndWithoutReductions) {
  const models::NaiveInceptionModule naive(256, 128, 192, 96);
  const ModelSummary plain = summarize(naive, {1, 256, 28, 28});
  EXPECT_EQ(plain.layers.back().output, (Shape{1, 672, 28, 28}));
  EXPECT_EQ(plain.multiply_adds, 854196224);
  const models::InceptionModule module(
      256, {.one = 128, .three_reduced = 64, .three = 192, .five_reduced = 64, .five = 96, .pool = 64});
  const ModelSummary reduced = summarize(module, {1, 256, 28, 28});
  EXPECT_EQ(reduced.layers.back().output, (Shape{1, 480, 28, 28}));
  EXPECT_EQ(reduced.multiply_adds, 271351808);
}

// torchvision's numbers; those of the paper for CIFAR (0.27, 0.46, 0.66, 0.85 and 1.7 million), with the parameters of
// batch norm.
TEST(Counting, ParametersOfTheNetworks) {
  const std::map<std::string, std::int64_t> expected = {
      {"alexnet", 61100840},   {"alexnet-227", 62378344}, {"vgg11", 132863336},    {"vgg11-bn", 132868840},
      {"vgg13", 133047848},    {"vgg13-bn", 133053736},   {"vgg16", 138357544},    {"vgg16-bn", 138365992},
      {"vgg19", 143667240},    {"vgg19-bn", 143678248},   {"googlenet", 13004888}, {"inception-v3", 27161264},
      {"resnet18", 11689512},  {"resnet34", 21797672},    {"resnet50", 25557032},  {"resnet101", 44549160},
      {"resnet152", 60192808}, {"se-resnet50", 28088024}, {"resnet20", 269722},    {"resnet32", 464154},
      {"resnet44", 658586},    {"resnet56", 853018},      {"resnet110", 1727962},  {"plain20", 269722}};
  const nn::init::Skip skip;
  for (const auto& [name, parameters] : expected) {
    const models::ModelInfo& info = models::model_info(name);
    const auto model =
        models::make_model({.name = name, .options = {}, .input = info.input, .num_classes = info.num_classes});
    EXPECT_EQ(model->parameter_count(), parameters) << name;
  }
  EXPECT_EQ(summary_of("googlenet", {{"auxiliary", false}}).parameters, 6624904);
  EXPECT_EQ(summary_of("inception-v3", {{"auxiliary", false}}).parameters, 23834568);
}

// Published multiply-adds (torchvision's "GFLOPS").
TEST(Counting, MultiplyAddsOfTheNetworks) {
  for (const auto& [name, giga] : std::map<std::string, double>{{"alexnet", 0.714},
                                                                {"vgg11", 7.609},
                                                                {"googlenet", 1.498},
                                                                {"inception-v3", 5.713},
                                                                {"resnet18", 1.814},
                                                                {"resnet34", 3.664},
                                                                {"resnet50", 4.089},
                                                                {"resnet101", 7.801},
                                                                {"resnet152", 11.514}}) {
    EXPECT_NEAR(static_cast<double>(summary_of(name).multiply_adds) * 1e-9, giga, 0.0006) << name;
  }
}

// Araujo, Norris and Sim 2019, table 1; the residual network's by the same formula for torchvision's strides.
TEST(Counting, ReceptiveFields) {
  EXPECT_EQ(layer(summary_of("alexnet"), "features.12").receptive_height, 195);
  EXPECT_EQ(layer(summary_of("vgg16"), "features.30").receptive_width, 212);
  EXPECT_EQ(layer(summary_of("inception-v3"), "Mixed_7c.branch3x3dbl_3b.conv").receptive_height, 1311);
  EXPECT_EQ(layer(summary_of("resnet18"), "layer4.1.conv2").receptive_height, 435);
  EXPECT_EQ(layer(summary_of("resnet50"), "layer4.2.bn3").receptive_height, 427);
  // The linear layers behind the plane see all of it: 7x7 windows of 212, 32 pixels apart.
  EXPECT_EQ(layer(summary_of("vgg16"), "classifier.0").receptive_height, 212 + 6 * 32);
  // A shortcut that takes every second pixel keeps the rhythm of the other path.
  EXPECT_EQ(layer(summary_of("resnet20"), "layer3.2.conv2").receptive_height, 81);
  // Gates of squeeze-and-excitation change nothing.
  EXPECT_EQ(layer(summary_of("se-resnet20"), "layer3.2.conv2").receptive_height, 81);
  EXPECT_EQ(layer(summary_of("se-resnet50"), "layer4.2.bn3").receptive_height, 427);
}

// Slices of pictures before a convolution of 3x3.
class Sliced : public nn::Module {
 public:
  explicit Sliced(std::int64_t step)
      : Module("Sliced"), step_(step), conv_(register_module("conv", nn::Conv2d(1, 1, 3))) {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return conv_(slice(x, 2, 0, x.size(2) - 1, step_)); }

 private:
  std::int64_t step_;
  nn::Conv2d conv_;
};

TEST(Counting, SlicesSpreadWindowsByTheirStep) {
  EXPECT_EQ(summarize(Sliced(1), {1, 1, 9, 9}).layers.back().receptive_height, 3);
  EXPECT_EQ(summarize(Sliced(2), {1, 1, 33, 33}).layers.back().receptive_height, 5);
  EXPECT_EQ(summarize(Sliced(2), {1, 1, 33, 33}).layers.back().receptive_width, 3);
}

TEST(Counting, NothingIsSaidAboutWindowsBehindATransposedConvolution) {
  const nn::Sequential model{nn::Conv2d(1, 2, 3), nn::ConvTranspose2d(2, 1, 2, {.stride = 2}), nn::Conv2d(1, 1, 3)};
  const ModelSummary summary = summarize(model, {1, 1, 9, 9});
  EXPECT_EQ(summary.layers[0].receptive_height, 3);
  EXPECT_EQ(summary.layers[1].receptive_height, 0);
  EXPECT_EQ(summary.layers[2].receptive_height, 0);
}

TEST(Counting, RecomputedBlocksHalveTheMemoryOfADeepNetwork) {
  const nn::init::Skip skip;
  const auto model = models::make_model({.name = "resnet110", .options = {}, .input = {3, 32, 32}});
  const std::int64_t kept = training_memory(*model, {32, 3, 32, 32}).arena;
  EXPECT_GT(nn::checkpoint_activations(*model), 0);
  EXPECT_LT(training_memory(*model, {32, 3, 32, 32}).arena, kept / 2);
}

TEST(Counting, AuxiliaryClassifiersTakeNoPartInEvaluation) {
  const ModelSummary summary = summary_of("googlenet");
  EXPECT_EQ(layer(summary, "aux1.fc1").note, "takes no part in evaluation");
  EXPECT_EQ(layer(summary, "aux1.fc1").multiply_adds, 0);
}

}  // namespace
}  // namespace narae
