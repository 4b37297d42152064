// What is known of a node's health, and of attempts before the last.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::HasSubstr;

state::AttemptFinish DriverFailure(const std::string& why) {
  state::AttemptFinish finish;
  finish.end = state::AttemptEnd::kCouldNotStart;
  finish.reason = Reason::kDriverError;
  finish.message = why;
  finish.ended_unix_ms = 77;
  return finish;
}

class NodeHealthTest : public ::testing::Test {
 protected:
  NodeHealthReply Health(const state::Principal& who = Operator()) {
    return loop_.Get<NodeHealthReply>(state::DiagnoseNode{"n1"}, who);
  }

  TurnHarness loop_;
  const uint64_t stream_ = loop_.Connect("n1");
};

TEST_F(NodeHealthTest, ANodeThatIsNotThereIsNamed) {
  const Reply reply = loop_.Ask(state::DiagnoseNode{"n2"});
  EXPECT_EQ(reply.reason, Reason::kNotFound);
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("node \"n2\""));
}

TEST_F(NodeHealthTest, ItsSilenceAndItsClockAreTold) {
  loop_.Ask(state::AgentHeartbeat{.stream = stream_, .sequence = 1, .clock_skew_ms = -2500});
  loop_.now_ms += 7000;
  const NodeHealthReply health = Health();
  EXPECT_EQ(health.stream, stream_);
  EXPECT_EQ(health.silent_ms, 7000);
  EXPECT_EQ(health.node.clock_skew_ms, -2500);
}

TEST_F(NodeHealthTest, TheLastFailedStartsAreKept) {
  EXPECT_TRUE(Health().failed_starts.empty());
  for (size_t i = 0; i < StartFailures::kMost + 2; ++i) {
    const JobId job = loop_.SubmitOk({.ns = i == 0 ? "default" : "secret"});
    loop_.Report(stream_, {.job = job, .attempt = 1}, std::nullopt,
                 DriverFailure("try " + std::to_string(i)));
  }
  const auto starts = Health().failed_starts;
  ASSERT_EQ(starts.size(), StartFailures::kMost);
  EXPECT_EQ(starts.front().message, "try " + std::to_string(StartFailures::kMost + 1));
  EXPECT_EQ(starts.front().unix_ms, 77);
  // Of others' tasks, no more than that one failed.
  EXPECT_TRUE(Health(User("uid:7", {"default"})).failed_starts.front().task.empty());
}

TEST(PreviousAttemptTest, IsTheOneBefore) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.retries = 2});
  const auto previous = [&](uint32_t of) {
    return loop.Ask(state::LocateOutput{.object = {.job = job, .attempt = of}, .previous = true});
  };
  EXPECT_THAT(std::string(previous(0).status.message()), HasSubstr("attempt 1 was its first"));
  for (uint32_t attempt = 1; attempt <= 2; ++attempt) {
    loop.ReportExit(stream, {.job = job, .attempt = attempt}, 1);
    loop.now_ms += 60'000;
    loop.Run();
  }
  EXPECT_EQ(std::get<OutputReply>(previous(0).body).attempt.attempt, 2u);
  EXPECT_EQ(std::get<OutputReply>(previous(2).body).attempt.attempt, 1u);
  EXPECT_TRUE(std::get<OutputReply>(previous(2).body).ended);
  EXPECT_EQ(previous(1).reason, Reason::kNotFound);
}

}  // namespace
}  // namespace berth::scheduler
