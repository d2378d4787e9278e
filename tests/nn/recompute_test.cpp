// Networks that compute values twice instead of keeping them: less memory, the same bits.
#include "narae/nn/recompute.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>

#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"

namespace narae {
namespace {

constexpr std::int64_t channels = 16;

// Convolution, batch norm and rectifier, so many times, with some dropout in between.
nn::Sequential plain_net(int depth) {
  nn::Sequential net;
  for (int i = 0; i < depth; ++i) {
    net.push_back(nn::Conv2d(i == 0 ? 3 : channels, channels, 3, {.padding = 1, .bias = false}));
    net.push_back(nn::BatchNorm2d(channels));
    net.push_back(nn::ReLU());
    if (i % 4 == 3) net.push_back(nn::Dropout(0.1));
  }
  return net;
}

struct Residual : nn::Module {
  nn::Conv2d conv1 = register_module("conv1", nn::Conv2d(channels, channels, 3, {.padding = 1, .bias = false}));
  nn::BatchNorm2d bn1 = register_module("bn1", nn::BatchNorm2d(channels));
  nn::Conv2d conv2 = register_module("conv2", nn::Conv2d(channels, channels, 3, {.padding = 1, .bias = false}));
  nn::BatchNorm2d bn2 = register_module("bn2", nn::BatchNorm2d(channels));
  nn::Dropout drop = register_module("drop", nn::Dropout(0.2));

  Residual() : Module("Residual") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override {
    return relu(bn2(conv2(drop(relu(bn1(conv1(x)))))) + x);
  }
};

// As residual networks are built: a stem, stages of blocks, a head.
struct ResidualNet : nn::Module {
  nn::Conv2d conv1 = register_module("conv1", nn::Conv2d(3, channels, 3, {.padding = 1, .bias = false}));
  nn::Sequential layer1 = register_module("layer1", stage());
  nn::Sequential layer2 = register_module("layer2", stage());
  nn::Linear fc = register_module("fc", nn::Linear(channels, 5));

  ResidualNet() : Module("ResidualNet") {}
  static nn::Sequential stage() {
    nn::Sequential blocks;
    for (int i = 0; i < 6; ++i) blocks.push_back(Residual());
    return blocks;
  }
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return fc(mean(layer2(layer1(conv1(x))), {2, 3})); }
};

struct Step {
  double loss = 0;
  std::vector<std::vector<float>> gradients = {};
  nn::StateDict state = {};  // after the step: running statistics have moved
  std::int64_t arena = 0;
};

// One backward pass over the same pictures from the same random state.
Step backward(const nn::Module& net) {
  manual_seed(7);
  const Array pictures = uniform({8, 3, 24, 24}, -1, 1).array();
  const std::vector<Tensor> parameters = net.parameters();
  Step step;
  const Tensor loss = mean(square(net(pictures)));
  const Gradients gradients = grad(loss, parameters);
  std::vector<Tensor> wanted = gradients.values;
  wanted.push_back(loss);
  eval(wanted);
  step.arena = plan::last_plan().arena_bytes;
  step.loss = loss.item();
  for (const Tensor& g : gradients) step.gradients.push_back(g.to_vector<float>());
  step.state = net.state_dict();
  return step;
}

// The network that `make` builds, once as it is and once recomputing.
std::pair<Step, Step> both(const std::function<std::shared_ptr<nn::Module>()>& make) {
  manual_seed(3);
  const Step kept = backward(*make());
  manual_seed(3);
  const auto net = make();
  EXPECT_GT(nn::checkpoint_activations(*net), 0);
  const Step again = backward(*net);
  testing::Test::RecordProperty("arena_kept", std::to_string(kept.arena));
  testing::Test::RecordProperty("arena_recomputed", std::to_string(again.arena));
  return {kept, again};
}

void expect_same_bits(const Step& a, const Step& b) {
  EXPECT_EQ(a.loss, b.loss);
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i) EXPECT_EQ(a.gradients[i], b.gradients[i]) << "gradient " << i;
  ASSERT_EQ(a.state.size(), b.state.size());
  for (std::size_t i = 0; i < a.state.size(); ++i) {
    const auto& [name, array] = a.state[i];
    EXPECT_EQ(name, b.state[i].first);
    EXPECT_EQ(std::memcmp(array.buffer.data(), b.state[i].second.buffer.data(), array.bytes()), 0) << name;
    if (name.ends_with("num_batches_tracked")) EXPECT_EQ(array.values<std::int64_t>()[0], 1) << name;
  }
}

TEST(Recompute, APlainDeepNetNeedsLessThanHalfTheMemoryForTheSameBits) {
  const auto [kept, again] = both([] { return std::make_shared<nn::Sequential>(plain_net(32)); });
  expect_same_bits(kept, again);
  EXPECT_LT(again.arena * 2, kept.arena);
}

TEST(Recompute, AResidualNetNeedsLessThanHalfTheMemoryForTheSameBits) {
  const auto [kept, again] = both([] { return std::make_shared<ResidualNet>(); });
  expect_same_bits(kept, again);
  EXPECT_LT(again.arena * 2, kept.arena);
}

std::vector<std::string> marked(const nn::Module& module, const std::string& path = "") {
  std::vector<std::string> result;
  if (module.is_recomputed()) result.push_back(path);
  for (const auto& [name, child] : module.children()) {
    const std::string prefix = path.empty() ? "" : path + ".";
    const auto inside = marked(child, prefix + name);
    result.insert(result.end(), inside.begin(), inside.end());
  }
  return result;
}

TEST(Recompute, BlocksAreWhatHasPartsOfItsOwn) {
  const ResidualNet residual;
  EXPECT_EQ(nn::checkpoint_activations(residual), 2);
  EXPECT_EQ(marked(residual), (std::vector<std::string>{"layer1", "layer2"})) << "a Sequential goes block by block";

  // A custom module with blocks of its own, and a trunk that is nearly everything and is looked into.
  struct Detector : nn::Module {
    ResidualNet trunk = register_module("trunk", ResidualNet());
    Residual neck = register_module("neck", Residual());
    nn::Linear head = register_module("head", nn::Linear(5, 2));
    Detector() : Module("Detector") {}
  };
  const Detector detector;
  EXPECT_EQ(nn::checkpoint_activations(detector), 3);
  EXPECT_EQ(marked(detector), (std::vector<std::string>{"trunk.layer1", "trunk.layer2", "neck"}));

  const nn::Linear layer(2, 2);
  EXPECT_EQ(nn::checkpoint_activations(layer), 0);
  EXPECT_FALSE(layer.is_recomputed());
}

std::int64_t checkpoints_in(const Tensor& y) {
  std::int64_t found = 0;
  std::vector<const Node*> stack = {y.node()};
  std::map<const Node*, bool> seen;
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    if (!seen.emplace(node, true).second) continue;
    found += node->op->name == "checkpoint" ? 1 : 0;
    if (node->variable != nullptr) continue;  // statistics that an earlier pass has still to move
    for (const Node* input : node->inputs()) stack.push_back(input);
  }
  return found;
}

TEST(Recompute, OnlyWhileItTrains) {
  const Tensor x = zeros({2, 3, 8, 8});
  const ResidualNet net;
  EXPECT_EQ(checkpoints_in(net(x)), 0);
  nn::checkpoint_activations(net);
  EXPECT_EQ(checkpoints_in(net(x)), 12) << "one a block";
  net.eval();
  EXPECT_EQ(checkpoints_in(net(x)), 0);
  net.train();
  {
    const NoGrad no_grad;
    EXPECT_EQ(checkpoints_in(net(x)), 0);
  }
  const nn::Sequential plain = plain_net(8);  // 26 layers in a row: 5 parts of 6 layers at most
  nn::checkpoint_activations(plain);
  EXPECT_EQ(checkpoints_in(plain(x)), 5);
  plain.set_recomputed(false);
  EXPECT_EQ(checkpoints_in(plain(x)), 0);
}

TEST(Recompute, AModuleCanBeMarkedByItself) {
  const Residual block;
  const Tensor x = zeros({2, channels, 8, 8});
  block.set_recomputed();
  EXPECT_EQ(checkpoints_in(block(x)), 1);
  const nn::Sequential stack{Residual(), Residual()};
  stack.set_recomputed();
  stack[0].set_recomputed();
  EXPECT_EQ(checkpoints_in(stack(x)), 2) << "no block is recomputed inside a recomputation";
}

}  // namespace
}  // namespace narae
