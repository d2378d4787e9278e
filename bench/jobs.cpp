#include "bench/jobs.h"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "bench/resnet.h"
#include "narae/io/safetensors.h"
#include "narae/models/lenet5.h"
#include "narae/models/mlp.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"
#include "narae/plan/capture.h"

namespace narae::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Batch {
  Array images;
  Array labels;
};

/// A model, an optimiser and batches that lie in memory, as in bench/pytorch/train_step.py.
class TrainStep {
 public:
  TrainStep(std::unique_ptr<nn::Module> model, std::vector<Batch> batches, const optim::SGDOptions& options)
      : model_(std::move(model)), optimizer_(model_->parameters(), options), batches_(std::move(batches)) {
    model_->train();
  }

  double step() {
    const Batch& batch = batches_[steps_++ % batches_.size()];
    const Tensor loss = nn::cross_entropy((*model_)(batch.images), batch.labels);
    optimizer_.step(grad(loss, model_->parameters()));
    return loss.item();
  }

 private:
  std::unique_ptr<nn::Module> model_;
  optim::SGD optimizer_;
  std::vector<Batch> batches_;
  std::size_t steps_ = 0;
};

/// With first weights and batches of 64 from a file.
std::unique_ptr<TrainStep> stored_step(std::unique_ptr<nn::Module> model, const std::string& name,
                                       const std::string& file, const optim::SGDOptions& options) {
  constexpr std::int64_t size = 64;
  const TensorFile stored = read_safetensors(file);
  const std::string prefix = name + ".init.";
  std::map<std::string, Array> weights;
  for (const auto& [key, value] : stored.tensors)
    if (key.starts_with(prefix)) weights[key.substr(prefix.size())] = value;
  model->load_state_dict(weights);
  const Tensor images = cast(stored.tensors.at("images"), DType::f32) / 255.0;
  const Tensor labels = stored.tensors.at("labels");
  std::vector<Batch> batches;
  for (std::int64_t at = 0; at + size <= labels.size(0); at += size) {
    batches.push_back({slice(images, 0, at, at + size).array(), slice(labels, 0, at, at + size).array()});
  }
  return std::make_unique<TrainStep>(std::move(model), std::move(batches), options);
}

/// A residual network with made-up weights and one batch of made-up pictures.
std::unique_ptr<TrainStep> residual_step(int width, int blocks, int stages, std::int64_t size) {
  auto model = make_resnet(width, blocks, stages);
  make_up_weights(*model);
  Array labels = Array::empty(DType::i64, {size});
  std::int64_t next = 0;
  for (std::int64_t& label : labels.mutable_values<std::int64_t>()) label = next++ % 10;
  std::vector<Batch> batches = {{made_up({size, 3, 32, 32}, 1000, 1), labels}};
  return std::make_unique<TrainStep>(std::move(model), std::move(batches),
                                     optim::SGDOptions{.lr = 0.05, .momentum = 0.9});
}

Job job(std::string name, std::string description, int warm_up, std::function<std::unique_ptr<TrainStep>()> make) {
  auto step = std::make_shared<std::unique_ptr<TrainStep>>();
  return {.name = name,
          .description = std::move(description),
          .peer = {name},
          .first_loss =
              [step, warm_up, make = std::move(make)] {
                *step = make();
                const double loss = (*step)->step();
                for (int i = 0; i < warm_up; ++i) (*step)->step();
                return loss;
              },
          .run =
              [step](int steps) {
                const auto begin = Clock::now();
                for (int i = 0; i < steps; ++i) (*step)->step();
                return seconds_since(begin) / steps;
              }};
}

}  // namespace

std::vector<Job> training_jobs(const std::string& weights) {
  return {
      job("mlp", "MLP 784-256-10, batch 64, SGD", 30,
          [weights] {
            return stored_step(std::make_unique<models::Mlp>(784, 10), "mlp", weights, optim::SGDOptions{.lr = 0.05});
          }),
      job("lenet5", "LeNet-5 tanh, batch 64, SGD with momentum", 30,
          [weights] {
            return stored_step(std::make_unique<models::LeNet5>(Shape{1, 28, 28}, 10), "lenet5", weights,
                               optim::SGDOptions{.lr = 0.05, .momentum = 0.9});
          }),
      job("resnet20", "ResNet-20 (CIFAR), batch 128, SGD with momentum", 2,
          [] { return residual_step(16, 3, 3, 128); }),
      job("resnet18", "ResNet-18 (CIFAR), batch 32, SGD with momentum", 2, [] { return residual_step(64, 2, 4, 32); })};
}

NodeCost measure_node_cost() {
  constexpr int nodes = 200;
  constexpr int rounds = 5000;
  const Tensor x = zeros({2, 2}).eval();
  const Tensor w = ones({2, 2}).eval();
  plan::Capture capture;
  NodeCost cost{};
  for (int r = 0; r < rounds; ++r) {
    const auto start = Clock::now();
    std::vector<Tensor> y = {x};
    for (int i = 0; i < nodes / 2; ++i) y[0] = (y[0] + w) * x;
    const auto written = Clock::now();
    {
      const std::lock_guard lock(detail::graph_mutex());
      plan::capture({y, {}, {}}, capture);
    }
    const auto keyed = Clock::now();
    y.clear();
    const double scale = 1e9 / nodes / rounds;
    cost.write += std::chrono::duration<double>(written - start).count() * scale;
    cost.key += std::chrono::duration<double>(keyed - written).count() * scale;
    cost.release += seconds_since(keyed) * scale;
  }
  return cost;
}

}  // namespace narae::bench
