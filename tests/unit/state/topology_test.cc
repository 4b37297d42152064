#include "state/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace berth::state {
namespace {

using ::testing::ElementsAre;

using testing::Cluster;
using testing::NodeBuilder;

// Nodes a and b in zone x, c in zone y, d in none; a counter by zone.
class TopologyTest : public ::testing::Test {
 protected:
  TopologyTest() {
    cluster_.Add(NodeBuilder("a").Label("zone", "x"));
    cluster_.Add(NodeBuilder("b").Label("zone", "x"));
    cluster_.Add(NodeBuilder("c").Label("zone", "y"));
    cluster_.Add(NodeBuilder("d"));
    zone_ = table().InternKey("zone");
    counter_ = table().AddCounter(zone_);
    counted_.counted_in = {counter_};
  }

  NodeTable& table() { return cluster_.table(); }
  void Bind(std::string_view node) { table().Allocate(cluster_.At(node), counted_, {}); }
  void Release(std::string_view node) { table().Release(cluster_.At(node), counted_, {}); }

  Cluster cluster_;
  KeyId zone_;
  CounterId counter_;
  TaskRequirements counted_;
};

TEST_F(TopologyTest, KnowsTheDomainOfEachNode) {
  EXPECT_THAT(table().domains(zone_), ElementsAre(0, 0, 1, kNoDomain));
  EXPECT_FALSE(table().topology().IsOneNodeEach(zone_));
}

TEST_F(TopologyTest, CountsByDomain) {
  Bind("a");
  Bind("b");
  Bind("c");
  EXPECT_THAT(table().counts(counter_), ElementsAre(2, 1));
  EXPECT_EQ(table().count_in_all(counter_), 3);
  Release("b");
  EXPECT_THAT(table().counts(counter_), ElementsAre(1, 1));
}

TEST_F(TopologyTest, ATaskOnANodeWithoutTheLabelIsInNoDomain) {
  Bind("d");
  EXPECT_THAT(table().counts(counter_), ElementsAre(0, 0));
  EXPECT_EQ(table().count_in_all(counter_), 0);
  Release("d");
}

TEST_F(TopologyTest, WhatIsCountedOnANodeMovesWithIt) {
  Bind("b");
  Bind("b");
  cluster_.Add(NodeBuilder("b").Label("zone", "z"));
  EXPECT_THAT(table().domains(zone_), ElementsAre(0, 2, 1, kNoDomain));
  EXPECT_THAT(table().counts(counter_), ElementsAre(0, 0, 2));
  EXPECT_TRUE(table().topology().IsOneNodeEach(zone_));
  cluster_.Add(NodeBuilder("b"));
  EXPECT_THAT(table().counts(counter_), ElementsAre(0, 0, 0));
  cluster_.Add(NodeBuilder("b").Label("zone", "y"));
  EXPECT_THAT(table().counts(counter_), ElementsAre(0, 2, 0));
  Release("b");
  EXPECT_THAT(table().counts(counter_), ElementsAre(0, 1, 0));
}

TEST_F(TopologyTest, ADomainThatIsNewHasAPlaceInEveryCounter) {
  const CounterId other = table().AddCounter(zone_);
  cluster_.Add(NodeBuilder("e").Label("zone", "w"));
  EXPECT_EQ(table().counts(counter_).size(), 3u);
  EXPECT_EQ(table().counts(other).size(), 3u);
}

TEST_F(TopologyTest, ForgetsAKeyThatNobodyCountsBy) {
  table().RemoveCounter(counter_);
  EXPECT_FALSE(table().topology().Tracks(zone_));
  const CounterId again = table().AddCounter(zone_);
  EXPECT_THAT(table().domains(zone_), ElementsAre(0, 0, 1, kNoDomain));
  EXPECT_THAT(table().counts(again), ElementsAre(0, 0));
}

TEST_F(TopologyTest, ANodeThatIsRemovedIsInNoDomain) {
  table().Remove(cluster_.At("b"));
  EXPECT_THAT(table().domains(zone_), ElementsAre(0, kNoDomain, 1, kNoDomain));
  EXPECT_TRUE(table().topology().IsOneNodeEach(zone_));
}

TEST_F(TopologyTest, TellsThatACounterHasChanged) {
  const uint64_t before = table().topology().version(counter_);
  Bind("a");
  EXPECT_GT(table().topology().version(counter_), before);
}

}  // namespace
}  // namespace berth::state
