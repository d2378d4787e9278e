#include "narae/core/threads.h"

#include <gtest/gtest.h>
#include <immintrin.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/ops/ops.h"

namespace narae {
namespace {

class Threads : public testing::Test {
 protected:
  ~Threads() override { set_thread_count(before_); }

 private:
  int before_ = thread_count();
};

TEST_F(Threads, EveryItemIsVisitedOnce) {
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    for (const std::int64_t count : {1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& n : visits) EXPECT_EQ(n, 1);
    }
  }
}

TEST_F(Threads, AThreadThatHasEndedHelpsTheOthers) {
  set_thread_count(2);
  constexpr std::int64_t count = 64;
  std::atomic<std::int64_t> done = 0;
  std::atomic<std::int64_t> most = 0;  // that were done while the first portion was held up
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (int wait = 0; begin == 0 && wait < 5000 && done < count - end; ++wait) ::usleep(1000);
    if (begin == 0) most = done.load();
    done += end - begin;
  });
  EXPECT_EQ(done, count);
  EXPECT_EQ(most, count - count / 2 / 8) << "all but the portion that waited";
}

TEST_F(Threads, SharesAreCutEvenlyForAnyNumberOfThreads) {
  struct Loop {
    int threads;
    std::int64_t count, grain;
    Sharing sharing;
    std::int64_t ranges, longest;
  };
  const Loop loops[] = {{2, 64, 1, Sharing::in_portions, 16, 4},      {2, 64, 1, Sharing::in_one_piece, 2, 32},
                        {2, 1000, 400, Sharing::in_portions, 2, 500}, {2, 1000, 200, Sharing::in_portions, 4, 250},
                        {40, 640, 1, Sharing::in_portions, 320, 2},   {40, 640, 1, Sharing::in_one_piece, 48, 16},
                        {3, 8, 0, Sharing::in_portions, 8, 1}};
  for (const Loop& loop : loops) {
    set_thread_count(loop.threads);
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(loop.count));
    std::atomic<std::int64_t> ranges = 0;
    std::atomic<std::int64_t> longest = 0;
    parallel_for(
        loop.count, loop.grain,
        [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
          EXPECT_LT(thread, loop.threads);
          ++ranges;
          std::int64_t known = longest;
          while (known < end - begin && !longest.compare_exchange_weak(known, end - begin)) continue;
          for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        },
        loop.threads, loop.sharing);
    for (const auto& n : visits) EXPECT_EQ(n, 1);
    EXPECT_EQ(ranges, loop.ranges) << loop.threads << " threads, " << loop.count;
    EXPECT_EQ(longest, loop.longest) << loop.threads << " threads, " << loop.count;
  }
}

/// Runs one of these tests in a process of its own, with OpenMP told to grant fewer threads.
int run_again(const std::string& environment, const std::string& test) {
  std::array<char, 4096> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (n <= 0) return -1;
  const std::string command = environment + " '" + path.data() + "' --gtest_filter=" + test + " > /dev/null 2>&1";
  return std::system(command.c_str());  // NOLINT(cert-env33-c): our own program
}

TEST_F(Threads, ASmallerTeamLeavesNothingOut) {
  EXPECT_EQ(run_again("OMP_THREAD_LIMIT=1", "Threads.EveryItemIsVisitedOnce:Threads.ProductsOfSeveralThreads"), 0);
  EXPECT_EQ(run_again("OMP_THREAD_LIMIT=2 OMP_DYNAMIC=true",
                      "Threads.EveryItemIsVisitedOnce:Threads.ProductsOfSeveralThreads"),
            0);
}

TEST_F(Threads, ProductsOfSeveralThreads) {
  set_thread_count(4);
  const Tensor a = ones({256, 192}).eval();
  for (const float y : matmul(a, t(a)).to_vector<float>()) ASSERT_EQ(y, 192);
  for (const float y : (sum(a, 1) + 1.0).to_vector<float>()) ASSERT_EQ(y, 193);
}

TEST_F(Threads, AnExceptionLeavesTheLoop) {
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    std::string caught;
    try {
      parallel_for(9, 1, [&](std::int64_t begin, std::int64_t end) {
        if (end > 4) throw Error("range up to " + std::to_string(end) + (begin > 6 ? " behind another" : ""));
      });
    } catch (const Error& e) {
      caught = e.what();
    }
    EXPECT_EQ(caught, threads == 1 ? "range up to 9" : "range up to 5");
  }
}

TEST_F(Threads, TheCallersDenormalsStayAsTheyWere) {
  const unsigned before = _mm_getcsr();
  ASSERT_EQ(before & 0x8040U, 0U) << "this thread flushes already";
  set_thread_count(2);
  parallel_for(100, 1, [](std::int64_t, std::int64_t) {});
  EXPECT_EQ(_mm_getcsr() & 0x8040U, 0U) << "after a loop";
  static_cast<void>((ones({3000}) * 2.0).array());
  EXPECT_EQ(_mm_getcsr() & 0x8040U, 0U) << "after an evaluation";
  {
    const FlushDenormals outer;
    { const FlushDenormals inner; }
    EXPECT_EQ(_mm_getcsr() & 0x8040U, 0x8040U);
  }
  EXPECT_EQ(_mm_getcsr() & 0x8040U, 0U);
}

}  // namespace
}  // namespace narae
