#include "narae/plan/memory.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <vector>

#include "narae/core/random.h"

namespace narae::plan {
namespace {

void expect_no_overlap(const std::vector<Lifetime>& lifetimes, const Placement& p) {
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    EXPECT_EQ(p.offsets[i] % 64, 0U);
    EXPECT_LE(p.offsets[i] + lifetimes[i].bytes, p.total);
    for (std::size_t j = 0; j < i; ++j) {
      const bool together = lifetimes[i].first <= lifetimes[j].last && lifetimes[j].first <= lifetimes[i].last;
      const bool apart =
          p.offsets[i] + lifetimes[i].bytes <= p.offsets[j] || p.offsets[j] + lifetimes[j].bytes <= p.offsets[i];
      EXPECT_TRUE(!together || apart) << i << " and " << j;
    }
  }
}

TEST(Memory, BlocksThatNeverMeetShareOnePlace) {
  const std::vector<Lifetime> lifetimes = {{0, 1, 1000}, {2, 3, 1000}, {4, 5, 1000}};
  const Placement p = place(lifetimes);
  EXPECT_EQ(p.total, 1024U);
  expect_no_overlap(lifetimes, p);
}

TEST(Memory, AChainOfEqualBlocksNeedsTwo) {
  std::vector<Lifetime> lifetimes;
  for (int i = 0; i < 20; ++i) lifetimes.push_back({i, i + 1, 640});
  const Placement p = place(lifetimes);
  EXPECT_EQ(p.total, 1280U);
  expect_no_overlap(lifetimes, p);
}

TEST(Memory, RandomLifetimesDoNotOverlapAndStayNearTheirPeak) {
  for (const int n : {10, 300, 7000}) {  // the last one takes the sweep instead of the exhaustive search
    RandomStream random(7, static_cast<std::uint64_t>(n));
    std::vector<Lifetime> lifetimes;
    std::vector<std::size_t> alive(static_cast<std::size_t>(n) + 20, 0);
    for (int i = 0; i < n; ++i) {
      const int first = static_cast<int>(random.below(static_cast<std::uint64_t>(n)));
      const int last = first + static_cast<int>(random.below(10));
      const std::size_t bytes = 64 * (1 + random.below(40));
      lifetimes.push_back({first, last, bytes});
      for (int t = first; t <= last; ++t) alive[static_cast<std::size_t>(t)] += bytes;
    }
    const Placement p = place(lifetimes);
    if (n <= 300) expect_no_overlap(lifetimes, p);
    const std::size_t peak = *std::max_element(alive.begin(), alive.end());
    EXPECT_GE(p.total, peak);
    EXPECT_LE(p.total, 4 * peak);
  }
}

TEST(Memory, NothingNeedsNothing) {
  EXPECT_EQ(place({}).total, 0U);
  const std::vector<Lifetime> empty = {{0, 3, 0}};
  EXPECT_EQ(place(empty).total, 0U);
}

}  // namespace
}  // namespace narae::plan
