// Loops made of random recipes: they run at all, and they give the bits that the operators give one by one.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "narae/core/random.h"
#include "narae/graph/eval.h"
#include "narae/ops/ops.h"
#include "narae/plan/plan.h"
#include "tests/plan/plans.h"

namespace narae::plan {
namespace {

constexpr RandomTensors random{11};

std::string bits(const Tensor& x) {
  const Array a = x.array();
  return {reinterpret_cast<const char*>(a.buffer.data()), a.bytes()};
}

// Two products cross between two sums: joining each sum with its first operand would close a circle.
TEST(Fusion, GroupsThatWouldWaitForEachOtherStayApart) {
  const Tensor x = random({8, 8}, 1);
  const Tensor y = random({8, 8}, 2);
  const Tensor w = random({8, 8}, 3);
  const auto compute = [&] {
    Tensor u = relu(x);
    Tensor p = matmul(u, w);
    Tensor v = relu(y);
    Tensor q = matmul(v, w);
    const Tensor s = u + q;
    const Tensor t = v + p;
    u = v = p = q = {};
    eval({s, t});
    return bits(s) + bits(t);
  };
  const std::string fused = compute();
  const WithOptions apart({.fuse = false});
  EXPECT_EQ(fused, compute());
}

// A mask of 4 x 512 bytes has as many bytes as the row of 512 numbers that it was compared with.
TEST(Fusion, AResultDoesNotOverwriteARowThatIsReadAgain) {
  const Tensor x = random({4, 512}, 1);
  const Tensor row = random({1, 512}, 2);
  const auto compute = [&] { return bits(cast(t(greater(x, exp(row))), DType::f32)); };
  const std::string fused = compute();
  const WithOptions apart({.fuse = false, .fast_kernels = false});
  EXPECT_EQ(fused, compute());
}

// Writes one random recipe. Shapes are chosen so that broadcasts, types and masks of different counts have equal bytes.
class RandomRecipe {
 public:
  explicit RandomRecipe(std::uint64_t seed) : random_(5, seed) {
    const Shape shapes[] = {{4, 512}, {1, 512}, {4, 1}, {512, 4}, {2, 1024}, {8, 8}, {1, 8}, {8, 1}, {32, 8}, {64, 1}};
    std::uint64_t stream = 100 * seed;
    for (const Shape& shape : shapes) pool_.push_back(narae::plan::random(shape, ++stream, any_floating()));
  }

  // The tensors that are asked for; everything else is let go.
  [[nodiscard]] std::vector<Tensor> write(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (Tensor made = next(); made.defined()) pool_.push_back(made);
    }
    std::vector<Tensor> asked = {pool_.back()};
    for (std::size_t i = 10; i + 1 < pool_.size(); ++i)
      if (random_.below(6) == 0) asked.push_back(pool_[i]);
    return asked;
  }

 private:
  DType any_floating() { return random_.below(3) == 0 ? DType::f64 : DType::f32; }
  // Later ones more often, so that recipes grow deep.
  const Tensor& any() {
    const std::size_t n = pool_.size();
    const std::size_t newest = random_.below(2) == 0 ? std::min<std::size_t>(n, 6) : n;
    return pool_[n - 1 - random_.below(newest)];
  }
  Tensor any_number() {
    const Tensor& x = any();
    return x.dtype() == DType::boolean ? cast(x, any_floating()) : x;
  }

  Tensor next() {
    const Tensor x = any_number();
    switch (random_.below(12)) {
      case 0:
        return tanh(x);
      case 1:
        return relu(x);
      case 2:
        return abs(x) * 0.5;
      case 3:
        return cast(x, x.dtype() == DType::f32 ? DType::f64 : DType::f32);
      case 4:
        return x.rank() == 2 && x.count() <= 4096 ? t(x) : Tensor();
      case 5:
        return sum(x, 0, {.keep = true}) * 0.01;
      case 6:
        return x.shape() == Shape{8, 8} ? tanh(matmul(x, x)) : Tensor();
      default:
        return pair(x);
    }
  }

  Tensor pair(const Tensor& x) {
    for (int tries = 0; tries < 8; ++tries) {
      const Tensor y = cast(any_number(), x.dtype());
      if (!fit(x.shape(), y.shape())) continue;
      switch (random_.below(5)) {
        case 0:
          return x + y;
        case 1:
          return tanh(x * y);
        case 2:
          return maximum(x, y);
        case 3:
          return greater(x, y);
        default:
          return where(less(x, y), x, y * 0.5);
      }
    }
    return {};
  }

  static bool fit(const Shape& a, const Shape& b) {
    if (a.rank() != b.rank()) return false;
    for (int i = 0; i < a.rank(); ++i)
      if (a[i] != b[i] && a[i] != 1 && b[i] != 1) return false;
    return true;
  }

  RandomStream random_;
  std::vector<Tensor> pool_;
};

TEST(Fusion, RandomRecipesGiveTheSameBitsFusedAndNot) {
  std::int64_t fused_steps = 0;
  std::int64_t all_steps = 0;
  const auto compute = [](std::uint64_t seed, std::int64_t& steps) {
    const std::vector<Tensor> asked = [&] { return RandomRecipe(seed).write(40); }();
    eval(asked);
    steps += last_plan().steps;
    std::string result;
    for (const Tensor& x : asked) result += bits(x);
    return result;
  };
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const std::string fused = compute(seed, fused_steps);
    const WithOptions apart({.fuse = false});
    EXPECT_EQ(fused == compute(seed, all_steps), true) << "seed " << seed;
  }
  EXPECT_LT(fused_steps * 4, all_steps * 3) << "hardly anything was fused";
}

}  // namespace
}  // namespace narae::plan
