// Rules of nearness, from submission to placement: what agents measured, and where data lies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

class NearRulesTest : public ::testing::Test {
 protected:
  // Four nodes in racks of their own; a is 50 us from b, 5 ms from c, and d is far from all.
  void SetUp() override {
    for (const char* node : {"a", "b", "c", "d"}) Connect(node, {});
  }
  void Connect(const std::string& node, std::vector<std::string> data) {
    state::OpenSession hello = TurnHarness::Hello(node, loop_.next_stream++);
    hello.node = Node(node, std::move(data));
    EXPECT_TRUE(loop_.Ask(hello).status.ok());
    streams_[node] = hello.stream;
  }
  static state::NodeSpec Node(const std::string& name, std::vector<std::string> data) {
    state::NodeSpec node = TurnHarness::Hello(name, 0).node;
    node.labels = {{"rack", name}};
    node.data = std::move(data);
    node.capacity.extended = {{"on-" + name, 1}};
    return node;
  }
  void Measure(const std::string& from, std::vector<std::pair<std::string, int64_t>> latencies) {
    loop_.Ask(state::AgentHeartbeat{
        .stream = streams_.at(from), .sequence = ++sequence_, .latencies = std::move(latencies)});
  }
  void MeasureAll() {
    Measure("a", {{"b", 50}, {"c", 5'000}, {"d", 20'000}});
    Measure("b", {{"c", 6'000}, {"d", 20'000}});
  }
  static TurnHarness::Job Near(TermKind kind, const std::string& what) {
    TurnHarness::Job job;
    job.terms = {{.kind = kind, .topology_key = "rack", .weight = 1}};
    if (kind == TermKind::kNearData) {
      job.terms[0].data = what;
    } else if (!what.empty()) {
      job.terms[0].selector = {{.op = SelectorOp::kIn, .key = "app", .values = {what}}};
      job.terms[0].namespaces = {"default"};
    }
    return job;
  }
  std::string NodeOf(JobId job, int64_t index = 0) {
    const state::TaskStatusView task = loop_.TaskOf(job, index);
    return state::HoldsResources(task.row.state) ? task.row.attempt.node : "";
  }
  JobId RunOn(const std::string& node, int32_t cpu_milli) {
    TurnHarness::Job job;
    job.labels = {{"app", "server"}};
    job.cpu_milli = cpu_milli;
    job.extended = {{"on-" + node, 1}};
    return loop_.SubmitOk(job);
  }

  TurnHarness loop_;
  std::map<std::string, uint64_t> streams_;
  uint64_t sequence_ = 0;
};

TEST_F(NearRulesTest, ATaskGoesNearItsPeersWhenTheirNodeIsFull) {
  MeasureAll();
  ASSERT_EQ(NodeOf(RunOn("a", 4000)), "a");
  EXPECT_EQ(NodeOf(loop_.SubmitOk(Near(TermKind::kNearTasks, "server"))), "b");
}

TEST_F(NearRulesTest, WhatAgentsMeasureLaterCountsFromTheNextMinute) {
  MeasureAll();
  ASSERT_EQ(NodeOf(RunOn("a", 4000)), "a");
  const TurnHarness::Job job = Near(TermKind::kNearTasks, "server");
  EXPECT_EQ(NodeOf(loop_.SubmitOk(job)), "b");
  Measure("a", {{"b", 20'000}, {"c", 60}});
  loop_.now_ms += 60'000;
  for (const auto& [node, stream] : streams_) {
    loop_.Ask(state::AgentHeartbeat{.stream = stream, .sequence = ++sequence_});
  }
  EXPECT_EQ(NodeOf(loop_.SubmitOk(job)), "c");
}

TEST_F(NearRulesTest, ATaskGoesNearTheDataWhereverItComesToLie) {
  MeasureAll();
  Connect("e", {"imagenet"});
  Measure("e", {{"d", 60}, {"a", 20'000}, {"b", 20'000}, {"c", 20'000}});
  ASSERT_EQ(NodeOf(RunOn("e", 4000)), "e");
  EXPECT_EQ(NodeOf(loop_.SubmitOk(Near(TermKind::kNearData, "imagenet"))), "d");
  // It was moved.
  loop_.Ask(state::InventoryChanged{.stream = streams_.at("e"), .node = Node("e", {})});
  loop_.Ask(state::InventoryChanged{.stream = streams_.at("a"),
                                    .node = Node("a", {"imagenet", "words"})});
  EXPECT_EQ(NodeOf(loop_.SubmitOk(Near(TermKind::kNearData, "imagenet"))), "a");
}

TEST_F(NearRulesTest, DataThatLiesNowhereKeepsNobodyWaiting) {
  EXPECT_NE(NodeOf(loop_.SubmitOk(Near(TermKind::kNearData, "nowhere"))), "");
}

TEST_F(NearRulesTest, TasksOfAGroupGatherWhereTheyAreNearEachOther) {
  MeasureAll();
  TurnHarness::Job job = Near(TermKind::kNearTasks, "");
  job.tasks = 2;
  job.cpu_milli = 4000;
  const JobId id = loop_.SubmitOk(job);
  // Wherever the first one went, the second is as near as any other node is.
  const std::map<std::string, std::string> nearest = {
      {"a", "b"}, {"b", "a"}, {"c", "a"}, {"d", "abc"}};
  EXPECT_NE(nearest.at(NodeOf(id, 0)).find(NodeOf(id, 1)), std::string::npos)
      << NodeOf(id, 0) << " and " << NodeOf(id, 1);
}

}  // namespace
}  // namespace berth::scheduler
