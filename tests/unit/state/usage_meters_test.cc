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
  EXPECT_EQ(table().changes().end(), all + 1);
  EXPECT_EQ(table().usage_changes().end(), used + 1);
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

}  // namespace
}  // namespace berth::state
