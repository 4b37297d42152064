#include "state/usage_meters.h"

#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace berth::state {
namespace {

using testing::Cluster;
using testing::NodeBuilder;

constexpr int64_t kBeat = 10'000;

// A node of 10 CPUs and 64 GiB, whose agent speaks every ten seconds.
class UsageMetersTest : public ::testing::Test {
 protected:
  UsageMetersTest() { slot_ = cluster_.Add(NodeBuilder("n").Cpu(10).Memory("64Gi")); }

  // A heartbeat after ten seconds in which so many cores were busy, and the step after it.
  void Beat(double cores, int64_t memory_gib = 0) {
    now_ms_ += kBeat;
    cpu_time_ms_ += static_cast<int64_t>(cores * kBeat);
    meters_.Measure(table(), slot_, now_ms_, cpu_time_ms_, memory_gib << 30);
    meters_.Step(table(), now_ms_);
  }
  void Beats(int count, double cores) {
    for (int i = 0; i < count; ++i) Beat(cores);
  }
  NodeTable& table() { return cluster_.table(); }
  int32_t usage() { return table().usage()[slot_]; }

  Cluster cluster_;
  Slot slot_ = 0;
  UsageMeters meters_{6 * kBeat};
  int64_t now_ms_ = 1'000'000;
  int64_t cpu_time_ms_ = 77'000'000;
};

TEST_F(UsageMetersTest, NothingIsKnownBeforeTheSecondMeasurement) {
  EXPECT_EQ(usage(), -1);
  Beat(5);
  EXPECT_EQ(usage(), -1);
  Beat(5);
  EXPECT_EQ(usage(), 8);
}

TEST_F(UsageMetersTest, TheScarcerOfCpuAndMemoryCounts) {
  Beat(1);
  Beat(1, 48);
  EXPECT_EQ(usage(), 12);
}

TEST_F(UsageMetersTest, ANewUseShowsBitByBit) {
  Beats(2, 0);
  EXPECT_EQ(usage(), 0);
  Beat(10);
  EXPECT_EQ(usage(), 4);
  Beat(10);
  EXPECT_EQ(usage(), 7);
  Beats(20, 10);
  EXPECT_EQ(usage(), kUsageSteps);
  Beat(0);
  EXPECT_EQ(usage(), 12);
}

// A node that hovers between two steps would else be asked about again and again.
TEST_F(UsageMetersTest, NoiseChangesNothing) {
  Beats(2, 5.2);
  const uint64_t changes = table().changes().end();
  for (int i = 0; i < 50; ++i) Beat(i % 2 == 0 ? 5.5 : 5.1);  // 8.8 and 8.16 sixteenths
  EXPECT_EQ(table().changes().end(), changes);
}

TEST_F(UsageMetersTest, AChangeIsOneOfUseAlone) {
  Beats(2, 5);
  const uint64_t all = table().changes().end();
  const uint64_t fixed = table().static_changes().end();
  const uint64_t used = table().usage_changes().end();
  Beat(0);
  // Of the whole, and of CPU.
  EXPECT_EQ(table().changes().end(), all + 2);
  EXPECT_EQ(table().usage_changes().end(), used + 2);
  EXPECT_EQ(table().static_changes().end(), fixed);
}

TEST_F(UsageMetersTest, SilenceIsForgotten) {
  Beats(2, 5);
  EXPECT_TRUE(meters_.Step(table(), now_ms_ + 6 * kBeat));
  EXPECT_GE(usage(), 0);
  EXPECT_FALSE(meters_.Step(table(), now_ms_ + 6 * kBeat + 1));
  EXPECT_EQ(usage(), -1);
}

TEST_F(UsageMetersTest, AfterALongSilenceItBeginsAnew) {
  Beats(2, 5);
  now_ms_ += 100 * kBeat;
  Beat(5);
  EXPECT_EQ(usage(), -1);
  Beat(5);
  EXPECT_EQ(usage(), 8);
}

TEST_F(UsageMetersTest, AMachineThatWasStartedAgainIsMeasuredFromThere) {
  Beats(2, 5);
  cpu_time_ms_ = 100;
  Beat(10);
  EXPECT_EQ(usage(), 8);
  Beats(20, 10);
  EXPECT_EQ(usage(), kUsageSteps);
}

TEST_F(UsageMetersTest, HeartbeatsThatComeTogetherAreMeasuredTogether) {
  Beats(2, 5);
  meters_.Measure(table(), slot_, now_ms_ + 1, cpu_time_ms_ + 900, 0);
  meters_.Step(table(), now_ms_ + 1);
  EXPECT_EQ(usage(), 8);
  Beats(10, 5);
  EXPECT_EQ(usage(), 8);
}

TEST_F(UsageMetersTest, AnotherNodeInTheSlotHasNoUse) {
  Beats(2, 5);
  table().Remove(slot_);
  ASSERT_EQ(cluster_.Add(NodeBuilder("other")), slot_);
  EXPECT_EQ(usage(), -1);
  EXPECT_FALSE(meters_.Step(table(), now_ms_));
  Beat(1);
  EXPECT_EQ(usage(), -1);
}

// ---- what tasks are bound by ----

class ClassUsageTest : public UsageMetersTest {
 protected:
  // A heartbeat ten seconds after the last, with what the agent says of the node's parts.
  void BeatWith(const NodeUsage& parts) {
    now_ms_ += kBeat;
    meters_.Measure(table(), slot_, now_ms_, cpu_time_ms_, 16LL << 30, parts);
    meters_.Step(table(), now_ms_);
  }
  int32_t Of(ComputationClass bound_by) { return table().class_usage(bound_by)[slot_]; }
};

TEST_F(ClassUsageTest, EachThingIsMeasuredByItself) {
  state::NodeSpec spec = table().spec(slot_);
  spec.capacity.builtin[kBandwidth] = 1000;  // Mbit/s
  ASSERT_TRUE(table().Put(spec).ok());
  NodeUsage parts;
  parts.disks = {{.name = "a", .busy_ms = 100}, {.name = "b", .busy_ms = 7000}};
  parts.interfaces = {{.name = "eth0", .received_bytes = 0, .sent_bytes = 1000}};
  parts.devices = {{.id = "g0", .utilisation_percent = 100},
                   {.id = "g1", .utilisation_percent = 0},
                   {.id = "g2"}};
  BeatWith(parts);
  EXPECT_EQ(Of(ComputationClass::kIoBound), -1) << "of counters one reading says nothing";
  (*parts.disks)[0].busy_ms += kBeat / 4;
  (*parts.disks)[1].busy_ms += kBeat / 2;
  (*parts.interfaces)[0].sent_bytes += 312'500'000;  // 250 Mbit/s over ten seconds
  (*parts.interfaces)[0].received_bytes += 100;
  BeatWith(parts);
  EXPECT_EQ(Of(ComputationClass::kIoBound), 8) << "the busiest";
  EXPECT_EQ(Of(ComputationClass::kNetworkBound), 4);
  EXPECT_EQ(Of(ComputationClass::kGpuBound), 8) << "of those that say something";
  EXPECT_EQ(Of(ComputationClass::kMemoryBound), 4);
  EXPECT_EQ(Of(ComputationClass::kCpuBound), 0);
}

TEST_F(ClassUsageTest, WhatAnAgentDoesNotSayIsNotKnown) {
  BeatWith({});
  BeatWith({});
  EXPECT_EQ(Of(ComputationClass::kIoBound), -1);
  EXPECT_EQ(Of(ComputationClass::kNetworkBound), -1);
  EXPECT_EQ(Of(ComputationClass::kGpuBound), -1);
}

TEST_F(ClassUsageTest, CountersThatWentBackSayNothing) {
  NodeUsage parts;
  parts.disks = {{.name = "a", .busy_ms = 5000}};
  BeatWith(parts);
  parts.disks = {{.name = "a", .busy_ms = 10}};
  BeatWith(parts);
  EXPECT_EQ(Of(ComputationClass::kIoBound), -1);
}

TEST_F(ClassUsageTest, SilenceIsForgotten) {
  BeatWith({});
  BeatWith({});
  EXPECT_EQ(Of(ComputationClass::kCpuBound), 0);
  meters_.Step(table(), now_ms_ + 10 * kBeat);
  EXPECT_EQ(Of(ComputationClass::kCpuBound), -1);
}

}  // namespace
}  // namespace berth::state
