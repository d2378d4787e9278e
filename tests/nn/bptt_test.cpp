// Backpropagation through time, worked out by hand and by the library.
#include "narae/nn/bptt.h"

#include <gtest/gtest.h>

#include "narae/core/error.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

using nn::Rows;

// Numbers as they are written in the textbook: six digits.
void expect_digits(const Rows& got, const Rows& expected, const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].size(), expected[i].size()) << what;
    for (std::size_t j = 0; j < got[i].size(); ++j) EXPECT_NEAR(got[i][j], expected[i][j], 5.1e-7) << what << i << j;
  }
}

Tensor matrix(const Rows& rows) {
  std::vector<double> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return Tensor::of(std::span<const double>(values),
                    {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())});
}

TEST(Bptt, TheWorkedExample) {
  const nn::BpttTrace trace = nn::backpropagate_through_time(nn::worked_example());
  const Rows h = {{.282135, -.197375}, {.118977, .004885}, {-.205171, -.061276}, {.080594, -.109167}};
  const Rows y = {{.222803, -.298968}, {.032273, -.055580}, {-.018658, .053565}, {.100595, -.127631}};
  const std::vector<double> loss = {.346708, .557646, .520267, .640835};
  ASSERT_EQ(trace.steps.size(), 4U);
  for (std::size_t t = 0; t < 4; ++t) {
    expect_digits({trace.steps[t].h}, {h[t]}, "h");
    expect_digits({trace.steps[t].y}, {y[t]}, "y");
    EXPECT_NEAR(trace.steps[t].loss, loss[t], 5.1e-7);
  }
  EXPECT_NEAR(trace.loss, 2.0654561313, 5.1e-11);
  expect_digits(trace.w_xh, {{.325175, -.203806}, {.286869, -.628517}, {.046148, -.048004}}, "dL/dWxh");
  expect_digits(trace.w_hh, {{.068447, .044962}, {-.150695, .194715}}, "dL/dWhh");
  expect_digits(trace.w_hy, {{.001672, .204995}, {-.311810, .173670}}, "dL/dWhy");
}

// The same network as an operator, differentiated by the library; also the cotangents of the states.
TEST(Bptt, TheLibraryAgrees) {
  const nn::BpttExample example = nn::worked_example();
  const nn::BpttTrace trace = nn::backpropagate_through_time(example);
  const Tensor w_xh = matrix(example.w_xh);
  const Tensor w_hh = matrix(example.w_hh);
  const Tensor w_hy = matrix(example.w_hy);
  const Tensor p = unsqueeze(matmul(matrix(example.x), w_xh), 1);
  const Tensor h = squeeze(rnn(p, zeros({1, 2}, DType::f64), t(w_hh)), 1);
  const Tensor loss = sum(square(matrix(example.y) - matmul(h, t(w_hy)))) * 0.5;
  const Gradients gradients = grad(loss, {w_xh, w_hh, w_hy, p});
  EXPECT_NEAR(loss.item(), trace.loss, 1e-14);
  Rows delta;
  for (const nn::BpttStep& step : trace.steps) delta.push_back(step.delta);
  const Rows* expected[] = {&trace.w_xh, &trace.w_hh, &trace.w_hy, &delta};
  for (std::size_t k = 0; k < 4; ++k) {
    const std::vector<double> got = gradients[k].to_vector<double>();
    const std::vector<double> want = matrix(*expected[k]).to_vector<double>();
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-14) << k << " " << i;
  }
}

TEST(Bptt, ShapesMustFit) {
  nn::BpttExample example = nn::worked_example();
  example.y.pop_back();
  EXPECT_THROW((void)nn::backpropagate_through_time(example), Error);
  example = nn::worked_example();
  example.w_hh[1].push_back(0);
  EXPECT_THROW((void)nn::backpropagate_through_time(example), Error);
}

}  // namespace
}  // namespace narae
