// What operators say is to become of attempts that a restored state does not know.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/turn.h"
#include "state/generation.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::AgentAttempt;
using state::AttemptReport;
using state::ObjectRef;
using state::StrayAction;
using state::TaskState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr JobId kUnknown{777};

state::ClusterMeta Restored() {
  return {.cluster_id = "cluster-a",
          .generation = 1,
          .term = 4,
          .epoch = state::kEpochsPerGeneration + 500,
          .seed = 1};
}

AttemptReport RunningThere(JobId job, uint32_t index, uint32_t number, int32_t cpu_milli) {
  AttemptReport report{.attempt = {.job = job, .group = 0, .index = index, .attempt = number},
                       .phase = state::AttemptPhase::kRunning};
  report.started = state::AttemptStart{.unix_ms = 600, .isolation = "cgroup-v2"};
  report.holding.task_id = std::to_string(job.value) + "." + std::to_string(index);
  report.holding.job_name = job == kUnknown ? "gone" : "test";
  report.holding.ns = "default";
  report.holding.requests.builtin = {cpu_milli, 1024, 0, 0};
  return report;
}

ObjectRef TaskRef(JobId job, int64_t index, uint32_t attempt = 0) {
  return {.job = job, .has_task = true, .group = "", .index = index, .attempt = attempt};
}

// A restored job of two tasks that waits, and n1, which has an attempt of its first task and one of
// a job that is not known: there is no room left.
class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() : loop_({}, Restored()) {
    job_ = loop_.SubmitOk({.tasks = 2});
    known_ = RunningThere(job_, 0, 3, 1000);
    unknown_ = RunningThere(kUnknown, 5, 2, 3000);
    stream_ = ConnectWith("n1", {known_, unknown_});
  }

  // `heard`: directives that its agent has journalled.
  uint64_t ConnectWith(const std::string& node, std::vector<AttemptReport> attempts,
                       uint64_t heard = 0) {
    const uint64_t stream = loop_.next_stream++;
    state::OpenSession hello = TurnHarness::Hello(node, stream);
    hello.cluster_id = "cluster-a";
    hello.directive_sequence = heard;
    hello.attempts = std::move(attempts);
    EXPECT_TRUE(loop_.Ask(hello).status.ok());
    return stream;
  }

  SettleReply Settle(StrayAction action, std::vector<ObjectRef> objects = {},
                     const std::string& node = "") {
    return loop_.Get<SettleReply>(
        state::SettleStrays{.action = action, .node = node, .objects = std::move(objects)});
  }
  // Of the only result.
  SettleReply::Result Only(StrayAction action, std::vector<ObjectRef> objects = {}) {
    const SettleReply reply = Settle(action, std::move(objects));
    EXPECT_EQ(reply.results.size(), 1u);
    return reply.results.empty() ? SettleReply::Result{} : reply.results[0];
  }
  std::vector<AgentAttempt> Listed() {
    std::vector<AgentAttempt> listed;
    for (const auto& result : Settle(StrayAction::kList).results) {
      listed.push_back(result.stray->attempt);
    }
    return listed;
  }
  int32_t Held(const std::string& node = "n1") {
    return loop_.Get<NodeReply>(state::GetNode{node}).node.allocated.builtin[0];
  }
  std::vector<AgentAttempt> Started(uint64_t stream) {
    std::vector<AgentAttempt> started;
    for (const auto& start : loop_.TakeDirectives<state::StartTask>(stream)) {
      started.push_back(start.attempt);
    }
    return started;
  }
  std::vector<AgentAttempt> Stopped(uint64_t stream) {
    std::vector<AgentAttempt> stopped;
    for (const auto& stop : loop_.TakeDirectives<state::StopTask>(stream)) {
      EXPECT_EQ(stop.end, state::AttemptEnd::kLost);
      stopped.push_back(stop.attempt);
    }
    return stopped;
  }
  // "uid:0 kill_quarantined attempt 777.5#2 on node n1 ok", of the last turn.
  std::vector<std::string> Audits() {
    std::vector<std::string> audits;
    for (const state::Change& change : loop_.batches.back()->changes) {
      if (const auto* found = std::get_if<state::AuditChange>(&change)) {
        audits.push_back(found->audit.principal + " " + found->audit.action + " " +
                         found->audit.object + " " + found->audit.outcome);
      }
    }
    return audits;
  }

  TurnHarness loop_;
  JobId job_;
  AttemptReport known_;
  AttemptReport unknown_;
  uint64_t stream_ = 0;
};

TEST_F(QuarantineTest, AListSaysWhatTheyAreAndChangesNothing) {
  const SettleReply reply = Settle(StrayAction::kList);
  ASSERT_EQ(reply.results.size(), 2u);
  EXPECT_FALSE(reply.more);
  const state::StrayView first = *reply.results[0].stray;
  EXPECT_EQ(first.node, "n1");
  EXPECT_EQ(first.attempt, unknown_.attempt);
  EXPECT_EQ(first.holding.task_id, "777.5");
  EXPECT_EQ(first.holding.job_name, "gone");
  EXPECT_EQ(first.holding.requests.builtin[0], 3000);
  EXPECT_EQ(first.started_unix_ms, 600);
  EXPECT_EQ(first.since_unix_ms, 1'000'000 + loop_.now_ms);
  EXPECT_FALSE(first.job_known);
  EXPECT_TRUE(reply.results[1].stray->job_known);
  EXPECT_EQ(loop_.Get<NodeReply>(state::GetNode{"n1"}).node.quarantined, 2);
  EXPECT_EQ(loop_.turn().state().quarantined(), 2u);
  EXPECT_EQ(Held(), 4000);
  EXPECT_THAT(Stopped(stream_), IsEmpty());
}

TEST_F(QuarantineTest, TheWarningNamesTheCommand) {
  EXPECT_THAT(loop_.warnings, ElementsAre(::testing::AllOf(
                                  HasSubstr("2 attempts not known here (of jobs 777, 10000000001)"),
                                  HasSubstr("'berth admin reconcile --node n1'"))));
}

TEST_F(QuarantineTest, ObjectsAndTheNodeSayWhichAreMeant) {
  ConnectWith("n2", {RunningThere(kUnknown, 5, 4, 1000), RunningThere(kUnknown, 6, 1, 1000)});
  const auto count = [&](std::vector<ObjectRef> objects, const std::string& node = "") {
    return Settle(StrayAction::kList, std::move(objects), node).results.size();
  };
  EXPECT_EQ(count({}), 4u);
  EXPECT_EQ(count({}, "n2"), 2u);
  EXPECT_EQ(count({{.job = kUnknown}}), 3u);
  EXPECT_EQ(count({TaskRef(kUnknown, 5)}), 2u);
  EXPECT_EQ(count({TaskRef(kUnknown, 5, 4)}), 1u);
  EXPECT_EQ(count({{.job = kUnknown}, {.job = job_}}, "n1"), 2u);
  const Reply reply = loop_.Ask(state::SettleStrays{.node = "n9"});
  EXPECT_TRUE(absl::IsNotFound(reply.status));
  EXPECT_EQ(reply.field, "node");
}

TEST_F(QuarantineTest, PagesGoOnAfterTheirLastWhateverBecameOfIt) {
  ConnectWith("n2", {RunningThere(kUnknown, 6, 1, 1000)});
  for (const StrayAction action : {StrayAction::kList, StrayAction::kKill}) {
    std::vector<AgentAttempt> seen;
    state::SettleStrays command{
        .action = action, .objects = {{.job = kUnknown}, {.job = JobId{9}}}, .page_size = 1};
    for (bool more = true; more;) {
      const SettleReply reply = loop_.Get<SettleReply>(command);
      for (const auto& result : reply.results) {
        if (result.stray) seen.push_back(result.stray->attempt);
      }
      // What is not found is said once.
      EXPECT_EQ(reply.results.size(), command.after ? 1u : 2u);
      more = reply.more;
      command.after = reply.after;
      command.first_epoch = reply.first_epoch;
    }
    EXPECT_THAT(seen, ElementsAre(unknown_.attempt, RunningThere(kUnknown, 6, 1, 0).attempt));
  }
}

TEST_F(QuarantineTest, OnlyOperatorsMayAndOthersAreNoted) {
  for (const StrayAction action : {StrayAction::kList, StrayAction::kKill, StrayAction::kAdopt}) {
    const Reply reply =
        loop_.Ask(state::SettleStrays{.action = action}, User("uid:5", {"default"}));
    EXPECT_TRUE(absl::IsPermissionDenied(reply.status));
    EXPECT_THAT(Audits(), ElementsAre("uid:5 reconcile attempts in quarantine refused"));
  }
  EXPECT_EQ(loop_.turn().state().quarantined(), 2u);
  EXPECT_THAT(Stopped(stream_), IsEmpty());
}

TEST_F(QuarantineTest, WhatIsKilledIsToldAndHoldsItsRoomUntilItHasEnded) {
  EXPECT_EQ(Only(StrayAction::kKill, {TaskRef(kUnknown, 5, 2)}).reason, Reason::kNone);
  EXPECT_THAT(Audits(), ElementsAre("uid:0 kill_quarantined attempt 777.5#2 on node n1 ok"));
  EXPECT_THAT(Stopped(stream_), ElementsAre(unknown_.attempt));
  EXPECT_THAT(Listed(), ElementsAre(known_.attempt));
  EXPECT_EQ(loop_.Get<NodeReply>(state::GetNode{"n1"}).node.quarantined, 1);
  EXPECT_EQ(Held(), 4000);
  EXPECT_EQ(loop_.StateOf(job_, 1), TaskState::kParked);
  loop_.Report(stream_, unknown_.attempt, std::nullopt, TurnHarness::Exit(9));
  EXPECT_EQ(loop_.TakeDirectives<state::ForgetAttempt>(stream_).size(), 1u);
  // Both tasks of the job have room now. The first one's attempt is still there.
  EXPECT_EQ(loop_.StateOf(job_, 0), TaskState::kQueued);
  EXPECT_EQ(loop_.StateOf(job_, 1), TaskState::kBound);
  EXPECT_EQ(Held(), 2000);
}

TEST_F(QuarantineTest, KillingAgainIsDoneAlready) {
  Settle(StrayAction::kKill, {{.job = kUnknown}});
  Stopped(stream_);
  const auto again = Only(StrayAction::kKill, {{.job = kUnknown}});
  EXPECT_EQ(again.reason, Reason::kNone);
  EXPECT_THAT(again.message, HasSubstr("has been told to end"));
  EXPECT_THAT(Stopped(stream_), IsEmpty());
  EXPECT_EQ(Only(StrayAction::kAdopt, {{.job = kUnknown}}).reason, Reason::kAlreadyEnded);
}

TEST_F(QuarantineTest, NothingElseIsEverKilled) {
  Settle(StrayAction::kAdopt, {{.job = job_}});
  const uint64_t n2 = loop_.Connect("n2");
  EXPECT_THAT(Started(n2), ::testing::SizeIs(1));
  for (const std::vector<ObjectRef>& objects :
       {std::vector<ObjectRef>{{.job = job_}}, {TaskRef(job_, 0, 3)}, {TaskRef(job_, 1)}}) {
    const auto result = Only(StrayAction::kKill, objects);
    EXPECT_EQ(result.reason, Reason::kNotFound);
    EXPECT_THAT(result.message, HasSubstr("nothing of it is in quarantine"));
    EXPECT_THAT(result.message, HasSubstr("berth cancel 10000000001"));
  }
  EXPECT_EQ(Settle(StrayAction::kKill).results.size(), 1u);
  EXPECT_THAT(Stopped(stream_), ElementsAre(unknown_.attempt));
  EXPECT_THAT(Stopped(n2), IsEmpty());
}

TEST_F(QuarantineTest, ANodeThatIsAwayIsToldWhenItIsBack) {
  loop_.Ask(state::CloseSession{stream_});
  const auto result = Only(StrayAction::kKill, {{.job = kUnknown}});
  EXPECT_EQ(result.reason, Reason::kNone);
  EXPECT_THAT(result.message, HasSubstr("\"n1\" is not connected"));
  EXPECT_THAT(Stopped(stream_), IsEmpty());
  const uint64_t back = ConnectWith("n1", {known_, unknown_});
  EXPECT_THAT(Stopped(back), ElementsAre(unknown_.attempt));
  EXPECT_THAT(Listed(), ElementsAre(known_.attempt));
  // And once more, should the word be lost with the stream.
  loop_.Ask(state::CloseSession{back});
  EXPECT_THAT(Stopped(ConnectWith("n1", {known_, unknown_})), ElementsAre(unknown_.attempt));
}

TEST_F(QuarantineTest, AnotherBerthdDoesNotKnowOfTheKill) {
  Settle(StrayAction::kKill, {{.job = kUnknown}});
  TurnHarness next({}, Restored());
  state::OpenSession hello = TurnHarness::Hello("n1", 1);
  hello.cluster_id = "cluster-a";
  hello.attempts = {unknown_};
  ASSERT_TRUE(next.Ask(hello).status.ok());
  EXPECT_EQ(next.turn().state().quarantined(), 1u);
  EXPECT_THAT(next.TakeDirectives<state::StopTask>(1), IsEmpty());
}

TEST_F(QuarantineTest, AnAdoptedAttemptIsItsTasksAndItsEndIsRecorded) {
  EXPECT_EQ(Only(StrayAction::kAdopt, {{.job = job_}}).reason, Reason::kNone);
  EXPECT_THAT(Audits(),
              ElementsAre("uid:0 adopt_quarantined attempt 10000000001.0#3 on node n1 ok"));
  const state::TaskRow row = loop_.TaskOf(job_, 0).row;
  EXPECT_EQ(row.state, TaskState::kRunning);
  EXPECT_EQ(row.attempt.number, 3u);
  EXPECT_EQ(row.attempt.node, "n1");
  EXPECT_EQ(row.attempt.started_unix_ms, 600);
  EXPECT_EQ(row.attempt.isolation, "cgroup-v2");
  EXPECT_EQ(row.start_sequence, 0u);
  EXPECT_THAT(Listed(), ElementsAre(unknown_.attempt));
  EXPECT_EQ(Held(), 4000);
  EXPECT_THAT(Started(stream_), IsEmpty());
  EXPECT_EQ(loop_.StateOf(job_, 1), TaskState::kParked);

  loop_.ReportExit(stream_, known_.attempt, 0);
  EXPECT_EQ(loop_.StateOf(job_, 0), TaskState::kSucceeded);
  // Its room is the other task's, and the one in quarantine goes on.
  EXPECT_THAT(Started(stream_), ElementsAre(::testing::Field(&AgentAttempt::index, 1u)));
  EXPECT_THAT(Stopped(stream_), IsEmpty());
}

TEST_F(QuarantineTest, AnAdoptedAttemptGoesThroughBreaksAndIsCancelledAsAny) {
  Settle(StrayAction::kAdopt, {{.job = job_}});
  loop_.Ask(state::CloseSession{stream_});
  const uint64_t back = ConnectWith("n1", {known_, unknown_});
  EXPECT_EQ(loop_.StateOf(job_, 0), TaskState::kRunning);
  EXPECT_THAT(Listed(), ElementsAre(unknown_.attempt));
  EXPECT_EQ(loop_.Get<CancelReply>(state::Cancel{.objects = {TaskRef(job_, 0)}}).results[0].tasks,
            1);
  const auto stops = loop_.TakeDirectives<state::StopTask>(back);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].attempt, known_.attempt);
  EXPECT_EQ(stops[0].end, state::AttemptEnd::kCancelled);
}

TEST_F(QuarantineTest, AnAdoptedAttemptThatItsAgentLosesIsLostAndNeverSent) {
  Settle(StrayAction::kAdopt, {{.job = job_}});
  loop_.Ask(state::CloseSession{stream_});
  const uint64_t back = ConnectWith("n1", {unknown_});
  const state::TaskRow row = loop_.TaskOf(job_, 0).row;
  ASSERT_EQ(row.past.size(), 1u);
  EXPECT_EQ(row.past[0].number, 3u);
  EXPECT_EQ(row.past[0].end, state::AttemptEnd::kLost);
  // The next number is above all that the time before the restore can have given.
  EXPECT_EQ(row.attempt.number, 1'000'001u);
  EXPECT_THAT(Started(back), ElementsAre(::testing::Field(&AgentAttempt::attempt, 1'000'001u)));
}

TEST_F(QuarantineTest, OneThatHasNotStartedYetStartsLater) {
  AttemptReport accepted = RunningThere(job_, 1, 2, 0);
  accepted.started.reset();
  accepted.holding.requests.builtin = {1000, 1024, 0, 0};
  // It is too much for the node: the agent's word goes.
  loop_.Ask(state::CloseSession{stream_});
  const uint64_t back = ConnectWith("n1", {known_, unknown_, accepted});
  EXPECT_EQ(Only(StrayAction::kAdopt, {TaskRef(job_, 1)}).reason, Reason::kNone);
  EXPECT_EQ(loop_.StateOf(job_, 1), TaskState::kStarting);
  EXPECT_EQ(Held(), 5000);
  loop_.ReportStarted(back, accepted.attempt);
  EXPECT_EQ(loop_.StateOf(job_, 1), TaskState::kRunning);
}

TEST_F(QuarantineTest, AStartInQuarantineIsKnownWhenItIsAdopted) {
  AttemptReport accepted = RunningThere(job_, 1, 2, 1000);
  accepted.started.reset();
  const uint64_t n2 = ConnectWith("n2", {accepted, RunningThere(kUnknown, 7, 1, 3000)});
  loop_.ReportStarted(n2, accepted.attempt);
  Settle(StrayAction::kAdopt, {TaskRef(job_, 1)});
  EXPECT_EQ(loop_.TaskOf(job_, 1).row.attempt.started_unix_ms, 5);
  EXPECT_EQ(loop_.StateOf(job_, 1), TaskState::kRunning);
}

TEST_F(QuarantineTest, ATaskThatBacksOffTakesItsAttemptAndStopsWaiting) {
  TurnHarness::Job retried{.cpu_milli = 500, .retries = 3};
  const uint64_t n2 = loop_.Connect("n2");
  const JobId job = loop_.SubmitOk(retried);
  for (const auto& start : loop_.TakeDirectives<state::StartTask>(n2)) {
    if (start.attempt.job == job) loop_.ReportExit(n2, start.attempt, 1);
  }
  ASSERT_EQ(loop_.TaskOf(job).waits_for, Reason::kBackingOff);
  const AttemptReport later = RunningThere(job, 0, 1'000'002, 500);
  ConnectWith("n3", {later});
  EXPECT_EQ(Only(StrayAction::kAdopt, {{.job = job}}).reason, Reason::kNone);
  EXPECT_EQ(loop_.StateOf(job), TaskState::kRunning);
  loop_.now_ms += 10 * 60 * 1000;
  loop_.ReportExit(loop_.next_stream - 1, later.attempt, 0);
  EXPECT_EQ(loop_.StateOf(job), TaskState::kSucceeded);
}

TEST_F(QuarantineTest, DevicesStayThoseThatItHas) {
  auto spec = std::make_shared<state::JobSpec>();
  spec->ns = "default";
  spec->queue = "default";
  spec->profile = "default";
  spec->groups.resize(1);
  spec->groups[0].ranges = {{0, 0, 1}};
  spec->groups[0].needs.Edit().requests.builtin = {1000, 1024, 0, 0};
  spec->groups[0].needs.Edit().devices = {{.kind = "gpu", .share_milli = 500, .memory_mib = 100}};
  const Reply submitted = loop_.Ask(
      state::SubmitJob{.spec = spec, .blob = std::make_shared<const std::string>("content")});
  ASSERT_TRUE(submitted.status.ok()) << submitted.status;
  const JobId job = std::get<SubmitReply>(submitted.body).job;

  AttemptReport whole = RunningThere(job, 0, 1, 1000);
  whole.holding.device_ids = {"G0"};
  AttemptReport share = RunningThere(job, 0, 2, 1000);
  share.holding.device_ids = {"G1"};
  share.holding.device_share_milli = 500;
  share.holding.device_memory_mib = 100;
  state::OpenSession hello = TurnHarness::Hello("gpu-1", 90, 2000);
  hello.node.devices = {{.id = "G0", .kind = "gpu", .memory_mib = 1000},
                        {.id = "G1", .kind = "gpu", .memory_mib = 1000}};
  hello.attempts = {whole, share};
  ASSERT_TRUE(loop_.Ask(hello).status.ok());
  const auto held = [&] {
    const auto devices = loop_.Get<NodeReply>(state::GetNode{"gpu-1"}).node.devices;
    return std::vector<int>{devices.at(0).allocated_milli, devices.at(1).allocated_milli};
  };
  EXPECT_THAT(held(), ElementsAre(1000, 500));
  EXPECT_EQ(Only(StrayAction::kAdopt, {TaskRef(job, 0, 2)}).reason, Reason::kNone);
  EXPECT_THAT(loop_.TaskOf(job).row.attempt.device_ids, ElementsAre("G1"));
  EXPECT_THAT(held(), ElementsAre(1000, 500));
  loop_.ReportExit(90, share.attempt, 0);
  EXPECT_EQ(loop_.StateOf(job), TaskState::kSucceeded);
  EXPECT_THAT(held(), ElementsAre(1000, 0));
}

// ---- what is not adopted ----

TEST_F(QuarantineTest, OfAnUnknownJobNothingIsAdoptedAndTheOthersAre) {
  const SettleReply reply = Settle(StrayAction::kAdopt);
  ASSERT_EQ(reply.results.size(), 2u);
  EXPECT_EQ(reply.results[0].reason, Reason::kJobUnknown);
  EXPECT_THAT(reply.results[0].message,
              ::testing::AllOf(HasSubstr("777.5#2 on node \"n1\": job 777 is not known here"),
                               HasSubstr("--kill 777.5#2"), HasSubstr("berth submit")));
  EXPECT_EQ(reply.results[1].reason, Reason::kNone);
  EXPECT_THAT(Audits(),
              ElementsAre("uid:0 adopt_quarantined attempt 777.5#2 on node n1 refused",
                          "uid:0 adopt_quarantined attempt 10000000001.0#3 on node n1 ok"));
  EXPECT_THAT(Listed(), ElementsAre(unknown_.attempt));
}

TEST_F(QuarantineTest, ATaskThatRunsKeepsItsAttempt) {
  loop_.Connect("n2");
  ASSERT_EQ(loop_.StateOf(job_, 1), TaskState::kBound);
  ConnectWith("n3", {RunningThere(job_, 1, 1'000'002, 1000)});
  const auto result = Only(StrayAction::kAdopt, {TaskRef(job_, 1)});
  EXPECT_EQ(result.reason, Reason::kTaskNotWaiting);
  EXPECT_THAT(result.message, HasSubstr("is bound as attempt 1000001 on node \"n2\""));
  EXPECT_EQ(loop_.turn().state().quarantined(), 3u);
}

TEST_F(QuarantineTest, ATaskThatHasEndedStaysAsItIs) {
  loop_.Get<CancelReply>(state::Cancel{.objects = {{.job = job_}}});
  const auto result = Only(StrayAction::kAdopt, {TaskRef(job_, 0)});
  EXPECT_EQ(result.reason, Reason::kAlreadyEnded);
  EXPECT_THAT(result.message, HasSubstr("has ended here: cancelled"));
}

TEST_F(QuarantineTest, ATaskThatHasHadALaterAttemptDoesNotGoBack) {
  const uint64_t n2 = loop_.Connect("n2");
  loop_.Ask(state::CloseSession{n2});
  ConnectWith("n2", {RunningThere(kUnknown, 8, 1, 4000)}, 2);  // lost there, and no room again
  ASSERT_EQ(loop_.StateOf(job_, 1), TaskState::kParked);
  ConnectWith("n3", {RunningThere(job_, 1, 2, 1000), RunningThere(kUnknown, 9, 1, 3000)});
  const auto result = Only(StrayAction::kAdopt, {TaskRef(job_, 1)});
  EXPECT_EQ(result.reason, Reason::kAttemptOutdated);
  EXPECT_THAT(result.message, HasSubstr("has had attempt 1000001 since"));
}

TEST_F(QuarantineTest, OfTwoAttemptsOfATaskTheLaterOneIsAdopted) {
  const AttemptReport later = RunningThere(job_, 0, 4, 1000);
  ConnectWith("n2", {later, RunningThere(kUnknown, 8, 1, 3000)});
  const SettleReply reply = Settle(StrayAction::kAdopt, {{.job = job_}});
  ASSERT_EQ(reply.results.size(), 2u);
  EXPECT_EQ(reply.results[0].reason, Reason::kAttemptOutdated);
  EXPECT_THAT(reply.results[0].message, HasSubstr("in quarantine on node \"n2\""));
  EXPECT_EQ(reply.results[1].reason, Reason::kNone);
  EXPECT_EQ(loop_.TaskOf(job_, 0).row.attempt.number, 4u);
}

TEST_F(QuarantineTest, WhatIsNoTaskOfTheJobOrHoldsAnotherRoomIsNotAdopted) {
  ConnectWith("n2", {RunningThere(job_, 7, 1, 1000), RunningThere(job_, 1, 1, 3000)});
  const auto no_task = Only(StrayAction::kAdopt, {TaskRef(job_, 7)});
  EXPECT_EQ(no_task.reason, Reason::kAttemptDiffers);
  EXPECT_THAT(no_task.message, HasSubstr("has no such task here"));
  const auto other_room = Only(StrayAction::kAdopt, {TaskRef(job_, 1)});
  EXPECT_EQ(other_room.reason, Reason::kAttemptDiffers);
  EXPECT_THAT(other_room.message, HasSubstr("does not hold what task 10000000001.1 asks for"));
}

TEST_F(QuarantineTest, ANodeThatIsAwayIsAdoptedFromWhenItIsBack) {
  loop_.Ask(state::CloseSession{stream_});
  const auto result = Only(StrayAction::kAdopt, {{.job = job_}});
  EXPECT_EQ(result.reason, Reason::kNodeNotReady);
  EXPECT_THAT(result.message, HasSubstr("its node is not connected"));
  ConnectWith("n1", {known_, unknown_});
  EXPECT_EQ(Only(StrayAction::kAdopt, {{.job = job_}}).reason, Reason::kNone);
}

}  // namespace
}  // namespace berth::scheduler
