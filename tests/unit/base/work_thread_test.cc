#include "base/work_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

namespace berth::base {
namespace {

using std::chrono::milliseconds;

TEST(WorkThreadTest, DoesWorkInTheOrderInWhichItWasGiven) {
  std::vector<int> done;
  WorkThread thread("test");
  for (int i = 0; i < 100; ++i) thread.Post([&done, i] { done.push_back(i); });
  thread.Stop();
  ASSERT_EQ(done.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done[i], i);
}

TEST(WorkThreadTest, DoesDelayedWorkNotBeforeItsTimeAndEarliestFirst) {
  const auto start = std::chrono::steady_clock::now();
  WorkThread thread("test");
  std::vector<int> done;
  std::promise<void> finished;
  thread.PostAfter(milliseconds(30), [&] {
    done.push_back(2);
    finished.set_value();
  });
  thread.PostAfter(milliseconds(10), [&] { done.push_back(1); });
  finished.get_future().wait();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
  EXPECT_EQ(done, (std::vector<int>{1, 2}));
}

TEST(WorkThreadTest, WorkMayGiveMoreWork) {
  WorkThread thread("test");
  std::promise<void> inner;
  thread.Post([&] { thread.Post([&] { inner.set_value(); }); });
  inner.get_future().wait();
}

TEST(WorkThreadTest, StopDropsWhatWasToBeDoneLater) {
  auto owned = std::make_shared<int>(0);
  WorkThread thread("test");
  thread.PostAfter(std::chrono::hours(1), [owned] { FAIL() << "an hour has not passed"; });
  EXPECT_EQ(owned.use_count(), 2);
  thread.Stop();
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(WorkThreadTest, WorkGivenAfterStopIsDestroyedUndone) {
  auto owned = std::make_shared<int>(0);
  WorkThread thread("test");
  thread.Stop();
  thread.Post([owned] { FAIL() << "the thread has ended"; });
  thread.PostAfter(milliseconds(0), [owned] { FAIL() << "the thread has ended"; });
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(WorkThreadTest, WhatWorkOwnsGoesWhenItIsDone) {
  WorkThread thread("test");
  auto owned = std::make_shared<int>(0);
  std::promise<void> second;
  int count_in_second = 0;
  const std::weak_ptr<int> watch = owned;
  thread.Post([owned = std::move(owned)] {});
  thread.Post([&] {
    count_in_second = static_cast<int>(watch.use_count());
    second.set_value();
  });
  second.get_future().wait();
  EXPECT_EQ(count_in_second, 0);
}

}  // namespace
}  // namespace berth::base
