#include "pipeline/explanation.h"
#include "berth/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/pipeline_harness.h"

namespace berth::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NodeBuilder;
using testing::PipelineHarness;
using ::testing::SizeIs;
using testing::TaskBuilder;

class ExplanationTest : public ::testing::Test {
 protected:
  std::string TextOf(const TaskBuilder& task) { return harness_.Explain(task).text; }
  testing::Cluster& cluster() { return harness_.cluster; }

  PipelineHarness harness_;
};

// ---- the text ----

TEST_F(ExplanationTest, CountsWhatRemovedEachNode) {
  cluster().AddMany("small", 8, NodeBuilder("").Memory("4Gi"));
  cluster().AddMany("gpu", 4, NodeBuilder("").Memory("64Gi").Taint("gpu", "true"));
  cluster().Fill("small0", TaskBuilder().MemoryMib(4096 - 3277));
  for (int i = 1; i < 8; ++i) {
    cluster().Fill("small" + std::to_string(i), TaskBuilder().Memory("1Gi"));
  }
  EXPECT_EQ(TextOf(TaskBuilder().Memory("4Gi")),
            "0/12 nodes fit: 8 insufficient memory (largest free 3.2Gi), 4 tainted gpu=true");
}

TEST_F(ExplanationTest, TellsTheLargestNodeAndWhatToTryForWhatNeverFits) {
  cluster().Add(NodeBuilder("node-a").Memory("12Gi"));
  cluster().Add(NodeBuilder("node-b").Memory("10Gi"));
  EXPECT_EQ(TextOf(TaskBuilder().Memory("500Gi")),
            "cannot ever fit: 2 nodes, largest 12Gi; try --memory 12Gi");
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(64)), "cannot ever fit: 2 nodes, largest 8 cpu; try --cpu 8");
}

TEST_F(ExplanationTest, TellsTheLargestCountOfGpus) {
  cluster().Add(NodeBuilder("two").Gpus(2));
  cluster().Add(NodeBuilder("four").Gpus(4));
  EXPECT_EQ(TextOf(TaskBuilder().Gpus(6)), "cannot ever fit: 2 nodes, largest 4 gpu; try --gpus 4");
}

TEST_F(ExplanationTest, OffersEachSingleChangeThatWouldDo) {
  cluster().Add(NodeBuilder("wide").Cpu(64).Memory("8Gi"));
  cluster().Add(NodeBuilder("deep").Cpu(8).Memory("512Gi"));
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(64).Memory("512Gi")),
            "cannot ever fit: 2 nodes; try --cpu 8 or --memory 8Gi");
}

TEST_F(ExplanationTest, CountsReasonsWhenNoSingleChangeWouldDo) {
  cluster().AddMany("tainted", 2, NodeBuilder("").Taint("gpu", "true"));
  cluster().Add(NodeBuilder("small").Cpu(2).Memory("2Gi"));
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(4).Memory("4Gi")),
            "cannot ever fit: 3 nodes: 2 tainted gpu=true, 1 insufficient cpu (largest 2); try "
            "--tolerate gpu=true:NoSchedule");
}

TEST_F(ExplanationTest, NamesEveryReason) {
  cluster().Add(NodeBuilder("a-busy").Cpu(2).Storage("1Ti"));
  cluster().Fill("a-busy", TaskBuilder().CpuMilli(1500));
  cluster().Add(NodeBuilder("b-closed"));
  cluster().table().SetCordoned(cluster().At("b-closed"), true);
  cluster().Add(NodeBuilder("c-silent"));
  cluster().table().SetReady(cluster().At("c-silent"), false);
  cluster().Add(NodeBuilder("d-tainted").Taint("retire", "", TaintEffect::kNoExecute));
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(1)),
            "0/4 nodes fit: 1 cordoned, 1 not ready, 1 tainted retire, 1 insufficient cpu "
            "(largest free 500m)");
}

TEST_F(ExplanationTest, NamesLabelsAndAffinity) {
  cluster().Add(NodeBuilder("a").Label("zone", "a"));
  EXPECT_EQ(TextOf(TaskBuilder().Selects("zone", "b")),
            "cannot ever fit: 1 node: 1 without label zone=b; try without nodeSelector zone=b");
  EXPECT_EQ(TextOf(TaskBuilder().Requires({testing::Exists("disk")})),
            "cannot ever fit: 1 node: 1 not matching node affinity; try without its required node "
            "affinity");
}

TEST_F(ExplanationTest, NamesStorageBandwidthAndExtendedResources) {
  cluster().Add(NodeBuilder("a").Storage("100Gi").Bandwidth(10000).Extended("fpga_slots", 2));
  EXPECT_EQ(TextOf(TaskBuilder().Storage("2Ti")),
            "cannot ever fit: 1 node, largest 100Gi storage; try storage 100Gi");
  EXPECT_EQ(TextOf(TaskBuilder().Bandwidth(25000)),
            "cannot ever fit: 1 node, largest 10Gbit bandwidth; try bandwidth 10Gbit");
  EXPECT_EQ(TextOf(TaskBuilder().Extended("fpga_slots", 3)),
            "cannot ever fit: 1 node, largest 2 fpga_slots; try fpga_slots 2");
}

TEST_F(ExplanationTest, WhoLacksDedicatedCpusAsksForFewerCpus) {
  cluster().Add(NodeBuilder("a").Cpu(8).Extended(kDedicatedCpus, 7));
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(8).Extended(kDedicatedCpus, 8)),
            "cannot ever fit: 1 node, largest 7 dedicated-cpus; try --cpu 7");
}

TEST_F(ExplanationTest, NamesWhatDevicesLack) {
  cluster().Add(NodeBuilder("a").Gpus(2, "A100", "40Gi"));
  EXPECT_EQ(TextOf(TaskBuilder().Gpus(1, {"B200", "H100"})),
            "cannot ever fit: 1 node: 1 without gpu model B200 or H100");
  EXPECT_EQ(TextOf(TaskBuilder().Gpus(1, {}, "80Gi")),
            "cannot ever fit: 1 node: 1 insufficient gpu memory (largest 40Gi)");
  EXPECT_EQ(TextOf(TaskBuilder().Device({"tpu", 1, 1000, 0, {}})),
            "cannot ever fit: 1 node: 1 without tpu");
}

TEST_F(ExplanationTest, CountsDevicesAndThousandthsOfShares) {
  cluster().Add(NodeBuilder("a").Gpus(2));
  cluster().Fill("a", TaskBuilder(), {{{0, 1000, 0}, {1, 700, 0}}});
  EXPECT_EQ(TextOf(TaskBuilder().Gpus(2)), "0/1 nodes fit: 1 insufficient gpu (largest free 0)");
  EXPECT_EQ(TextOf(TaskBuilder().GpuShare(500)),
            "0/1 nodes fit: 1 insufficient gpu share (largest free 300m)");
}

TEST_F(ExplanationTest, SaysThatThereAreNoNodes) {
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(1));
  EXPECT_EQ(explanation.text, "0/0 nodes fit: the cluster has no nodes yet");
  EXPECT_EQ(explanation.reason, Reason::kNoNodes);
  EXPECT_EQ(explanation.placeability, Placeability::kFitsLater);
}

TEST_F(ExplanationTest, SaysHowManyFit) {
  cluster().AddMany("n", 3, NodeBuilder(""));
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(1)), "3/3 nodes fit");
  cluster().table().SetCordoned(cluster().At("n1"), true);
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(1)), "2/3 nodes fit: 1 cordoned");
}

TEST_F(ExplanationTest, SumsUpTheRestOfManyReasons) {
  for (char team = 'a'; team <= 'i'; ++team) {
    cluster().Add(NodeBuilder(std::string("n-") + team).Taint("team", std::string(1, team)));
  }
  EXPECT_EQ(TextOf(TaskBuilder().Cpu(1)),
            "cannot ever fit: 9 nodes: 1 tainted team=a, 1 tainted team=b, 1 tainted team=c, 1 "
            "tainted team=d, 1 tainted team=e, 1 tainted team=f, 3 for other reasons; try "
            "--tolerate team=a:NoSchedule");
}

// ---- the parts ----

TEST_F(ExplanationTest, CountsEachNodeForTheFirstFilterThatRemovedIt) {
  cluster().Add(NodeBuilder("n").Cpu(2).Taint("gpu", "true"));
  cluster().table().SetCordoned(cluster().At("n"), true);
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(4));
  ASSERT_THAT(explanation.filters, SizeIs(1));
  EXPECT_EQ(explanation.filters[0].plugin, "NodeReadiness");
  EXPECT_EQ(explanation.filters[0].nodes, 1);
}

TEST_F(ExplanationTest, GivesAmountsInTheUnitsOfTheWire) {
  cluster().Add(NodeBuilder("b").Memory("4Gi"));
  cluster().Add(NodeBuilder("a").Memory("2Gi"));
  cluster().Fill("b", TaskBuilder().Memory("3Gi"));
  const Explanation explanation = harness_.Explain(TaskBuilder().Memory("4Gi"));
  ASSERT_THAT(explanation.filters, SizeIs(1));
  EXPECT_EQ(explanation.filters[0],
            (FilterOutcome{.plugin = "NodeResourcesFit",
                           .reason = Reason::kInsufficientMemory,
                           .nodes = 2,
                           .subject = "memory",
                           .requested = int64_t{4} << 30,
                           .largest_free = int64_t{2} << 30,
                           .largest_capacity = int64_t{4} << 30,
                           .examples = {"a", "b"},
                           .text = "2 insufficient memory (largest free 2Gi)"}));
}

TEST_F(ExplanationTest, NamesTheFirstThreeNodesByName) {
  for (const char* name : {"e", "b", "d", "a", "c"}) cluster().Add(NodeBuilder(name).Cpu(1));
  EXPECT_THAT(harness_.Explain(TaskBuilder().Cpu(2)).filters[0].examples,
              ElementsAre("a", "b", "c"));
}

TEST_F(ExplanationTest, TellsSubjectsInFull) {
  cluster().Add(NodeBuilder("a").Taint("gpu", "true"));
  EXPECT_EQ(harness_.Explain(TaskBuilder()).filters[0].subject, "gpu=true:NoSchedule");
  EXPECT_EQ(
      harness_.Explain(TaskBuilder().Tolerates("gpu").Selects("zone", "a")).filters[0].subject,
      "zone=a");
}

// ---- waits, or never ----

TEST_F(ExplanationTest, WaitsForWhatOthersHold) {
  cluster().Add(NodeBuilder("n").Cpu(4));
  cluster().Fill("n", TaskBuilder().Cpu(4));
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(4));
  EXPECT_EQ(explanation.placeability, Placeability::kFitsLater);
  EXPECT_EQ(explanation.reason, Reason::kNoNodeFitsNow);
}

TEST_F(ExplanationTest, WaitsForNodesThatAreCordonedOrSilent) {
  cluster().Add(NodeBuilder("closed"));
  cluster().Add(NodeBuilder("silent"));
  cluster().table().SetCordoned(cluster().At("closed"), true);
  cluster().table().SetReady(cluster().At("silent"), false);
  EXPECT_EQ(harness_.Explain(TaskBuilder().Cpu(1)).placeability, Placeability::kFitsLater);
}

TEST_F(ExplanationTest, NeverFitsACordonedNodeThatIsTooSmall) {
  cluster().Add(NodeBuilder("closed").Cpu(2));
  cluster().table().SetCordoned(cluster().At("closed"), true);
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(4));
  EXPECT_EQ(explanation.placeability, Placeability::kNeverFits);
  EXPECT_EQ(explanation.text, "cannot ever fit: 1 node, largest 2 cpu; try --cpu 2");
}

TEST_F(ExplanationTest, WaitsWhenOneNodeOfManyCouldHoldIt) {
  cluster().AddMany("small", 9, NodeBuilder("").Cpu(2));
  cluster().Add(NodeBuilder("large").Cpu(64));
  cluster().Fill("large", TaskBuilder().Cpu(64));
  EXPECT_EQ(harness_.Explain(TaskBuilder().Cpu(4)).placeability, Placeability::kFitsLater);
}

TEST_F(ExplanationTest, NeverFitsWhenEachNodeFailsForGoodInItsOwnWay) {
  cluster().Add(NodeBuilder("full-and-small").Cpu(4).Memory("2Gi"));
  cluster().Fill("full-and-small", TaskBuilder().Cpu(4));
  cluster().Add(NodeBuilder("tainted").Taint("gpu", "true"));
  EXPECT_EQ(harness_.Explain(TaskBuilder().Cpu(2).Memory("4Gi")).placeability,
            Placeability::kNeverFits);
}

TEST_F(ExplanationTest, TellsNowFromLaterFromNever) {
  cluster().Add(NodeBuilder("n").Cpu(4));
  cluster().Fill("n", TaskBuilder().Cpu(2));
  const auto judge = [&](const TaskBuilder& task) { return harness_.Explain(task).placeability; };
  EXPECT_EQ(judge(TaskBuilder().Cpu(2)), Placeability::kFitsNow);
  EXPECT_EQ(judge(TaskBuilder().Cpu(4)), Placeability::kFitsLater);
  EXPECT_EQ(judge(TaskBuilder().Cpu(5)), Placeability::kNeverFits);
}

TEST(ExplanationWithoutNodesTest, WaitsForTheFirstNode) {
  PipelineHarness harness;
  EXPECT_EQ(harness.Explain(TaskBuilder()).placeability, Placeability::kFitsLater);
}

// ---- suggestions ----

TEST_F(ExplanationTest, SuggestsTheLargestAmountThatFitsNow) {
  cluster().Add(NodeBuilder("a").Memory("16Gi"));
  cluster().Add(NodeBuilder("b").Memory("16Gi"));
  cluster().Fill("a", TaskBuilder().Memory("12Gi"));
  cluster().Fill("b", TaskBuilder().MemoryMib(16384 - 6000));
  const Explanation explanation = harness_.Explain(TaskBuilder().Memory("8Gi"));
  ASSERT_THAT(explanation.suggestions, SizeIs(2));
  EXPECT_EQ(explanation.suggestions[0], (Suggestion{.kind = SuggestionKind::kLess,
                                                    .field = "memory",
                                                    .value = "5.8Gi",
                                                    .change = "--memory 5.8Gi",
                                                    .node = "b",
                                                    .text = "with --memory 5.8Gi it fits b now"}));
  EXPECT_EQ(explanation.suggestions[1].text, "with 2.1Gi more memory free on b it fits there now");
}

TEST_F(ExplanationTest, SuggestsNothingThatAnotherFilterWouldRefuse) {
  cluster().Add(NodeBuilder("small").Memory("4Gi"));
  cluster().Add(NodeBuilder("tainted").Memory("8Gi").Taint("gpu", "true"));
  const Explanation explanation = harness_.Explain(TaskBuilder().Memory("16Gi"));
  ASSERT_THAT(explanation.suggestions, SizeIs(1));
  EXPECT_EQ(explanation.suggestions[0].value, "4Gi");
  EXPECT_EQ(explanation.suggestions[0].node, "small");
  EXPECT_EQ(explanation.suggestions[0].text, "with --memory 4Gi it could run on small");
}

TEST_F(ExplanationTest, SuggestsFewerGpusWithWhatElseTheTaskNeeds) {
  cluster().Add(NodeBuilder("many").Cpu(4).Gpus(8));
  cluster().Add(NodeBuilder("few").Cpu(64).Gpus(4));
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(16).Gpus(6));
  ASSERT_THAT(explanation.suggestions, SizeIs(2));
  EXPECT_EQ(explanation.suggestions[0].change, "--cpu 4");
  EXPECT_EQ(explanation.suggestions[1].change, "--gpus 4");
  EXPECT_EQ(explanation.suggestions[1].node, "few");
}

TEST_F(ExplanationTest, SuggestsNoAmountWhenNothingIsFree) {
  cluster().Add(NodeBuilder("n").Cpu(4));
  cluster().Fill("n", TaskBuilder().Cpu(4));
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(4));
  ASSERT_THAT(explanation.suggestions, SizeIs(1));
  EXPECT_EQ(explanation.suggestions[0].kind, SuggestionKind::kFree);
}

// ---- scores ----

TEST_F(ExplanationTest, RanksTheBestNodesAsAPlacementWould) {
  cluster().AddMany("n", 10, NodeBuilder("").Cpu(8).Memory("16Gi"));
  for (int i = 0; i < 10; ++i) {
    cluster().Fill("n" + std::to_string(i), TaskBuilder().CpuMilli(i % 5 * 700));
  }
  const TaskRequirements& needs = cluster().Needs(TaskBuilder().Cpu(1).Memory("1Gi"));
  const Explanation explanation = harness_.Explain(needs);
  const engine::Placement placement = harness_.Place(needs);
  ASSERT_THAT(explanation.scores, SizeIs(3));
  EXPECT_EQ(explanation.scores[0].slot, placement.slot);
  EXPECT_EQ(explanation.scores[0].total, placement.total);
  EXPECT_EQ(explanation.scores[1].slot, placement.runner_up);
  EXPECT_EQ(explanation.scores[1].total, placement.runner_up_total);
  EXPECT_GE(explanation.scores[1].total, explanation.scores[2].total);
}

TEST_F(ExplanationTest, BreaksATotalDownByPlugin) {
  cluster().Add(NodeBuilder("n"));
  const Explanation explanation = harness_.Explain(TaskBuilder().Cpu(4).Memory("8Gi"));
  ASSERT_THAT(explanation.scores, SizeIs(1));
  const NodeScore& score = explanation.scores[0];
  EXPECT_EQ(score.node, "n");
  EXPECT_EQ(score.rank, cluster().table().rank()[score.slot]);
  EXPECT_THAT(
      score.plugins,
      ElementsAre(PluginScore{"NodeResourcesFit", kMaxScore / 2, 2},
                  PluginScore{"BalancedAllocation", kMaxScore, 1},
                  PluginScore{"FragmentationGradient", 0, 2}, PluginScore{"NodeAffinity", 0, 2},
                  PluginScore{"TaintToleration", kMaxScore, 3}, PluginScore{"TopologySpread", 0, 2},
                  PluginScore{"TaskAffinity", 0, 2},
                  PluginScore{"LiveUtilisation", kMaxScore / 2, 1},
                  PluginScore{"NetworkLatency", 0, 2}, PluginScore{"NetworkBandwidth", 0, 1},
                  PluginScore{"TaskInterference", 0, 1}, PluginScore{"ClassLoad", 0, 1},
                  PluginScore{"DataLocality", 0, 2}));
  EXPECT_EQ(score.total, kMaxScore + kMaxScore + 3 * int64_t{kMaxScore} + kMaxScore / 2);
}

TEST_F(ExplanationTest, ListsAsManyNodesAsAskedFor) {
  cluster().AddMany("n", 5, NodeBuilder(""));
  EXPECT_THAT(harness_.Explain(TaskBuilder(), {.top = 0}).scores, IsEmpty());
  EXPECT_THAT(harness_.Explain(TaskBuilder(), {.top = 100}).scores, SizeIs(5));
}

TEST_F(ExplanationTest, ScoresANodeThatIsNotEvenFeasible) {
  cluster().Add(NodeBuilder("n").Cpu(4).Memory("4Gi"));
  cluster().Fill("n", TaskBuilder().Cpu(4).Memory("4Gi"));
  const auto score = ScoreNode(harness_.profile(), {cluster().Needs(TaskBuilder().Cpu(4)), {}},
                               cluster().table(), cluster().At("n"));
  EXPECT_EQ(score->node, "n");
  EXPECT_EQ(score->plugins[0], (PluginScore{"NodeResourcesFit", 0, 2}));
}

}  // namespace
}  // namespace berth::pipeline
