#include "narae/nn/module.h"

#include <gtest/gtest.h>

#include "narae/graph/eval.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

struct Net : nn::Module {
  nn::Sequential features = register_module("features", nn::Sequential{nn::Conv2d(1, 2, 3), nn::BatchNorm2d(2)});
  nn::Linear head = register_module("head", nn::Linear(2, 3));

  Net() : Module("Net") {}
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return head(global_avg_pool(features(x))); }
};

template <class Pairs>
std::vector<std::string> names_of(const Pairs& pairs) {
  std::vector<std::string> result;
  for (const auto& [name, value] : pairs) result.push_back(name);
  return result;
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Array filled(const Shape& shape, float value, DType dtype = DType::f32) {
  return full(shape, value, dtype).array();
}

TEST(Module, NamesFollowPyTorch) {
  const Net net;
  const std::vector<std::string> expected = {"features.0.weight",
                                             "features.0.bias",
                                             "features.1.weight",
                                             "features.1.bias",
                                             "features.1.running_mean",
                                             "features.1.running_var",
                                             "features.1.num_batches_tracked",
                                             "head.weight",
                                             "head.bias"};
  EXPECT_EQ(names_of(net.state_dict()), expected);
  EXPECT_EQ(net.parameters().size(), 6U);
  EXPECT_EQ(net.parameter_count(), 18 + 2 + 4 + 9);
  EXPECT_EQ(names_of(net.named_buffers()).size(), 3U);
  EXPECT_EQ(net.parameters()[0].name(), "features.0.weight");
  EXPECT_EQ(names_of(net.children()), (std::vector<std::string>{"features", "head"}));
}

TEST(Module, CopiesShareTheirParameters) {
  const Net net;
  const Net copy = net;  // NOLINT(performance-unnecessary-copy-initialization)
  nn::init::constant(net.head.weight(), 7);
  EXPECT_EQ(copy.head.weight().to_vector<float>()[0], 7);
  copy.eval();
  EXPECT_FALSE(net.features[1].is_training());
  EXPECT_FALSE(net.is_training());
}

TEST(Module, CopiesOutliveTheOriginal) {
  const auto make = [] {
    Net net;
    nn::init::constant(net.head.bias(), 2);
    return net;
  };
  std::vector<Net> nets;
  nets.push_back(make());
  nets.push_back(make());
  EXPECT_EQ(nets[0].head.bias().to_vector<float>()[0], 2);
  EXPECT_EQ(nets[1](zeros({1, 1, 4, 4})).shape(), Shape({1, 3}));
}

TEST(Module, StateSurvivesARoundTrip) {
  const Net from;
  const Net to;
  const nn::StateDict state = from.state_dict();
  to.load_state_dict(state);
  const nn::StateDict again = to.state_dict();
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_EQ(Tensor(state[i].second).to_vector<double>(), Tensor(again[i].second).to_vector<double>())
        << state[i].first;
  }
}

TEST(Module, AStrictLoadListsEverythingAndChangesNothing) {
  const Net net;
  nn::init::constant(net.head.bias(), 1);
  nn::StateDict state = net.state_dict();
  state[0].second = filled({2, 1, 5, 5}, 0);        // another shape
  state[2].second = Array::zeros(DType::i64, {2});  // another type
  state[7].first = "head.wieght";                   // missing and unexpected
  state[8].second = filled({3}, 9);                 // would fit
  const std::string text = message_of([&] { net.load_state_dict(state); });
  for (const char* part :
       {"features.0.weight is f32 (2, 1, 5, 5) instead of f32 (2, 1, 3, 3)", "features.1.weight is i64 (2,)",
        "missing: head.weight", "unexpected: head.wieght", "nothing was loaded"}) {
    EXPECT_TRUE(contains(text, part)) << text;
  }
  EXPECT_EQ(net.head.bias().to_vector<float>()[0], 1);
}

TEST(Module, ALoadLeavesOutWhatItIsToldTo) {
  const Net net;
  nn::init::constant(net.head.bias(), 1);
  nn::StateDict state = net.state_dict();
  for (auto& [name, array] : state) {
    if (name == "features.0.bias") array = filled({2}, 5);
    if (name == "head.weight") array = filled({7, 2}, 0);  // a head for other classes
    if (name == "head.bias") array = filled({7}, 0);
  }
  state.emplace_back("auxiliary.weight", filled({1}, 0));
  EXPECT_THROW(net.load_state_dict(state), Error);
  net.load_state_dict(state, {.except = {"head", "aux*"}});
  EXPECT_EQ(net.head.bias().to_vector<float>()[0], 1);
  EXPECT_EQ(net.named_parameters()[1].second.to_vector<float>()[0], 5);
  const std::string text = message_of([&] { net.load_state_dict(net.state_dict(), {.except = {"haed"}}); });
  EXPECT_TRUE(contains(text, "no tensor matches 'haed'; did you mean 'head'?")) << text;
  net.load_state_dict(net.state_dict(), {.except = {"head", "head.bias", "head"}});  // they may overlap
}

TEST(Module, ALoadRoundsToTheTypeOfTheParameters) {
  const Net net;
  nn::StateDict state = net.state_dict();
  for (auto& [name, array] : state) {
    if (name == "head.bias") array = filled({3}, 0.1F, DType::f64);
    if (name == "features.0.bias") array = cast(filled({2}, 0.1F), DType::f16).array();
  }
  net.load_state_dict(state);
  EXPECT_EQ(net.head.bias().dtype(), DType::f32);
  EXPECT_EQ(net.head.bias().to_vector<float>()[0], 0.1F);
  EXPECT_NEAR(net.named_parameters()[1].second.to_vector<float>()[0], 0.1F, 1e-4);
}

// Files of older days have no such counters.
TEST(Module, CountersOfBatchesMayBeMissing) {
  const Net net;
  eval({net(zeros({2, 1, 4, 4}))});
  nn::StateDict state = net.state_dict();
  const auto counter = [&] { return net.named_buffers()[2].second.to_vector<std::int64_t>()[0]; };
  EXPECT_EQ(counter(), 1);
  std::erase_if(state, [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
  net.load_state_dict(state);
  EXPECT_EQ(counter(), 0);
  state.pop_back();
  const std::string text = message_of([&] { net.load_state_dict(state); });
  EXPECT_TRUE(contains(text, "missing: head.bias")) << text;
  EXPECT_FALSE(contains(text, "num_batches_tracked")) << text;
}

TEST(Module, ALooseLoadStillRefusesWrongShapes) {
  const Net net;
  const nn::StateDict some = {{"head.bias", filled({3}, 4)}, {"other", filled({1}, 0)}};
  const nn::LoadResult result = net.load_state_dict(some, {.strict = false});
  EXPECT_EQ(net.head.bias().to_vector<float>()[2], 4);
  EXPECT_EQ(result.missing.size(), 8U);
  EXPECT_EQ(result.unexpected, std::vector<std::string>{"other"});
  const nn::StateDict misshapen = {{"head.bias", filled({4}, 4)}};
  EXPECT_THROW(net.load_state_dict(misshapen, {.strict = false}), Error);
}

TEST(Module, FreezingIsByModuleOrPattern) {
  const Net net;
  EXPECT_EQ(net.freeze("features"), 4);
  EXPECT_EQ(net.parameters().size(), 2U);
  EXPECT_EQ(net.unfreeze("features.1"), 2);
  EXPECT_EQ(net.freeze("*.bias"), 3);
  EXPECT_EQ(names_of(net.named_parameters()).size(), 6U);
  const std::string text = message_of([&] { net.freeze("haed.bias"); });
  EXPECT_TRUE(contains(text, "did you mean 'head.bias'")) << text;
}

TEST(Module, NodesCarryTheirPath) {
  const Net net;
  const Tensor y = net(zeros({1, 1, 4, 4}));
  EXPECT_EQ(module_path(y.node()->module), "head");
  const Tensor z = net.features(zeros({1, 1, 4, 4}));
  EXPECT_EQ(module_path(z.node()->module), "features.1");
}

TEST(Module, BadNamesAndMissingForwardThrow) {
  struct Twice : nn::Module {
    Twice() {
      register_parameter("w", zeros({1}));
      register_buffer("w", zeros({1}));
    }
  };
  struct Dotted : nn::Module {
    Dotted() { register_parameter("a.b", zeros({1})); }
  };
  EXPECT_THROW(Twice(), Error);
  EXPECT_THROW(Dotted(), Error);
  EXPECT_THROW((void)nn::Module("Empty")(zeros({1})), Error);
  EXPECT_THROW(nn::set_default_dtype(DType::i64), Error);
}

TEST(Module, PrintsAsATree) {
  const std::string text = nn::to_string(Net());
  EXPECT_TRUE(contains(text, "  (features): Sequential\n    (0): Conv2d(1, 2, kernel 3x3)\n")) << text;
  EXPECT_TRUE(contains(text, "  (head): Linear(2, 3)\n")) << text;
}

TEST(Module, TheDefaultTypeIsThatOfNewLayers) {
  nn::set_default_dtype(DType::f64);
  const nn::Linear wide(2, 2);
  nn::set_default_dtype(DType::f32);
  EXPECT_EQ(wide.weight().dtype(), DType::f64);
  EXPECT_EQ(nn::Linear(2, 2).weight().dtype(), DType::f32);
}

}  // namespace
}  // namespace narae
