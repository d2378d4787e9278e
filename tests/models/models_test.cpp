#include <gtest/gtest.h>

#include <cmath>

#include "narae/core/error.h"
#include "narae/models/config.h"
#include "narae/models/lenet5.h"
#include "narae/models/registry.h"
#include "narae/ops/random.h"

namespace narae::models {
namespace {

std::vector<std::string> parameter_names(const nn::Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.named_parameters()) names.push_back(name);
  return names;
}

std::string complaint(const ModelSpec& spec) {
  try {
    static_cast<void>(make_model(spec));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Models, LeNet5HasTheBooksParameters) {
  for (const char* activation : {"sigmoid", "tanh", "relu"}) {
    const auto model = make_model({.name = "lenet5", .options = {{"activation", std::string(activation)}}});
    EXPECT_EQ(model->parameter_count(), 61706);
    EXPECT_EQ(parameter_names(*model),
              (std::vector<std::string>{"features.0.weight", "features.0.bias", "features.3.weight", "features.3.bias",
                                        "classifier.0.weight", "classifier.0.bias", "classifier.2.weight",
                                        "classifier.2.bias", "classifier.4.weight", "classifier.4.bias"}));
    const std::string tree = nn::to_string(*model);
    const bool largest = std::string(activation) == "relu";
    EXPECT_EQ(tree.find("MaxPool2d") != std::string::npos, largest) << tree;
    EXPECT_EQ(tree.find("AvgPool2d") != std::string::npos, !largest) << tree;
  }
}

TEST(Models, LeNet5FollowsTheInput) {
  const auto model = make_model({.name = "lenet5", .options = {}, .input = {3, 32, 40}, .num_classes = 7});
  const Tensor y = (*model)(Tensor(Array::zeros(DType::f32, {2, 3, 32, 40})));
  EXPECT_EQ(y.shape(), (Shape{2, 7}));
  EXPECT_NE(complaint({.name = "lenet5", .options = {}, .input = {2}}).find("at least 12x12"), std::string::npos);
  EXPECT_NE(complaint({.name = "lenet5", .options = {}, .input = {1, 11, 28}}).find("(1, 11, 28)"), std::string::npos);
}

TEST(Models, FirstWeightsHaveTheChosenDeviation) {
  manual_seed(1);
  const auto deviation_of = [](const std::string& activation, double gain) {
    const LeNet5 model({1, 28, 28}, 10, {.activation = activation, .gain = gain});
    double sum = 0;
    const auto values = model.state_dict()[4].second;  // classifier.0.weight: 400 inputs, 120 outputs
    for (const float w : values.values<float>()) sum += static_cast<double>(w) * w;
    return std::sqrt(sum / static_cast<double>(values.count()));
  };
  const double xavier = std::sqrt(2.0 / 520);
  EXPECT_NEAR(deviation_of("tanh", 0), xavier, 0.01 * xavier);
  EXPECT_NEAR(deviation_of("sigmoid", 0), 4 * xavier, 0.04 * xavier);
  EXPECT_NEAR(deviation_of("tanh", 2), 2 * xavier, 0.02 * xavier);
  EXPECT_NEAR(deviation_of("relu", 0), std::sqrt(2.0 / 400), 0.001);
}

TEST(Models, MlpIsBuiltFromItsOptions) {
  const auto plain = make_model({.name = "mlp"});
  EXPECT_EQ(plain->parameter_count(), 784 * 256 + 256 + 256 * 10 + 10);
  EXPECT_EQ(parameter_names(*plain), (std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"}));

  const ModelSpec deep{
      .name = "mlp",
      .options = {{"hidden", std::vector<std::int64_t>{8, 4}}, {"activation", std::string("gelu")}, {"dropout", 0.5}},
      .input = {2},
      .num_classes = 3};
  const auto model = make_model(deep);
  EXPECT_EQ(parameter_names(*model),
            (std::vector<std::string>{"0.weight", "0.bias", "3.weight", "3.bias", "6.weight", "6.bias"}));
  EXPECT_EQ((*model)(Tensor(Array::zeros(DType::f32, {5, 2}))).shape(), (Shape{5, 3}));

  const auto flat = make_model({.name = "mlp", .options = {{"hidden", std::vector<std::int64_t>{}}}});
  EXPECT_EQ(flat->parameter_count(), 7850);
}

TEST(Models, LinearClassifiersStartAtZero) {
  for (const char* name : {"perceptron", "softmax"}) {
    const auto model = make_model({.name = name});
    EXPECT_EQ(parameter_names(*model), (std::vector<std::string>{"linear.weight", "linear.bias"}));
    for (const auto& [key, values] : model->state_dict())
      for (const float w : values.values<float>()) ASSERT_EQ(w, 0) << key;
  }
}

TEST(Models, TheSeedDecidesTheWeights) {
  const auto first_weight = [](std::uint64_t seed) {
    manual_seed(seed);
    return make_model({.name = "mlp"})->state_dict()[0].second.values<float>()[0];
  };
  EXPECT_EQ(first_weight(3), first_weight(3));
  EXPECT_NE(first_weight(3), first_weight(4));
}

TEST(Models, EveryModelIsListedWithWorkingDefaults) {
  for (const ModelInfo& info : models()) {
    const ModelSpec spec = resolved({.name = info.name, .options = {}, .input = info.input});
    EXPECT_EQ(spec.options.size(), info.options.size());
    for (std::size_t i = 0; i < info.options.size(); ++i) {
      EXPECT_EQ(spec.options[i].first, info.options[i].name);
      EXPECT_EQ(spec.options[i].second, info.options[i].initial);
      EXPECT_NE(info.options[i].doc, "");
    }
    EXPECT_GT(make_model(spec)->parameter_count(), 0) << info.name;
    EXPECT_NE(info.description, "");
  }
}

TEST(Models, MistakesNameWhatThereIs) {
  const auto says = [](const ModelSpec& spec, const std::string& part) {
    EXPECT_NE(complaint(spec).find(part), std::string::npos) << complaint(spec);
  };
  says({.name = "lenet"}, "did you mean 'lenet5'?");
  says({.name = "lenet5", .options = {{"actvation", std::string("tanh")}}}, "did you mean 'activation'?");
  says({.name = "softmax", .options = {{"hidden", std::int64_t{3}}}}, "it has none");
  says({.name = "lenet5", .options = {{"activation", std::string("tahn")}}}, "did you mean 'tanh'?");
  says({.name = "lenet5", .options = {{"activation", true}}}, "must be text");
  says({.name = "mlp", .options = {{"dropout", 1.5}}}, "must be a number from 0 to 0.99");
  says({.name = "mlp", .options = {{"hidden", std::vector<std::int64_t>{4, 0}}}}, "must be a list of integers from 1");
  says({.name = "mlp", .options = {}, .input = {0}}, "nothing to learn");
}

TEST(ModelConfig, SurvivesJson) {
  ModelConfig config;
  config.model = resolved({.name = "mlp", .options = {{"dropout", 0.25}}, .input = {2}, .num_classes = 2});
  config.classes = {"left \"inner\"", "right"};
  config.mean = {0.1F, -1e-7F};
  config.stddev = {0.3F, 2};
  const ModelConfig back = parse_config(to_json(config), "config.json");
  EXPECT_EQ(back.model.name, config.model.name);
  EXPECT_EQ(back.model.options, config.model.options);
  EXPECT_EQ(back.model.input, config.model.input);
  EXPECT_EQ(back.model.num_classes, 2);
  EXPECT_EQ(back.classes, config.classes);
  EXPECT_EQ(back.mean, config.mean);
  EXPECT_EQ(back.stddev, config.stddev);
}

TEST(ModelConfig, DamagedOnesAreRefusedByName) {
  const std::string good = to_json({.model = {.name = "softmax"}, .classes = {}, .mean = {}, .stddev = {}});
  const auto refused = [](const std::string& text, const std::string& part) {
    try {
      static_cast<void>(parse_config(text, "some/config.json"));
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("some/config.json: ")) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  EXPECT_NO_THROW(static_cast<void>(parse_config(good, "x")));
  refused(good.substr(0, good.size() / 2), "");
  refused("[]", "");
  refused("{\"model\": 3}", "'model' must be text");
  refused("{\"model\": \"mlp\"}", "the key 'options' is missing");
  refused(std::string(good).replace(good.find("\"input\""), 7, "\"inputs\""), "the key 'input' is missing");
  refused(std::string(good).replace(good.find("\"mean\": []"), 10, "\"mean\": 1"), "'mean' must be a list of numbers");
  refused("{", "not valid JSON: parse error at line 1");
  refused(std::string(good).replace(good.find("\"mean\": []"), 10, "\"mean\": [1.0]"), "1 means, but 0 deviations");
  refused(std::string(good).replace(good.find("\"classes\": []"), 13, "\"classes\": [\"a\"]"), "1 class names for 10");
  refused(std::string(good).replace(good.find("28"), 2, "-1"), "");
  for (const char* number : {"3e40", "37777777777777777777777", "28.5", "true"}) {
    refused(std::string(good).replace(good.find("28"), 2, number), "'input' must be a list of integers");
  }
  refused(std::string(good).replace(good.find("\"mean\": []"), 10, "\"mean\": [1e300]"),
          "'mean' must be a list of num");
}

}  // namespace
}  // namespace narae::models
