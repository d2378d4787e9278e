// Gradients when parts of the recipe are gone, shared or on dead variables.
#include "narae/graph/grad.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/graph/variable.h"
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

// d(h y + of y)/d(of) for an h that comes from `of`; "" and the gradient, or the error when h was computed before.
template <class F>
std::string error_after_computing(const Tensor& of, F write) {
  const Tensor y = Tensor::of({5}, {});
  const auto loss = [&](const Tensor& h) { return h * y + of * y; };
  const double expected = 5 * grad(write(), {of})[0].item() + 5;
  EXPECT_EQ(grad(loss(write()), {of})[0].item(), expected) << "nothing was computed before";
  const Tensor h = write();
  static_cast<void>(h.item());
  return error_of([&] { return grad(loss(h), {of}); });
}

TEST(Gradient, APrintedValueRemembersScalars) {
  const Tensor s = scalar(3);
  const Tensor x = Tensor::of({2}, {});
  EXPECT_NE(error_after_computing(s, [&] { return s * x; }), "");
  const Tensor other = (x * 2.0 + scalar(7)).eval();
  EXPECT_EQ(grad(other * s, {s})[0].item(), 11) << "other scalars don't count";
}

TEST(Gradient, APrintedValueRemembersVersionsThatWereStoredWithIt) {
  for (const bool trainable : {false, true}) {
    for (const bool reads_itself : {false, true}) {
      const Tensor r = variable(Tensor::of({3}, {}), {.name = "r", .trainable = trainable});
      const Tensor x = Tensor::of({2}, {});
      const auto write = [&] {
        assign_with({}, r, reads_itself ? r * 0.5 + 1.0 : x * 4.0);
        return r * x;
      };
      EXPECT_NE(error_after_computing(r, write), "") << trainable << reads_itself;
    }
  }
}

TEST(Gradient, APrintedValueRemembersWhatIsMadeTrainableLater) {
  const Tensor v = variable(Tensor::of({3}, {}), {.name = "v", .trainable = false});
  const Tensor x = Tensor::of({2}, {});
  Tensor h = v * x;
  std::vector<Tensor> others;
  for (int i = 0; i < 40; ++i) h = h + others.emplace_back(Tensor::of({1}, {}));
  static_cast<void>(h.item());
  v.set_trainable(true);
  EXPECT_NE(error_of([&] { return grad(h + v, {v}); }), "");
  const Tensor later = h * 2.0;
  static_cast<void>(later.item());
  EXPECT_NE(error_of([&] { return grad(later + v, {v}); }), "") << "written after it was made trainable";
}

TEST(Gradient, ManySourcesHideNoneAndAddNone) {
  const Tensor x = Tensor::of({3}, {});
  const Tensor v = variable(Tensor::of({3}, {}), {.name = "v", .trainable = false});
  for (const bool held : {false, true}) {
    std::vector<Tensor> leaves;
    Tensor h = Tensor::of({1}, {});
    for (int i = 0; i < 100; ++i) {
      const Tensor leaf = Tensor::of({1}, {});
      if (held) leaves.push_back(leaf);
      h = h + leaf;
    }
    const Tensor from_x = (x + v * 2.0).eval();  // so that both are an origin of something
    static_cast<void>(h.item());
    EXPECT_EQ(grad(h * x, {x})[0].item(), 101);
    EXPECT_EQ(grad(h * v, {v})[0].item(), 101);
    for (const Tensor& leaf : leaves) EXPECT_NE(error_of([&] { return grad(h * leaf, {leaf}); }), "");
  }
}

// Beyond the sources that are listed one by one, nothing is lost either.
TEST(Gradient, MoreSourcesThanAreListed) {
  std::vector<Tensor> leaves;
  for (std::size_t i = 0; i < Origins::most + 100; ++i) leaves.push_back(Tensor::of({1}));
  const Tensor h = sum(concat(leaves, 0));
  const Tensor younger = Tensor::of({3}, {});
  const Tensor& w = trainable();
  static_cast<void>(h.item());
  static_cast<void>((younger * 2.0).item());
  for (const std::size_t i : {std::size_t{0}, leaves.size() / 2, leaves.size() - 1})
    EXPECT_NE(error_of([&] { return grad(sum(h * leaves[i]), {leaves[i]}); }), "") << i;
  const auto n = static_cast<float>(leaves.size());
  EXPECT_EQ(grad(sum(h * w), {w})[0].to_vector<float>(), (std::vector<float>{n, n})) << "never frozen";
  EXPECT_EQ(grad(h * younger, {younger})[0].item(), n) << "written later";
}

TEST(Gradient, AStateThatIsCarriedRemembersOnlyWhatIsStillThere) {
  const Tensor x = Tensor::of({3}, {});
  Tensor state = x * 1.0;
  std::vector<Tensor> every_tenth;
  for (int i = 0; i < 300; ++i) {
    const Tensor batch = Tensor::of({1}, {});
    if (i % 10 == 0) every_tenth.push_back(batch);
    state = (state * 0.5 + batch).eval();
  }
  // x, the batches that are held, and what the last step read
  EXPECT_LE(state.node()->extra->origins.ids.size(), 1 + every_tenth.size() + 5);
  EXPECT_NE(error_of([&] { return grad(state * x, {x}); }), "");
  for (const Tensor& batch : every_tenth) EXPECT_NE(error_of([&] { return grad(state * batch, {batch}); }), "");
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

// Two versions of one variable as inputs of a fused operator without a gradient rule of its own.
TEST(Gradient, TwoVersionsThatAreInputsOfAFusedOperatorCountOnce) {
  static const Op& fused = *find_op("softmax_gradient");
  ASSERT_EQ(fused.gradient, nullptr);
  ASSERT_NE(fused.compose, nullptr);
  const Tensor weights = Tensor::of({1, 2, -1}, {1, 3});
  const std::vector<std::int64_t> last_axis = {1};
  const auto loss = [&](const Tensor& a, const Tensor& b) {
    return sum(apply(fused, std::vector<Tensor>{a, b}, last_axis) * weights);
  };
  const Tensor first = Tensor::of({0.1F, -0.4F, 0.7F}, {1, 3});
  const Tensor second = copy(first * 0.5 + 1.0);  // without a history
  const Gradients separate = grad(loss(first, second), {first, second});
  const std::vector<float> expected = (separate[0] + separate[1]).to_vector<float>();

  const Tensor r = variable(first, {.name = "r", .trainable = false});
  const Tensor old(NodeRef::share(r.read()));
  assign_with({}, r, r * 0.5 + 1.0);
  const Tensor now(NodeRef::share(r.read()));
  EXPECT_EQ(grad(loss(old, now), {r})[0].to_vector<float>(), expected);
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
