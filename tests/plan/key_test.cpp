// What tells plans apart: requests that need different plans have different keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "narae/core/threads.h"
#include "narae/graph/eval.h"
#include "narae/ops/ops.h"
#include "narae/plan/capture.h"

namespace narae::plan {
namespace {

using Words = std::vector<std::uint64_t>;

Words key_of(const detail::EvaluationRequest& request) {
  Capture c;
  const std::lock_guard lock(detail::graph_mutex());
  capture(request, c);
  return {c.key.words().begin(), c.key.words().end()};
}

Tensor weights(float first) {
  return variable(Tensor::of({first, 2, 3}), {.name = "w"});
}

TEST(PlanKey, AnAssignmentIsNotAGuard) {
  const Tensor w = weights(1);
  const Tensor b = weights(2);
  const Tensor y = w + b;
  const Tensor g = w * 2.0;
  const std::vector<Assignment> two = {{b, y}, {w, g}};
  const std::vector<Assignment> one = {{b, y}};
  EXPECT_NE(key_of({{}, two, {}}), key_of({{}, one, g}));

  // Run after the two assignments, the guarded one must not find their plan.
  update(two);
  const std::vector<float> before = w.to_vector<float>();
  const Tensor next = w + b;
  const Tensor guard = w * 2.0;
  const std::vector<Assignment> guarded = {{b, next}};
  EXPECT_TRUE(update(guarded, guard).applied);
  EXPECT_EQ(w.to_vector<float>(), before) << "the guard was stored in w";
}

TEST(PlanKey, RequestsThatDifferHaveKeysThatDiffer) {
  const Tensor w = weights(1);
  const Tensor b = weights(2);
  const Tensor c = weights(3);
  const Tensor x = Tensor::of({1, 2, 3});
  const Tensor y = w + b;
  const Tensor g = w * 2.0;
  const auto with = [](const std::vector<Tensor>& targets, const std::vector<Assignment>& assignments,
                       const Tensor& guard) {
    return key_of({targets, assignments, guard});
  };
  std::vector<Words> keys = {
      with({y}, {}, {}),
      with({y, g}, {}, {}),
      with({}, {{w, y}}, {}),
      with({}, {{b, y}}, {}),
      with({}, {{c, y}}, {}),
      with({}, {{w, y}, {b, y}}, {}),
      with({}, {{b, y}, {w, y}}, {}),
      with({}, {{w, y}, {b, g}}, {}),
      with({}, {{w, g}, {b, y}}, {}),
      with({}, {{w, y}}, g),
      with({}, {{w, y}}, y),
      with({g}, {{w, y}}, {}),
      with({}, {{w, w}}, {}),
      with({}, {{w, b}}, {}),
      with({}, {{w, x}}, {}),
      with({}, {{w, w}, {b, b}}, {}),
      with({}, {{w, b}, {b, w}}, {}),
  };
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << " and " << j;
}

TEST(PlanKey, VariablesThatAreOnlyWrittenKeepTheirShape) {
  const auto key = [](const Shape& shape) {
    const Tensor to = variable(zeros(shape), {.name = "to"});
    const std::vector<Assignment> next = {{to, zeros(shape)}};
    return key_of({{}, next, {}});
  };
  const std::vector<Words> keys = {key({2, 3}), key({3, 2}), key({6}), key({1, 6}), key({6, 1}), key({}), key({1})};
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << " and " << j;
}

TEST(PlanKey, KernelsAreMadeForANumberOfThreads) {
  const int before = thread_count();
  const Tensor a = ones({256, 256}).eval();  // smaller products take one thread
  const auto product = [&] { return matmul(a, a); };
  const auto compute = [&](int threads) {
    set_thread_count(threads);
    const Tensor y = product();
    const std::vector<Tensor> asked = {y};
    Words key = key_of({asked, {}, {}});
    const std::vector<float> values = y.to_vector<float>();
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return v == 256; })) << threads << " threads";
    return key;
  };
  const Words one = compute(1);
  const Words three = compute(3);
  EXPECT_NE(one, three);
  EXPECT_EQ(one, compute(1));
  set_thread_count(before);
}

}  // namespace
}  // namespace narae::plan
