// Sizes that can't be counted are errors where they are written, and failed allocations leave no trace.
#include <gtest/gtest.h>

#include <string>

#include "narae/core/array.h"
#include "narae/core/buffer.h"
#include "narae/core/error.h"
#include "narae/ops/ops.h"
#include "narae/plan/memory.h"

namespace narae {
namespace {

constexpr std::int64_t one = 1;

TEST(MemorySize, ShapesAreCountable) {
  EXPECT_EQ(Shape({one << 59}).count(), one << 59);
  EXPECT_THROW(Shape({one << 60}), Error);
  EXPECT_THROW(Shape({one << 61}), Error);
  EXPECT_THROW(Shape({one << 32, one << 32}), Error);
  EXPECT_THROW(Shape({one << 32, 0, one << 32}), Error) << "extents of 0 count as 1";
  EXPECT_THROW(Shape({3, -1}), Error);
  Shape grown = {one << 40};
  grown.push_back(one << 40);
  EXPECT_FALSE(grown.countable());
  EXPECT_THROW(static_cast<void>(Array::empty(DType::f32, grown)), Error);
}

TEST(MemorySize, InferredShapesAreChecked) {
  const Tensor a = zeros({one << 32, 0});
  const Tensor b = zeros({0, one << 32});
  try {
    static_cast<void>(matmul(a, b));
    FAIL() << "2^64 elements";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("matmul"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("2^59"), std::string::npos) << e.what();
  }
  EXPECT_THROW(static_cast<void>(zeros({one << 40, 1}) + zeros({1, one << 40})), Error);
}

TEST(MemorySize, APlanThatNeedsTooMuchIsAnError) {
  const std::vector<plan::Lifetime> lifetimes(5, {0, 1, std::size_t{1} << 62});
  EXPECT_THROW(static_cast<void>(plan::place(lifetimes)), Error);
}

TEST(MemorySize, AFailedAllocationLeavesNoTrace) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer ends the program for an allocation of this size";
#else
  const MemoryUse before = memory_use();
  EXPECT_THROW(static_cast<void>(Buffer::allocate(std::size_t{1} << 60)), Error);
  EXPECT_EQ(memory_use().now, before.now);
  EXPECT_EQ(memory_use().peak, before.peak);
  EXPECT_EQ(memory_use().allocations, before.allocations);
#endif
}

}  // namespace
}  // namespace narae
