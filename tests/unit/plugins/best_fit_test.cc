#include "best_fit/best_fit.h"

#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::Arg;
using testing::ArgMap;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

TEST(BestFitTest, CountsWhatIsLeftOfTheLargestNode) {
  PluginProbe probe(kBestFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(64).Gpus(4));
  // 48 of 128 cores and 3 of 8 GPUs are left: 1 - 3/16 - 3/16.
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(16).Gpus(1)).at("n"), kMaxScore / 8 * 5);
}

TEST(BestFitTest, ScoresTasksWithoutDevicesToo) {
  PluginProbe probe(kBestFit);
  probe.cluster.Add(NodeBuilder("cpus").Cpu(64));
  probe.cluster.Add(NodeBuilder("gpus").Cpu(64).Gpus(8));
  const auto scores = probe.Scores(TaskBuilder().Cpu(32));
  EXPECT_EQ(scores.at("cpus"), kMaxScore / 8 * 7);
  EXPECT_EQ(scores.at("gpus"), kMaxScore / 8 * 3);
}

TEST(BestFitTest, CountsWhatIsGivenAwayAndSickAsNotLeft) {
  PluginProbe probe(kBestFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(32).Gpus(4).Sick(3));
  probe.cluster.Fill("n", TaskBuilder().Cpu(16).GpuShare(500), {{{0, 500, 0}}});
  // Nothing of the cores is left, and 2 of 8 GPUs.
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(16).GpuShare(500)).at("n"), kMaxScore / 8 * 7);
}

TEST(BestFitTest, TakesMoreThanTheLargestNodeForAsMuch) {
  PluginProbe probe(kBestFit,
                    ArgMap({{"largestNode", ArgMap({{"cpu", Arg(16)}, {"devices", Arg(2)}})}}));
  probe.cluster.Add(NodeBuilder("n").Cpu(64).Gpus(4));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(1)).at("n"), 0);
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(64).Gpus(3)).at("n"), kMaxScore / 4 * 3);
}

TEST(BestFitTest, TellsWholePerCentsApartAndNoMore) {
  PluginProbe probe(kBestFit, ArgMap({{"resolution", Arg("percent")}}));
  probe.cluster.Add(NodeBuilder("n").Cpu(64).Gpus(4));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(16).Gpus(1)).at("n"), 650'117);  // 62.5: 62 %
}

}  // namespace
}  // namespace berth::plugins
