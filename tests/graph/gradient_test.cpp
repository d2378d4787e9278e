// Gradients when parts of the recipe are gone, shared or on dead variables.
#include "narae/graph/grad.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

const Tensor& trainable() {
  static const Tensor w = variable(Tensor::of({2, 3}), {.name = "w"});
  return w;
}

/// The message of the error that `f` throws, "" when it throws none.
template <class F>
std::string error_of(F f) {
  try {
    static_cast<void>(f());
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Gradient, APrintedValueDoesNotChangeTheGradientOfAnother) {
  const Tensor& w = trainable();
  const Tensor x = Tensor::of({1, -1});
  const Tensor frozen = variable(Tensor::of({1, -1}), {.name = "frozen", .trainable = false});
  for (const Tensor& of : {x, frozen}) {
    const Tensor h = of * 2.0;
    EXPECT_EQ(grad(sum(h * w + of * w), {of})[0].to_vector<float>(), (std::vector<float>{6, 9}));
    static_cast<void>(h.array());
    const std::string error = error_of([&] { return grad(sum(h * w + of * w), {of}); });
    EXPECT_NE(error.find("computed for its value alone"), std::string::npos) << error;
    // What does not come from it may be computed at any time.
    const Tensor constant = (Tensor::of({5, 7}) * 3.0).eval();
    EXPECT_EQ(grad(sum(constant * of), {of})[0].to_vector<float>(), (std::vector<float>{15, 21}));
    EXPECT_EQ(grad(sum(detach(h) * of), {of})[0].to_vector<float>(), (std::vector<float>{2, -2}));
  }
}

TEST(Gradient, DroppedRecipesAreFollowedThroughOthers) {
  const Tensor x = Tensor::of({1, -1});
  const Tensor y = x * 3.0;
  const Tensor h = y * 2.0;
  static_cast<void>(h.array());  // y too, for it is still held
  EXPECT_NE(error_of([&] { return grad(sum(h * y), {y}); }), "") << "through an output of the same plan";
  const Tensor later = h + 1.0;
  static_cast<void>(later.array());
  EXPECT_NE(error_of([&] { return grad(sum(later * x), {x}); }), "") << "through an older value";
  EXPECT_EQ(grad(sum(later * later), {later})[0].count(), 2) << "a computed value is a leaf of its own";

  // Far more sources than are remembered one by one.
  Tensor total = x * 1.0;
  for (int i = 0; i < 40; ++i) total = (total + Tensor::of({1, 1})).eval();
  EXPECT_NE(error_of([&] { return grad(sum(total * x), {x}); }), "");
}

TEST(Gradient, WhatIsComputedWithoutGradientsIsDetached) {
  const Tensor& w = trainable();
  const Tensor x = Tensor::of({1, -1});
  const Tensor h = x * 2.0 * w;
  {
    const NoGrad guard;
    h.eval();
  }
  EXPECT_EQ(grad(sum(h * x), {x})[0].to_vector<float>(), (std::vector<float>{4, -6}));
  EXPECT_NE(error_of([&] { return grad(sum(h), {x}); }), "");
}

TEST(Gradient, ManyDroppedValuesHideNone) {
  const Tensor a = variable(Tensor::of({1, 2}), {.name = "a"});
  const Tensor b = variable(Tensor::of({3, 4}), {.name = "b"});
  Tensor loss = sum(b * 1.0);
  std::vector<Tensor> constants;
  for (int i = 0; i < 100; ++i) {
    constants.push_back((Tensor::of({1, 2}) * static_cast<double>(i)).eval());
    loss = loss + sum(constants.back());
  }
  const Tensor carried = sum(a * 2.0).eval();
  a.assign(Tensor::of({5, 6}));
  loss = loss + carried;
  const std::string error = error_of([&] { return grad(loss, {a, b}); });
  EXPECT_NE(error.find("'a'"), std::string::npos) << error;
}

TEST(Gradient, ATensorThatIsTwoInputsOfAFusedOperatorCountsOnce) {
  const Tensor x = Tensor::of({0.1F, -0.4F, 0.7F}, {1, 3});
  const Tensor c = Tensor::of({1, 2, -1}, {1, 3});
  const Tensor y = softmax(x, 1);
  const auto gradient = [&](const Tensor& of) {
    const std::vector<Tensor> outputs = {of};
    const std::vector<Tensor> wanted = {x};
    const Tensor g = vjp(outputs, outputs, wanted)[0];
    return grad(sum(g * c), {x})[0].to_vector<double>();
  };
  const Tensor e = exp(x);
  const auto fused = gradient(y);
  const auto composed = gradient(e / sum(e, 1, {.keep = true}));
  for (std::size_t i = 0; i < fused.size(); ++i) EXPECT_NEAR(fused[i], composed[i], 1e-6);
}

TEST(Gradient, AValueOutlivesTheVariablesItCameFrom) {
  const std::int64_t memory = memory_use().now;
  const Tensor other = variable(Tensor::of({1, 2}), {.name = "other"});
  Tensor y;
  {
    const Tensor w = variable(ones({1 << 16}), {.name = "w"});
    const Tensor r = variable(ones({2}), {.name = "r", .trainable = false});
    assign_with({}, r, r * 0.5 + mean(w) * 0.5);
    y = r * 1.0;
    y.eval();
  }
  other.assign(Tensor::of({3, 4}));  // looks through the recipes that are still there
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_LT(memory_use().now - memory, 1 << 16) << "a value holds the memory of a dead variable";
}

}  // namespace
}  // namespace narae
