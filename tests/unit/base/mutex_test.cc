#include "base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <queue>
#include <thread>
#include <vector>

namespace berth::base {
namespace {

TEST(MutexTest, LetsOneThreadAtATimeIn) {
  Mutex mutex;
  int counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        MutexLock lock(mutex);
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 40'000);
}

TEST(MutexTest, TryLockFailsWhileAnotherThreadHoldsIt) {
  Mutex mutex;
  bool taken = true;
  {
    MutexLock lock(mutex);
    std::thread([&] { taken = mutex.TryLock(); }).join();
  }
  EXPECT_FALSE(taken);
  ASSERT_TRUE(mutex.TryLock());
  mutex.Unlock();
}

TEST(CondVarTest, HandsItemsFromThreadToThread) {
  Mutex mutex;
  CondVar changed;
  std::queue<int> queue;
  int sum = 0;
  std::thread consumer([&] {
    for (int taken = 0; taken < 1000; ++taken) {
      MutexLock lock(mutex);
      while (queue.empty()) changed.Wait(mutex);
      sum += queue.front();
      queue.pop();
    }
  });
  for (int i = 1; i <= 1000; ++i) {
    MutexLock lock(mutex);
    queue.push(i);
    changed.NotifyOne();
  }
  consumer.join();
  EXPECT_EQ(sum, 500'500);
}

TEST(CondVarTest, NotifyAllWakesEveryWaiter) {
  Mutex mutex;
  CondVar changed;
  bool go = false;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      MutexLock lock(mutex);
      while (!go) changed.Wait(mutex);
    });
  }
  {
    MutexLock lock(mutex);
    go = true;
    changed.NotifyAll();
  }
  for (std::thread& waiter : waiters) waiter.join();
}

TEST(CondVarTest, WaitEndsAtItsDeadlineAndHoldsTheLockAgain) {
  Mutex mutex;
  CondVar never;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  MutexLock lock(mutex);
  while (never.WaitUntil(mutex, deadline)) {
  }  // spurious wake-ups
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
  bool taken = true;
  std::thread([&] { taken = mutex.TryLock(); }).join();
  EXPECT_FALSE(taken);
}

}  // namespace
}  // namespace berth::base
