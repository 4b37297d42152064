#include "state/task_lifecycle.h"

#include <gtest/gtest.h>

namespace berth::state {
namespace {

std::vector<TaskState> AllStates() {
  std::vector<TaskState> all;
  for (int i = 1; i < kTaskStates; ++i) all.push_back(static_cast<TaskState>(i));
  return all;
}

TEST(TaskLifecycleTest, NothingLeadsOutOfAnEnd) {
  for (const TaskState from : AllStates()) {
    if (!IsTerminal(from)) continue;
    for (const TaskState to : AllStates()) {
      EXPECT_FALSE(MayMove(from, to)) << ToString(from) << " to " << ToString(to);
    }
  }
}

TEST(TaskLifecycleTest, EveryOtherStateCanReachAnEnd) {
  for (const TaskState from : AllStates()) {
    if (IsTerminal(from)) continue;
    EXPECT_TRUE(MayMove(from, TaskState::kCancelled)) << ToString(from);
  }
}

TEST(TaskLifecycleTest, FollowsTheUsualRoad) {
  EXPECT_TRUE(MayMove(TaskState::kQueued, TaskState::kBound));
  EXPECT_TRUE(MayMove(TaskState::kBound, TaskState::kStarting));
  EXPECT_TRUE(MayMove(TaskState::kStarting, TaskState::kRunning));
  EXPECT_TRUE(MayMove(TaskState::kRunning, TaskState::kSucceeded));
  EXPECT_TRUE(MayMove(TaskState::kRunning, TaskState::kQueued));
}

TEST(TaskLifecycleTest, DoesNotSkipBinding) {
  EXPECT_FALSE(MayMove(TaskState::kQueued, TaskState::kStarting));
  EXPECT_FALSE(MayMove(TaskState::kQueued, TaskState::kRunning));
  EXPECT_FALSE(MayMove(TaskState::kParked, TaskState::kRunning));
  EXPECT_FALSE(MayMove(TaskState::kQueued, TaskState::kSucceeded));
}

TEST(TaskLifecycleTest, AStoppingTaskDoesNotRunAgainInTheSameAttempt) {
  EXPECT_FALSE(MayMove(TaskState::kStopping, TaskState::kRunning));
  EXPECT_TRUE(HoldsResources(TaskState::kStopping));
}

}  // namespace
}  // namespace berth::state
