#include <gtest/gtest.h>

#include <cmath>

#include "narae/core/error.h"
#include "narae/models/alexnet.h"
#include "narae/models/googlenet.h"
#include "narae/models/inception_v3.h"
#include "narae/models/registry.h"
#include "narae/models/resnet.h"
#include "narae/models/vgg.h"
#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/train/optimization.h"

namespace narae::models {
namespace {

std::string complaint(const ModelSpec& spec) {
  try {
    const nn::init::Skip skip;
    static_cast<void>(make_model(spec));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::shared_ptr<nn::Module> unfilled(const ModelSpec& spec) {
  const nn::init::Skip skip;
  return make_model(spec);
}

Tensor picture(std::int64_t batch, std::int64_t channels, std::int64_t side) {
  return zeros({batch, channels, side, side});
}

Array values_of(const nn::Module& model, const std::string& name) {
  for (const auto& [key, array] : model.state_dict())
    if (key == name) return array;
  throw Error("no tensor " + name);
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};
Moments moments_of(const Array& array) {
  double sum = 0;
  double squares = 0;
  for (const float x : array.values<float>()) {
    sum += x;
    squares += static_cast<double>(x) * x;
  }
  const auto count = static_cast<double>(array.count());
  return {sum / count, std::sqrt(squares / count - sum / count * (sum / count))};
}

struct Smallest {
  std::string name;
  std::int64_t side;
};

// The least pictures are taken with other channels and classes than the usual ones, smaller ones are refused. Nothing
// is computed: shapes are checked when a recipe is written.
TEST(ZooModels, TakeAnyPictureFromTheSmallestOn) {
  const Smallest cases[] = {{"alexnet", 63},    {"alexnet-227", 67},     {"vgg11", 32},        {"vgg19-bn", 32},
                            {"googlenet", 31},  {"googlenet-naive", 31}, {"inception-v3", 75}, {"resnet18", 1},
                            {"se-resnet50", 1}, {"plain34", 1},          {"resnet20", 1},      {"plain20", 1},
                            {"se-resnet20", 1}};
  for (const auto& [name, side] : cases) {
    Options options;
    if (name.starts_with("vgg")) options = {{"hidden", std::int64_t{8}}};
    for (const std::int64_t more : {0, 1, 30}) {
      const std::int64_t here = side + more;
      const auto model = unfilled({.name = name, .options = options, .input = {2, here, here + 3}, .num_classes = 7});
      model->eval();
      EXPECT_EQ((*model)(zeros({3, 2, here, here + 3})).shape(), (Shape{3, 7})) << name << " " << here;
    }
    const std::string text = complaint({.name = name, .options = options, .input = {2, side - 1, 300}});
    EXPECT_NE(text.find(side == 1 ? "nothing to learn" : name + ": it takes pictures"), std::string::npos) << text;
    EXPECT_NE(complaint({.name = name, .options = options, .input = {300}}).find("it takes pictures"),
              std::string::npos);
  }
}

// Sizes below which nothing is left at some layer: the constants are no larger than need be.
TEST(ZooModels, RefuseNoPictureThatTheyCouldTake) {
  const nn::init::Skip skip;
  const AlexNet alexnet({1, 63, 63}, 2);
  EXPECT_THROW(static_cast<void>(alexnet(picture(1, 1, 62))), Error);
  const AlexNet227 alexnet227({1, 67, 67}, 2);
  EXPECT_THROW(static_cast<void>(alexnet227(picture(1, 1, 66))), Error);
  const Vgg vgg({1, 32, 32}, 2, {.depth = 11, .hidden = 8});
  EXPECT_THROW(static_cast<void>(vgg(picture(1, 1, 31))), Error);
  const GoogLeNet googlenet({1, 31, 31}, 2);
  EXPECT_THROW(static_cast<void>(googlenet(picture(1, 1, 30))), Error);
  const InceptionV3 inception({1, 75, 75}, 2);
  EXPECT_THROW(static_cast<void>(inception(picture(1, 1, 74))), Error);
}

TEST(ZooModels, UnknownDepthsAreRefused) {
  EXPECT_THROW(Vgg({3, 32, 32}, 10, {.depth = 12}), Error);
  EXPECT_THROW(static_cast<void>(imagenet_resnet(20)), Error);
  EXPECT_THROW(static_cast<void>(cifar_resnet(18)), Error);
  EXPECT_EQ(cifar_resnet(110).blocks, (std::vector<std::int64_t>{18, 18, 18}));
}

TEST(ZooModels, AuxiliaryClassifiersAnswerInTrainingAlone) {
  const auto model = unfilled({.name = "googlenet", .options = {}, .input = {3, 64, 64}, .num_classes = 5});
  const auto outputs = model->training_outputs(picture(2, 3, 64));
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].weight, 1);
  for (const std::size_t i : {1U, 2U}) {
    EXPECT_EQ(outputs[i].weight, 0.3);
    EXPECT_EQ(outputs[i].logits.shape(), (Shape{2, 5}));
  }
  const ModelSpec without{
      .name = "googlenet", .options = {{"auxiliary", false}}, .input = {3, 64, 64}, .num_classes = 5};
  EXPECT_EQ(unfilled(without)->training_outputs(picture(2, 3, 64)).size(), 1U);

  const auto inception = unfilled({.name = "inception-v3", .options = {}, .input = {3, 299, 299}, .num_classes = 5});
  const auto two = inception->training_outputs(picture(2, 3, 299));
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[1].weight, 0.4);
  try {
    static_cast<void>(inception->training_outputs(picture(2, 3, 298)));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.auxiliary=false"), std::string::npos) << error.what();
  }
  // Networks with one answer have that one.
  const auto plain = unfilled({.name = "mlp"});
  ASSERT_EQ(plain->training_outputs(picture(2, 1, 28)).size(), 1U);
}

TEST(ZooModels, TheTrainingLossIsTheWeightedSum) {
  const Tensor logits = Tensor::of({0, 0, 0, 0}, {1, 4});  // cross entropy log 4
  const Array label = Array::zeros(DType::i64, {1});
  const Tensor loss = training_loss(task_of("classify"), {},
                                    {{.logits = logits}, {.logits = logits, .weight = 0.3}, {logits, 0.3}}, label);
  EXPECT_NEAR(loss.item(), 1.6 * std::log(4), 1e-6);
}

TEST(ZooModels, OptionsChangeTheNetworks) {
  const auto count = [](const std::string& name, Options options) {
    return unfilled({.name = name, .options = std::move(options), .input = {3, 32, 32}, .num_classes = 10})
        ->parameter_count();
  };
  EXPECT_EQ(count("vgg11-bn", {{"hidden", std::int64_t{512}}, {"pooled", std::int64_t{1}}}),
            9225984 + 2 * (512 * 512 + 512) + 512 * 10 + 10);
  EXPECT_EQ(count("resnet18", {{"stem", std::string("cifar")}}), 11173962);
  EXPECT_EQ(count("resnet18", {}) - count("resnet18", {{"stem", std::string("cifar")}}), 64 * 3 * (49 - 9));
  const auto tree = nn::to_string(
      *unfilled({.name = "alexnet", .options = {{"dropout", 0.25}}, .input = {3, 64, 64}, .num_classes = 10}));
  EXPECT_NE(tree.find("Dropout(0.25)"), std::string::npos) << tree;
}

TEST(ZooModels, FirstWeightsAreTorchvisions) {
  manual_seed(1);
  const auto vgg = make_model({.name = "vgg11",
                               .options = {{"hidden", std::int64_t{256}}, {"pooled", std::int64_t{1}}},
                               .input = {3, 32, 32},
                               .num_classes = 10});
  const double fan_out = 256 * 9;
  EXPECT_NEAR(moments_of(values_of(*vgg, "features.8.weight")).deviation, std::sqrt(2 / fan_out), 1e-4);
  EXPECT_NEAR(moments_of(values_of(*vgg, "classifier.0.weight")).deviation, 0.01, 1e-4);
  for (const char* bias : {"features.8.bias", "classifier.6.bias"})
    for (const float b : values_of(*vgg, bias).values<float>()) ASSERT_EQ(b, 0) << bias;

  const auto resnet = make_model({.name = "resnet20", .options = {}, .input = {3, 32, 32}, .num_classes = 10});
  EXPECT_NEAR(moments_of(values_of(*resnet, "layer3.2.conv2.weight")).deviation, std::sqrt(2.0 / (64 * 9)), 1e-3);
  EXPECT_NE(values_of(*resnet, "fc.bias").values<float>()[0], 0);

  const auto googlenet = make_model({.name = "googlenet", .options = {}, .input = {3, 32, 32}, .num_classes = 10});
  EXPECT_NEAR(moments_of(values_of(*googlenet, "inception5b.branch2.1.conv.weight")).deviation, 0.01, 1e-4);
  EXPECT_NEAR(moments_of(values_of(*googlenet, "fc.weight")).deviation, 0.01, 3e-4);

  const auto inception = make_model({.name = "inception-v3", .options = {}, .input = {3, 75, 75}, .num_classes = 10});
  EXPECT_NEAR(moments_of(values_of(*inception, "Mixed_6b.branch7x7_2.conv.weight")).deviation, 0.1, 1e-3);
  EXPECT_NEAR(moments_of(values_of(*inception, "AuxLogits.fc.weight")).deviation, 0.001, 3e-5);

  const auto alexnet = make_model({.name = "alexnet-227", .options = {}, .input = {3, 67, 67}, .num_classes = 10});
  EXPECT_NEAR(moments_of(values_of(*alexnet, "features.10.weight")).deviation, 0.01, 1e-4);
  for (const auto& [name, value] : std::vector<std::pair<std::string, float>>{{"features.0.bias", 0},
                                                                              {"features.4.bias", 1},
                                                                              {"features.8.bias", 0},
                                                                              {"features.10.bias", 1},
                                                                              {"features.12.bias", 1},
                                                                              {"classifier.0.bias", 1},
                                                                              {"classifier.6.bias", 0}}) {
    for (const float b : values_of(*alexnet, name).values<float>()) ASSERT_EQ(b, value) << name;
  }
}

// A plain network is the residual one without what the shortcuts add.
TEST(ZooModels, PlainNetworksHaveTheSameConvolutions) {
  const auto names = [](const std::string& name) {
    std::vector<std::string> result;
    for (const auto& [key, tensor] :
         unfilled({.name = name, .options = {}, .input = {3, 32, 32}, .num_classes = 10})->named_parameters())
      if (key.find("downsample") == std::string::npos) result.push_back(key);
    return result;
  };
  EXPECT_EQ(names("resnet18"), names("plain18"));
  EXPECT_EQ(names("resnet56"), names("plain56"));
}

}  // namespace
}  // namespace narae::models
