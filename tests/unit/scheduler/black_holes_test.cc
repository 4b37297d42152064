// Nodes on which everything fails at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::TaskState;
using ::testing::HasSubstr;

class BlackHolesTest : public ::testing::Test {
 protected:
  // Everything that a stream is told to start fails, up to `most` times; returns how often it did.
  int Fail(uint64_t stream, const state::AttemptFinish& finish, int most) {
    int failed = 0;
    for (; failed < most; ++failed) {
      const auto starts = loop_.TakeDirectives<state::StartTask>(stream);
      for (const auto& start : starts) waiting_.push_back(start.attempt);
      if (waiting_.empty()) break;
      loop_.Report(stream, waiting_.front(), std::nullopt, finish);
      waiting_.erase(waiting_.begin());
    }
    return failed;
  }
  static state::AttemptFinish CouldNotStart(Reason reason) {
    state::AttemptFinish finish;
    finish.end = state::AttemptEnd::kCouldNotStart;
    finish.reason = reason;
    finish.message = "no cgroup could be made";
    return finish;
  }
  state::NodeView Node(const std::string& name) {
    return loop_.Get<NodeReply>(state::GetNode{name}).node;
  }

  TurnHarness loop_;
  std::vector<state::AgentAttempt> waiting_;
};

TEST_F(BlackHolesTest, ANodeThatCannotStartTasksIsCordonedAfterTen) {
  const uint64_t stream = loop_.Connect("n1", 1000);
  const JobId job = loop_.SubmitOk({.tasks = 100});
  EXPECT_EQ(Fail(stream, CouldNotStart(Reason::kIsolationFailed), 100), 10);
  const state::NodeView node = Node("n1");
  EXPECT_TRUE(node.cordoned);
  EXPECT_THAT(node.cordon_reason, HasSubstr("10 starts in a row"));
  EXPECT_THAT(node.cordon_reason, HasSubstr("no cgroup could be made"));
  ASSERT_EQ(loop_.warnings.size(), 1u);
  EXPECT_THAT(loop_.warnings[0], HasSubstr("berth uncordon n1"));
  EXPECT_EQ(loop_.StateOf(job, 99), TaskState::kParked);
}

TEST_F(BlackHolesTest, OneThatStartsBeginsTheCountAnew) {
  const uint64_t stream = loop_.Connect("n1", 1000);
  loop_.SubmitOk({.tasks = 100});
  EXPECT_EQ(Fail(stream, CouldNotStart(Reason::kDriverError), 9), 9);
  EXPECT_EQ(Fail(stream, TurnHarness::Exit(0), 1), 1);
  EXPECT_EQ(Fail(stream, CouldNotStart(Reason::kDriverError), 9), 9);
  EXPECT_FALSE(Node("n1").cordoned);
}

TEST_F(BlackHolesTest, AUsersBrokenJobDoesNotTakeNodesOut) {
  const uint64_t stream = loop_.Connect("n1", 1000);
  loop_.SubmitOk({.tasks = 100});
  EXPECT_EQ(Fail(stream, CouldNotStart(Reason::kProgramNotFound), 50), 50);
  EXPECT_EQ(Fail(stream, TurnHarness::Exit(1), 50), 50);
  EXPECT_FALSE(Node("n1").cordoned);
}

TEST_F(BlackHolesTest, ManyJobsThatFailOnOneNodeOnlyDo) {
  const uint64_t bad = loop_.Connect("n1", 1000);
  const uint64_t good = loop_.Connect("n2", 1000);
  for (int i = 0; i < 6; ++i) loop_.SubmitOk({.tasks = 4});
  EXPECT_EQ(Fail(bad, TurnHarness::Exit(1), 1), 1);
  loop_.now_ms += 1;
  loop_.ReportExit(good, loop_.TakeStart(good), 0);
  EXPECT_EQ(Fail(bad, TurnHarness::Exit(1), 100), 9);
  EXPECT_TRUE(Node("n1").cordoned);
  EXPECT_FALSE(Node("n2").cordoned);
}

TEST_F(BlackHolesTest, NoMoreThanAShareOfTheNodesIsTakenOut) {
  const uint64_t first = loop_.Connect("n1", 1000);
  const uint64_t second = loop_.Connect("n2", 1000);
  loop_.SubmitOk({.tasks = 1000});
  Fail(first, CouldNotStart(Reason::kPrologFailed), 10);
  EXPECT_TRUE(Node("n1").cordoned);
  waiting_.clear();
  EXPECT_EQ(Fail(second, CouldNotStart(Reason::kPrologFailed), 10), 10);
  EXPECT_FALSE(Node("n2").cordoned);
  EXPECT_THAT(loop_.warnings.back(), HasSubstr("not cordoned"));
}

TEST_F(BlackHolesTest, AnOperatorLetsItBackIn) {
  const uint64_t stream = loop_.Connect("n1", 1000);
  loop_.SubmitOk({.tasks = 100});
  Fail(stream, CouldNotStart(Reason::kIsolationFailed), 10);
  loop_.Get<NodeReply>(state::SetCordon{"n1", false});
  EXPECT_EQ(Node("n1").cordon_reason, "");
  EXPECT_EQ(loop_.TakeDirectives<state::StartTask>(stream).size(), 1u);
}

}  // namespace
}  // namespace berth::scheduler
