// Tasks that wait because another attempt of them runs, or may run, somewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/recovered_state.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using berth::testing::Recovered;
using state::AttemptReport;
using state::TaskState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kLeaseMs = 40'000;
constexpr int64_t kLostAfterMs = 300'000;
constexpr int64_t kGraceMs = 400'000;  // so that a fence lasts longer than it takes to be lost

AttemptReport Running(JobId job, uint32_t index, uint32_t number) {
  AttemptReport report{.attempt = {.job = job, .group = 0, .index = index, .attempt = number},
                       .phase = state::AttemptPhase::kRunning};
  report.started = state::AttemptStart{.unix_ms = 600, .isolation = "cgroup-v2"};
  report.holding.task_id = std::to_string(job.value) + "." + std::to_string(index);
  report.holding.requests.builtin = {1000, 1024, 0, 0};
  return report;
}

// A state with n1, on which nothing fits, and two jobs of two tasks, of which the second is fenced,
// restored at time 1000.
class SettlingTest : public ::testing::Test {
 protected:
  SettlingTest() {
    TurnHarness before;
    before.Connect("n1", 100);
    kept_ = before.SubmitOk({.tasks = 2});
    fenced_ = before.SubmitOk({.tasks = 2, .kill_on_partition = true, .grace_ms = kGraceMs});
    Start(Recovered(before.turn().state(), true));
  }

  void Start(std::unique_ptr<state::ClusterState> state) {
    const int64_t now_ms = loop_ != nullptr ? loop_->now_ms : 1000;
    loop_ = std::make_unique<TurnHarness>(TurnOptions{}, std::move(state));
    loop_->now_ms = now_ms;
    loop_->Run();
    began_ms_ = now_ms;
  }
  void Restart() { Start(Recovered(loop_->turn().state(), false)); }

  uint64_t ConnectWith(const std::string& node, std::vector<AttemptReport> attempts) {
    const uint64_t stream = loop_->next_stream++;
    state::OpenSession hello = TurnHarness::Hello(node, stream, node == "n1" ? 100 : 8000, 16'384);
    hello.attempts = std::move(attempts);
    EXPECT_TRUE(loop_->Ask(hello).status.ok());
    return stream;
  }
  // Goes to that time after the start, a turn a second; these are heard all the while.
  void PassTo(int64_t ms, const std::vector<uint64_t>& beating = {}) {
    while (loop_->now_ms < began_ms_ + ms) {
      loop_->now_ms = std::min(loop_->now_ms + 1000, began_ms_ + ms);
      for (const uint64_t stream : beating) loop_->Ask(state::AgentHeartbeat{.stream = stream});
      loop_->Run();
    }
  }
  Reason WaitsFor(JobId job, int64_t index = 0) { return loop_->TaskOf(job, index).waits_for; }

  JobId kept_;
  JobId fenced_;
  std::unique_ptr<TurnHarness> loop_;
  int64_t began_ms_ = 0;
};

TEST_F(SettlingTest, WhatWasThereIsPlacedWhenEveryNodeHadItsLeaseToSpeak) {
  const uint64_t n1 = ConnectWith("n1", {});
  const uint64_t n2 = ConnectWith("n2", {});
  EXPECT_THAT(loop_->warnings, ElementsAre(HasSubstr("was restored from a snapshot")));
  PassTo(kLeaseMs - 1, {n1, n2});
  const auto waiting = loop_->TaskOf(kept_);
  EXPECT_EQ(waiting.row.state, TaskState::kQueued);
  EXPECT_EQ(waiting.waits_for, Reason::kRestoreSettling);
  EXPECT_THAT(waiting.wait_message, HasSubstr("restored from a snapshot"));
  EXPECT_EQ(loop_->JobOf(kept_).counts[static_cast<size_t>(TaskState::kQueued)], 2);
  PassTo(kLeaseMs, {n1, n2});
  EXPECT_EQ(loop_->StateOf(kept_, 0), TaskState::kBound);
  EXPECT_EQ(loop_->StateOf(kept_, 1), TaskState::kBound);
  EXPECT_TRUE(loop_->turn().state().meta().settling);
  // What is fenced waits until it has surely ended wherever it may have been.
  PassTo(kLeaseMs + kGraceMs + Leases::kFenceMarginMs - 1, {n1, n2});
  EXPECT_EQ(WaitsFor(fenced_), Reason::kRestoreSettling);
  PassTo(kLeaseMs + kGraceMs + Leases::kFenceMarginMs, {n1, n2});
  EXPECT_EQ(loop_->StateOf(fenced_), TaskState::kBound);
  EXPECT_FALSE(loop_->turn().state().meta().settling);
}

TEST_F(SettlingTest, WhileANodeIsSilentWhatWasThereWaitsUntilThatIsLost) {
  const uint64_t n2 = ConnectWith("n2", {});
  PassTo(kLostAfterMs - 1, {n2});
  EXPECT_EQ(WaitsFor(kept_), Reason::kRestoreSettling);
  PassTo(kLostAfterMs, {n2});
  EXPECT_EQ(loop_->StateOf(kept_), TaskState::kBound);
}

TEST_F(SettlingTest, ANodeThatSpeaksLateEndsTheWaitAtOnce) {
  const uint64_t n2 = ConnectWith("n2", {});
  PassTo(100'000, {n2});
  EXPECT_EQ(WaitsFor(kept_), Reason::kRestoreSettling);
  ConnectWith("n1", {});
  loop_->Run();
  EXPECT_EQ(loop_->StateOf(kept_), TaskState::kBound);
}

TEST_F(SettlingTest, WhatIsSubmittedNowIsPlacedNow) {
  ConnectWith("n2", {});
  EXPECT_EQ(loop_->StateOf(loop_->SubmitOk({})), TaskState::kBound);
  EXPECT_EQ(WaitsFor(kept_), Reason::kRestoreSettling);
}

TEST_F(SettlingTest, ATaskWaitsForItsAttemptInQuarantine) {
  const uint64_t n1 = ConnectWith("n1", {});
  const uint64_t n2 = ConnectWith("n2", {Running(kept_, 1, 1)});
  PassTo(kLeaseMs, {n1, n2});
  EXPECT_EQ(loop_->StateOf(kept_, 0), TaskState::kBound);
  const auto held_back = loop_->TaskOf(kept_, 1);
  EXPECT_EQ(held_back.row.state, TaskState::kQueued);
  EXPECT_EQ(held_back.waits_for, Reason::kAttemptNotEnded);
  EXPECT_EQ(held_back.wait_message, "attempt " + std::to_string(kept_.value) +
                                        ".1#1 of it has not ended on node \"n2\", where it is in "
                                        "quarantine: see 'berth admin reconcile'");
  const auto explained = loop_->Get<ExplainReply>(
      state::Explain{.object = {.job = kept_, .has_task = true, .group = "", .index = 1}});
  EXPECT_THAT(explained.explanation.text, HasSubstr("has not ended on node \"n2\""));
  EXPECT_FALSE(explained.queue_position);
  loop_->ReportExit(n2, {kept_, 0, 1, 1}, 0);
  EXPECT_EQ(loop_->StateOf(kept_, 1), TaskState::kBound);
}

TEST_F(SettlingTest, ATaskWaitsUntilWhatWasKilledHasEnded) {
  const uint64_t n1 = ConnectWith("n1", {});
  const uint64_t n2 = ConnectWith("n2", {Running(kept_, 1, 1)});
  PassTo(kLeaseMs, {n1, n2});
  loop_->Get<SettleReply>(
      state::SettleStrays{.action = state::StrayAction::kKill, .objects = {{.job = kept_}}});
  EXPECT_EQ(WaitsFor(kept_, 1), Reason::kAttemptNotEnded);
  EXPECT_THAT(loop_->TaskOf(kept_, 1).wait_message, ::testing::Not(HasSubstr("quarantine")));
  loop_->ReportExit(n2, {kept_, 0, 1, 1}, 0);
  EXPECT_EQ(loop_->StateOf(kept_, 1), TaskState::kBound);
}

TEST_F(SettlingTest, ATaskIsLetGoWhenTheNodeOfItsAttemptIsLost) {
  const uint64_t n1 = ConnectWith("n1", {});
  const uint64_t n3 = ConnectWith("n3", {});
  ConnectWith("n2", {Running(kept_, 1, 1), Running(fenced_, 1, 1)});
  PassTo(kLostAfterMs - 1, {n1, n3});
  EXPECT_EQ(WaitsFor(kept_, 1), Reason::kAttemptNotEnded);
  PassTo(kLostAfterMs, {n1, n3});
  EXPECT_EQ(loop_->StateOf(kept_, 1), TaskState::kBound);
  // A fenced one when it has surely ended.
  PassTo(kLeaseMs + kGraceMs + Leases::kFenceMarginMs - 1, {n1, n3});
  EXPECT_EQ(WaitsFor(fenced_, 1), Reason::kAttemptNotEnded);
  PassTo(kLeaseMs + kGraceMs + Leases::kFenceMarginMs, {n1, n3});
  EXPECT_EQ(loop_->StateOf(fenced_, 1), TaskState::kBound);
}

TEST_F(SettlingTest, ANodeThatComesBackInTimeHoldsItsTaskBackAgain) {
  const uint64_t n1 = ConnectWith("n1", {});
  const uint64_t n3 = ConnectWith("n3", {});
  ConnectWith("n2", {Running(fenced_, 1, 1)});
  PassTo(kLostAfterMs + 1000, {n1, n3});
  const uint64_t n2 = ConnectWith("n2", {Running(fenced_, 1, 1)});
  PassTo(1'000'000, {n1, n2, n3});
  EXPECT_EQ(WaitsFor(fenced_, 1), Reason::kAttemptNotEnded);
  EXPECT_EQ(loop_->StateOf(fenced_, 0), TaskState::kBound);
}

TEST_F(SettlingTest, AStartInBetweenWaitsAnew) {
  uint64_t n1 = ConnectWith("n1", {});
  uint64_t n2 = ConnectWith("n2", {Running(kept_, 1, 1)});
  PassTo(600'000, {n1, n2});
  ASSERT_EQ(WaitsFor(kept_, 1), Reason::kAttemptNotEnded);
  // It is not known any more that it is held back, and nothing is placed before it is again.
  Restart();
  ConnectWith("n3", {});
  EXPECT_EQ(WaitsFor(kept_, 1), Reason::kRestoreSettling);
  ConnectWith("n2", {Running(kept_, 1, 1)});
  EXPECT_EQ(WaitsFor(kept_, 1), Reason::kAttemptNotEnded);
}

TEST_F(SettlingTest, AStartOnceAllIsKnownWaitsForNothing) {
  const uint64_t n1 = ConnectWith("n1", {});
  PassTo(600'000, {n1});
  ASSERT_EQ(loop_->StateOf(kept_), TaskState::kParked);
  ASSERT_FALSE(loop_->turn().state().meta().settling);
  Restart();
  ConnectWith("n2", {});
  EXPECT_EQ(loop_->StateOf(kept_), TaskState::kBound);
  EXPECT_THAT(loop_->warnings, IsEmpty());
}

TEST_F(SettlingTest, WhatIsCancelledMeanwhileStaysCancelled) {
  const uint64_t n2 = ConnectWith("n2", {Running(kept_, 1, 1)});
  ConnectWith("n1", {});
  loop_->Get<CancelReply>(state::Cancel{.objects = {{.job = kept_}}});
  PassTo(kLostAfterMs, {n2});
  loop_->ReportExit(n2, {kept_, 0, 1, 1}, 0);
  EXPECT_EQ(loop_->StateOf(kept_, 0), TaskState::kCancelled);
  EXPECT_EQ(loop_->StateOf(kept_, 1), TaskState::kCancelled);
}

}  // namespace
}  // namespace berth::scheduler
