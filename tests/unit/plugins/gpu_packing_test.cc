#include "gpu_packing/gpu_packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using ::testing::ElementsAre;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

using ScoredSet = PluginProbe::ScoredSet;

int32_t Points(int32_t points) { return static_cast<int32_t>(int64_t{kMaxScore} * points / 100); }

TEST(GpuPackingTest, LikesAnIdleNodeLessTheMoreDevicesItHas) {
  PluginProbe probe("GpuPacking");
  probe.cluster.Add(NodeBuilder("four").Gpus(4));
  probe.cluster.Add(NodeBuilder("twenty").Gpus(20));
  EXPECT_THAT(probe.SetScores(TaskBuilder().Gpus(2), "four"),
              ElementsAre(ScoredSet{{0, 1}, Points(29)}));
  EXPECT_THAT(probe.SetScores(TaskBuilder().GpuShare(500), "twenty"),
              ElementsAre(ScoredSet{{0}, Points(20)}));
}

TEST(GpuPackingTest, LikesDevicesInUseMoreTheLessTheyHaveLeft) {
  PluginProbe probe("GpuPacking");
  probe.cluster.Add(NodeBuilder("n").Gpus(4));
  probe.cluster.Fill("n", TaskBuilder().GpuShare(700), {{{2, 700, 0}}});
  probe.cluster.Fill("n", TaskBuilder().GpuShare(250), {{{3, 250, 0}}});
  EXPECT_THAT(probe.SetScores(TaskBuilder().GpuShare(200), "n"),
              ElementsAre(ScoredSet{{2}, Points(97)}, ScoredSet{{3}, Points(93)},
                          ScoredSet{{0}, Points(49)}));
}

TEST(GpuPackingTest, TakesAPointForEachIdleDeviceOfANodeInUse) {
  PluginProbe probe("GpuPacking");
  probe.cluster.Add(NodeBuilder("n").Gpus(8));
  probe.cluster.Add(NodeBuilder("large").Gpus(24));
  probe.cluster.Fill("n", TaskBuilder().Gpus(1), {{{0, 1000, 0}}});
  probe.cluster.Fill("large", TaskBuilder().Gpus(1), {{{0, 1000, 0}}});
  EXPECT_EQ(probe.SetScores(TaskBuilder().Gpus(4), "n")[0].score, Points(46));
  EXPECT_EQ(probe.SetScores(TaskBuilder().Gpus(20), "large")[0].score, Points(33));
}

TEST(GpuPackingTest, HasNoOpinionOnOtherDevices) {
  PluginProbe probe("GpuPacking");
  probe.cluster.Add(NodeBuilder("n").Devices("tpu", 4, "v5e", "16Gi"));
  const TaskBuilder tpus = TaskBuilder().Device({"tpu", 1, 1000, 0, {}});
  EXPECT_TRUE(probe.As<DeviceScorePlugin>().Skips(probe.cluster.Needs(tpus)));
  EXPECT_EQ(probe.SetScores(tpus, "n")[0].score, 0);
}

}  // namespace
}  // namespace berth::plugins
