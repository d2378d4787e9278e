#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "narae/core/switches.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/loss.h"
#include "narae/train/optimization.h"
#include "tests/models/zoo_reference.h"

// The networks against PyTorch and torchvision, see tests/reference/make_zoo.py.

namespace narae {
namespace {

using nlohmann::json;
using testing::zoo_values;

double largest(std::span<const double> values) {
  double result = 0;
  for (const double v : values) result = std::max(result, std::abs(v));
  return result;
}

// max |got - expected| / max |expected|
double distance(const Tensor& got, const Array& expected) {
  const std::vector<double> a = got.to_vector<double>();
  const auto b = expected.values<double>();
  double difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    // written so that NaN counts as far away
    if (const double d = std::abs(a[i] - b[i]); !(d <= difference)) difference = d;
  }
  return difference / largest(b);
}

// Running statistics of one batch, as momentum 1 would leave them: they were 0 before, and the layers' momentum is 0.1.
void calibrate(const nn::Module& model, const Tensor& x) {
  {
    const NoGrad no_grad;
    eval({model(x)});
  }
  std::vector<Assignment> scaled;
  for (const auto& [name, buffer] : model.named_buffers()) {
    if (is_floating(buffer.dtype())) scaled.push_back({buffer, buffer * 10.0});
  }
  if (!scaled.empty()) update(scaled);
  model.eval();
}

class ZooLogits : public ::testing::TestWithParam<std::string> {};

// Statistics are computed in float64: those of a deep network in training mode are too sensitive to rounding. What is
// compared is evaluation in float32.
std::shared_ptr<nn::Module> calibrated_network(const json& description, const Tensor& x) {
  auto model = testing::reference_network(description);
  model->eval();
  if (model->named_buffers().empty()) return model;
  const auto wide = testing::reference_network(description, DType::f64);
  calibrate(*wide, cast(x, DType::f64));
  nn::StateDict state = wide->state_dict();
  for (auto& [name, array] : state) {
    if (array.dtype == DType::f64) array = cast(Tensor(array), DType::f32).array();
  }
  model->load_state_dict(state);
  return model;
}

TEST_P(ZooLogits, FollowPyTorch) {
  const json& description = zoo_values().description[GetParam()];
  const Tensor x = testing::input_numbers(description);
  const auto model = calibrated_network(description, x);
  const NoGrad no_grad;
  const double d = distance((*model)(x), zoo_values().tensors.at(GetParam() + ".logits"));
  EXPECT_LE(d, 1e-4);
  RecordProperty("distance", std::to_string(d));
}

std::vector<std::string> cases_of(const std::string& kind) {
  std::vector<std::string> names;
  for (const auto& [name, description] : zoo_values().description.items()) {
    if (description["kind"] == kind) names.push_back(name);
  }
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, ZooLogits, ::testing::ValuesIn(cases_of("logits")), test_name);

TEST(Zoo, EveryConvolutionalModelIsComparedWithPyTorch) {
  const std::set<std::string> elsewhere = {"perceptron", "softmax", "mlp", "lenet5"};
  const json& cases = zoo_values().description;
  for (const models::ModelInfo& info : models::models()) {
    const bool pictures = info.tasks.front() == "classify";
    if (pictures && !elsewhere.contains(info.name)) EXPECT_TRUE(cases.contains(info.name)) << info.name;
  }
}

// Logits and auxiliary logits in training mode: within 1e-4 of the largest, or four times what PyTorch's own float32
// outputs differ by.
TEST(Zoo, TrainingOutputsFollowPyTorch) {
  for (const std::string& name : cases_of("outputs")) {
    const json& description = zoo_values().description[name];
    const auto model = testing::reference_network(description);
    const NoGrad no_grad;
    const auto outputs = model->training_outputs(testing::input_numbers(description));
    EXPECT_EQ(outputs.size(), zoo_values().group(name + ".outputs").size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Array& expected = zoo_values().tensors.at(name + ".outputs." + std::to_string(i));
      const double own = zoo_values().tensors.at(name + ".error").values<double>()[i];
      EXPECT_LE(distance(outputs[i].logits, expected), std::max(1e-4, 4 * own)) << name << " " << i;
    }
  }
}

// The products of a gradient with vectors of signs: bit k of word i decides the sign of element i in vector k.
std::vector<double> projections(const std::string& name, const Array& gradient, std::size_t count) {
  const std::uint64_t hash = hash_of("signs." + name);
  const auto values = gradient.values<float>();
  std::vector<double> result(count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t word = testing::word_of(hash, i);
    for (std::size_t k = 0; k < count; ++k) {
      result[k] += (word >> k & 1) != 0 ? -static_cast<double>(values[i]) : static_cast<double>(values[i]);
    }
  }
  return result;
}

double estimated_norm(std::span<const double> projected) {
  double sum = 0;
  for (const double p : projected) sum += p * p;
  return std::sqrt(sum / static_cast<double>(projected.size()));
}

class ZooGradients : public ::testing::TestWithParam<std::string> {
 protected:
  ~ZooGradients() override { allow_winograd(before_); }
  const bool before_ = winograd_allowed();
};

// |gradient - PyTorch's in float64| / norm of every parameter is at most 1e-5 or four times what PyTorch's own float32
// gradient differs by; with Winograd's algorithm at most `winograd`: its rounding may move an argument of a ReLU across
// 0 (the inputs are chosen so that f32's doesn't), which changes all gradients before it. The difference's norm is
// estimated by its products with 16 random vectors of signs.
void compare_gradients(const std::string& name, double winograd) {
  const auto& file = zoo_values();
  const json& description = file.description[name];
  const auto model = testing::reference_network(description);
  const Tensor x = testing::input_numbers(description);
  Array labels = Array::empty(DType::i64, {x.size(0)});
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    labels.mutable_values<std::int64_t>()[static_cast<std::size_t>(i)] = i % description["classes"].get<std::int64_t>();
  }
  const Tensor loss = training_loss(task_of("classify"), {}, model->training_outputs(x), labels);
  const Gradients gradients = grad(loss, model->parameters());
  std::vector<Tensor> wanted = gradients.values;
  wanted.push_back(loss);
  eval(wanted);
  const double expected_loss = Tensor(file.tensors.at(name + ".loss")).item();
  EXPECT_NEAR(loss.item(), expected_loss, 1e-5 * expected_loss);

  const auto names = description["parameters"].get<std::vector<std::string>>();
  const auto norms = file.tensors.at(name + ".norm").values<double>();
  const auto errors = file.tensors.at(name + ".error").values<double>();
  const Array& projection = file.tensors.at(name + ".projection");
  const auto count = static_cast<std::size_t>(projection.shape[1]);
  ASSERT_EQ(names.size(), gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const std::string& parameter = gradients.variables[i].name();
    const auto row = static_cast<std::size_t>(std::find(names.begin(), names.end(), parameter) - names.begin());
    ASSERT_LT(row, names.size()) << parameter;
    std::vector<double> difference = projections(parameter, gradients[i].array(), count);
    const auto expected = projection.values<double>().subspan(row * count, count);
    for (std::size_t k = 0; k < count; ++k) difference[k] -= expected[k];
    const double error = estimated_norm(difference) / norms[row];
    const double own = std::max(1e-5, 4 * errors[row]);
    EXPECT_LE(error, std::max(own, winograd)) << parameter << ", of norm " << norms[row];
  }
}

TEST_P(ZooGradients, FollowPyTorch) {
  allow_winograd(false);
  compare_gradients(GetParam(), 0);
}

TEST_P(ZooGradients, FollowPyTorchWithWinograd) {
  allow_winograd(true);
  compare_gradients(GetParam(), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Models, ZooGradients, ::testing::ValuesIn(cases_of("gradients")), test_name);

}  // namespace
}  // namespace narae
