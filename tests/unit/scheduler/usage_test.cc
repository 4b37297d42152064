// Measured use, from heartbeats to where tasks go.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

constexpr int64_t kBeat = 10'000;

class UsageTest : public ::testing::Test {
 protected:
  // Heartbeats of both nodes after ten seconds, in which so many of their four cores were busy.
  void Beat(int64_t cores_of_a, int64_t cores_of_b) {
    loop_.now_ms += kBeat;
    Send(a_, cpu_time_of_a_ += cores_of_a * kBeat);
    Send(b_, cpu_time_of_b_ += cores_of_b * kBeat);
  }
  void Send(uint64_t stream, int64_t cpu_time_ms) {
    state::AgentHeartbeat heartbeat{.stream = stream, .sequence = ++sequence_};
    heartbeat.node.cpu_time_ms = cpu_time_ms;
    loop_.Ask(std::move(heartbeat));
  }
  int32_t UsageOf(const std::string& node) {
    const state::NodeTable& nodes = loop_.turn().state().nodes();
    return nodes.usage()[nodes.Find(node)];
  }
  // The node that gets a task.
  std::string Place() {
    const JobId job = loop_.SubmitOk({.cpu_milli = 1});
    return loop_.turn().state().nodes().name(loop_.TaskOf(job).row.slot);
  }

  TurnHarness loop_;
  uint64_t a_ = loop_.Connect("a");
  uint64_t b_ = loop_.Connect("b");
  int64_t cpu_time_of_a_ = 0;
  int64_t cpu_time_of_b_ = 0;
  uint64_t sequence_ = 0;
};

TEST_F(UsageTest, TasksGoWhereLittleIsDone) {
  for (int i = 0; i < 3; ++i) Beat(4, 0);
  EXPECT_EQ(UsageOf("a"), kUsageSteps);
  EXPECT_EQ(UsageOf("b"), 0);
  EXPECT_EQ(Place(), "b");
  EXPECT_EQ(Place(), "b");
  for (int i = 0; i < 20; ++i) Beat(0, 4);
  EXPECT_EQ(Place(), "a");
}

TEST_F(UsageTest, WhatIsMeasuredIsNoChangeThatLasts) {
  for (int i = 0; i < 3; ++i) Beat(4, 0);
  const uint64_t epoch = loop_.turn().state().meta().epoch;
  const size_t batches = loop_.batches.size();
  for (int i = 0; i < 10; ++i) Beat(i % 2 == 0 ? 4 : 0, 2);
  EXPECT_EQ(loop_.turn().state().meta().epoch, epoch);
  EXPECT_EQ(loop_.batches.size(), batches);
}

TEST_F(UsageTest, TheTickRunsWhileSomethingIsKnown) {
  loop_.now_ms += 1'000'000;  // past what else is planned after a start
  Beat(1, 1);
  Beat(1, 1);
  Beat(1, 1);
  EXPECT_GE(UsageOf("a"), 0);
  // Nobody speaks any more: at each deadline the loop runs, until it has forgotten.
  for (int i = 0; i < 10; ++i) {
    loop_.now_ms += kBeat;
    loop_.Run();
  }
  EXPECT_EQ(UsageOf("a"), -1);
}

}  // namespace
}  // namespace berth::scheduler
