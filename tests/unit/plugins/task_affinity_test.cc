#include "task_affinity/task_affinity.h"

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

class TaskAffinityTest : public ::testing::Test {
 protected:
  TaskRequirements With(TermKind kind, int32_t weight = 0) {
    TaskRequirements needs;
    needs.terms = {rules_.Rule(kind, weight)};
    return needs;
  }
  DomainRules rules_{kTaskAffinity};
};

TEST_F(TaskAffinityTest, GoesWhereATaskOfItsRuleIs) {
  rules_.Run("a1", 1);
  EXPECT_THAT(rules_.Passing(With(TermKind::kAffinity)), ElementsAre("a1", "a2"));
}

TEST_F(TaskAffinityTest, TheFirstOfARuleThatCountsItselfGoesAnywhereWhereTheLabelIs) {
  EXPECT_THAT(rules_.Passing(With(TermKind::kAffinity)), ElementsAre("a1", "a2", "b1", "c1"));
  TaskRequirements follower = With(TermKind::kAffinity);
  follower.terms[0].counts_itself = false;
  EXPECT_THAT(rules_.Passing(follower), IsEmpty());
}

TEST_F(TaskAffinityTest, StaysAwayFromDomainsWithATaskOfItsRule) {
  rules_.Run("a1", 1);
  EXPECT_THAT(rules_.Passing(With(TermKind::kAntiAffinity)), ElementsAre("b1", "c1", "bare"));
}

TEST_F(TaskAffinityTest, OthersKeepItAwayToo) {
  rules_.Run("b1", 1);
  TaskRequirements needs;
  needs.others_terms = {rules_.Rule(TermKind::kAntiAffinity)};
  EXPECT_THAT(rules_.Passing(needs), ElementsAre("a1", "a2", "c1", "bare"));
}

TEST_F(TaskAffinityTest, SaysWhyANodeIsOut) {
  rules_.Run("a1", 1);
  EXPECT_THAT(
      rules_.Rejections(With(TermKind::kAffinity)),
      UnorderedElementsAre(
          SeenRejection{"b1", Reason::kAffinityUnmet, rules_.zone.value, 0, 0, 0, false},
          SeenRejection{"c1", Reason::kAffinityUnmet, rules_.zone.value, 0, 0, 0, false},
          SeenRejection{"bare", Reason::kTopologyLabelMissing, rules_.zone.value, 0, 0, 0, true}));
  EXPECT_THAT(rules_.Rejections(With(TermKind::kAntiAffinity)),
              UnorderedElementsAre(
                  SeenRejection{"a1", Reason::kAntiAffinity, rules_.zone.value, 0, 0, 0, false},
                  SeenRejection{"a2", Reason::kAntiAffinity, rules_.zone.value, 0, 0, 0, false}));
}

TEST_F(TaskAffinityTest, PrefersMoreTasksOfAnAffinityRule) {
  rules_.Run("a1", 1);
  rules_.Run("b1", 3);
  const auto scores = rules_.Scores(With(TermKind::kAffinity, 7));
  EXPECT_EQ(scores.at("b1"), kMaxScore * 3 / 4);
  EXPECT_EQ(scores.at("a2"), kMaxScore / 2);
  EXPECT_EQ(scores.at("c1"), 0);
  EXPECT_EQ(scores.at("bare"), 0);
}

TEST_F(TaskAffinityTest, PrefersFewerTasksOfAnAntiAffinityRule) {
  rules_.Run("a1", 1);
  rules_.Run("b1", 3);
  const auto scores = rules_.Scores(With(TermKind::kAntiAffinity, 7));
  EXPECT_EQ(scores.at("c1"), kMaxScore);
  EXPECT_EQ(scores.at("bare"), kMaxScore);
  EXPECT_EQ(scores.at("a2"), kMaxScore / 2);
  EXPECT_EQ(scores.at("b1"), kMaxScore / 4);
}

TEST_F(TaskAffinityTest, IsLocalUnlessItMayBeTheFirst) {
  const auto& domain = rules_.probe.As<DomainPlugin>();
  EXPECT_TRUE(domain.IsLocal(With(TermKind::kAntiAffinity)));
  EXPECT_FALSE(domain.IsLocal(With(TermKind::kAffinity)));
  EXPECT_TRUE(domain.IsLocal(With(TermKind::kAffinity, 3)));
}

TEST_F(TaskAffinityTest, IsNotAskedWithoutARuleOfItsKind) {
  TaskRequirements needs;
  needs.terms = {rules_.Rule(TermKind::kSpread), rules_.Rule(TermKind::kSpread, 5)};
  EXPECT_TRUE(rules_.probe.As<FilterPlugin>().PassesAll(needs));
  EXPECT_TRUE(rules_.probe.As<ScorePlugin>().Skips(needs));
}

}  // namespace
}  // namespace berth::plugins
