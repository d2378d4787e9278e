#include "narae/core/waiting.h"

#include <gtest/gtest.h>

#include <atomic>

#include "narae/core/threads.h"

namespace narae::detail {
namespace {

TEST(Waiting, ANeighbourMakesThreadsSleep) {
  EXPECT_FALSE(should_sleep(false, 60)) << "what is there without a neighbour";
  EXPECT_TRUE(should_sleep(false, 160));
  EXPECT_TRUE(should_sleep(true, 17'000)) << "threads that sleep are woken into the neighbour's time";
  EXPECT_FALSE(should_sleep(true, 20));
}

TEST(Waiting, WorkIsDoneHoweverTheyWait) {
  const int before = thread_count();
  set_thread_count(2);
  for (int turn = 0; turn < 40; ++turn) {
    let_waiting_sleep(turn % 3 != 0);
    std::atomic<std::int64_t> sum = 0;
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) sum += i;
    });
    EXPECT_EQ(sum, 4950);
  }
  let_waiting_sleep(false);
  set_thread_count(before);
}

}  // namespace
}  // namespace narae::detail
