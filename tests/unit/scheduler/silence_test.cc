// Nodes that are not heard from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::AttemptEnd;
using state::AttemptPhase;
using state::AttemptReport;
using state::TaskState;
using ::testing::HasSubstr;

class SilenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    n1_ = loop_.Connect("n1");
    job_ = loop_.SubmitOk({});
    attempt_ = loop_.TakeDirectives<state::StartTask>(n1_).at(0).attempt;
    loop_.ReportStarted(n1_, attempt_);
  }

  bool Ready(const std::string& node) {
    return loop_.turn().state().nodes().ready().Test(loop_.turn().state().nodes().Find(node));
  }
  void Beat(uint64_t stream) { loop_.Ask(state::AgentHeartbeat{.stream = stream}); }
  // Lets time pass as the loop does, a turn at each deadline; `beating` are heard every 10 s.
  void Pass(int64_t ms, const std::vector<uint64_t>& beating = {}) {
    const int64_t until = loop_.now_ms + ms;
    while (loop_.now_ms < until) {
      loop_.now_ms = std::min(loop_.now_ms + 1000, until);
      if (loop_.now_ms % 10'000 == 0) {
        for (const uint64_t stream : beating) Beat(stream);
      }
      loop_.Run();
    }
  }
  // n1's agent comes back and has these.
  uint64_t Return(std::vector<AttemptReport> attempts) {
    return loop_.Reconnect("n1", n1_, 1, std::move(attempts));
  }
  bool WasSentAway(uint64_t stream) const {
    for (const state::AgentEffect& effect : loop_.effects) {
      const auto* refusal = std::get_if<state::RefuseAgent>(&effect);
      if (refusal != nullptr && refusal->stream == stream) return true;
    }
    return false;
  }

  TurnHarness loop_;
  uint64_t n1_ = 0;
  JobId job_;
  state::AgentAttempt attempt_;
};

TEST_F(SilenceTest, ANodeThatIsHeardFromStaysReady) {
  Pass(1'000'000, {n1_});
  EXPECT_TRUE(Ready("n1"));
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
}

TEST_F(SilenceTest, ASilentNodeGetsNothingNewUntilItSpeaks) {
  Pass(39'000);
  EXPECT_TRUE(Ready("n1"));
  Pass(2'000);
  EXPECT_FALSE(Ready("n1"));
  const JobId waits = loop_.SubmitOk({});
  EXPECT_EQ(loop_.StateOf(waits), TaskState::kParked);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Beat(n1_);
  EXPECT_TRUE(Ready("n1"));
  EXPECT_EQ(loop_.StateOf(waits), TaskState::kBound);
}

TEST_F(SilenceTest, FactsAreWordsToo) {
  const JobId more = loop_.SubmitOk({});
  const auto start = loop_.TakeDirectives<state::StartTask>(n1_).at(0);
  Pass(41'000);
  loop_.ReportStarted(n1_, start.attempt);
  EXPECT_TRUE(Ready("n1"));
  EXPECT_EQ(loop_.StateOf(more), TaskState::kRunning);
}

TEST_F(SilenceTest, WhatRanOnALostNodeIsTriedElsewhere) {
  Pass(200'000);
  const uint64_t n2 = loop_.Connect("n2");
  Pass(99'000, {n2});
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Pass(2'000, {n2});
  const auto task = loop_.TaskOf(job_);
  EXPECT_EQ(task.row.state, TaskState::kBound);
  ASSERT_EQ(task.row.past.size(), 1u);
  EXPECT_EQ(task.row.past[0].end, AttemptEnd::kLost);
  EXPECT_EQ(task.row.past[0].reason, Reason::kNodeLost);
  EXPECT_THAT(task.row.past[0].message, HasSubstr("\"n1\" has not been heard from for 300 s"));
  const auto starts = loop_.TakeDirectives<state::StartTask>(n2);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].attempt.attempt, 2u);
  EXPECT_TRUE(WasSentAway(n1_));
  EXPECT_EQ(loop_.turn().counters().attempts_lost, 1u);
  ASSERT_EQ(loop_.warnings.size(), 1u);
  EXPECT_THAT(loop_.warnings[0], HasSubstr("1 tasks are lost"));
}

TEST_F(SilenceTest, ANodeWithoutAConnectionIsLostAsWell) {
  loop_.Ask(state::CloseSession{n1_});
  EXPECT_FALSE(Ready("n1"));
  Pass(299'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Pass(2'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kParked);
}

TEST_F(SilenceTest, ATaskThatWasBeingCancelledIsCancelledWithItsNode) {
  loop_.Get<CancelReply>(state::Cancel{.objects = {{.job = job_}}});
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kStopping);
  Pass(301'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kCancelled);
}

TEST_F(SilenceTest, ANodeThatReturnsEndsWhatWasGivenUpBeforeItsRoomIsGivenAgain) {
  Pass(301'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kParked);
  state::AttemptReport report{.attempt = attempt_, .phase = AttemptPhase::kRunning};
  report.holding.requests.builtin = {4000, 1024, 0, 0};
  const uint64_t again = Return({report});
  const auto stops = loop_.TakeDirectives<state::StopTask>(again);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].attempt, attempt_);
  EXPECT_TRUE(Ready("n1"));
  Beat(again);
  loop_.Connect("n2");
  // Nor is it placed elsewhere: it still runs.
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kQueued);
  EXPECT_EQ(loop_.TaskOf(job_).waits_for, Reason::kAttemptNotEnded);

  loop_.ReportExit(again, attempt_, 143);
  const auto task = loop_.TaskOf(job_);
  EXPECT_EQ(task.row.state, TaskState::kBound);
  EXPECT_EQ(task.row.attempt.number, 2u);
}

TEST_F(SilenceTest, ANodeThatReturnsWithNothingIsReadyAtOnce) {
  Pass(301'000);
  Return({});
  EXPECT_TRUE(Ready("n1"));
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kBound);
}

TEST(ManyLossesTest, AreSpreadOverTurns) {
  TurnHarness loop;
  loop.work_units = 100'000'000;
  for (const char* node : {"n1", "n2", "n3"}) loop.Connect(node, 600);
  const JobId job = loop.SubmitOk({.tasks = 1800, .cpu_milli = 1, .memory_mib = 1});
  while (loop.Run().more_work) {
  }
  ASSERT_EQ(loop.JobOf(job).counts[static_cast<size_t>(TaskState::kBound)], 1800);
  const uint64_t& lost = loop.turn().counters().attempts_lost;
  while (lost == 0) {
    loop.now_ms += 1000;
    loop.Run();
  }
  EXPECT_EQ(lost, 1200u);
  loop.Run();
  EXPECT_EQ(lost, 1800u);
}

// ---- onPartition: kill ----

// n1 runs job_, which keeps, and fenced_, whose grace is 30 s.
class FenceTest : public SilenceTest {
 protected:
  // Lease, grace and margin.
  static constexpr int64_t kFencedMs = 40'000 + 30'000 + 5'000;

  void SetUp() override {
    SilenceTest::SetUp();
    fenced_ = loop_.SubmitOk({.kill_on_partition = true});
    fenced_attempt_ = loop_.TakeDirectives<state::StartTask>(n1_).at(0).attempt;
    loop_.ReportStarted(n1_, fenced_attempt_);
  }

  uint64_t lost() { return loop_.turn().counters().attempts_lost; }

  JobId fenced_;
  state::AgentAttempt fenced_attempt_;
};

TEST_F(FenceTest, AFencedTaskIsTriedElsewhereOnceItsNodeHasEndedIt) {
  const uint64_t n2 = loop_.Connect("n2");
  Pass(kFencedMs - 1'000, {n2});
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kRunning);
  EXPECT_FALSE(WasSentAway(n1_));
  Pass(1'000, {n2});
  const auto task = loop_.TaskOf(fenced_);
  EXPECT_EQ(task.row.state, TaskState::kBound);
  ASSERT_EQ(task.row.past.size(), 1u);
  EXPECT_EQ(task.row.past[0].end, AttemptEnd::kLost);
  EXPECT_EQ(task.row.past[0].reason, Reason::kNodeLost);
  EXPECT_THAT(
      task.row.past[0].message,
      HasSubstr("\"n1\" has not been heard from for 75 s, and has ended the task by itself"));
  EXPECT_EQ(loop_.TakeDirectives<state::StartTask>(n2).at(0).attempt.attempt, 2u);
  EXPECT_TRUE(WasSentAway(n1_));
  EXPECT_EQ(lost(), 1u);
  ASSERT_EQ(loop_.warnings.size(), 1u);
  EXPECT_THAT(loop_.warnings[0], HasSubstr("its 1 tasks with onPartition: kill have ended"));

  // What keeps waits for lostAfter, as without the other.
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Pass(300'000 - kFencedMs - 1'000, {n2});
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Pass(1'000, {n2});
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kBound);
  EXPECT_EQ(lost(), 2u);
}

TEST_F(FenceTest, TheLoopIsToldWhenToLook) {
  Pass(41'000);
  EXPECT_EQ(loop_.Run().next_deadline_ms, 1000 + kFencedMs);
}

TEST_F(FenceTest, WhatHadNotStartedIsFencedToo) {
  const JobId bound = loop_.SubmitOk({.kill_on_partition = true, .grace_ms = 0});
  EXPECT_EQ(loop_.StateOf(bound), TaskState::kBound);
  Pass(44'000);
  EXPECT_EQ(loop_.StateOf(bound), TaskState::kBound);
  Pass(1'000);
  EXPECT_EQ(loop_.StateOf(bound), TaskState::kParked);
}

TEST_F(FenceTest, ANodeThatIsHeardFromInTimeKeepsIt) {
  Pass(kFencedMs - 1'000);
  Beat(n1_);
  Pass(39'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kRunning);
  // The silence counts from then on.
  Pass(kFencedMs - 39'000 - 1'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kRunning);
  Pass(1'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kParked);
}

TEST_F(FenceTest, ANodeWithoutAConnectionIsFencedAsWell) {
  loop_.Ask(state::CloseSession{n1_});
  Pass(kFencedMs - 1'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kRunning);
  Pass(1'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kParked);
}

TEST_F(FenceTest, AGraceLongerThanLostAfterIsWaitedForAllTheSame) {
  const JobId slow = loop_.SubmitOk({.kill_on_partition = true, .grace_ms = 600'000});
  Pass(301'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kParked);
  EXPECT_EQ(loop_.StateOf(slow), TaskState::kBound);
  Pass(40'000 + 600'000 + 5'000 - 301'000 - 1'000);
  EXPECT_EQ(loop_.StateOf(slow), TaskState::kBound);
  Pass(1'000);
  EXPECT_EQ(loop_.StateOf(slow), TaskState::kParked);
}

TEST_F(FenceTest, AfterAStandstillItGetsItsWholeTime) {
  Pass(50'000);
  loop_.now_ms += 60'000;
  loop_.Run();
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kRunning);
  Pass(kFencedMs - 1'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kRunning);
  Pass(1'000);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kParked);
}

TEST_F(FenceTest, ATaskThatWasBeingCancelledIsCancelledOnceItHasEnded) {
  loop_.Get<CancelReply>(state::Cancel{.objects = {{.job = fenced_}}});
  Pass(kFencedMs);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kCancelled);
}

TEST_F(FenceTest, ANodeThatReturnsTellsOfWhatItHasEnded) {
  Pass(kFencedMs);
  ASSERT_EQ(loop_.StateOf(fenced_), TaskState::kParked);
  AttemptReport ended{.attempt = fenced_attempt_, .phase = AttemptPhase::kEnded};
  ended.ended = TurnHarness::Exit(0);
  ended.ended->end = AttemptEnd::kLost;
  const uint64_t again = Return({{.attempt = attempt_, .phase = AttemptPhase::kRunning}, ended});
  const auto forgets = loop_.TakeDirectives<state::ForgetAttempt>(again);
  ASSERT_EQ(forgets.size(), 1u);
  EXPECT_EQ(forgets[0].attempt, fenced_attempt_);
  EXPECT_TRUE(loop_.TakeDirectives<state::StopTask>(again).empty());
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  EXPECT_EQ(loop_.TaskOf(fenced_).row.attempt.number, 2u);
}

TEST_F(FenceTest, ANodeOnWhichItRunsNeverthelessEndsItFirst) {
  Pass(kFencedMs);
  AttemptReport report{.attempt = fenced_attempt_, .phase = AttemptPhase::kRunning};
  report.holding.requests.builtin = {700, 100, 0, 0};
  const uint64_t again = Return({{.attempt = attempt_, .phase = AttemptPhase::kRunning}, report});
  const auto stops = loop_.TakeDirectives<state::StopTask>(again);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].attempt, fenced_attempt_);
  const auto allocated = [&] { return loop_.turn().state().nodes().allocated(kCpu)[0]; };
  const int32_t before = allocated();
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kQueued);
  loop_.ReportExit(again, fenced_attempt_, 143);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kBound);
  EXPECT_EQ(allocated(), before - 700 + 1000);
}

TEST_F(FenceTest, ItsEndOnTheNodeCountsAsALoss) {
  state::AttemptFinish finish = TurnHarness::Exit(0);
  finish.end = AttemptEnd::kLost;
  finish.reason = Reason::kNodeLost;
  loop_.Report(n1_, fenced_attempt_, std::nullopt, finish);
  const auto task = loop_.TaskOf(fenced_);
  EXPECT_EQ(task.row.state, TaskState::kBound);
  EXPECT_EQ(task.row.attempt.number, 2u);
}

// A machine of the same name may be another one, while the first is only cut off.
TEST_F(FenceTest, AnAgentWithAnotherJournalDoesNotShortenTheWait) {
  Pass(20'000);
  loop_.Ask(state::CloseSession{n1_});
  const uint64_t stream = loop_.next_stream++;
  state::OpenSession hello = TurnHarness::Hello("n1", stream);
  hello.incarnation = "another";
  ASSERT_TRUE(loop_.Ask(hello).status.ok());
  EXPECT_EQ(loop_.TaskOf(job_).row.attempt.number, 2u);
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kQueued);
  Pass(kFencedMs - 20'000 - 1'000, {stream});
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kQueued);
  Pass(1'000, {stream});
  EXPECT_EQ(loop_.StateOf(fenced_), TaskState::kBound);
}

TEST(ManyFencesTest, AreSpreadOverTurns) {
  TurnHarness loop;
  loop.work_units = 100'000'000;
  for (const char* node : {"n1", "n2", "n3"}) loop.Connect(node, 600);
  const JobId job = loop.SubmitOk(
      {.tasks = 1800, .cpu_milli = 1, .memory_mib = 1, .kill_on_partition = true, .grace_ms = 0});
  while (loop.Run().more_work) {
  }
  ASSERT_EQ(loop.JobOf(job).counts[static_cast<size_t>(TaskState::kBound)], 1800);
  const uint64_t& lost = loop.turn().counters().attempts_lost;
  while (lost == 0) {
    loop.now_ms += 1000;
    loop.Run();
  }
  EXPECT_EQ(loop.now_ms, 1000 + 45'000);
  EXPECT_EQ(lost, 1000u);
  loop.Run();
  EXPECT_EQ(lost, 1800u);
}

TEST_F(SilenceTest, AfterAStandstillEveryNodeGetsItsTime) {
  loop_.now_ms += 3600 * 1000;
  loop_.Run();
  EXPECT_TRUE(Ready("n1"));
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Pass(299'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  Pass(2'000);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kParked);
}

}  // namespace
}  // namespace berth::scheduler
