// Attempts after one that was killed at its memory limit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/recovered_state.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::TaskState;
using ::testing::ElementsAre;

// From 1000 MiB by halves to 2000 MiB.
TurnHarness::Job Growing(uint32_t tasks = 1) {
  return {.tasks = tasks,
          .cpu_milli = 100,
          .memory_mib = 1000,
          .memory_factor_percent = 150,
          .memory_limit_mib = 2000};
}

TEST(MemoryRetryTest, EachAttemptGetsMoreUntilTheMostWasNotEnough) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk(Growing());
  std::vector<int32_t> had;
  while (loop.StateOf(job) != TaskState::kFailed) {
    const auto start = loop.TakeDirectives<state::StartTask>(stream).at(0);
    had.push_back(start.memory_mib);
    loop.ReportStarted(stream, start.attempt);
    EXPECT_EQ(loop.turn().state().nodes().allocated(kMemory)[0],
              start.memory_mib != 0 ? start.memory_mib : 1000);
    loop.ReportOutOfMemory(stream, start.attempt);
    EXPECT_EQ(loop.turn().state().nodes().allocated(kMemory)[0], 0);
    loop.SitOut(job);
  }
  EXPECT_THAT(had, ElementsAre(0, 1500, 2000));
  EXPECT_EQ(loop.TaskOf(job).row.retries_used, 0);
}

TEST(MemoryRetryTest, OtherEndsAreFailuresAsEver) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk(Growing());
  loop.ReportExit(stream, loop.TakeStart(stream), 137);
  EXPECT_EQ(loop.StateOf(job), TaskState::kFailed);
}

TEST(MemoryRetryTest, WhatGrewKeepsItsMemoryForLaterAttempts) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  TurnHarness::Job spec = Growing();
  spec.retries = 1;
  const JobId job = loop.SubmitOk(spec);
  loop.ReportOutOfMemory(stream, loop.TakeStart(stream));
  loop.SitOut(job);
  loop.ReportExit(stream, loop.TakeStart(stream), 1);
  loop.SitOut(job);
  EXPECT_EQ(loop.TakeDirectives<state::StartTask>(stream).at(0).memory_mib, 1500);
}

TEST(MemoryRetryTest, ATaskThatGrewWaitsForItsOwnRoomWhileTheOthersOfItsArrayGoOn) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1", 4000, 2000);
  const JobId job = loop.SubmitOk(Growing(4));
  auto starts = loop.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 2u);
  loop.ReportOutOfMemory(stream, starts[0].attempt);
  // The third has its room by now.
  const auto third = loop.TakeStart(stream);
  EXPECT_EQ(third.index, 2u);
  loop.SitOut(job);
  EXPECT_EQ(loop.StateOf(job, 0), TaskState::kParked);
  EXPECT_EQ(loop.JobOf(job).counts[static_cast<size_t>(TaskState::kParked)], 2);
  loop.ReportExit(stream, third, 0);
  const auto fourth = loop.TakeStart(stream);
  EXPECT_EQ(fourth.index, 3u);
  loop.ReportExit(stream, fourth, 0);
  EXPECT_TRUE(loop.TakeDirectives<state::StartTask>(stream).empty());  // 1000 of 1500
  loop.ReportExit(stream, starts[1].attempt, 0);
  const auto again = loop.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].attempt.index, 0u);
  EXPECT_EQ(again[0].memory_mib, 1500);
  loop.ReportExit(stream, again[0].attempt, 0);
  EXPECT_NE(loop.JobOf(job).ended_at_ms, 0);
}

TEST(MemoryRetryTest, ACancelledTaskThatGrewLeavesNothingBehind) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk(Growing());
  loop.ReportOutOfMemory(stream, loop.TakeStart(stream));
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  EXPECT_EQ(loop.StateOf(job), TaskState::kCancelled);
  EXPECT_FALSE(loop.turn().queue().Front().has_value());
}

TEST(MemoryRetryTest, WhatGrewIsAsBigAfterARestart) {
  TurnHarness before;
  const uint64_t stream = before.Connect("n1");
  const JobId job = before.SubmitOk(Growing(2));
  const auto starts = before.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 2u);
  before.ReportOutOfMemory(stream, starts[0].attempt);
  before.SitOut(job);
  const auto grown = before.TakeDirectives<state::StartTask>(stream).at(0);
  EXPECT_EQ(grown.memory_mib, 1500);
  ASSERT_EQ(before.turn().state().nodes().allocated(kMemory)[0], 2500);

  TurnHarness after({}, berth::testing::Recovered(before.turn().state(), false));
  after.now_ms = before.now_ms;
  after.Run();
  EXPECT_EQ(after.turn().state().nodes().allocated(kMemory)[0], 2500);
  const uint64_t again =
      after.Reconnect("n1", stream, 3,
                      {{.attempt = grown.attempt, .phase = state::AttemptPhase::kRunning},
                       {.attempt = starts[1].attempt, .phase = state::AttemptPhase::kRunning}});
  after.fact_sequence[again] = before.fact_sequence[stream];
  after.ReportOutOfMemory(again, grown.attempt);
  EXPECT_EQ(after.turn().state().nodes().allocated(kMemory)[0], 1000);
  after.SitOut(job);
  EXPECT_EQ(after.TakeDirectives<state::StartTask>(again).at(0).memory_mib, 2000);
}

// ---- services ----

TEST(ServiceTest, IsStartedAgainAfterEachEndWithGrowingPauses) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.service = true});
  std::vector<int64_t> pauses;
  for (int i = 0; i < 12; ++i) {
    const auto attempt = loop.TakeStart(stream);
    loop.ReportStarted(stream, attempt);
    loop.ReportExit(stream, attempt, i % 2);
    EXPECT_EQ(loop.StateOf(job), TaskState::kQueued);
    pauses.push_back(loop.SitOut(job));
  }
  EXPECT_THAT(pauses, ElementsAre(1000, 2000, 4000, 8000, 16'000, 32'000, 64'000, 128'000, 256'000,
                                  300'000, 300'000, 300'000));
  EXPECT_EQ(loop.JobOf(job).ended_at_ms, 0);
}

TEST(ServiceTest, IsWellAgainWhenItHasRunForLong) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.service = true});
  for (int i = 0; i < 3; ++i) {
    loop.ReportExit(stream, loop.TakeStart(stream), 1);
    loop.SitOut(job);
  }
  const auto attempt = loop.TakeStart(stream);
  loop.ReportStarted(stream, attempt);
  for (int i = 0; i < 60; ++i) {
    loop.now_ms += 10'000;
    loop.Ask(state::AgentHeartbeat{.stream = stream});
  }
  loop.ReportExit(stream, attempt, 1);
  EXPECT_EQ(loop.SitOut(job), 1000);
}

TEST(ServiceTest, EndsWhenItIsCancelled) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.service = true});
  const auto attempt = loop.TakeStart(stream);
  loop.ReportStarted(stream, attempt);
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  loop.ReportExit(stream, attempt, 0);
  EXPECT_EQ(loop.StateOf(job), TaskState::kCancelled);
  EXPECT_NE(loop.JobOf(job).ended_at_ms, 0);
}

TEST(ServiceTest, MayEndOnSuccess) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.service = true, .ends_on_success = true});
  loop.ReportExit(stream, loop.TakeStart(stream), 1);
  loop.SitOut(job);
  loop.ReportExit(stream, loop.TakeStart(stream), 0);
  EXPECT_EQ(loop.StateOf(job), TaskState::kSucceeded);
}

TEST(ServiceTest, KeepsItsLastAttemptsAndCountsAll) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.service = true});
  for (uint32_t i = 0; i < state::kMostPastAttempts + 5; ++i) {
    loop.ReportExit(stream, loop.TakeStart(stream), 0);
    loop.SitOut(job);
  }
  const auto task = loop.TaskOf(job);
  EXPECT_EQ(task.row.past.size(), state::kMostPastAttempts);
  EXPECT_EQ(task.row.past.front().number, 6u);
  EXPECT_EQ(task.row.attempts_before, state::kMostPastAttempts + 5);
}

}  // namespace
}  // namespace berth::scheduler
