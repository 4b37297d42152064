#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/sha256.h"
#include "tests/unit/agents/link_harness.h"

namespace berth::agents {
namespace {

using ::testing::HasSubstr;

TEST_F(LinkTest, AHelloOpensASessionAndIsWelcomed) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.SayHello());
  const state::Command command = sink_.Await(1)[0];
  EXPECT_EQ(command.principal.name, "uid:0");
  const auto& session = std::get<state::OpenSession>(command.body);
  EXPECT_EQ(session.node.name, "n7");
  Deliver(state::WelcomeAgent{.stream = session.stream,
                              .header = header_,
                              .heartbeat_interval_ms = 10'000,
                              .lease_ms = 40'000,
                              .fact_sequence = 17});
  const v1::DaemonMessage message = agent.Hear();
  EXPECT_EQ(message.welcome().cluster_id(), "c-1");
  EXPECT_EQ(message.welcome().generation(), 2u);
  EXPECT_EQ(message.welcome().term(), 3u);
  EXPECT_EQ(message.welcome().session(), 4u);
  EXPECT_EQ(message.welcome().heartbeat_interval_ms(), 10'000);
  EXPECT_EQ(message.welcome().lease_ms(), 40'000);
  EXPECT_EQ(message.welcome().protocol(), 1u);
  EXPECT_EQ(message.welcome().fact_sequence(), 17u);
}

TEST_F(LinkTest, AStreamIsTakenUpBeforeItsHelloAndNumberedInThatOrder) {
  TestAgent first(channel_);
  first.AwaitOpen();
  TestAgent second(channel_);
  second.AwaitOpen();
  ASSERT_TRUE(second.SayHello());
  const auto of_second = std::get<state::OpenSession>(sink_.Await(1)[0].body);
  ASSERT_TRUE(first.SayHello());
  const auto of_first = std::get<state::OpenSession>(sink_.Await(2)[1].body);
  EXPECT_LT(of_first.stream, of_second.stream);
}

TEST_F(LinkTest, WhoMayNotBeAnAgentIsRefused) {
  {
    base::MutexLock lock(mutex_);
    refuse_ = true;
  }
  TestAgent agent(channel_);
  agent.SayHello();
  const wire::Refusal error = agent.End();
  EXPECT_EQ(error.code, absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(error.reason, Reason::kNotAllowed);
  EXPECT_EQ(sink_.taken(), 0u);
}

TEST_F(LinkTest, AHelloThatIsWrongIsRefusedByField) {
  TestAgent agent(channel_);
  v1::Hello hello = TestAgent::GoodHello();
  hello.mutable_inventory()->mutable_capacity()->set_cpu_milli(-1);
  agent.SayHello(hello);
  const wire::Refusal error = agent.End();
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.violations.at(0).field, "capacity.cpu_milli");
  EXPECT_EQ(sink_.taken(), 0u);
}

TEST_F(LinkTest, AStreamBeginsWithHelloAndHasOne) {
  TestAgent early(channel_);
  early.SayHeartbeat(1);
  EXPECT_THAT(early.End().message, HasSubstr("the first message of a stream is Hello"));
  EXPECT_EQ(sink_.taken(), 0u);
  auto [agent, stream] = Connected();
  agent->SayHello();
  EXPECT_THAT(agent->End().message, HasSubstr("a stream has one Hello"));
}

TEST_F(LinkTest, WhatTheLoopRefusesEndsTheStreamWithItsReason) {
  TestAgent agent(channel_);
  agent.SayHello();
  const uint64_t stream = sink_.AwaitOne<state::OpenSession>().stream;
  Deliver(state::RefuseAgent{stream, Reason::kNodeNameTaken, "node \"n7\": another has the name"});
  const wire::Refusal error = agent.End();
  EXPECT_EQ(error.code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(error.reason, Reason::kNodeNameTaken);
  EXPECT_EQ(error.message, "node \"n7\": another has the name");
}

TEST_F(LinkTest, FactsAndHeartbeatsArePostedInOrderAndAcknowledged) {
  auto [agent, stream] = Connected();
  ASSERT_TRUE(agent->SayFact(1));
  ASSERT_TRUE(agent->SayHeartbeat(1));
  ASSERT_TRUE(agent->SayFact(2));
  const auto taken = sink_.Await(4);
  EXPECT_EQ(std::get<state::AgentFacts>(taken[1].body).facts.at(0).sequence, 1u);
  EXPECT_EQ(std::get<state::AgentFacts>(taken[1].body).stream, stream);
  EXPECT_EQ(std::get<state::AgentHeartbeat>(taken[2].body).sequence, 1u);
  EXPECT_EQ(std::get<state::AgentFacts>(taken[3].body).facts.at(0).sequence, 2u);
  Deliver(state::AckFacts{stream, 2});
  Deliver(state::AckHeartbeat{stream, 1});
  EXPECT_EQ(agent->Hear().fact_ack().sequence(), 2u);
  EXPECT_EQ(agent->Hear().heartbeat_ack().sequence(), 1u);
}

v1::AgentMessage TailOf(uint64_t job, const std::string& data, int64_t offset = 0) {
  v1::AgentMessage message;
  v1::OutputTail& tail = *message.mutable_tails()->add_tails();
  tail.mutable_key()->set_job_id(job);
  tail.set_offset(offset);
  tail.set_data(data);
  return message;
}

TEST_F(LinkTest, TheEndsOfOutputAreKeptUnderTheirNodesName) {
  auto [agent, stream] = Connected();
  ASSERT_TRUE(agent->Say(TailOf(12, "bye\n", 100)));
  // Of one that is longer than it may be, the end.
  ASSERT_TRUE(agent->Say(TailOf(13, "x" + std::string(32 << 10, 'y'))));
  tails_.Await(2);
  const auto tail = tails_.Get("n7", {.job = JobId{12}}, false);
  ASSERT_TRUE(tail.has_value());
  EXPECT_EQ(tail->data, "bye\n");
  EXPECT_EQ(tail->offset, 100);
  EXPECT_EQ(tails_.Get("n7", {.job = JobId{13}}, false)->offset, 1);
  EXPECT_FALSE(tails_.Get("n8", {.job = JobId{12}}, false).has_value());
}

TEST_F(LinkTest, WhoIsNotWelcomeHasNoOutputKept) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.SayHello());
  ASSERT_TRUE(agent.Say(TailOf(12, "forged")));
  ASSERT_TRUE(agent.SayHeartbeat(1));
  sink_.AwaitOne<state::AgentHeartbeat>(1);  // all before it has been read
  EXPECT_FALSE(tails_.Get("n7", {.job = JobId{12}}, false).has_value());
}

TEST_F(LinkTest, AHeartbeatTellsHowFarTheNodesClockIsOff) {
  auto [agent, stream] = Connected();
  const size_t before = sink_.taken();
  v1::AgentMessage message;
  message.mutable_heartbeat()->set_sequence(1);
  message.mutable_heartbeat()->set_unix_ms(clock_.WallMs() - 2500);
  ASSERT_TRUE(agent->Say(message));
  EXPECT_EQ(sink_.AwaitOne<state::AgentHeartbeat>(before).clock_skew_ms, -2500);
}

TEST_F(LinkTest, AnInventoryThatChangedKeepsTheNodesNameAndVersion) {
  auto [agent, stream] = Connected();
  v1::AgentMessage message;
  *message.mutable_inventory() = TestAgent::GoodHello().inventory();
  message.mutable_inventory()->mutable_capacity()->set_cpu_milli(2000);
  ASSERT_TRUE(agent->Say(message));
  const auto changed = sink_.AwaitOne<state::InventoryChanged>();
  EXPECT_EQ(changed.stream, stream);
  EXPECT_EQ(changed.node.name, "n7");
  EXPECT_EQ(changed.node.agent_version, "0.1.0");
  EXPECT_EQ(changed.node.capacity.builtin[kCpu], 2000);
}

TEST_F(LinkTest, OnlyAFewOfAStreamsCommandsAreUnderWay) {
  auto [agent, stream] = Connected();
  sink_.Hold();
  for (uint64_t i = 1; i <= 50; ++i) ASSERT_TRUE(agent->SayFact(i));
  sink_.Await(1 + 4);
  // The loop is asked for no more until it has applied some, however long the agent talks.
  ASSERT_TRUE(agent->SayFact(51));
  EXPECT_EQ(sink_.taken(), 5u);
  sink_.LetGo();
  EXPECT_EQ(sink_.Await(1 + 51).size(), 52u);
}

TEST_F(LinkTest, TheEndOfAStreamClosesItsSession) {
  auto [agent, stream] = Connected();
  agent->HangUp();
  EXPECT_EQ(sink_.AwaitOne<state::CloseSession>().stream, stream);
}

TEST_F(LinkTest, AnAgentThatSaysNoMoreIsLetGo) {
  auto [agent, stream] = Connected();
  agent->SayNoMore();
  EXPECT_EQ(agent->End().code, absl::StatusCode::kOk);
  EXPECT_EQ(sink_.AwaitOne<state::CloseSession>().stream, stream);
}

TEST_F(LinkTest, TheEndOfASessionIsPostedAgainWhenThereWasNoRoom) {
  auto [agent, stream] = Connected();
  sink_.BeFull(1);
  agent->HangUp();
  agent->End();
  // Any effect is an occasion to try again.
  for (size_t before = sink_.taken(); sink_.taken() == before;) {
    Deliver(state::AckFacts{stream, 1});
    std::this_thread::yield();
  }
  EXPECT_EQ(sink_.AwaitOne<state::CloseSession>().stream, stream);
}

TEST_F(LinkTest, AStreamThatNeverSaidHelloClosesNothing) {
  {
    TestAgent silent(channel_);
    silent.SayNoMore();
    silent.End();
  }
  auto [agent, stream] = Connected();
  EXPECT_EQ(sink_.taken(), 1u);
}

class DirectivesTest : public LinkTest {
 protected:
  DirectivesTest() {
    auto spec = std::make_shared<state::JobSpec>();
    spec->name = "j";
    spec->ns = "default";
    spec->blob = base::Sha256Of("hash");
    spec->groups.resize(1);
    spec->groups[0].ranges = {{0, 999'999, 1}};
    spec_ = spec;
  }
  void PutPayload(size_t bytes) {
    v1::JobSpec kept;
    v1::Payload& payload = *kept.add_groups()->mutable_template_()->mutable_payload();
    payload.add_command("true");
    payload.set_script(std::string(bytes, 'x'));
    base::MutexLock lock(mutex_);
    blobs_[base::Sha256Hex("hash")] = kept.SerializeAsString();
  }
  state::SendDirectives Starts(uint64_t stream, int count) const {
    state::SendDirectives send;
    send.stream = stream;
    send.header = header_;
    for (int i = 0; i < count; ++i) {
      state::StartTask start;
      start.sequence = static_cast<uint64_t>(i) + 1;
      start.attempt = {JobId{1}, 0, static_cast<uint32_t>(i), 1};
      start.job = JobId{1};
      start.spec = spec_;
      start.position = static_cast<uint32_t>(i);
      send.directives.push_back(start);
    }
    return send;
  }

  std::shared_ptr<const state::JobSpec> spec_;
};

TEST_F(DirectivesTest, ComeInOrderUnderOneHeader) {
  PutPayload(10);
  auto [agent, stream] = Connected();
  Deliver(Starts(stream, 1000));
  uint64_t next = 1;
  int messages = 0;
  while (next <= 1000) {
    const v1::DaemonMessage message = agent->Hear();
    ++messages;
    EXPECT_EQ(message.directives().header().cluster_id(), "c-1");
    EXPECT_EQ(message.directives().header().session(), 4u);
    EXPECT_EQ(message.directives().header().incarnation(), "inc-n7");
    for (const v1::Directive& directive : message.directives().directives()) {
      ASSERT_EQ(directive.sequence(), next++);
      ASSERT_EQ(directive.start().payload().command(0), "true");
    }
  }
  EXPECT_LT(messages, 10);
}

TEST_F(DirectivesTest, LargePayloadsAreSpreadOverMessages) {
  PutPayload(300 << 10);
  auto [agent, stream] = Connected();
  Deliver(Starts(stream, 20));
  int directives = 0;
  while (directives < 20) {
    const v1::DaemonMessage message = agent->Hear();
    EXPECT_LE(message.ByteSizeLong(), size_t{1} << 20);
    directives += message.directives().directives_size();
  }
}

TEST_F(DirectivesTest, ABlobThatIsGoneDoesNotHoldUpTheRest) {
  PutPayload(10);
  auto [agent, stream] = Connected();
  state::SendDirectives send = Starts(stream, 1);
  auto gone = std::make_shared<state::JobSpec>(*spec_);
  gone->blob = base::Sha256Of("no-such-blob");
  std::get<state::StartTask>(send.directives[0]).spec = gone;
  send.directives.push_back(state::ForgetAttempt{2, {JobId{1}, 0, 0, 1}});
  Deliver(send);
  const v1::DaemonMessage message = agent->Hear();
  ASSERT_EQ(message.directives().directives_size(), 1);
  EXPECT_TRUE(message.directives().directives(0).has_forget());
}

TEST_F(DirectivesTest, EffectsForAStreamThatIsGoneAreDropped) {
  PutPayload(10);
  auto [agent, stream] = Connected();
  agent->HangUp();
  agent->End();
  sink_.AwaitOne<state::CloseSession>();
  Deliver(Starts(stream, 10));
  Deliver(state::WelcomeAgent{.stream = stream, .header = header_});
  Deliver(state::RefuseAgent{stream, Reason::kNone, "gone"});
  auto [next, next_stream] = Connected();
  EXPECT_NE(next_stream, stream);
}

TEST_F(DirectivesTest, AgentsThatGoAwayAtAnyMomentLeaveNothingBehind) {
  PutPayload(50 << 10);
  for (int round = 0; round < 60; ++round) {
    const size_t before = sink_.taken();
    TestAgent agent(channel_);
    agent.SayHello(TestAgent::GoodHello("n" + std::to_string(round)));
    if (round % 3 == 0) sink_.Hold();
    if (round % 2 == 0) {
      const uint64_t stream = sink_.AwaitOne<state::OpenSession>(before).stream;
      Welcome(stream);
      Deliver(Starts(stream, 50));
    }
    for (uint64_t i = 1; i <= 10; ++i) agent.SayFact(i);
    agent.HangUp();
    agent.End();
    sink_.LetGo();
  }
  server_->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace berth::agents
