// What each side is told when an agent comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/turn.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::AttemptPhase;
using state::AttemptReport;
using state::OpenSession;
using state::TaskState;

state::RefuseAgent RefusalOf(const TurnHarness& loop) {
  for (const auto& effect : loop.effects) {
    if (const auto* refusal = std::get_if<state::RefuseAgent>(&effect)) return *refusal;
  }
  return {};
}

state::WelcomeAgent WelcomeOf(const TurnHarness& loop, uint64_t stream) {
  for (const auto& effect : loop.effects) {
    const auto* welcome = std::get_if<state::WelcomeAgent>(&effect);
    if (welcome != nullptr && welcome->stream == stream) return *welcome;
  }
  return {};
}

// A slow network delivers a Hello of a connection that was given up after that of the next one.
TEST(OvertakenTest, WhatWasSaidOnAnEarlierConnectionIsVoid) {
  TurnHarness loop;
  loop.next_stream = 7;
  const uint64_t late = 6;
  const uint64_t now = loop.Connect("n1");
  const JobId job = loop.SubmitOk({});
  const auto attempt = loop.TakeDirectives<state::StartTask>(now).at(0).attempt;
  loop.ReportStarted(now, attempt);
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  ASSERT_EQ(loop.StateOf(job), TaskState::kStopping);

  // It knows nothing of the task yet, which is not to say that the agent was never told.
  const auto say_late = [&] {
    loop.effects.clear();
    EXPECT_TRUE(absl::IsFailedPrecondition(loop.Ask(TurnHarness::Hello("n1", late)).status));
    EXPECT_EQ(RefusalOf(loop).stream, late);
    EXPECT_THAT(RefusalOf(loop).message, ::testing::HasSubstr("a later connection"));
  };
  say_late();
  EXPECT_EQ(loop.StateOf(job), TaskState::kStopping);
  EXPECT_EQ(loop.turn().sessions(), 1u);
  loop.Ask(state::CloseSession{now});
  say_late();
  EXPECT_EQ(loop.StateOf(job), TaskState::kStopping);
  EXPECT_EQ(loop.turn().sessions(), 0u);
}

// A running task on n1, whose stream then broke.
class ReconnectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    first_ = loop_.Connect("n1");
    job_ = loop_.SubmitOk({});
    attempt_ = loop_.TakeDirectives<state::StartTask>(first_).at(0).attempt;
  }

  void Break() { loop_.Ask(state::CloseSession{first_}); }

  // Comes back having journalled directives up to `heard`.
  uint64_t Return(uint64_t heard, std::vector<AttemptReport> attempts) {
    return loop_.Reconnect("n1", first_, heard, std::move(attempts));
  }

  TurnHarness loop_;
  uint64_t first_ = 0;
  JobId job_;
  state::AgentAttempt attempt_;
};

TEST_F(ReconnectTest, ADirectiveThatWasNotHeardIsSentAgainUnderItsSequence) {
  Break();
  const uint64_t stream = Return(0, {});
  const auto starts = loop_.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].sequence, 1u);
  EXPECT_EQ(starts[0].attempt, attempt_);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kBound);
}

TEST_F(ReconnectTest, AnAttemptThatWasHeardAndIsGoneIsLostAndTriedAgain) {
  Break();
  const uint64_t stream = Return(1, {});
  const auto starts = loop_.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].attempt.attempt, 2u);
  EXPECT_EQ(starts[0].sequence, 2u);
  const auto task = loop_.TaskOf(job_);
  ASSERT_EQ(task.row.past.size(), 1u);
  EXPECT_EQ(task.row.past[0].end, state::AttemptEnd::kLost);
  EXPECT_EQ(task.row.past[0].reason, Reason::kAttemptUnknownToNode);
}

TEST_F(ReconnectTest, AnAttemptThatIsThereIsLeftAlone) {
  loop_.ReportStarted(first_, attempt_);
  Break();
  const uint64_t stream = Return(1, {{.attempt = attempt_, .phase = AttemptPhase::kRunning}});
  EXPECT_TRUE(loop_.TakeDirectives<state::StartTask>(stream).empty());
  EXPECT_TRUE(loop_.TakeDirectives<state::StopTask>(stream).empty());
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kRunning);
  loop_.ReportExit(stream, attempt_, 0);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kSucceeded);
}

TEST_F(ReconnectTest, AnEndThatHappenedMeanwhileIsTakenFromTheReport) {
  Break();
  AttemptReport report{.attempt = attempt_, .phase = AttemptPhase::kEnded};
  report.ended = TurnHarness::Exit(0);
  Return(1, {report});
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kSucceeded);
}

TEST_F(ReconnectTest, ATaskCancelledWhileTheNodeWasAwayIsStoppedOnItsReturn) {
  loop_.ReportStarted(first_, attempt_);
  Break();
  loop_.Get<CancelReply>(state::Cancel{.objects = {{.job = job_}}});
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kStopping);
  const uint64_t stream = Return(1, {{.attempt = attempt_, .phase = AttemptPhase::kRunning}});
  const auto stops = loop_.TakeDirectives<state::StopTask>(stream);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].attempt, attempt_);
}

TEST_F(ReconnectTest, ATaskCancelledBeforeItWasHeardOfNeverStarts) {
  Break();
  loop_.Get<CancelReply>(state::Cancel{.objects = {{.job = job_}}});
  const uint64_t stream = Return(0, {});
  EXPECT_TRUE(loop_.TakeDirectives<state::StartTask>(stream).empty());
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kCancelled);
}

TEST_F(ReconnectTest, AnAgentWithoutItsJournalHasLostItsTasks) {
  loop_.ReportStarted(first_, attempt_);
  Break();
  const uint64_t stream = loop_.next_stream++;
  OpenSession hello = TurnHarness::Hello("n1", stream);
  hello.incarnation = "another";
  ASSERT_TRUE(loop_.Ask(hello).status.ok());
  const auto starts = loop_.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].attempt.attempt, 2u);
  EXPECT_EQ(starts[0].sequence, 1u);  // sequences are per incarnation
}

TEST_F(ReconnectTest, ASupersededAttemptIsStoppedAndAnUnknownOneIsNot) {
  Break();
  Return(1, {});  // attempt 1 is given up, attempt 2 is under way
  const uint64_t second = loop_.next_stream - 1;
  loop_.Ask(state::CloseSession{second});
  state::AgentAttempt current = attempt_;
  current.attempt = 2;
  state::AgentAttempt unknown = attempt_;
  unknown.job = JobId{777};
  const uint64_t stream = Return(2, {{.attempt = attempt_, .phase = AttemptPhase::kRunning},
                                     {.attempt = current, .phase = AttemptPhase::kRunning},
                                     {.attempt = unknown, .phase = AttemptPhase::kRunning}});
  const auto stops = loop_.TakeDirectives<state::StopTask>(stream);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].attempt, attempt_);
  EXPECT_EQ(loop_.turn().counters().attempts_unknown, 1u);
  ASSERT_EQ(loop_.warnings.size(), 1u);
  EXPECT_NE(loop_.warnings[0].find("777"), std::string::npos) << loop_.warnings[0];
}

TEST_F(ReconnectTest, ADisconnectedNodeGetsNothingNew) {
  Break();
  const JobId other = loop_.SubmitOk({});
  EXPECT_EQ(loop_.StateOf(other), TaskState::kParked);
  EXPECT_EQ(loop_.StateOf(job_), TaskState::kBound);
}

TEST_F(ReconnectTest, FactsAreAppliedOnceHoweverOftenTheyCome) {
  state::AgentFact fact{.sequence = 1, .attempt = attempt_};
  fact.ended = TurnHarness::Exit(0);
  for (int i = 0; i < 3; ++i) {
    loop_.effects.clear();
    loop_.Ask(state::AgentFacts{.stream = first_, .facts = {fact}});
    const auto* ack = std::get_if<state::AckFacts>(&loop_.effects.back());
    ASSERT_NE(ack, nullptr);
    EXPECT_EQ(ack->sequence, 1u);
  }
  EXPECT_EQ(loop_.turn().counters().succeeded, 1u);
}

TEST_F(ReconnectTest, TheSameAgentDialingAgainReplacesItsOldStream) {
  const uint64_t stream = Return(0, {});
  const auto refusal = RefusalOf(loop_);
  EXPECT_EQ(refusal.stream, first_);
  // What the old stream still says is not listened to.
  loop_.Ask(state::CloseSession{first_});
  EXPECT_EQ(loop_.turn().sessions(), 1u);
  EXPECT_EQ(WelcomeOf(loop_, stream).header.session, 2u);
}

TEST(SessionTest, RefusesAnotherAgentUnderALivingNodesName) {
  TurnHarness loop;
  loop.Connect("n1");
  OpenSession hello = TurnHarness::Hello("n1", 50);
  hello.incarnation = "impostor";
  EXPECT_EQ(loop.Ask(hello).reason, Reason::kNodeNameTaken);
  EXPECT_EQ(RefusalOf(loop).stream, 50u);
}

TEST(SessionTest, RefusesAnAgentOfAnotherCluster) {
  TurnHarness loop;
  OpenSession hello = TurnHarness::Hello("n1", 1);
  hello.cluster_id = "cluster-b";
  EXPECT_EQ(loop.Ask(hello).reason, Reason::kWrongCluster);
  EXPECT_EQ(loop.turn().state().nodes().Find("n1"), kNoSlot);
}

TEST(SessionTest, RefusesToLeadAnAgentThatHasSeenALaterGeneration) {
  TurnHarness loop;
  OpenSession hello = TurnHarness::Hello("n1", 1);
  hello.cluster_id = "cluster-a";
  hello.generation = 4;
  EXPECT_EQ(loop.Ask(hello).reason, Reason::kOldGeneration);
}

TEST(SessionTest, ATaskLostTooOftenFails) {
  TurnHarness loop;
  uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({});
  for (int i = 0; i < 11; ++i) {
    loop.Ask(state::CloseSession{stream});
    stream = loop.next_stream++;
    OpenSession hello = TurnHarness::Hello("n1", stream);
    hello.directive_sequence = 1000 * (i + 1);  // it has heard everything, and has nothing
    ASSERT_TRUE(loop.Ask(hello).status.ok());
  }
  EXPECT_EQ(loop.StateOf(job), TaskState::kFailed);
  EXPECT_EQ(loop.TaskOf(job).row.past.size(), 10u);
}

}  // namespace
}  // namespace berth::scheduler
