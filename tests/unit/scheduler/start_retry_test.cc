// Attempts after one that could not start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::TaskState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

state::AttemptFinish CouldNotStart(Reason reason) {
  state::AttemptFinish finish;
  finish.end = state::AttemptEnd::kCouldNotStart;
  finish.reason = reason;
  finish.message = "why it could not";
  return finish;
}

class StartRetryTest : public ::testing::Test {
 protected:
  // Fails on a node of its own each time, so that none is taken out; returns the pauses.
  std::vector<int64_t> FailEverywhere(JobId job, Reason reason) {
    std::vector<int64_t> pauses;
    for (int i = 0; i < 50; ++i) {
      const std::string node = "n" + std::to_string(i);
      const uint64_t stream = loop_.Connect(node);
      loop_.Report(stream, loop_.TakeStart(stream), std::nullopt, CouldNotStart(reason));
      loop_.Get<NodeReply>(state::SetCordon{node, true});
      if (loop_.StateOf(job) == TaskState::kFailed) break;
      pauses.push_back(loop_.SitOut(job));
    }
    return pauses;
  }

  TurnHarness loop_;
};

TEST_F(StartRetryTest, ATaskIsTriedAgainWhereTheNodeWasAtFault) {
  const JobId job = loop_.SubmitOk({});
  EXPECT_THAT(FailEverywhere(job, Reason::kPrologFailed),
              ElementsAre(1000, 2000, 4000, 8000, 16'000, 30'000, 30'000, 30'000, 30'000, 30'000));
  EXPECT_EQ(loop_.TaskOf(job).row.retries_used, 0);
  EXPECT_EQ(loop_.TaskOf(job).row.attempt.reason, Reason::kPrologFailed);
}

TEST_F(StartRetryTest, ItsRetriesComeAfterThat) {
  const JobId job = loop_.SubmitOk({.retries = 2});
  EXPECT_EQ(FailEverywhere(job, Reason::kIsolationFailed).size(), 12u);
  EXPECT_EQ(loop_.TaskOf(job).row.retries_used, 2);
}

TEST_F(StartRetryTest, WantOfCpusToDedicateIsNoFailure) {
  const JobId job = loop_.SubmitOk({});
  EXPECT_EQ(FailEverywhere(job, Reason::kNoCpusToDedicate).size(), 10u);
}

TEST_F(StartRetryTest, WhatIsWrongWithTheTaskFailsAtOnce) {
  for (const Reason reason :
       {Reason::kProgramNotFound, Reason::kUserNotAllowed, Reason::kImageUnusable}) {
    TurnHarness loop;
    const uint64_t stream = loop.Connect("n1");
    const JobId job = loop.SubmitOk({});
    loop.Report(stream, loop.TakeStart(stream), std::nullopt, CouldNotStart(reason));
    EXPECT_EQ(loop.StateOf(job), TaskState::kFailed);
  }
}

TEST_F(StartRetryTest, AWaitingTaskSaysWhatItsLastAttemptMet) {
  const uint64_t stream = loop_.Connect("n1");
  const JobId job = loop_.SubmitOk({});
  loop_.Report(stream, loop_.TakeStart(stream), std::nullopt,
               CouldNotStart(Reason::kNetworkFailed));
  const auto task = loop_.TaskOf(job);
  EXPECT_EQ(task.waits_for, Reason::kBackingOff);
  EXPECT_THAT(task.wait_message, HasSubstr("why it could not"));
}

TEST_F(StartRetryTest, ACancelledOneIsNotTriedAgain) {
  const uint64_t stream = loop_.Connect("n1");
  const JobId job = loop_.SubmitOk({});
  const auto attempt = loop_.TakeStart(stream);
  loop_.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  loop_.Report(stream, attempt, std::nullopt, CouldNotStart(Reason::kPrologFailed));
  EXPECT_EQ(loop_.StateOf(job), TaskState::kCancelled);
}

}  // namespace
}  // namespace berth::scheduler
