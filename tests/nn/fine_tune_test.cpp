// A frozen trunk under a head that is trained: nothing is computed for it that nobody needs.
#include "narae/nn/fine_tune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/sgd.h"
#include "narae/plan/plan.h"

namespace narae {
namespace {

struct Net : nn::Module {
  nn::Sequential trunk = register_module(
      "trunk", nn::Sequential{nn::Conv2d(1, 16, 3), nn::BatchNorm2d(16), nn::ReLU(), nn::Conv2d(16, 16, 3),
                              nn::BatchNorm2d(16), nn::ReLU(), nn::MaxPool2d(2), nn::Dropout(0.5)});
  nn::BatchNorm2d norm = register_module("norm", nn::BatchNorm2d(16));
  nn::Linear head = register_module("head", nn::Linear(16, 3));

  Net() : Module("Net") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return head(mean(norm(trunk(x)), {2, 3})); }
};

// Names of the steps of one update.
std::vector<std::string> steps_of_update(const Net& net, optim::Optimizer& optimizer) {
  const Array x = uniform({4, 1, 12, 12}).array();
  const Tensor loss = mean(square(net(x)));
  EXPECT_TRUE(optimizer.step(grad(loss, net.parameters())).applied);
  return plan::last_plan().names;
}

std::int64_t backward_steps(const std::vector<std::string>& names, const std::string& op) {
  return std::count_if(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(op); });
}

TEST(FineTune, AFrozenTrunkHasNoGradientWorkAndNoOptimiserState) {
  const Net net;
  {
    optim::SGD all(net.parameters(), {.lr = 0, .momentum = 0.9});
    const auto names = steps_of_update(net, all);
    EXPECT_EQ(backward_steps(names, "conv2d_weight_gradient"), 2);
    EXPECT_EQ(backward_steps(names, "conv2d_input_gradient"), 1);
    EXPECT_EQ(backward_steps(names, "batch_norm_gradient"), 3);
    EXPECT_EQ(all.state_dict().size(), 1 + net.parameters().size());
  }
  EXPECT_EQ(net.freeze("trunk"), 8);
  net.train();
  EXPECT_EQ(nn::keep_frozen_statistics(net), 2);
  optim::SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  const auto names = steps_of_update(net, optimizer);
  EXPECT_EQ(backward_steps(names, "conv2d_weight_gradient"), 0);
  EXPECT_EQ(backward_steps(names, "conv2d_input_gradient"), 0);
  EXPECT_EQ(backward_steps(names, "max_pool2d_gradient"), 0);
  EXPECT_EQ(backward_steps(names, "batch_norm_gradient"), 1) << "that of the head";
  EXPECT_EQ(optimizer.state_dict().size(), 1U + 4U) << "step, and a buffer for norm and head";
  for (const auto& [name, array] : optimizer.state_dict()) EXPECT_FALSE(name.starts_with("trunk")) << name;
}

TEST(FineTune, BatchNormOfAFrozenModuleKeepsItsStatistics) {
  const Net net;
  net.freeze("trunk");
  net.train();
  nn::keep_frozen_statistics(net);
  EXPECT_TRUE(net.is_training());
  EXPECT_FALSE(net.trunk[1].is_training());
  EXPECT_TRUE(net.trunk[7].is_training()) << "dropout has no statistics";
  EXPECT_TRUE(net.norm.is_training());
  const auto before = net.state_dict();
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  static_cast<void>(steps_of_update(net, optimizer));
  const auto after = net.state_dict();
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool same =
        std::memcmp(before[i].second.buffer.data(), after[i].second.buffer.data(), before[i].second.bytes()) == 0;
    EXPECT_EQ(same, before[i].first.starts_with("trunk")) << before[i].first;
  }
}

TEST(FineTune, WithoutItFrozenBatchNormGoesOnWithTheBatch) {
  const Net net;
  net.freeze("trunk");
  net.train();
  EXPECT_TRUE(net.trunk[1].is_training());
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  static_cast<void>(steps_of_update(net, optimizer));
  for (const auto& [name, buffer] : net.named_buffers()) {
    if (name == "trunk.1.num_batches_tracked") EXPECT_EQ(buffer.item(), 1);
  }
}

TEST(FineTune, FrozenByItselfOrTrainedAgain) {
  const Net net;
  net.freeze("norm");
  net.train();
  EXPECT_EQ(nn::keep_frozen_statistics(net), 1);
  EXPECT_FALSE(net.norm.is_training());
  net.unfreeze("norm.weight");
  net.train();
  EXPECT_EQ(nn::keep_frozen_statistics(net), 0);
  EXPECT_TRUE(net.norm.is_training());
}

}  // namespace
}  // namespace narae
