#include "state/dirty_log.h"

#include <gtest/gtest.h>

namespace berth::state {
namespace {

TEST(DirtyLogTest, KeepsEntriesByNumber) {
  DirtyLog log;
  EXPECT_EQ(log.begin(), log.end());
  log.Append(7);
  log.Append(9);
  EXPECT_EQ(log.begin(), 0u);
  EXPECT_EQ(log.end(), 2u);
  EXPECT_EQ(log.At(0), 7u);
  EXPECT_EQ(log.At(1), 9u);
}

TEST(DirtyLogTest, LosesTheOldestWhenItIsFull) {
  DirtyLog log;
  for (Slot slot = 0; slot < 10'000; ++slot) log.Append(slot);
  EXPECT_GT(log.begin(), 0u);
  EXPECT_EQ(log.end(), 10'000u);
  for (uint64_t i = log.begin(); i < log.end(); ++i) EXPECT_EQ(log.At(i), i);
}

TEST(DirtyLogTest, KeepsWhatItHasWhenItIsMadeLonger) {
  DirtyLog log;
  for (Slot slot = 0; slot < 5000; ++slot) log.Append(slot);
  const uint64_t begin = log.begin();
  log.Reserve(10'000);
  for (Slot slot = 5000; slot < 30'000; ++slot) log.Append(slot);
  EXPECT_EQ(log.begin(), begin);
  for (uint64_t i = log.begin(); i < log.end(); ++i) EXPECT_EQ(log.At(i), i);
}

TEST(DirtyLogTest, TakesBackWhatCameAfterAMark) {
  DirtyLog log;
  log.Append(1);
  log.Append(2);
  log.Truncate(1);
  log.Append(3);
  EXPECT_EQ(log.end(), 2u);
  EXPECT_EQ(log.At(1), 3u);
}

}  // namespace
}  // namespace berth::state
