#include "taint_toleration/taint_toleration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NodeBuilder;
using testing::PluginProbe;
using ::testing::SizeIs;
using testing::TaskBuilder;

constexpr auto kPrefer = TaintEffect::kPreferNoSchedule;

TEST(TaintTolerationFilterTest, RemovesNodesWithATaintThatIsNotTolerated) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("plain"));
  probe.cluster.Add(NodeBuilder("tainted").Taint("gpu", "true"));
  probe.cluster.Add(NodeBuilder("leaving").Taint("retire", "", TaintEffect::kNoExecute));
  EXPECT_THAT(probe.Passing(TaskBuilder()), ElementsAre("plain"));
}

TEST(TaintTolerationFilterTest, KeepsNodesWhoseTaintsAreAllTolerated) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("one").Taint("gpu", "true"));
  probe.cluster.Add(NodeBuilder("two").Taint("gpu", "true").Taint("team", "x"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Tolerates("gpu")), ElementsAre("one"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Tolerates("gpu").Tolerates("team", "x")),
              ElementsAre("one", "two"));
}

TEST(TaintTolerationFilterTest, ComparesValuesOnlyWhereOneIsGiven) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("x").Taint("team", "x"));
  probe.cluster.Add(NodeBuilder("y").Taint("team", "y"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Tolerates("team", "x")), ElementsAre("x"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Tolerates("team")), ElementsAre("x", "y"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Tolerates("")), ElementsAre("x", "y"));
}

TEST(TaintTolerationFilterTest, ComparesEffectsOnlyWhereOneIsGiven) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("n").Taint("retire", "", TaintEffect::kNoExecute));
  EXPECT_THAT(
      probe.Passing(TaskBuilder().Tolerates("retire", std::nullopt, TaintEffect::kNoSchedule)),
      IsEmpty());
  EXPECT_THAT(
      probe.Passing(TaskBuilder().Tolerates("retire", std::nullopt, TaintEffect::kNoExecute)),
      ElementsAre("n"));
}

TEST(TaintTolerationFilterTest, KeepsNodesThatOnlyPreferNone) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("n").Taint("slow", "", kPrefer));
  EXPECT_THAT(probe.Passing(TaskBuilder()), ElementsAre("n"));
}

TEST(TaintTolerationDiagnoseTest, NamesOneTaintOfEachNodeForGood) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("plain"));
  probe.cluster.Add(NodeBuilder("two").Taint("gpu", "true").Taint("team", "x"));
  const auto seen = probe.Rejections(TaskBuilder().Tolerates("gpu"));
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].node, "two");
  EXPECT_EQ(seen[0].reason, Reason::kUntoleratedTaint);
  EXPECT_EQ(probe.cluster.table().TaintOf(TaintId{seen[0].subject}).key, "team");
  EXPECT_TRUE(seen[0].permanent);
  EXPECT_THAT(probe.Rejections(TaskBuilder()), SizeIs(1));
}

TEST(TaintTolerationScoreTest, QuartersForEachUnwelcomeTaint) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("none"));
  probe.cluster.Add(NodeBuilder("one").Taint("slow", "", kPrefer));
  probe.cluster.Add(NodeBuilder("two").Taint("slow", "", kPrefer).Taint("old", "", kPrefer));
  const auto scores = probe.Scores(TaskBuilder());
  EXPECT_EQ(scores.at("none"), kMaxScore);
  EXPECT_EQ(scores.at("one"), kMaxScore / 4);
  EXPECT_EQ(scores.at("two"), kMaxScore / 16);
}

TEST(TaintTolerationScoreTest, DoesNotCountWhatIsTolerated) {
  PluginProbe probe(kTaintToleration);
  probe.cluster.Add(NodeBuilder("one").Taint("slow", "", kPrefer));
  EXPECT_EQ(probe.Scores(TaskBuilder().Tolerates("slow")).at("one"), kMaxScore);
}

}  // namespace
}  // namespace berth::plugins
