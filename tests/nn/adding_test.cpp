// The adding problem: what it holds, and that an LSTM learns it at a short length.
#include <gtest/gtest.h>

#include <cmath>

#include "narae/core/error.h"
#include "narae/data/synth_text.h"
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/adam.h"

namespace narae {
namespace {

TEST(Adding, TheTargetIsTheSumOfTheMarkedNumbers) {
  constexpr std::int64_t steps = 7;
  const Dataset data = synth_adding(Split::train, 50, steps, 3);
  const auto x = read_field(data, "image", 0, 50);
  const auto target = read_field(data, "label", 0, 50);
  EXPECT_EQ(to_string(x.shape), "(50, 7, 2)");
  const auto values = x.values<float>();
  for (std::size_t n = 0; n < 50; ++n) {
    float sum = 0;
    int marks[2] = {0, 0};
    for (std::size_t t = 0; t < steps; ++t) {
      const float number = values[(n * steps + t) * 2];
      const float mark = values[(n * steps + t) * 2 + 1];
      EXPECT_TRUE(number >= 0 && number < 1);
      EXPECT_TRUE(mark == 0 || mark == 1);
      sum += mark * number;
      marks[t < steps / 2 ? 0 : 1] += static_cast<int>(mark);
    }
    EXPECT_EQ(marks[0], 1);
    EXPECT_EQ(marks[1], 1);
    EXPECT_EQ(sum, target.values<float>()[n]);
  }
  const auto other = read_field(synth_adding(Split::test, 50, steps, 3), "label", 0, 50);
  EXPECT_NE(other.values<float>()[0], target.values<float>()[0]);
  EXPECT_THROW((void)synth_adding(Split::train, 5, 1), Error);
}

TEST(Adding, AnLstmLearnsIt) {
  constexpr std::int64_t batch = 64;
  manual_seed(1);
  const nn::LSTM layer(2, 24, {.forget_bias = 1.0});
  const nn::Linear head(24, 1);
  std::vector<Tensor> parameters = layer.parameters();
  for (const Tensor& p : head.parameters()) parameters.push_back(p);
  optim::Adam optimizer(parameters, {.lr = 0.01});
  const auto error = [&](const Dataset& data, std::int64_t begin) {
    const Tensor answer =
        reshape(head(squeeze(layer(read_field(data, "image", begin, begin + batch)).state.h, 0)), {-1});
    return mean(square(answer - read_field(data, "label", begin, begin + batch)));
  };
  const Dataset train = synth_adding(Split::train, 400 * batch, 10);
  for (std::int64_t step = 0; step < 400; ++step) optimizer.step(grad(error(train, step * batch), parameters));
  EXPECT_LT(error(synth_adding(Split::test, batch, 10), 0).item(), 0.01);  // 1/6 for one answer to everything
}

}  // namespace
}  // namespace narae
