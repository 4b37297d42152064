#include "api/watch_queue.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/support/turn_harness.h"

namespace berth::api {
namespace {

using state::Change;

std::shared_ptr<const state::JobSpec> Spec(const std::string& ns) {
  auto spec = std::make_shared<state::JobSpec>();
  spec->ns = ns;
  spec->name = "j";
  spec->groups.resize(1);
  spec->groups[0].ranges = {{0, 99, 1}};
  return spec;
}

Change Job(uint64_t id, uint64_t epoch, const std::string& ns = "default") {
  state::JobView job;
  job.id = JobId{id};
  job.spec = Spec(ns);
  job.epoch = epoch;
  return state::JobChange{.job = job};
}

Change Task(uint64_t id, uint32_t position, uint64_t epoch, const std::string& ns = "default") {
  state::TaskStatusView task;
  task.job = JobId{id};
  task.spec = Spec(ns);
  task.position = position;
  task.row.epoch = epoch;
  return state::TaskChange{.task = task};
}

Change Node(const std::string& name, uint64_t epoch) {
  auto spec = std::make_shared<state::NodeSpec>();
  spec->name = name;
  state::NodeView node;
  node.spec = spec;
  node.epoch = epoch;
  return state::NodeChange{.node = node};
}

// As a catch-up has it: nothing is left of the job but its namespace.
Change Gone(uint64_t id, const std::string& ns = "default") {
  return state::JobRemoval{.job = JobId{id}, .spec = nullptr, .ns = ns};
}

std::shared_ptr<const state::ChangeBatch> Batch(uint64_t epoch, std::vector<Change> changes) {
  auto batch = std::make_shared<state::ChangeBatch>();
  batch->epoch = epoch;
  batch->changes = std::move(changes);
  return batch;
}

WatchFilter All() {
  WatchFilter filter;
  filter.principal.all_namespaces = true;
  filter.jobs = filter.tasks = filter.nodes = true;
  return filter;
}

// "job 1 @5", "task 1.3 @6", "node n @7", "-job 1 @8", in the order in which they were sent.
std::vector<std::string> Sent(const v1::WatchResponse& response) {
  std::vector<std::string> out;
  for (const v1::WatchEvent& event : response.events()) {
    std::string text;
    if (event.has_job()) text = "job " + event.job().id();
    if (event.has_task()) text = "task " + event.task().id();
    if (event.has_node()) text = "node " + event.node().name();
    if (event.has_deleted()) {
      text = (event.deleted().kind() == v1::OBJECT_KIND_NODE ? "-node " : "-job ") +
             event.deleted().id();
    }
    out.push_back(text + " @" + std::to_string(event.epoch()));
  }
  return out;
}

std::vector<std::string> TakeAll(WatchQueue& queue) {
  v1::WatchResponse response;
  queue.Take(1 << 30, response);
  return Sent(response);
}

using Events = std::vector<std::string>;

TEST(WatchQueueTest, ChangesComeInOrderOfEpoch) {
  WatchQueue queue(All(), 0);
  queue.AddCatchUp({}, 4);
  queue.AddBatch(Batch(5, {Job(1, 5), Task(1, 0, 5)}));
  queue.AddBatch(Batch(6, {Node("n", 6)}));
  EXPECT_EQ(TakeAll(queue), (Events{"job 1 @5", "task 1.0 @5", "node n @6"}));
  EXPECT_EQ(queue.taken_epoch(), 6u);
}

TEST(WatchQueueTest, OfOneObjectOnlyTheLatestIsKept) {
  WatchQueue queue(All(), 0);
  for (uint64_t epoch = 1; epoch <= 1000; ++epoch) {
    queue.AddBatch(Batch(epoch, {Job(1, epoch), Task(1, epoch % 2, epoch)}));
  }
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(TakeAll(queue), (Events{"task 1.1 @999", "job 1 @1000", "task 1.0 @1000"}));
}

TEST(WatchQueueTest, ACatchUpIsSentByEpochWithRemovalsLast) {
  WatchQueue queue(All(), 2);
  queue.AddCatchUp({Job(2, 9), Job(1, 3), Gone(7), Task(1, 4, 5)}, 10);
  EXPECT_EQ(TakeAll(queue), (Events{"job 1 @3", "task 1.4 @5", "job 2 @9", "-job 7 @10"}));
}

TEST(WatchQueueTest, ABatchThatTheCatchUpShowedIsLeftOut) {
  WatchQueue queue(All(), 0);
  queue.AddCatchUp({Job(1, 8)}, 10);
  queue.AddBatch(Batch(10, {Job(1, 10)}));
  EXPECT_EQ(TakeAll(queue), Events{"job 1 @8"});
  queue.AddBatch(Batch(11, {Job(1, 11)}));
  EXPECT_EQ(TakeAll(queue), Events{"job 1 @11"});
}

TEST(WatchQueueTest, ACatchUpWithoutChangesMovesTheReaderOn) {
  WatchQueue queue(All(), 3);
  EXPECT_EQ(queue.taken_epoch(), 3u);
  queue.AddCatchUp({}, 10);
  EXPECT_EQ(queue.taken_epoch(), 10u);
}

TEST(WatchQueueTest, TheEpochOfAPartSaysWhatTheReaderHasWhole) {
  WatchQueue queue(All(), 0);
  queue.AddBatch(Batch(5, {Job(1, 5), Job(2, 5)}));
  queue.AddBatch(Batch(6, {Job(3, 6)}));
  v1::WatchResponse first;
  queue.Take(1, first);  // one entry
  EXPECT_EQ(Sent(first), Events{"job 1 @5"});
  EXPECT_EQ(first.epoch(), 4u);  // epoch 5 is not through
  v1::WatchResponse second;
  queue.Take(1, second);
  EXPECT_EQ(second.epoch(), 5u);
  v1::WatchResponse third;
  queue.Take(1, third);
  EXPECT_EQ(third.epoch(), 6u);
  EXPECT_TRUE(queue.empty());
}

// However it is cut, the reader who goes on from any epoch that was named misses nothing.
TEST(WatchQueueTest, EpochsNeverGoBackAndCoverWhatWasSent) {
  WatchQueue queue(All(), 0);
  uint64_t named = 0;
  uint64_t epoch = 0;
  for (int round = 0; round < 500; ++round) {
    ++epoch;
    queue.AddBatch(Batch(epoch, {Job(epoch % 7 + 1, epoch), Task(1, epoch % 5, epoch)}));
    if (round % 3 != 0 || queue.empty()) continue;
    v1::WatchResponse response;
    queue.Take(1, response);
    ASSERT_GE(response.epoch(), named);
    for (const v1::WatchEvent& event : response.events()) ASSERT_GT(event.epoch(), named);
    named = response.epoch();
  }
}

TEST(WatchQueueTest, AJobsRemovalTakesTheJobsPlace) {
  WatchQueue queue(All(), 0);
  queue.AddBatch(Batch(5, {Job(1, 5)}));
  queue.AddBatch(Batch(6, {Gone(1)}));
  queue.AddBatch(Batch(7, {state::NodeRemoval{0, "n"}}));
  EXPECT_EQ(TakeAll(queue), (Events{"-job 1 @6", "-node n @7"}));
}

TEST(WatchQueueTest, OthersNamespacesAreNotShown) {
  WatchFilter filter = All();
  filter.principal.all_namespaces = false;
  filter.principal.namespaces = {"ada", "default"};
  WatchQueue queue(filter, 0);
  queue.AddBatch(
      Batch(5, {Job(1, 5, "ada"), Job(2, 5, "bob"), Task(2, 0, 5, "bob"), Gone(3, "bob")}));
  EXPECT_EQ(TakeAll(queue), Events{"job 1 @5"});
}

TEST(WatchQueueTest, OnlyWhatWasAskedForIsShown) {
  WatchFilter filter = All();
  filter.jobs = false;
  filter.nodes = false;
  filter.ns = "ada";
  WatchQueue queue(filter, 0);
  queue.AddBatch(Batch(5, {Job(1, 5, "ada"), Task(1, 0, 5, "ada"), Task(2, 0, 5), Node("n", 5)}));
  EXPECT_EQ(TakeAll(queue), Events{"task 1.0 @5"});
}

TEST(WatchQueueTest, WhoWatchesTasksHearsThatTheirJobIsGone) {
  WatchFilter filter = All();
  filter.jobs = false;
  WatchQueue queue(filter, 0);
  queue.AddBatch(Batch(5, {Gone(1)}));
  EXPECT_EQ(TakeAll(queue), Events{"-job 1 @5"});
}

TEST(WatchQueueTest, OneJobsWatchShowsItAndItsTasksAlone) {
  WatchFilter filter = All();
  filter.job = JobId{1};
  WatchQueue queue(filter, 0);
  queue.AddBatch(Batch(5, {Job(1, 5), Job(2, 5), Task(1, 0, 5), Task(2, 0, 5), Node("n", 5)}));
  EXPECT_EQ(TakeAll(queue), (Events{"job 1 @5", "task 1.0 @5"}));
}

TEST(WatchQueueTest, WhatIsNotForWatchersIsLeftOut) {
  WatchQueue queue(All(), 0);
  queue.AddBatch(Batch(5, {state::AuditChange{}, state::MetaChange{}, state::BlobRemoval{"h"}}));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.epoch(), 5u);
}

// From the loop's own catch-up, since what it leaves out of a removal is what broke here before.
TEST(WatchQueueTest, ACatchUpOverARemovedJobTellsWhoMayKnow) {
  scheduler::TurnHarness loop(scheduler::TurnOptions{.finished_jobs_age_ms = 10'000});
  loop.Run();
  const uint64_t before = loop.turn().state().meta().epoch;
  const JobId job = loop.SubmitOk({.ns = "ada"});
  loop.Ask(state::Cancel{.objects = {{.job = job}}});
  loop.now_ms += 20'000;
  loop.Run();
  ASSERT_EQ(loop.turn().state().FindJob(job), nullptr);

  const auto told = [&](bool jobs, bool tasks, const state::Principal& who) {
    scheduler::Reply reply = loop.Ask(
        state::CatchUp{.from_epoch = before, .jobs = jobs, .tasks = tasks, .nodes = true}, who);
    EXPECT_TRUE(reply.status.ok()) << reply.status;
    WatchQueue queue({.principal = who, .jobs = jobs, .tasks = tasks, .nodes = true}, before);
    queue.AddCatchUp(std::get<scheduler::CatchUpReply>(reply.body).changes, reply.epoch);
    Events events;
    for (const std::string& event : TakeAll(queue)) events.push_back(event.substr(0, 6));
    return events;
  };
  EXPECT_EQ(told(true, true, scheduler::Operator()), Events{"-job 1"});
  EXPECT_EQ(told(false, true, scheduler::Operator()), Events{"-job 1"});
  EXPECT_EQ(told(true, false, scheduler::User("ada", {"ada"})), Events{"-job 1"});
  EXPECT_EQ(told(true, true, scheduler::User("bob", {"bob"})), Events{});
}

}  // namespace
}  // namespace berth::api
