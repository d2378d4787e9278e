#include "narae/core/waiting.h"

#include <gtest/gtest.h>

#include <atomic>

#include "narae/core/threads.h"

namespace narae::detail {
namespace {

TEST(Waiting, ThreadsSleepWhereOthersTakeTheirCores) {
  EXPECT_FALSE(should_sleep(false, -3)) << "there are more cores than both need";
  EXPECT_FALSE(should_sleep(false, 0.2)) << "what ticks of the clock leave open";
  EXPECT_TRUE(should_sleep(false, 0.9));
  EXPECT_TRUE(should_sleep(true, 0.4)) << "a neighbour that has its pauses";
  EXPECT_FALSE(should_sleep(true, 0.1));
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
  let_waiting_sleep({});
  set_thread_count(before);
}

}  // namespace
}  // namespace narae::detail
