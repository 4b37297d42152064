#include "node_affinity/node_affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::DoesNotExist;
using ::testing::ElementsAre;
using testing::Exists;
using testing::Greater;
using testing::In;
using ::testing::IsEmpty;
using testing::Less;
using testing::NodeBuilder;
using testing::NotIn;
using testing::PluginProbe;
using ::testing::SizeIs;
using testing::TaskBuilder;

// Nodes a and b in zones a and b, c in zone c with a fast disk, and bare without labels.
class NodeAffinityTest : public ::testing::Test {
 protected:
  NodeAffinityTest() {
    probe_.cluster.Add(NodeBuilder("a").Label("zone", "a").Label("cores", "8"));
    probe_.cluster.Add(NodeBuilder("b").Label("zone", "b").Label("cores", "64"));
    probe_.cluster.Add(
        NodeBuilder("c").Label("zone", "c").Label("disk", "nvme").Label("cores", "many"));
    probe_.cluster.Add(NodeBuilder("bare"));
  }

  std::vector<std::string> Passing(state::LabelSelectorSpec alternative) {
    return probe_.Passing(TaskBuilder().Requires(std::move(alternative)));
  }

  PluginProbe probe_{kNodeAffinity};
};

TEST_F(NodeAffinityTest, KeepsEveryNodeOfATaskWithoutConditions) {
  EXPECT_THAT(probe_.Passing(TaskBuilder()), SizeIs(4));
}

TEST_F(NodeAffinityTest, WantsEveryLabelOfTheSelector) {
  EXPECT_THAT(probe_.Passing(TaskBuilder().Selects("zone", "c")), ElementsAre("c"));
  EXPECT_THAT(probe_.Passing(TaskBuilder().Selects("zone", "c").Selects("disk", "nvme")),
              ElementsAre("c"));
  EXPECT_THAT(probe_.Passing(TaskBuilder().Selects("zone", "a").Selects("disk", "nvme")),
              IsEmpty());
}

TEST_F(NodeAffinityTest, FindsNothingByALabelThatNoNodeHas) {
  EXPECT_THAT(probe_.Passing(TaskBuilder().Selects("zone", "z")), IsEmpty());
  EXPECT_THAT(Passing({In("nothing", {"z"})}), IsEmpty());
}

TEST_F(NodeAffinityTest, TakesAnyOfTheValuesOfIn) {
  EXPECT_THAT(Passing({In("zone", {"a", "c", "z"})}), ElementsAre("a", "c"));
}

TEST_F(NodeAffinityTest, TakesNodesWithoutTheKeyForNotIn) {
  EXPECT_THAT(Passing({NotIn("zone", {"a", "c"})}), ElementsAre("b", "bare"));
}

TEST_F(NodeAffinityTest, AsksForAKeyAndForItsAbsence) {
  EXPECT_THAT(Passing({Exists("disk")}), ElementsAre("c"));
  EXPECT_THAT(Passing({DoesNotExist("disk")}), ElementsAre("a", "b", "bare"));
}

TEST_F(NodeAffinityTest, ComparesWholeNumbersOnly) {
  EXPECT_THAT(Passing({Greater("cores", 8)}), ElementsAre("b"));
  EXPECT_THAT(Passing({Greater("cores", 7)}), ElementsAre("a", "b"));
  EXPECT_THAT(Passing({Less("cores", 64)}), ElementsAre("a"));
  EXPECT_THAT(Passing({Less("zone", 64)}), IsEmpty());
}

TEST_F(NodeAffinityTest, ComparesNegativeNumbers) {
  probe_.cluster.Add(NodeBuilder("cold").Label("celsius", "-20"));
  EXPECT_THAT(Passing({Less("celsius", -19)}), ElementsAre("cold"));
  EXPECT_THAT(Passing({Greater("celsius", -21)}), ElementsAre("cold"));
  EXPECT_THAT(Passing({Greater("celsius", -20)}), IsEmpty());
}

TEST_F(NodeAffinityTest, WantsAllConditionsOfOneAlternative) {
  EXPECT_THAT(Passing({Exists("zone"), NotIn("zone", {"a"}), DoesNotExist("disk")}),
              ElementsAre("b"));
}

TEST_F(NodeAffinityTest, WantsOneOfTheAlternatives) {
  EXPECT_THAT(
      probe_.Passing(TaskBuilder().Requires({In("zone", {"a"})}).Requires({Exists("disk")})),
      ElementsAre("a", "c"));
}

TEST_F(NodeAffinityTest, WantsSelectorAndAlternativesTogether) {
  EXPECT_THAT(probe_.Passing(TaskBuilder().Selects("zone", "a").Requires({In("zone", {"b"})})),
              IsEmpty());
}

TEST_F(NodeAffinityTest, NamesTheRarestOfTheLabelsThatAreMissing) {
  const auto seen = probe_.Rejections(TaskBuilder().Selects("zone", "a").Selects("disk", "floppy"));
  ASSERT_THAT(seen, SizeIs(4));
  for (const auto& rejection : seen) {
    EXPECT_EQ(rejection.reason, Reason::kNodeSelectorMismatch);
    EXPECT_EQ(probe_.cluster.table().LabelText(LabelId{rejection.subject}), "disk=floppy");
    EXPECT_TRUE(rejection.permanent);
  }
}

TEST_F(NodeAffinityTest, NamesTheLabelThatIsMissing) {
  const auto seen = probe_.Rejections(TaskBuilder().Selects("zone", "a"));
  ASSERT_THAT(seen, SizeIs(3));
  EXPECT_EQ(seen[0].node, "b");
  EXPECT_EQ(probe_.cluster.table().LabelText(LabelId{seen[0].subject}), "zone=a");
}

TEST_F(NodeAffinityTest, TellsAffinityFromSelector) {
  const auto seen = probe_.Rejections(TaskBuilder().Requires({In("zone", {"a", "b", "c"})}));
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].node, "bare");
  EXPECT_EQ(seen[0].reason, Reason::kNodeAffinityMismatch);
  EXPECT_TRUE(seen[0].permanent);
}

TEST_F(NodeAffinityTest, ScoresThePartOfTheWeightsThatHolds) {
  const auto scores = probe_.Scores(
      TaskBuilder().Prefers(30, {In("zone", {"a", "c"})}).Prefers(10, {Exists("disk")}));
  EXPECT_EQ(scores.at("a"), kMaxScore * 3 / 4);
  EXPECT_EQ(scores.at("b"), 0);
  EXPECT_EQ(scores.at("c"), kMaxScore);
  EXPECT_EQ(scores.at("bare"), 0);
}

TEST_F(NodeAffinityTest, SkipsTheScoreWithoutPreferences) {
  const auto& score = probe_.As<ScorePlugin>();
  EXPECT_TRUE(score.Skips(probe_.cluster.Needs(TaskBuilder().Selects("zone", "a"))));
  EXPECT_FALSE(score.Skips(probe_.cluster.Needs(TaskBuilder().Prefers(1, {Exists("zone")}))));
}

TEST(NodeAffinityManyNodesTest, JudgesNodesBeyondTheFirstRunOfWords) {
  PluginProbe probe(kNodeAffinity);
  probe.cluster.AddMany("n", 4100, NodeBuilder(""));
  for (int i : {0, 63, 4095, 4096, 4099}) {
    probe.cluster.Add(NodeBuilder("n" + std::to_string(i)).Label("odd", "yes"));
  }
  EXPECT_THAT(probe.Passing(TaskBuilder().Requires({Exists("odd")})),
              ElementsAre("n0", "n63", "n4095", "n4096", "n4099"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Requires({DoesNotExist("odd")})), SizeIs(4095));
}

}  // namespace
}  // namespace berth::plugins
