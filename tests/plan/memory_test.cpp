#include "narae/plan/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <vector>

#include "narae/core/random.h"

namespace narae::plan {
namespace {

// Goes through time with the blocks that are alive, by offset: a new one must lie between its neighbours.
void expect_no_overlap(const std::vector<Lifetime>& lifetimes, const Placement& p) {
  std::vector<std::size_t> births(lifetimes.size());
  std::iota(births.begin(), births.end(), std::size_t{0});
  std::vector<std::size_t> deaths = births;
  std::sort(births.begin(), births.end(), [&](auto a, auto b) { return lifetimes[a].first < lifetimes[b].first; });
  std::sort(deaths.begin(), deaths.end(), [&](auto a, auto b) { return lifetimes[a].last < lifetimes[b].last; });
  const auto end = [&](std::size_t i) { return p.offsets[i] + lifetimes[i].bytes; };
  std::map<std::size_t, std::size_t> alive;  // offset -> block
  std::size_t dead = 0;
  for (const std::size_t i : births) {
    EXPECT_EQ(p.offsets[i] % 64, 0U);
    EXPECT_LE(end(i), p.total);
    for (; dead < deaths.size() && lifetimes[deaths[dead]].last < lifetimes[i].first; ++dead) {
      const auto at = alive.find(p.offsets[deaths[dead]]);
      if (at != alive.end() && at->second == deaths[dead]) alive.erase(at);
    }
    if (lifetimes[i].bytes == 0) continue;
    const auto next = alive.lower_bound(p.offsets[i]);
    if (next != alive.end()) EXPECT_LE(end(i), p.offsets[next->second]) << i << " and " << next->second;
    if (next != alive.begin()) EXPECT_LE(end(std::prev(next)->second), p.offsets[i]) << i;
    alive[p.offsets[i]] = i;
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
    expect_no_overlap(lifetimes, p);
    const std::size_t peak = *std::max_element(alive.begin(), alive.end());
    EXPECT_GE(p.total, peak);
    EXPECT_LE(p.total, 4 * peak);
  }
}

// Ever larger blocks, one at a time: the sweep, which reuses blocks whole, would find room for none of them.
TEST(Memory, LargeBlocksArePlacedWellAmongThousandsOfSmallOnes) {
  std::vector<Lifetime> lifetimes;
  for (int t = 0; t < 5000; ++t) {
    lifetimes.push_back({t, t, static_cast<std::size_t>(1'000'000 + 64 * t)});
    lifetimes.push_back({t, t + 1, 64});
  }
  const Placement p = place(lifetimes);
  expect_no_overlap(lifetimes, p);
  EXPECT_LE(p.total, 2U * 1'320'000U);
}

TEST(Memory, NothingNeedsNothing) {
  EXPECT_EQ(place({}).total, 0U);
  const std::vector<Lifetime> empty = {{0, 3, 0}};
  EXPECT_EQ(place(empty).total, 0U);
}

}  // namespace
}  // namespace narae::plan
