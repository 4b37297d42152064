// Plans say what a submission would do, and do nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PlanTest : public ::testing::Test {
 protected:
  uint64_t ConnectIn(const std::string& node, const std::string& zone, int32_t cpu_milli = 4000) {
    state::OpenSession hello = TurnHarness::Hello(node, harness_.next_stream++, cpu_milli);
    hello.node.labels = {{"zone", zone}};
    EXPECT_TRUE(harness_.Ask(hello).status.ok());
    return hello.stream;
  }
  PlanReply Plan(const TurnHarness::Job& job) {
    return harness_.Get<PlanReply>(state::PlanJob{.spec = TurnHarness::SpecOf(job), .top = 3});
  }
  static std::vector<std::string> NodesOf(const PlanReply& plan) {
    std::vector<std::string> nodes;
    for (const PlanReply::Task& task : plan.tasks) nodes.push_back(task.node);
    return nodes;
  }
  static state::TermSpec Rule(TermKind kind, const std::string& app) {
    state::TermSpec term;
    term.kind = kind;
    term.topology_key = "zone";
    if (app.empty()) return term;
    term.selector = {{.op = SelectorOp::kIn, .key = "app", .values = {app}}};
    term.namespaces = {"default"};
    return term;
  }

  TurnHarness harness_;
};

TEST_F(PlanTest, SaysWhereASubmissionWouldGo) {
  for (const char* node : {"a", "b", "c"}) ConnectIn(node, node);
  TurnHarness::Job job;
  job.tasks = 5;
  job.cpu_milli = 1500;
  const PlanReply plan = Plan(job);
  EXPECT_EQ(plan.text, "all 5 tasks would be placed now");
  EXPECT_EQ(plan.tasks_placed, 5);
  ASSERT_THAT(plan.tasks, SizeIs(5));
  EXPECT_EQ(plan.tasks[0].explanation.nodes_feasible, 3) << "the first is explained whole";
  EXPECT_THAT(plan.tasks[0].explanation.scores, SizeIs(3));
  const JobId submitted = harness_.SubmitOk(job);
  for (int i = 0; i < 5; ++i) {
    const state::TaskStatusView task = harness_.TaskOf(submitted, i);
    EXPECT_EQ(plan.tasks[static_cast<size_t>(i)].node, task.row.attempt.node) << i;
    EXPECT_EQ(plan.tasks[static_cast<size_t>(i)].decision->scores, task.row.decision->scores);
  }
}

TEST_F(PlanTest, SaysWhyNotOnceForAllThatFollow) {
  ConnectIn("a", "a");
  TurnHarness::Job job;
  job.tasks = 7;
  const PlanReply plan = Plan(job);
  EXPECT_EQ(plan.text, "4 of 7 tasks would be placed now");
  EXPECT_THAT(NodesOf(plan), ElementsAre("a", "a", "a", "a", ""));
  EXPECT_EQ(plan.tasks.back().like_it, 3);
  EXPECT_THAT(plan.tasks.back().explanation.text, HasSubstr("insufficient cpu"));
  EXPECT_EQ(plan.tasks.back().explanation.placeability, pipeline::Placeability::kFitsLater);
}

// Everything that anybody can see of the state, and what it counts.
std::string Everything(TurnHarness& harness) {
  std::string text;
  const auto jobs = harness.Get<JobsReply>(state::ListJobs{});
  for (const state::JobView& job : jobs.jobs) {
    text += "job " + std::to_string(job.id.value) + " at " + std::to_string(job.epoch);
    for (const int64_t count : job.counts) text += " " + std::to_string(count);
    text += "\n";
  }
  const auto tasks = harness.Get<TasksReply>(state::ListTasks{});
  for (const state::TaskStatusView& task : tasks.tasks) {
    text += "task " + std::to_string(task.job.value) + " " +
            std::string(state::ToString(task.row.state)) + " " + task.row.attempt.node + " at " +
            std::to_string(task.row.epoch) + "\n";
  }
  const auto nodes = harness.Get<NodesReply>(state::ListNodes{});
  for (const state::NodeView& node : nodes.nodes) {
    text += "node " + node.spec->name + " at " + std::to_string(node.epoch) + ": " +
            std::to_string(node.tasks) + " tasks";
    for (const int32_t amount : node.allocated.builtin) text += " " + std::to_string(amount);
    text += "\n";
  }
  return text;
}

TEST_F(PlanTest, ChangesNothing) {
  for (const char* node : {"a", "b"}) ConnectIn(node, node);
  TurnHarness::Job db;
  db.labels = {{"app", "db"}};
  db.terms = {Rule(TermKind::kAntiAffinity, "db")};
  harness_.SubmitOk(db);
  harness_.SubmitOk(db);
  const JobId parked = harness_.SubmitOk(db);
  ASSERT_EQ(harness_.StateOf(parked), state::TaskState::kParked);
  harness_.Run();
  const std::string before = Everything(harness_);
  const size_t batches = harness_.batches.size();
  harness_.effects.clear();

  // One with rules of its own about those that run, one about itself, one that fits nowhere, and
  // one that is refused.
  TurnHarness::Job about = db;
  about.tasks = 3;
  about.terms.push_back(Rule(TermKind::kSpread, ""));
  about.terms.push_back(Rule(TermKind::kAffinity, "db"));
  EXPECT_EQ(Plan(about).tasks_placed, 0);
  TurnHarness::Job own;
  own.tasks = 2;
  own.terms = {Rule(TermKind::kAntiAffinity, "")};
  EXPECT_THAT(NodesOf(Plan(own)), ::testing::UnorderedElementsAre("a", "b"));
  own.cpu_milli = 900'000;
  EXPECT_EQ(Plan(own).tasks[0].explanation.placeability, pipeline::Placeability::kNeverFits);
  auto refused = TurnHarness::SpecOf(own);
  auto spec = std::make_shared<state::JobSpec>(*refused);
  spec->queue = "nowhere";
  const Reply reply = harness_.Ask(state::PlanJob{.spec = std::move(spec), .top = 3});
  EXPECT_EQ(reply.reason, Reason::kUnknownQueue);

  EXPECT_EQ(Everything(harness_), before);
  EXPECT_EQ(harness_.batches.size(), batches) << "a turn had something to keep";
  EXPECT_THAT(harness_.effects, IsEmpty());
  // What runs ends, and what was parked goes where it would have gone without the plans.
  harness_.ReportExit(1, {.job = JobId{1}, .group = 0, .index = 0, .attempt = 1}, 0);
  harness_.Run();
  EXPECT_EQ(harness_.StateOf(parked), state::TaskState::kBound);
}

TEST_F(PlanTest, KnowsTheRulesOfThoseThatRun) {
  ConnectIn("a", "a");
  ConnectIn("b", "b");
  TurnHarness::Job noisy;
  noisy.labels = {{"app", "noisy"}};
  noisy.terms = {Rule(TermKind::kAntiAffinity, "quiet")};
  const JobId runs = harness_.SubmitOk(noisy);
  const std::string taken = harness_.TaskOf(runs).row.attempt.node;
  TurnHarness::Job quiet;
  quiet.tasks = 2;
  quiet.labels = {{"app", "quiet"}};
  const PlanReply plan = Plan(quiet);
  EXPECT_EQ(plan.tasks_placed, 2);
  for (const PlanReply::Task& task : plan.tasks) EXPECT_NE(task.node, taken);
  // And what a rule of its own says of them, which nobody had before.
  TurnHarness::Job follows;
  follows.terms = {Rule(TermKind::kAffinity, "noisy")};
  EXPECT_THAT(NodesOf(Plan(follows)), ElementsAre(taken));
}

TEST_F(PlanTest, TellsOfNoMoreThanAnAnswerHolds) {
  ConnectIn("a", "a", 1'000'000);
  TurnHarness::Job job;
  job.tasks = 20'000;
  job.cpu_milli = 1;
  job.memory_mib = 0;
  const PlanReply plan = Plan(job);
  EXPECT_EQ(plan.tasks_total, 20'000);
  EXPECT_EQ(plan.tasks_planned, 10'000);
  EXPECT_EQ(plan.tasks_placed, 10'000);
  EXPECT_THAT(plan.tasks, SizeIs(1000));
  EXPECT_EQ(plan.text, "10000 of the first 10000 tasks would be placed now; the job has 20000");
}

}  // namespace
}  // namespace berth::scheduler
