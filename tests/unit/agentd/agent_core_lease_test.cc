#include "agentd/agent_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/agentd/core_harness.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- heartbeats ----

TEST_F(CoreTest, BeatsAtOnceAndThenAtTheGivenInterval) {
  EXPECT_FALSE(core_->deadline_ms().has_value());
  Connect();
  EXPECT_EQ(core_->deadline_ms(), now_ms_);
  EXPECT_EQ(Only<SampleUsage>(Handle(DeadlinePassed{})).size(), 1u);
  EXPECT_EQ(core_->deadline_ms(), now_ms_ + 10'000);
  EXPECT_THAT(Only<SampleUsage>(Handle(DeadlinePassed{})), IsEmpty());
  UsageSampled sampled;
  sampled.node.set_memory_bytes(5);
  v1::Usage usage;
  usage.set_cpu_time_ms(9);
  sampled.attempts.emplace_back(key_, usage);
  sampled.boot_time_ms = 123;
  const auto sent = Only<Send>(Handle(std::move(sampled)));
  ASSERT_EQ(sent.size(), 1u);
  const v1::Heartbeat& heartbeat = sent[0].message.heartbeat();
  EXPECT_EQ(heartbeat.sequence(), 1u);
  EXPECT_EQ(heartbeat.usage().memory_bytes(), 5);
  EXPECT_EQ(heartbeat.attempts(0).usage().cpu_time_ms(), 9);
  EXPECT_EQ(heartbeat.boot_time_ms(), 123);
}

TEST_F(CoreTest, ConnectsAgainWhenBerthdNoLongerAnswers) {
  Connect();
  v1::DaemonMessage ack;
  ack.mutable_heartbeat_ack()->set_sequence(1);
  now_ms_ += 30'000;
  Receive(ack);
  now_ms_ += 40'000;
  EXPECT_THAT(Only<CloseLink>(Handle(DeadlinePassed{})), IsEmpty());
  now_ms_ += 10'000;
  const auto closed = Only<CloseLink>(Handle(DeadlinePassed{}));
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_FALSE(closed[0].slow_retry);
}

// ---- the lease ----

TEST_F(CoreTest, TheWelcomeRenewsTheLeaseFromWhenTheHelloWasSent) {
  const int64_t sent = now_ms_;
  EXPECT_THAT(Deadlines(Handle(LinkUp{++link_})), IsEmpty());
  now_ms_ += 7'000;
  EXPECT_THAT(Deadlines(Welcome()), ElementsAre(sent + kLeaseMs));
}

TEST_F(CoreTest, AnAcknowledgementRenewsTheLeaseFromWhenItsHeartbeatWasSent) {
  Connect();
  const uint64_t first = Beat(5'000);
  const uint64_t second = Beat(15'000);
  const uint64_t third = Beat(25'000);
  now_ms_ += 3'000;
  EXPECT_THAT(DeadlinesAt(first), ElementsAre(5'000 + kLeaseMs));
  // One for several.
  EXPECT_THAT(DeadlinesAt(third), ElementsAre(25'000 + kLeaseMs));
  EXPECT_THAT(DeadlinesAt(second), IsEmpty());
  EXPECT_THAT(DeadlinesAt(third), IsEmpty());
  EXPECT_THAT(DeadlinesAt(99), IsEmpty());
}

TEST_F(CoreTest, WhatAnEarlierSessionSentRenewsNothing) {
  Connect();
  const uint64_t sequence = Beat(5'000);
  Connect();
  EXPECT_THAT(DeadlinesAt(sequence), IsEmpty());
}

TEST_F(CoreTest, RemembersABoundedNumberOfHeartbeats) {
  Connect();
  const uint64_t first = Beat(1);
  uint64_t last = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    // Heard of something else meanwhile, or the connection would be given up.
    v1::DaemonMessage ack;
    ack.mutable_heartbeat_ack()->set_sequence(0);
    Receive(ack);
    last = Beat(100 + i);
  }
  EXPECT_THAT(DeadlinesAt(first), IsEmpty());
  EXPECT_THAT(DeadlinesAt(last), ElementsAre(100 + 999 + kLeaseMs));
}

TEST_F(CoreTest, ANewSessionHasItsLeaseBeforeAnythingIsLaunched) {
  std::vector<Effect> effects = Connect();
  for (Effect& effect : Receive(StartDirective(key_))) effects.push_back(std::move(effect));
  EXPECT_LT(Where<RenewLease>(effects), Where<Launch>(effects));
  EXPECT_LT(Where<Launch>(effects), effects.size());
}

TEST_F(CoreTest, ALeaseOfAnEarlierBootIsEndedBeforeAnythingElse) {
  Connect();
  Run(key_);
  EXPECT_THAT(Deadlines(Restart()), IsEmpty());
  const std::vector<Effect> effects = Restart("boot-2");
  EXPECT_THAT(Deadlines(effects), ElementsAre(0));
  EXPECT_LT(Where<RenewLease>(effects), Where<TidyAttempt>(effects));
  core_.emplace(Options("inc-2"));
  EXPECT_THAT(Deadlines(Handle(Began{"boot-1"})), ElementsAre(0));
}

TEST_F(CoreTest, ALeaseThatIsRenewedInTimeGoesOn) {
  now_ms_ = 50'000;
  EXPECT_EQ(LeaseOf(Connect()), (shim::Lease{50'000, 50'000 + kLeaseMs}));
  const uint64_t sequence = Beat(60'000);
  now_ms_ = 50'000 + kLeaseMs;
  EXPECT_EQ(LeaseOf(Acknowledge(sequence)), (shim::Lease{50'000, 60'000 + kLeaseMs}));
  // An agent that was restarted meanwhile, too.
  now_ms_ = 60'000 + kLeaseMs;
  Restart("boot-1", {50'000, 60'000 + kLeaseMs});
  EXPECT_EQ(LeaseOf(Connect()), (shim::Lease{50'000, now_ms_ + kLeaseMs}));
}

TEST_F(CoreTest, ALeaseThatHasEndedIsFollowedByAnother) {
  now_ms_ = 50'000;
  Connect();
  const uint64_t sequence = Beat(60'000);
  // Answered, but so late that shims have seen the lease end.
  now_ms_ = 50'000 + kLeaseMs + 1;
  EXPECT_EQ(LeaseOf(Acknowledge(sequence)), (shim::Lease{now_ms_, 60'000 + kLeaseMs}));
  Restart("boot-1", {50'000, now_ms_ - 1});
  EXPECT_EQ(LeaseOf(Connect()), (shim::Lease{now_ms_, now_ms_ + kLeaseMs}));
}

TEST_F(CoreTest, AnAttemptIsLaunchedUnderTheLeaseThatItWasAcceptedUnder) {
  now_ms_ = 50'000;
  Connect();
  now_ms_ += 2 * kLeaseMs;
  // What had come before the silence and is read only now.
  const auto launched = Only<Launch>(Receive(StartDirective(key_)));
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].lease_until_ms, 50'000 + kLeaseMs);
}

TEST_F(CoreTest, AFencedAttemptIsNotLaunchedByALaterAgent) {
  Connect();
  v1::DaemonMessage message = StartDirective(key_);
  message.mutable_directives()->mutable_directives(0)->mutable_start()->set_on_partition(
      v1::ON_PARTITION_KILL);
  EXPECT_EQ(Only<Launch>(Receive(message)).size(), 1u);
  Restart();
  Connect(1);
  const std::vector<Effect> effects = Handle(TaskNeverStarted{key_});
  EXPECT_THAT(Only<Launch>(effects), IsEmpty());
  const auto facts = FactsSent(effects);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_NODE_LOST);
}

TEST_F(CoreTest, ARefusedDaemonRenewsNothing) {
  Connect();
  cluster_ = "cluster-2";
  EXPECT_THAT(Deadlines(Connect()), IsEmpty());
}

TEST_F(CoreTest, ATaskThatEndedWithTheLeaseIsLost) {
  Connect();
  Run(key_);
  TaskOutcome outcome;
  outcome.cause = TaskOutcome::Cause::kLeaseEnded;
  outcome.exit_code = 0;
  auto facts = FactsSent(Handle(TaskEnded{key_, outcome}));
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_NODE_LOST);
  EXPECT_THAT(facts[0].ended().message(), HasSubstr("onPartition: kill"));

  const AttemptKey never{13, 0, 0, 1};
  Receive(StartDirective(never));
  facts = FactsSent(Handle(TaskLost{never, "not started", v1::REASON_CODE_NODE_LOST}));
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_NODE_LOST);
  EXPECT_EQ(facts[0].ended().message(), "not started");
}

}  // namespace
}  // namespace berth::agentd
