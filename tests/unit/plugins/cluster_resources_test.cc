#include "cluster_resources/cluster_resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/plugins/domain_rules.h"

namespace berth::plugins {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using testing::DomainRules;
using testing::SeenRejection;

// 5 licences in the cluster, 3 of the uplink in each zone.
class ClusterResourcesTest : public ::testing::Test {
 protected:
  ClusterResourcesTest() { SetCapacities(5, 3); }

  void SetCapacities(int32_t licences, int32_t uplink) {
    const state::SharedResourceSpec specs[] = {{"licence", "", licences},
                                               {"uplink", "zone", uplink}};
    rules_.table().SetSharedResources(specs);
  }
  TaskRequirements Asks(int32_t licences, int32_t uplink) {
    const auto shared = rules_.table().shared_resources();
    TaskRequirements needs;
    if (licences > 0) needs.shared.push_back({0, shared[0].key, shared[0].counter, licences});
    if (uplink > 0) needs.shared.push_back({1, shared[1].key, shared[1].counter, uplink});
    return needs;
  }
  void Run(std::string_view node, const TaskRequirements& task) {
    rules_.table().Allocate(rules_.probe.cluster.At(node), task, {});
  }
  void End(std::string_view node, const TaskRequirements& task) {
    rules_.table().Release(rules_.probe.cluster.At(node), task, {});
  }

  DomainRules rules_{kClusterResources};
};

TEST_F(ClusterResourcesTest, TheClusterGivesOutNoMoreThanItHas) {
  Run("a1", Asks(2, 0));
  Run("bare", Asks(1, 0));
  EXPECT_THAT(rules_.Passing(Asks(2, 0)), ElementsAre("a1", "a2", "b1", "c1", "bare"));
  EXPECT_THAT(rules_.Passing(Asks(3, 0)), IsEmpty());
  End("a1", Asks(2, 0));
  EXPECT_THAT(rules_.Passing(Asks(4, 0)), ElementsAre("a1", "a2", "b1", "c1", "bare"));
}

TEST_F(ClusterResourcesTest, EachDomainHasItsOwnAndANodeOutsideHasNone) {
  Run("a1", Asks(0, 3));
  Run("b1", Asks(0, 2));
  EXPECT_THAT(rules_.Passing(Asks(0, 1)), ElementsAre("b1", "c1"));
  EXPECT_THAT(rules_.Passing(Asks(0, 2)), ElementsAre("c1"));
}

TEST_F(ClusterResourcesTest, OfSeveralAllMustSuffice) {
  Run("a1", Asks(4, 0));
  EXPECT_THAT(rules_.Passing(Asks(1, 1)), ElementsAre("a1", "a2", "b1", "c1"));
  EXPECT_THAT(rules_.Passing(Asks(2, 1)), IsEmpty());
}

TEST_F(ClusterResourcesTest, ACapacityMayFallBelowWhatIsTaken) {
  Run("a1", Asks(4, 0));
  SetCapacities(3, 3);
  EXPECT_THAT(rules_.Passing(Asks(1, 0)), IsEmpty());
  SetCapacities(6, 3);
  EXPECT_THAT(rules_.Passing(Asks(2, 0)), ElementsAre("a1", "a2", "b1", "c1", "bare"));
}

TEST_F(ClusterResourcesTest, WhatIsTakenMovesWithItsNodeToAnotherDomain) {
  Run("a1", Asks(0, 3));
  state::NodeSpec moved = rules_.table().spec(rules_.probe.cluster.At("a1"));
  moved.labels["zone"] = "c";
  ASSERT_TRUE(rules_.table().Put(moved).ok());
  EXPECT_THAT(rules_.Passing(Asks(0, 1)), ElementsAre("a2", "b1"));
}

TEST_F(ClusterResourcesTest, SaysWhatIsMissingAndWhetherForGood) {
  Run("a1", Asks(4, 2));
  const auto all = rules_.Rejections(Asks(2, 0));
  ASSERT_EQ(all.size(), 5u);
  for (const SeenRejection& seen : all) {
    EXPECT_EQ(seen.reason, Reason::kInsufficientClusterResource);
    EXPECT_EQ(seen.subject, 0u);
    EXPECT_EQ(seen.free, 1);
    EXPECT_EQ(seen.capacity, 5);
    EXPECT_FALSE(seen.permanent);
  }
  constexpr Reason kReason = Reason::kInsufficientClusterResource;
  EXPECT_THAT(rules_.Rejections(Asks(0, 2)),
              UnorderedElementsAre(SeenRejection{"a1", kReason, 1, 2, 1, 3, false},
                                   SeenRejection{"a2", kReason, 1, 2, 1, 3, false},
                                   SeenRejection{"bare", kReason, 1, 2, 0, 0, true}));
  for (const SeenRejection& seen : rules_.Rejections(Asks(6, 0))) EXPECT_TRUE(seen.permanent);
}

}  // namespace
}  // namespace berth::plugins
