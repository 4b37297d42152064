#include "scheduler/turn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::TaskState;
using ::testing::HasSubstr;

TEST(TurnTest, TakesATaskFromSubmissionToItsEnd) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({});
  auto starts = loop.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].sequence, 1u);
  EXPECT_EQ(starts[0].attempt.attempt, 1u);
  EXPECT_EQ(loop.StateOf(job), TaskState::kBound);

  loop.ReportAccepted(stream, starts[0].attempt);
  EXPECT_EQ(loop.StateOf(job), TaskState::kStarting);
  loop.ReportStarted(stream, starts[0].attempt);
  EXPECT_EQ(loop.StateOf(job), TaskState::kRunning);
  EXPECT_EQ(loop.turn().state().nodes().allocated(kCpu)[0], 1000);

  loop.ReportExit(stream, starts[0].attempt, 0);
  EXPECT_EQ(loop.StateOf(job), TaskState::kSucceeded);
  EXPECT_EQ(loop.turn().state().nodes().allocated(kCpu)[0], 0);
  EXPECT_EQ(loop.TakeDirectives<state::ForgetAttempt>(stream).size(), 1u);
  EXPECT_NE(loop.JobOf(job).ended_at_ms, 0);
}

TEST(TurnTest, BindingCarriesItsRecord) {
  TurnHarness loop;
  loop.Connect("n1");
  loop.Connect("n2", 2000);
  const auto task = loop.TaskOf(loop.SubmitOk({}));
  ASSERT_NE(task.row.decision, nullptr);
  EXPECT_EQ(task.row.attempt.node, "n1");  // the emptier one: CPU work is spread
  EXPECT_EQ(task.row.decision->runner_up, "n2");
  EXPECT_GE(task.row.decision->total, task.row.decision->runner_up_total);
  EXPECT_EQ(task.row.decision->scores.size(), task.row.decision->sheet->plugins.size());
  int64_t total = 0;
  for (size_t i = 0; i < task.row.decision->scores.size(); ++i) {
    total += int64_t{task.row.decision->scores[i]} * task.row.decision->sheet->weights[i];
  }
  EXPECT_EQ(total, task.row.decision->total);
  EXPECT_EQ(task.row.decision->epoch, task.row.epoch);
}

TEST(TurnTest, NothingIsSentBeforeItsChangeIsInTheSameOutput) {
  TurnHarness loop;
  loop.Connect("n1");
  const size_t before = loop.batches.size();
  loop.effects.clear();
  loop.SubmitOk({});
  // The directive and the batch that makes it durable come out of one turn, together.
  ASSERT_EQ(loop.batches.size(), before + 1);
  bool bound = false;
  for (const auto& change : loop.batches.back()->changes) {
    const auto* task = std::get_if<state::TaskChange>(&change);
    bound = bound || (task != nullptr && task->task.row.state == TaskState::kBound);
  }
  EXPECT_TRUE(bound);
}

TEST(TurnTest, AnArrayStaysImplicitUntilItsTasksArePlaced) {
  TurnHarness loop;
  loop.Connect("n1", 3000);
  const JobId job = loop.SubmitOk({.tasks = 1'000'000});
  EXPECT_EQ(loop.turn().state().FindJob(job)->groups[0].rows.size(), 3u);
  EXPECT_EQ(loop.StateOf(job, 2), TaskState::kBound);
  EXPECT_EQ(loop.StateOf(job, 3), TaskState::kParked);
  EXPECT_EQ(loop.StateOf(job, 999'999), TaskState::kParked);
}

TEST(TurnTest, ParkedTasksWakeWhenATaskEnds) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1", 1000);
  const JobId first = loop.SubmitOk({});
  const JobId second = loop.SubmitOk({});
  EXPECT_EQ(loop.StateOf(second), TaskState::kParked);
  const auto starts = loop.TakeDirectives<state::StartTask>(stream);
  loop.ReportExit(stream, starts.at(0).attempt, 0);
  EXPECT_EQ(loop.StateOf(first), TaskState::kSucceeded);
  EXPECT_EQ(loop.StateOf(second), TaskState::kBound);
}

TEST(TurnTest, ParkedTasksWakeWhenANodeComes) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({});
  EXPECT_EQ(loop.StateOf(job), TaskState::kParked);
  loop.Connect("n1");
  EXPECT_EQ(loop.StateOf(job), TaskState::kBound);
}

TEST(TurnTest, HigherPriorityGoesFirst) {
  TurnHarness loop;
  const JobId low = loop.SubmitOk({.cpu_milli = 1000});
  const JobId high = loop.SubmitOk({.cpu_milli = 1000, .priority = 5});
  loop.Connect("n1", 1000);
  EXPECT_EQ(loop.StateOf(high), TaskState::kBound);
  EXPECT_EQ(loop.StateOf(low), TaskState::kParked);
}

TEST(TurnTest, StopsSchedulingWhenTheBudgetIsSpentAndSaysSo) {
  TurnHarness loop;
  loop.Connect("n1", 100'000, 1 << 20);
  loop.work_units = 1;
  const JobId job = loop.SubmitOk({.tasks = 3});
  const auto& rows = loop.turn().state().FindJob(job)->groups[0].rows;
  EXPECT_EQ(rows.size(), 1u);
  EXPECT_TRUE(loop.Run().more_work);
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_FALSE(loop.Run().more_work);
  EXPECT_EQ(rows.size(), 3u);
}

TEST(TurnTest, WhatCommandsLookAtCountsAsWork) {
  TurnHarness loop;
  loop.Connect("n1");
  const JobId job = loop.SubmitOk({});
  EXPECT_EQ(loop.Run().work_units, 0);
  const auto explain = [&] {
    state::Command command;
    command.principal = Operator();
    command.body = state::Explain{{.job = job}, 5};
    return loop.Run({command}).command_work_units;
  };
  const int64_t of_one_node = explain();
  EXPECT_GT(of_one_node, 0);
  for (int i = 2; i <= 500; ++i) loop.Connect("n" + std::to_string(i));
  EXPECT_GT(explain(), of_one_node);
}

TEST(TurnTest, AFailedTaskIsRetriedAfterABackOffWithANewAttempt) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.retries = 1});
  loop.ReportExit(stream, loop.TakeDirectives<state::StartTask>(stream).at(0).attempt, 3);
  EXPECT_EQ(loop.StateOf(job), TaskState::kQueued);
  const auto output = loop.Run();
  ASSERT_TRUE(output.next_deadline_ms.has_value());
  EXPECT_EQ(*output.next_deadline_ms, loop.now_ms + 1000);

  loop.now_ms += 1000;
  loop.Run();
  const auto starts = loop.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].attempt.attempt, 2u);
  loop.ReportExit(stream, starts[0].attempt, 3);
  const auto task = loop.TaskOf(job);
  EXPECT_EQ(task.row.state, TaskState::kFailed);
  ASSERT_EQ(task.row.past.size(), 1u);
  EXPECT_EQ(task.row.past[0].exit_code, 3);
  EXPECT_EQ(loop.JobOf(job).exit_code, 3);
}

TEST(TurnTest, CancellingAQueuedTaskEndsItAtOnce) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({.tasks = 1000});
  const auto reply = loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  EXPECT_EQ(reply.results.at(0).tasks, 1000);
  EXPECT_EQ(loop.StateOf(job, 999), TaskState::kCancelled);
  EXPECT_NE(loop.JobOf(job).ended_at_ms, 0);
  loop.Connect("n1");
  EXPECT_EQ(loop.StateOf(job, 0), TaskState::kCancelled);
}

TEST(TurnTest, CancellingARunningTaskHoldsItsResourcesUntilItIsGone) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1", 1000);
  const JobId job = loop.SubmitOk({});
  const auto attempt = loop.TakeDirectives<state::StartTask>(stream).at(0).attempt;
  loop.ReportStarted(stream, attempt);
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  EXPECT_EQ(loop.StateOf(job), TaskState::kStopping);
  const auto stops = loop.TakeDirectives<state::StopTask>(stream);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].sequence, 2u);

  const JobId next = loop.SubmitOk({});
  EXPECT_EQ(loop.StateOf(next), TaskState::kParked);
  state::AttemptFinish finish;
  finish.end = state::AttemptEnd::kCancelled;
  finish.signal = 15;
  loop.Report(stream, attempt, std::nullopt, finish);
  EXPECT_EQ(loop.StateOf(job), TaskState::kCancelled);
  EXPECT_EQ(loop.StateOf(next), TaskState::kBound);
}

TEST(TurnTest, CancellingOneTaskOfAnArrayLeavesTheOthers) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({.tasks = 5});
  state::ObjectRef third{.job = job, .has_task = true, .group = "", .index = 3};
  EXPECT_EQ(loop.Get<CancelReply>(state::Cancel{.objects = {third}}).results.at(0).tasks, 1);
  loop.Connect("n1", 100'000, 1 << 20);
  EXPECT_EQ(loop.StateOf(job, 3), TaskState::kCancelled);
  for (const int64_t index : {0, 1, 2, 4}) EXPECT_EQ(loop.StateOf(job, index), TaskState::kBound);
}

TEST(TurnTest, CancellingTheLastTaskOfALargeArrayCostsOneRecord) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({.tasks = 1'000'000});
  state::ObjectRef last{.job = job, .has_task = true, .group = "", .index = 999'999};
  EXPECT_EQ(loop.Get<CancelReply>(state::Cancel{.objects = {last}}).results.at(0).tasks, 1);
  int64_t records = 0;
  for (const state::Change& change : loop.batches.back()->changes) {
    records += std::holds_alternative<state::TaskChange>(change) ? 1 : 0;
  }
  EXPECT_EQ(records, 1);
  EXPECT_EQ(loop.StateOf(job, 999'999), TaskState::kCancelled);
  EXPECT_EQ(loop.StateOf(job, 999'998), TaskState::kParked);
  EXPECT_EQ(loop.JobOf(job).counts[static_cast<size_t>(TaskState::kCancelled)], 1);

  // With all of it cancelled, one of its tasks has ended without a record of its own.
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  last.index = 5;
  EXPECT_EQ(loop.Get<CancelReply>(state::Cancel{.objects = {last}}).results.at(0).reason,
            Reason::kAlreadyEnded);
  EXPECT_EQ(loop.turn().state().FindJob(job)->groups[0].rows.size(), 1u);
}

TEST(TurnTest, CancellingWhatHasEndedIsNoError) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({});
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  const auto again = loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}, {JobId{99}}}});
  EXPECT_EQ(again.results.at(0).reason, Reason::kAlreadyEnded);
  EXPECT_EQ(again.results.at(1).reason, Reason::kNotFound);
}

TEST(TurnTest, ARepeatedRequestGetsTheFirstAnswer) {
  TurnHarness loop;
  const Reply answer = loop.Submit({.tasks = 3, .request_id = "r1"});
  const JobId first = std::get<SubmitReply>(answer.body).job;
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = first}}});
  const Reply again = loop.Submit({.tasks = 3, .request_id = "r1"});
  EXPECT_EQ(std::get<SubmitReply>(again.body).job, first);
  EXPECT_EQ(std::get<SubmitReply>(again.body).tasks, 3);
  EXPECT_EQ(again.epoch, answer.epoch);  // a watch from there misses nothing of the job
  EXPECT_EQ(loop.turn().state().jobs().size(), 1u);
  const Reply other = loop.Submit({.request_id = "r1", .body_hash = "other"});
  EXPECT_EQ(other.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(other.reason, Reason::kRequestIdReused);
  // Another principal's ids are its own.
  const Reply elsewhere = loop.Submit({.request_id = "r1"}, User("uid:7", {"default"}));
  EXPECT_NE(std::get<SubmitReply>(elsewhere.body).job, first);
}

TEST(TurnTest, ABatchGoesOnWhereItStopped) {
  TurnHarness loop;
  const auto item = [&](int64_t offset) {
    state::SubmitJob submit;
    auto spec = std::make_shared<state::JobSpec>();
    spec->ns = "default";
    spec->queue = "default";
    spec->profile = "default";
    spec->groups.resize(1);
    spec->groups[0].ranges = {{0, 0, 1}};
    submit.spec = spec;
    submit.blob = std::make_shared<const std::string>("c");
    submit.batch_id = "b";
    submit.batch_offset = offset;
    return loop.Ask(submit);
  };
  EXPECT_TRUE(item(0).status.ok());
  EXPECT_EQ(item(0).status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(item(2).status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(item(1).status.ok());
  loop.Get<BatchReply>(state::NoteBatchRefusal{"b", 2});
  EXPECT_EQ(loop.Get<BatchReply>(state::GetBatch{"b"}).next_offset, 3);
  EXPECT_EQ(loop.turn().state().jobs().size(), 2u);
}

TEST(TurnTest, NamespacesHideWhatIsNotOnesOwn) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({.ns = "secret"});
  const state::Principal user = User("uid:7", {"default"});
  EXPECT_EQ(loop.Ask(state::GetJob{job}, user).reason, Reason::kNotFound);
  EXPECT_EQ(loop.Ask(state::GetTask{{.job = job}}, user).reason, Reason::kNotFound);
  EXPECT_EQ(loop.Ask(state::Explain{.object = {.job = job}}, user).reason, Reason::kNotFound);
  EXPECT_EQ(loop.Ask(state::LocateOutput{{.job = job}}, user).reason, Reason::kNotFound);
  EXPECT_EQ(loop.Ask(state::ListTasks{.job = job}, user).reason, Reason::kNotFound);
  EXPECT_TRUE(loop.Get<JobsReply>(state::ListJobs{}, user).jobs.empty());
  EXPECT_TRUE(loop.Get<TasksReply>(state::ListTasks{}, user).tasks.empty());
  const auto changes = loop.Get<CatchUpReply>(
      state::CatchUp{.from_epoch = 0, .jobs = true, .tasks = true, .nodes = true}, user);
  EXPECT_TRUE(changes.changes.empty());
  const auto cancel = loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}}, user);
  EXPECT_EQ(cancel.results.at(0).reason, Reason::kNotFound);
  EXPECT_EQ(loop.Submit({.ns = "secret"}, user).reason, Reason::kNotAllowed);
}

TEST(TurnTest, OnlyWhoMayCancelATaskActsOnItAndOnlyWhileItRuns) {
  TurnHarness loop;
  const state::Principal owner = User("uid:7", {"default"});
  const state::Principal other = User("uid:8", {"default"});
  const JobId job = std::get<SubmitReply>(loop.Submit({}, owner).body).job;
  const state::LocateOutput read{.object = {.job = job}};
  const state::LocateOutput act{.object = {.job = job}, .act = "exec", .must_run = true};
  // Its output anybody may read who sees it, when there is some.
  EXPECT_EQ(loop.Ask(read, other).reason, Reason::kOutputUnavailable);
  EXPECT_EQ(loop.Ask(act, other).reason, Reason::kNotAllowed);
  const Reply waiting = loop.Ask(act, owner);
  EXPECT_EQ(waiting.reason, Reason::kTaskNotRunning);
  EXPECT_NE(std::string(waiting.status.message()).find("queued"), std::string::npos)
      << waiting.status;
}

TEST(TurnTest, OnlyTheOwnerOrAnOperatorCancels) {
  TurnHarness loop;
  const JobId job = loop.SubmitOk({});
  const auto cancel =
      loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}}, User("uid:7", {"default"}));
  EXPECT_EQ(cancel.results.at(0).reason, Reason::kNotAllowed);
  EXPECT_NE(loop.StateOf(job), TaskState::kCancelled);
}

TEST(TurnTest, EveryMutationHasItsAuditRecordInItsOwnBatch) {
  TurnHarness loop;
  const auto audited = [&](const std::string& action) {
    for (const auto& change : loop.batches.back()->changes) {
      const auto* audit = std::get_if<state::AuditChange>(&change);
      if (audit != nullptr && audit->audit.action == action) return audit->audit.outcome;
    }
    return std::string("none");
  };
  const JobId job = loop.SubmitOk({});
  EXPECT_EQ(audited("submit_job"), "ok");
  loop.Connect("n1");
  EXPECT_EQ(audited("register_node"), "ok");
  loop.Get<NodeReply>(state::SetCordon{"n1", true});
  EXPECT_EQ(audited("cordon"), "ok");
  loop.Ask(state::SetCordon{"n1", false}, User("uid:7", {"default"}));
  EXPECT_EQ(audited("uncordon"), "refused");
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  EXPECT_EQ(audited("cancel"), "ok");
}

TEST(TurnTest, SaysAtSubmissionWhatCanNeverFit) {
  TurnHarness loop;
  loop.Connect("n1", 4000, 12 * 1024);
  loop.Connect("n2", 4000, 8 * 1024);
  const Reply reply = loop.Submit({.memory_mib = 500 * 1024});
  const auto& submitted = std::get<SubmitReply>(reply.body);
  EXPECT_EQ(submitted.placeability, pipeline::Placeability::kNeverFits);
  ASSERT_EQ(submitted.warnings.size(), 1u);
  EXPECT_THAT(submitted.warnings[0], HasSubstr("cannot ever fit: 2 nodes, largest 12Gi"));
  EXPECT_THAT(submitted.warnings[0], HasSubstr("--memory 12Gi"));
}

TEST(TurnTest, ExplainsAPendingTaskAndItsPlaceInTheQueue) {
  TurnHarness loop;
  loop.Connect("n1", 1000);
  loop.SubmitOk({});
  loop.SubmitOk({.tasks = 4});
  const JobId last = loop.SubmitOk({});
  const auto reply = loop.Get<ExplainReply>(state::Explain{.object = {.job = last}});
  EXPECT_EQ(reply.explanation.placeability, pipeline::Placeability::kFitsLater);
  EXPECT_THAT(reply.explanation.text, HasSubstr("0/1 nodes fit"));
  EXPECT_THAT(reply.explanation.text, HasSubstr("insufficient cpu"));
  EXPECT_EQ(reply.queue_position, 4);
}

TEST(TurnTest, ExplainsAPlacedTaskWithItsOwnNodeAmongTheScores) {
  TurnHarness loop;
  loop.Connect("n1", 1000);
  const JobId job = loop.SubmitOk({});
  const auto reply = loop.Get<ExplainReply>(state::Explain{.object = {.job = job}});
  EXPECT_EQ(reply.explanation.placeability, pipeline::Placeability::kPlaced);
  ASSERT_FALSE(reply.explanation.scores.empty());
  EXPECT_EQ(reply.explanation.scores[0].node, "n1");
  EXPECT_NE(reply.task.row.decision, nullptr);
}

TEST(TurnTest, AnEndedTaskKeepsTheDecisionThatPlacedIt) {
  TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  loop.Connect("n2");
  const JobId job = loop.SubmitOk({.retries = 1});
  const auto explain = [&] {
    return loop.Get<ExplainReply>(state::Explain{.object = {.job = job}}).task.row.decision;
  };
  const auto placed = explain();
  ASSERT_NE(placed, nullptr);
  auto start = loop.TakeDirectives<state::StartTask>(stream).at(0);
  loop.ReportExit(stream, start.attempt, 1);
  EXPECT_EQ(loop.StateOf(job), TaskState::kQueued);
  EXPECT_EQ(explain(), nullptr);  // it waits for another
  loop.now_ms += 10'000;
  loop.Run();
  const auto again = explain();
  ASSERT_NE(again, nullptr);
  EXPECT_GT(again->epoch, placed->epoch);
  start = loop.TakeDirectives<state::StartTask>(stream).at(0);
  loop.ReportExit(stream, start.attempt, 0);
  EXPECT_EQ(loop.StateOf(job), TaskState::kSucceeded);
  EXPECT_EQ(explain(), again);
  // In its record too.
  bool recorded = false;
  for (const auto& batch : loop.batches) {
    for (const state::Change& change : batch->changes) {
      const auto* task = std::get_if<state::TaskChange>(&change);
      if (task != nullptr && task->task.row.state == TaskState::kSucceeded) {
        EXPECT_EQ(task->task.row.decision, again);
        recorded = true;
      }
    }
  }
  EXPECT_TRUE(recorded);
}

TEST(TurnTest, PagesThroughTasksOfSeveralJobs) {
  TurnHarness loop;
  loop.SubmitOk({.tasks = 3});
  loop.SubmitOk({.tasks = 2});
  std::vector<std::string> seen;
  state::ListTasks list{.page_size = 2};
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = loop.Get<TasksReply>(list);
    for (const auto& task : page.tasks) {
      seen.push_back(state::TaskIdText(task.job.value, *task.spec, task.group, task.position));
    }
    if (!page.more) break;
    list.after = page.after;
    list.first_epoch = page.first_epoch;
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"1.0", "1.1", "1.2", "2.0", "2.1"}));
}

TEST(TurnTest, PagesThroughJobsNewestFirst) {
  TurnHarness loop;
  for (int i = 0; i < 3; ++i) loop.SubmitOk({});
  auto page = loop.Get<JobsReply>(state::ListJobs{.page_size = 2, .newest_first = true});
  ASSERT_EQ(page.jobs.size(), 2u);
  EXPECT_EQ(page.jobs[0].id.value, 3u);
  EXPECT_TRUE(page.more);
  page = loop.Get<JobsReply>(
      state::ListJobs{.page_size = 2, .newest_first = true, .after = page.jobs[1].id});
  ASSERT_EQ(page.jobs.size(), 1u);
  EXPECT_EQ(page.jobs[0].id.value, 1u);
  EXPECT_FALSE(page.more);
}

TEST(TurnTest, AFilterThatMatchesLittleGivesShortPagesOfJobs) {
  TurnHarness loop;
  for (int i = 0; i < 50'000; ++i) loop.SubmitOk({.ns = "a"});
  const JobId last = loop.SubmitOk({.ns = "b"});
  state::ListJobs list{.ns = "b", .states = {state::JobState::kQueued}};
  auto page = loop.Get<JobsReply>(list);
  EXPECT_TRUE(page.jobs.empty());
  ASSERT_TRUE(page.more);
  list.after = page.after;
  page = loop.Get<JobsReply>(list);
  ASSERT_EQ(page.jobs.size(), 1u);
  EXPECT_EQ(page.jobs[0].id, last);
  EXPECT_FALSE(page.more);
  list.after = {};
  list.states = {state::JobState::kRunning};
  EXPECT_TRUE(loop.Get<JobsReply>(list).jobs.empty());
}

TEST(TurnTest, AWatchFromASubmissionsEpochSeesTheWholeJob) {
  TurnHarness loop;
  loop.Connect("n1");
  const Reply submitted = loop.Submit({});
  const auto changes = loop.Get<CatchUpReply>(
      state::CatchUp{.from_epoch = submitted.epoch, .jobs = true, .tasks = true});
  bool job = false;
  bool task = false;
  for (const auto& change : changes.changes) {
    job = job || std::holds_alternative<state::JobChange>(change);
    task = task || std::holds_alternative<state::TaskChange>(change);
  }
  EXPECT_TRUE(job);
  EXPECT_TRUE(task);
}

TEST(TurnTest, AWatchFromTooFarBackIsToldTheCurrentEpoch) {
  TurnOptions options;
  options.watch_history_epochs = 2;
  TurnHarness loop(options);
  for (int i = 0; i < 5; ++i) loop.SubmitOk({});
  const Reply reply = loop.Ask(state::CatchUp{.from_epoch = 1, .jobs = true});
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reply.reason, Reason::kEpochTooOld);
  EXPECT_EQ(reply.epoch, loop.turn().state().meta().epoch);
}

TEST(TurnTest, ForgetsFinishedJobsWhenTheirTimeIsUp) {
  TurnOptions options;
  options.finished_jobs_age_ms = 10'000;
  TurnHarness loop(options);
  const JobId job = loop.SubmitOk({});
  loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  const int64_t ended = loop.now_ms;
  loop.now_ms = ended + 9'999;
  EXPECT_EQ(*loop.Run().next_deadline_ms, ended + 10'000);
  EXPECT_NE(loop.turn().state().FindJob(job), nullptr);
  loop.now_ms = ended + 10'000;
  loop.Run();
  EXPECT_EQ(loop.turn().state().FindJob(job), nullptr);
}

TEST(TurnTest, ForgetsTheOldestFinishedJobsPastTheirNumber) {
  TurnOptions options;
  options.finished_jobs_count = 2;
  TurnHarness loop(options);
  for (int i = 0; i < 4; ++i) {
    ++loop.now_ms;
    const JobId job = loop.SubmitOk({});
    loop.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  }
  loop.Run();
  EXPECT_EQ(loop.turn().state().jobs().size(), 2u);
  EXPECT_EQ(loop.turn().state().jobs().begin()->first.value, 3u);
}

TEST(TurnTest, TimeNeverGoesBack) {
  TurnHarness loop;
  loop.SubmitOk({});
  const int64_t before = loop.turn().state().meta().now_ms;
  loop.now_ms = 5;
  loop.SubmitOk({});
  EXPECT_EQ(loop.turn().state().meta().now_ms, before);
}

TEST(TurnTest, ACordonedNodeGetsNothingNew) {
  TurnHarness loop;
  loop.Connect("n1");
  loop.Get<NodeReply>(state::SetCordon{"n1", true});
  const JobId job = loop.SubmitOk({});
  EXPECT_EQ(loop.StateOf(job), TaskState::kParked);
  loop.Get<NodeReply>(state::SetCordon{"n1", false});
  EXPECT_EQ(loop.StateOf(job), TaskState::kBound);
}

TEST(TurnTest, TheSameCommandsGiveTheSameChanges) {
  const auto play = [] {
    TurnHarness loop;
    std::vector<std::string> placed;
    std::vector<uint64_t> streams;
    for (int i = 0; i < 8; ++i) streams.push_back(loop.Connect("n" + std::to_string(i), 2000 + i));
    for (int i = 0; i < 20; ++i) {
      const JobId job = loop.SubmitOk({.cpu_milli = 300 + 10 * (i % 5)});
      placed.push_back(loop.TaskOf(job).row.attempt.node);
    }
    return placed;
  };
  EXPECT_EQ(play(), play());
}

}  // namespace
}  // namespace berth::scheduler
