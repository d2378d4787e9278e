// 100 steps of training with each optimiser against PyTorch, from the same weights and batches: see
// tests/reference/make_trajectories.py.
#include <memory>
#include <span>
#include <string>

#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"
#include "tests/nn/reference_values.h"

namespace narae {
namespace {

using nlohmann::json;

const testing::ReferenceFile& trajectories() {
  static const testing::ReferenceFile file("trajectories.safetensors", "trajectories");
  return file;
}

struct LeNet5 : nn::Module {
  nn::Sequential features =
      register_module("features", nn::Sequential{nn::Conv2d(1, 6, 5, {.padding = 2}), nn::Tanh(), nn::AvgPool2d(2),
                                                 nn::Conv2d(6, 16, 5), nn::Tanh(), nn::AvgPool2d(2)});
  nn::Sequential classifier = register_module(
      "classifier",
      nn::Sequential{nn::Linear(400, 120), nn::Tanh(), nn::Linear(120, 84), nn::Tanh(), nn::Linear(84, 10)});
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return classifier(flatten(features(x), 1)); }
};

struct Mlp : nn::Sequential {
  Mlp() : Sequential{nn::Linear(784, 256), nn::ReLU(), nn::Linear(256, 10)} {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return Sequential::forward(flatten(x, 1)); }
};

std::unique_ptr<nn::Module> build(const std::string& model, DType dtype) {
  nn::set_default_dtype(dtype);
  std::unique_ptr<nn::Module> result;
  if (model == "mlp")
    result = std::make_unique<Mlp>();
  else
    result = std::make_unique<LeNet5>();
  nn::set_default_dtype(DType::f32);
  nn::StateDict initial;
  for (const auto& [name, array] : trajectories().group(model + ".init"))
    initial.emplace_back(name, cast(Tensor(array), dtype).array());
  result->load_state_dict(initial);
  return result;
}

std::unique_ptr<optim::Optimizer> optimizer_of(const json& record, double lr, const std::vector<Tensor>& parameters) {
  const std::string kind = record["class"];
  const json& a = record["arguments"];
  if (kind == "SGD") {
    return std::make_unique<optim::SGD>(
        parameters,
        optim::SGDOptions{.lr = lr, .momentum = a.value("momentum", 0.0), .nesterov = a.value("nesterov", false)});
  }
  if (kind == "Adagrad")
    return std::make_unique<optim::Adagrad>(parameters, optim::AdagradOptions{.lr = lr, .eps = a["eps"]});
  if (kind == "RMSprop") {
    return std::make_unique<optim::RMSprop>(parameters, optim::RMSpropOptions{.lr = lr,
                                                                              .alpha = a["alpha"],
                                                                              .eps = a["eps"],
                                                                              .momentum = a.value("momentum", 0.0),
                                                                              .centered = a.value("centered", false)});
  }
  if (kind == "Adam") {
    return std::make_unique<optim::Adam>(
        parameters, optim::AdamOptions{.lr = lr, .beta1 = a["betas"][0], .beta2 = a["betas"][1], .eps = a["eps"]});
  }
  return std::make_unique<optim::AdamW>(parameters, optim::AdamWOptions{.lr = lr,
                                                                        .beta1 = a["betas"][0],
                                                                        .beta2 = a["betas"][1],
                                                                        .eps = a["eps"],
                                                                        .weight_decay = a["weight_decay"]});
}

std::vector<double> losses_of(const std::string& model_name, const json& record, DType dtype) {
  const auto& file = trajectories();
  const std::int64_t batch = file.description["batch"];
  const std::int64_t steps = file.description["steps"];
  const Tensor images = cast(Tensor(file.tensors.at("images")), dtype) / 255.0;
  images.eval();
  const Tensor labels = file.tensors.at("labels");
  const auto model = build(model_name, dtype);
  const auto optimizer = optimizer_of(record, record["lr"][model_name], model->parameters());
  std::vector<double> losses;
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::int64_t first = batch * s % images.size(0);
    const Tensor x = narrow(images, 0, first, batch);
    const Tensor loss = nn::cross_entropy((*model)(x), narrow(labels, 0, first, batch));
    optimizer->step(grad(loss, model->parameters()));
    losses.push_back(loss.item());
  }
  return losses;
}

std::span<const double> recorded_losses(const std::string& model, const std::string& optimizer, const char* type) {
  std::string key = model;
  key.append(".").append(optimizer).append(".loss.").append(type);
  return trajectories().tensors.at(key).values<double>();
}

class Trajectory : public ::testing::TestWithParam<const char*> {};

TEST_P(Trajectory, FollowsPyTorchInFloat64) {
  const std::string model = GetParam();
  for (const auto& [name, record] : trajectories().description["optimisers"].items()) {
    const auto losses = losses_of(model, record, DType::f64);
    const auto expected = recorded_losses(model, name, "f64");
    ASSERT_EQ(losses.size(), expected.size());
    for (std::size_t s = 0; s < losses.size(); ++s)
      ASSERT_NEAR(losses[s], expected[s], 1e-8 * expected[s]) << model << " " << name << " step " << s;
  }
}

TEST_P(Trajectory, FollowsPyTorchInFloat32) {
  const std::string model = GetParam();
  for (const auto& [name, record] : trajectories().description["optimisers"].items()) {
    const auto losses = losses_of(model, record, DType::f32);
    const auto exact = recorded_losses(model, name, "f64");
    const auto theirs = recorded_losses(model, name, "f32");
    double distance = 0;  // how far rounding takes PyTorch itself, so far
    for (std::size_t s = 0; s < losses.size(); ++s) {
      distance = std::max(distance, std::abs(theirs[s] - exact[s]));
      const double tolerance = s < 5 ? 1e-4 * exact[s] : 10 * distance + 1e-5;
      ASSERT_NEAR(losses[s], exact[s], tolerance) << model << " " << name << " step " << s;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Trajectory, ::testing::Values("mlp", "lenet5"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace narae
