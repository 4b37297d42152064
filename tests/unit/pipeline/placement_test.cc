#include "pipeline/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/table_context.h"
#include "tests/support/cluster.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/status_text.h"
#include "tests/unit/pipeline/fake_plugins.h"

namespace berth::pipeline {
namespace {

using testing::Cluster;
using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;
using testing::Text;

// Two plugins, A and B, each filter and score, A of weight 2 and B of weight 1.
class PlacementTest : public ::testing::Test {
 protected:
  void AddNodes(int count) { cluster_.AddMany("n", count, NodeBuilder("")); }

  absl::StatusOr<Placement> Place() {
    PluginRegistry registry;
    registry.Register("A", FakeFactory("A", a_));
    registry.Register("B", FakeFactory("B", b_));
    TableContext context(cluster_.table().names());
    ProfileOptions options;
    options.queue_sort = "A";
    const ProfileDefaults defaults{
        .filters = {"A", "B"}, .scores = {{"A", 2}, {"B", 1}}, .required_filters = {}};
    auto profile = CompileProfile(options, "profiles[0]", registry, context, defaults);
    EXPECT_TRUE(profile.ok()) << Text(profile);
    return berth::pipeline::Place(*profile, {needs_, {}}, cluster_.table(), scratch_);
  }

  // Of the nodes in [first, last), the one of lowest rank.
  Slot LowestRank(Slot first, Slot last) const {
    Slot lowest = first;
    for (Slot slot = first; slot < last; ++slot) {
      if (cluster_.table().rank()[slot] < cluster_.table().rank()[lowest]) lowest = slot;
    }
    return lowest;
  }

  Cluster cluster_;
  Behaviour a_, b_;
  TaskRequirements needs_;
  PlacementScratch scratch_;
};

TEST_F(PlacementTest, FindsNoSlotInAnEmptyCluster) {
  const auto placement = Place();
  EXPECT_EQ(placement->slot, kNoSlot);
  EXPECT_EQ(placement->nodes_feasible, 0);
}

TEST_F(PlacementTest, FindsNoSlotWhenFiltersRemoveAll) {
  AddNodes(3);
  a_.passes = [](Slot slot) { return slot == 1; };
  b_.passes = [](Slot slot) { return slot == 2; };
  EXPECT_EQ(Place()->slot, kNoSlot);
}

TEST_F(PlacementTest, TakesTheHighestWeightedSum) {
  AddNodes(3);
  a_.score = [](Slot slot) { return slot == 0 ? 300 : 0; };
  b_.score = [](Slot slot) { return slot == 2 ? 601 : 0; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 2u);
  EXPECT_EQ(placement->total, 601);
  EXPECT_EQ(placement->runner_up, 0u);
  EXPECT_EQ(placement->runner_up_total, 600);
}

TEST_F(PlacementTest, LeavesOutNodesThatDoNotFitHoweverGood) {
  AddNodes(200);
  a_.score = [](Slot slot) { return static_cast<int32_t>(slot); };
  b_.passes = [](Slot slot) { return slot < 150 && slot != 149; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 148u);
  EXPECT_EQ(placement->runner_up, 147u);
  EXPECT_EQ(placement->nodes_feasible, 149);
}

TEST_F(PlacementTest, GivesTiesToTheLowerRank) {
  AddNodes(300);
  const auto placement = Place();
  EXPECT_EQ(placement->slot, LowestRank(0, 300));
  EXPECT_EQ(placement->runner_up_total, placement->total);
}

TEST_F(PlacementTest, GivesTiesOfTheBestToTheLowerRank) {
  AddNodes(300);
  a_.score = [](Slot slot) { return slot >= 100 && slot < 200 ? kMaxScore : kMaxScore - 1; };
  EXPECT_EQ(Place()->slot, LowestRank(100, 200));
}

TEST_F(PlacementTest, FindsTheRunnerUpWhereverItStands) {
  AddNodes(256);
  for (const auto& [best, second] :
       std::vector<std::pair<Slot, Slot>>{{0, 255}, {255, 0}, {64, 63}, {130, 131}, {7, 200}}) {
    a_.score = [&](Slot slot) { return slot == best ? 9 : slot == second ? 8 : 7; };
    const auto placement = Place();
    EXPECT_EQ(placement->slot, best);
    EXPECT_EQ(placement->runner_up, second);
    EXPECT_EQ(placement->runner_up_total, 16);
  }
}

TEST_F(PlacementTest, HasNoRunnerUpOnASingleNode) {
  AddNodes(1);
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 0u);
  EXPECT_EQ(placement->runner_up, kNoSlot);
  EXPECT_EQ(placement->runner_up_total, 0);
}

TEST_F(PlacementTest, TellsTheWinnersScoreByPlugin) {
  AddNodes(2);
  a_.score = [](Slot slot) { return slot == 1 ? 5 : 0; };
  b_.score = [](Slot) { return 7; };
  const auto placement = Place();
  EXPECT_EQ(placement->plugin_scores[0], 5);
  EXPECT_EQ(placement->plugin_scores[1], 7);
  EXPECT_EQ(placement->total, 17);
}

TEST_F(PlacementTest, LeavesOutAScoreThatSkipsTheTask) {
  AddNodes(2);
  a_.score = [](Slot slot) { return slot == 1 ? 5 : 0; };
  a_.skips = true;
  b_.score = [](Slot slot) { return slot == 0 ? 1 : 0; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 0u);
  EXPECT_EQ(placement->plugin_scores[0], 0);
}

TEST_F(PlacementTest, HoldsTheLargestTotals) {
  AddNodes(70);
  a_.score = [](Slot) { return kMaxScore; };
  b_.score = [](Slot slot) { return slot == 69 ? kMaxScore : kMaxScore - 1; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 69u);
  EXPECT_EQ(placement->total, 3 * int64_t{kMaxScore});
}

TEST_F(PlacementTest, UsesItsScratchAgainWhenTheTableGrows) {
  AddNodes(3);
  EXPECT_EQ(Place()->nodes_feasible, 3);
  AddNodes(200);
  EXPECT_EQ(Place()->nodes_feasible, 200);  // n0 to n199, of which three were there
}

TEST_F(PlacementTest, LeavesOutSlotsWithoutANode) {
  AddNodes(3);
  cluster_.table().Remove(1);
  a_.score = [](Slot slot) { return slot == 1 ? 5 : 0; };
  const auto placement = Place();
  EXPECT_EQ(placement->nodes_feasible, 2);
  EXPECT_NE(placement->slot, 1u);
}

TEST_F(PlacementTest, NamesThePluginThatCannotWork) {
  AddNodes(1);
  b_.filter_status = absl::InternalError("no idea");
  EXPECT_EQ(Text(Place()), "INTERNAL: plugin \"B\" cannot filter: no idea");
  b_.filter_status = absl::OkStatus();
  b_.score_status = absl::InternalError("no idea");
  EXPECT_EQ(Text(Place()), "INTERNAL: plugin \"B\" cannot score: no idea");
  b_.score_status = absl::OkStatus();
  b_.reserve_status = absl::InternalError("no idea");
  EXPECT_EQ(Text(Place()), "INTERNAL: plugin \"B\" cannot reserve: no idea");
}

TEST_F(PlacementTest, RefusesScoresOutOfRange) {
  AddNodes(1);
  a_.score = [](Slot) { return -1; };
  EXPECT_EQ(Text(Place()),
            "INTERNAL: profile \"default\": a plugin gave a score that is not from 0 to 1048576");
}

TEST_F(PlacementTest, ChangesNothing) {
  PipelineHarness harness;
  harness.cluster.Add(NodeBuilder("n").Gpus(2));
  const TaskRequirements& needs = harness.cluster.Needs(TaskBuilder().Cpu(1).Gpus(1));
  const Placement first = harness.Place(needs);
  EXPECT_EQ(harness.Place(needs).reservation, first.reservation);
  EXPECT_EQ(harness.cluster.table().allocated(kCpu)[0], 0);
}

TEST(WorkUnitsTest, GrowWithNodesAndPlugins) {
  PipelineHarness harness;
  EXPECT_EQ(WorkUnits(harness.profile(), harness.cluster.table()), 1);
  harness.cluster.AddMany("n", 10, NodeBuilder(""));
  // 5 filters, 4 scores of two passes each, 2 passes to choose.
  EXPECT_EQ(WorkUnits(harness.profile(), harness.cluster.table()), 10 * (5 + 8 + 2));
}

}  // namespace
}  // namespace berth::pipeline
