#include "narae/train/weight_average.h"

#include <gtest/gtest.h>

#include <memory>

#include "narae/core/error.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

std::shared_ptr<nn::Sequential> make_net(std::int64_t width = 2) {
  return std::make_shared<nn::Sequential>(nn::Linear(3, width), nn::BatchNorm1d(width));
}

// The tensor of that name in a network.
Tensor find(const nn::Module& net, const std::string& name) {
  for (const nn::NamedTensors& tensors : {net.named_parameters(), net.named_buffers()})
    for (const auto& [own, tensor] : tensors)
      if (own == name) return tensor;
  throw Error("no tensor " + name);
}

void set(const nn::Module& net, const std::string& name, double value) {
  const Tensor tensor = find(net, name);
  tensor.assign(full(tensor.shape(), value, tensor.dtype()));
}

TEST(WeightAverage, BeginsAsACopy) {
  const auto net = make_net();
  const WeightAverage average(*net, make_net(), 0.9);
  EXPECT_EQ(find(average.model(), "0.weight").to_vector<float>(), find(*net, "0.weight").to_vector<float>());
  set(*net, "0.weight", 7);
  EXPECT_NE(find(average.model(), "0.weight").to_vector<float>(), find(*net, "0.weight").to_vector<float>());
}

TEST(WeightAverage, AveragesWeightsAndStatisticsAndCopiesTheRest) {
  const auto net = make_net();
  set(*net, "0.weight", 1);
  set(*net, "1.running_mean", 10);
  net->freeze("0.bias");
  const WeightAverage average(*net, make_net(), 0.9);
  const std::vector<float> bias = find(*net, "0.bias").to_vector<float>();
  set(*net, "0.weight", 3);
  set(*net, "1.running_mean", 20);
  set(*net, "1.num_batches_tracked", 5);
  average.update(1);  // decay 2 / 11
  EXPECT_NEAR(find(average.model(), "0.weight").to_vector<float>()[0], 2.0 / 11 * 1 + 9.0 / 11 * 3, 1e-6);
  EXPECT_NEAR(find(average.model(), "1.running_mean").to_vector<float>()[1], 2.0 / 11 * 10 + 9.0 / 11 * 20, 1e-5);
  EXPECT_EQ(find(average.model(), "1.num_batches_tracked").item(), 5);
  EXPECT_EQ(find(average.model(), "0.bias").to_vector<float>(), bias);
  set(*net, "0.weight", 0);
  const double before = find(average.model(), "0.weight").to_vector<float>()[0];
  average.update(100000);
  EXPECT_NEAR(find(average.model(), "0.weight").to_vector<float>()[0], 0.9 * before, 1e-6) << "the decay is reached";
}

TEST(WeightAverage, RefusesWhatDoesNotFit) {
  const auto net = make_net();
  EXPECT_THROW(WeightAverage(*net, make_net(4), 0.9), Error);
  EXPECT_THROW(WeightAverage(*net, make_net(), 1), Error);
  EXPECT_THROW(WeightAverage(*net, make_net(), -0.1), Error);
}

}  // namespace
}  // namespace narae
