#include "gpu_clustering/gpu_clustering.h"

#include <gtest/gtest.h>

#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

int32_t PointsOf(int32_t points) { return static_cast<int32_t>(int64_t{kMaxScore} * points / 100); }

class GpuClusteringTest : public ::testing::Test {
 protected:
  GpuClusteringTest() { probe_.cluster.Add(NodeBuilder("n").Gpus(8)); }
  int32_t Score(const TaskBuilder& task) { return probe_.Scores(task).at("n"); }

  PluginProbe probe_{kGpuClustering};
};

TEST_F(GpuClusteringTest, TakesAnIdleNodeBeforeOneOfOthers) {
  EXPECT_EQ(Score(TaskBuilder().GpuShare(300)), PointsOf(25));
  probe_.cluster.Fill("n", TaskBuilder().Gpus(2), {{{0, 1000, 0}, {1, 1000, 0}}});
  // A quarter of the 8 GPUs is in use: 6.25 points.
  EXPECT_EQ(Score(TaskBuilder().GpuShare(300)), PointsOf(6));
  EXPECT_EQ(Score(TaskBuilder().Gpus(4)), PointsOf(6));
}

TEST_F(GpuClusteringTest, LikesOnesOwnSortBest) {
  probe_.cluster.Fill("n", TaskBuilder().GpuShare(500), {{{0, 500, 0}}});
  EXPECT_EQ(Score(TaskBuilder().GpuShare(300)), PointsOf(76));  // 500 of 8000: 1.56 points
  EXPECT_EQ(Score(TaskBuilder().Gpus(1)), PointsOf(1));
}

TEST_F(GpuClusteringTest, LikesOnesOwnSortAmongOthersLess) {
  probe_.cluster.Fill("n", TaskBuilder().GpuShare(500), {{{0, 500, 0}}});
  probe_.cluster.Fill("n", TaskBuilder().Gpus(1), {{{1, 1000, 0}}});
  EXPECT_EQ(Score(TaskBuilder().GpuShare(300)), PointsOf(54));  // 1500 of 8000: 4.69 points
  EXPECT_EQ(Score(TaskBuilder().Gpus(1)), PointsOf(54));
  EXPECT_EQ(Score(TaskBuilder().Gpus(2)), PointsOf(4));
}

TEST_F(GpuClusteringTest, ForgetsWhatHasGone) {
  const TaskRequirements& share = probe_.cluster.Needs(TaskBuilder().GpuShare(500));
  const Slot slot = probe_.cluster.At("n");
  for (int i = 0; i < 2; ++i) probe_.cluster.table().Allocate(slot, share, {{{0, 500, 0}}});
  for (int i = 0; i < 2; ++i) probe_.cluster.table().Release(slot, share, {{{0, 500, 0}}});
  EXPECT_EQ(Score(TaskBuilder().Gpus(1)), PointsOf(25));
}

TEST_F(GpuClusteringTest, SkipsTasksWithoutSuchDevices) {
  const auto& score = probe_.As<ScorePlugin>();
  EXPECT_TRUE(score.Skips(probe_.cluster.Needs(TaskBuilder().Cpu(1))));
  EXPECT_FALSE(score.Skips(probe_.cluster.Needs(TaskBuilder().Gpus(1))));
}

}  // namespace
}  // namespace berth::plugins
