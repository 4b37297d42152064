// Attempts that run on a node and are no task's current one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::TaskState;

state::AttemptReport RunningStray(const state::AgentAttempt& attempt, int32_t cpu_milli) {
  state::AttemptReport report{.attempt = attempt, .phase = state::AttemptPhase::kRunning};
  report.holding.requests.builtin = {cpu_milli, 100, 0, 0};
  return report;
}

uint64_t ConnectWith(TurnHarness& loop, std::vector<state::AttemptReport> attempts) {
  state::OpenSession hello = TurnHarness::Hello("n1", loop.next_stream++);
  hello.attempts = std::move(attempts);
  EXPECT_TRUE(loop.Ask(hello).status.ok());
  return hello.stream;
}

TEST(StraysTest, WhatIsNotKnownRunsOnAndItsRoomIsHeldUntilItHasEnded) {
  TurnHarness loop;
  const state::AgentAttempt unknown{JobId{777}, 0, 0, 1};
  const uint64_t stream = ConnectWith(loop, {RunningStray(unknown, 3000)});
  EXPECT_TRUE(loop.TakeDirectives<state::StopTask>(stream).empty());
  EXPECT_EQ(loop.turn().state().quarantined(), 1u);

  const JobId job = loop.SubmitOk({.cpu_milli = 2000});
  EXPECT_EQ(loop.StateOf(job), TaskState::kParked);
  const JobId small = loop.SubmitOk({.cpu_milli = 1000});
  EXPECT_EQ(loop.StateOf(small), TaskState::kBound);  // beside it

  loop.ReportExit(stream, unknown, 0);
  EXPECT_EQ(loop.StateOf(job), TaskState::kBound);
  EXPECT_EQ(loop.turn().state().quarantined(), 0u);
  const auto forgets = loop.TakeDirectives<state::ForgetAttempt>(stream);
  ASSERT_EQ(forgets.size(), 1u);
  EXPECT_EQ(forgets[0].attempt, unknown);
}

TEST(StraysTest, WhatAnAgentHasNoLongerHoldsNothing) {
  TurnHarness loop;
  const uint64_t stream = ConnectWith(loop, {RunningStray({JobId{777}, 0, 0, 1}, 4000)});
  const JobId job = loop.SubmitOk({.cpu_milli = 2000});
  EXPECT_EQ(loop.StateOf(job), TaskState::kParked);
  loop.Ask(state::CloseSession{stream});
  ConnectWith(loop, {});
  EXPECT_EQ(loop.StateOf(job), TaskState::kBound);
}

TEST(StraysTest, AnAttemptOfAJobThatWasForgottenAfterItsEndIsNotUnknown) {
  TurnOptions options;
  options.finished_jobs_age_ms = 10'000;
  TurnHarness loop(options);
  const uint64_t first = loop.Connect("n1");
  const JobId job = loop.SubmitOk({});
  const auto starts = loop.TakeDirectives<state::StartTask>(first);
  ASSERT_EQ(starts.size(), 1u);
  loop.ReportExit(first, starts[0].attempt, 0);
  loop.now_ms += 20'000;
  loop.Run();
  ASSERT_EQ(loop.turn().state().FindJob(job), nullptr);

  loop.Ask(state::CloseSession{first});
  state::AgentAttempt given_up = starts[0].attempt;
  const uint64_t stream = ConnectWith(loop, {RunningStray(given_up, 1000)});
  const auto stops = loop.TakeDirectives<state::StopTask>(stream);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].attempt, given_up);
  EXPECT_EQ(loop.turn().state().quarantined(), 0u);
}

TEST(StraysTest, ALaterAttemptThanAnyThatWasMadeHereIsUnknown) {
  TurnHarness loop;
  const uint64_t first = loop.Connect("n1");
  loop.SubmitOk({});
  const auto starts = loop.TakeDirectives<state::StartTask>(first);
  ASSERT_EQ(starts.size(), 1u);
  loop.Ask(state::CloseSession{first});
  state::AgentAttempt later = starts[0].attempt;
  later.attempt = 5;
  const uint64_t stream = ConnectWith(loop, {RunningStray(later, 1000)});
  EXPECT_TRUE(loop.TakeDirectives<state::StopTask>(stream).empty());
  EXPECT_EQ(loop.turn().state().quarantined(), 1u);
}

TEST(StraysTest, DevicesOfAStrayAreNobodyElses) {
  TurnHarness loop;
  state::OpenSession hello = TurnHarness::Hello("n1", loop.next_stream++);
  state::DeviceSpec gpu;
  gpu.id = "gpu0";
  gpu.kind = "gpu";
  gpu.memory_mib = 1000;
  hello.node.devices.push_back(gpu);
  state::AttemptReport report = RunningStray({JobId{777}, 0, 0, 1}, 100);
  report.holding.device_ids = {"gpu0"};
  report.holding.device_share_milli = 300;
  report.holding.device_memory_mib = 400;
  hello.attempts = {report};
  ASSERT_TRUE(loop.Ask(hello).status.ok());
  const auto devices = loop.turn().state().nodes().devices(0);
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].allocated_milli, 300);
  EXPECT_EQ(devices[0].allocated_memory_mib, 400);
}

}  // namespace
}  // namespace berth::scheduler
