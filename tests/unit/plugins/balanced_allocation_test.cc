#include "balanced_allocation/balanced_allocation.h"

#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::Arg;
using testing::ArgList;
using testing::ArgMap;
using testing::ArgWeight;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

TEST(BalancedAllocationTest, GivesFullMarksForEqualParts) {
  PluginProbe probe(kBalancedAllocation);
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Memory("8Gi"));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(1).Memory("2Gi")).at("n"), kMaxScore);
}

TEST(BalancedAllocationTest, TakesOffTheGapBetweenTheParts) {
  PluginProbe probe(kBalancedAllocation);
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Memory("8Gi"));
  probe.cluster.Fill("n", TaskBuilder().Cpu(2));
  // With the task: 3/4 of the cores, 1/4 of the memory.
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(1).Memory("2Gi")).at("n"), kMaxScore / 2);
}

TEST(BalancedAllocationTest, PrefersTheNodeThatTheTaskBalances) {
  PluginProbe probe(kBalancedAllocation);
  probe.cluster.Add(NodeBuilder("full-of-memory").Cpu(4).Memory("8Gi"));
  probe.cluster.Add(NodeBuilder("full-of-cpu").Cpu(4).Memory("8Gi"));
  probe.cluster.Fill("full-of-memory", TaskBuilder().Memory("4Gi"));
  probe.cluster.Fill("full-of-cpu", TaskBuilder().Cpu(2));
  const auto scores = probe.Scores(TaskBuilder().Cpu(2));
  EXPECT_GT(scores.at("full-of-memory"), scores.at("full-of-cpu"));
}

TEST(BalancedAllocationTest, CountsPartsAboveCapacityAsFull) {
  PluginProbe probe(kBalancedAllocation);
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Memory("8Gi"));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(400).Memory("8Gi")).at("n"), kMaxScore);
}

TEST(BalancedAllocationTest, LeavesOutResourcesThatTheNodeDoesNotHave) {
  PluginProbe probe(kBalancedAllocation,
                    ArgMap({{"resources", ArgList({ArgWeight("cpu", 1), ArgWeight("memory", 1),
                                                   ArgWeight("fpga_slots", 1)})}}));
  probe.cluster.Add(NodeBuilder("without").Cpu(4).Memory("8Gi"));
  probe.cluster.Add(NodeBuilder("with").Cpu(4).Memory("8Gi").Extended("fpga_slots", 2));
  const auto scores = probe.Scores(TaskBuilder().Cpu(2).Memory("4Gi"));
  EXPECT_EQ(scores.at("without"), kMaxScore);
  EXPECT_EQ(scores.at("with"), kMaxScore / 2);
}

TEST(BalancedAllocationTest, ScoresEveryNodeOfManyBlocks) {
  PluginProbe probe(kBalancedAllocation);
  probe.cluster.AddMany("n", 515, NodeBuilder("").Cpu(4).Memory("8Gi"));
  for (const char* name : {"n0", "n255", "n256", "n514"}) {
    probe.cluster.Fill(name, TaskBuilder().Cpu(4));
  }
  int unbalanced = 0;
  for (const auto& [name, score] : probe.Scores(TaskBuilder())) {
    unbalanced += score == 0;
    EXPECT_TRUE(score == 0 || score == kMaxScore) << name;
  }
  EXPECT_EQ(unbalanced, 4);
}

TEST(BalancedAllocationTest, TakesNoWeightsButOne) {
  state::Names names;
  EXPECT_EQ(std::string(
                testing::MakeBuiltin(kBalancedAllocation,
                                     ArgMap({{"resources", ArgList({ArgWeight("cpu", 2)})}}), names)
                    .status()
                    .message()),
            "resources[0].weight: must be an integer from 1 to 1, is the integer 2");
}

}  // namespace
}  // namespace berth::plugins
