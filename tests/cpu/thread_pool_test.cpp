#include "host/base/thread_pool.hpp"

#include <numeric>

#include <gtest/gtest.h>

namespace mgqe {
namespace {

TEST(ThreadPool, DoesEveryPieceOnceJobAfterJob) {
  ThreadPool pool(4);  // more threads than many machines have cores: late workers are the rule
  for (int job = 0; job < 20'000; ++job) {
    const int pieces = 2 + job % 13;
    std::vector<std::atomic<int>> done(static_cast<size_t>(pieces));
    int local = job;  // on the caller's stack: a piece run after run() returned would be seen
    pool.run(pieces, [&](int piece) { done[piece] += local - job + 1; });
    for (const auto& count : done) ASSERT_EQ(count, 1);
    local = -1000;
  }
}

TEST(ThreadPool, NeverGivesAPieceTwice) {
  constexpr int kPieces = 4000;
  ThreadPool pool(2);
  for (int job = 0; job < 200; ++job) {
    std::vector<std::atomic<int>> done(kPieces);
    pool.run(kPieces, [&](int piece) {
      // The caller waits until the worker claims from its share too.
      for (int spins = 0; piece == 0 && done[kPieces / 4] == 0 && spins < 100'000; ++spins)
        ;
      ++done[piece];
    });
    for (const auto& count : done) ASSERT_EQ(count, 1);
  }
}

TEST(ThreadPool, DoesNotLeaveTheShareOfALateThreadToIt) {
  ThreadPool pool(2);  // the worker's share: pieces 4 to 7
  std::atomic<bool> stolen{false};
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 200 && !stolen; ++round) {
    std::atomic<bool> worker_is_late{false};
    pool.run(8, [&](int piece) {
      if (std::this_thread::get_id() != caller) {
        worker_is_late = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      } else if (piece < 4) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));  // lets the worker come
      } else if (worker_is_late) {
        stolen = true;
      }
    });
  }
  EXPECT_TRUE(stolen);
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> sum{0};
    pool.run(100, [&](int piece) { sum += piece; });
    ASSERT_EQ(sum, 4950);
  }
}

TEST(ThreadPool, TakesPartInTheWork) {
  ThreadPool pool(2);
  std::atomic<bool> helped{false};
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 200 && !helped; ++round)
    pool.run(8, [&](int) {
      if (std::this_thread::get_id() != caller) helped = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  EXPECT_TRUE(helped);
}

TEST(ThreadPool, RunsWithinARunAreSerial) {
  ThreadPool pool(3);
  std::atomic<int> count{0};
  pool.run(6, [&](int) {
    int inner = 0;
    pool.run(5, [&](int) { ++inner; });
    EXPECT_EQ(inner, 5);
    ++count;
  });
  EXPECT_EQ(count, 6);
}

}  // namespace
}  // namespace mgqe
