#include "state/job_state.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>

namespace berth::state {
namespace {

TaskCounts Counts(std::initializer_list<std::pair<TaskState, int64_t>> tasks) {
  TaskCounts counts{};
  for (const auto& [state, number] : tasks) counts[static_cast<size_t>(state)] = number;
  return counts;
}

TEST(JobStateTest, FollowsTheTasks) {
  using enum TaskState;
  EXPECT_EQ(JobStateOf(Counts({{kQueued, 2}, {kParked, 1}, {kHeld, 1}}), 0, 0), JobState::kQueued);
  EXPECT_EQ(JobStateOf(Counts({{kQueued, 2}, {kBound, 1}}), 0, 0), JobState::kRunning);
  EXPECT_EQ(JobStateOf(Counts({{kSucceeded, 3}}), 5, 9), JobState::kSucceeded);
  EXPECT_EQ(JobStateOf(Counts({{kSucceeded, 3}, {kCancelled, 1}}), 5, 9), JobState::kCancelled);
  EXPECT_EQ(JobStateOf(Counts({{kFailed, 1}, {kCancelled, 1}}), 5, 9), JobState::kFailed);
}

TEST(JobStateTest, AJobOfWhichATaskCameBackIsStillRunning) {
  EXPECT_EQ(JobStateOf(Counts({{TaskState::kQueued, 1}}), 5, 0), JobState::kRunning);
}

}  // namespace
}  // namespace berth::state
