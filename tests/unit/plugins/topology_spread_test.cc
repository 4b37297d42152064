#include "topology_spread/topology_spread.h"

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

class TopologySpreadTest : public ::testing::Test {
 protected:
  TaskRequirements Spread(int32_t max_skew, int32_t weight = 0) {
    TaskRequirements needs;
    needs.terms = {rules_.Rule(TermKind::kSpread, weight)};
    needs.terms[0].max_skew = max_skew;
    return needs;
  }
  DomainRules rules_{kTopologySpread};
};

// Only some domains.
class Only final : public EligibleDomains {
 public:
  explicit Only(std::vector<int32_t> domains) : domains_(std::move(domains)) {}
  std::span<const int32_t> Of(KeyId) const override { return domains_; }

 private:
  std::vector<int32_t> domains_;
};

TEST_F(TopologySpreadTest, StartsAnywhereWhereTheLabelIs) {
  EXPECT_THAT(rules_.Passing(Spread(1)), ElementsAre("a1", "a2", "b1", "c1"));
}

TEST_F(TopologySpreadTest, ADomainMayHaveMaxSkewMoreThanTheEmptiest) {
  rules_.Run("a1", 2);
  rules_.Run("b1", 1);
  EXPECT_THAT(rules_.Passing(Spread(1)), ElementsAre("c1"));
  EXPECT_THAT(rules_.Passing(Spread(2)), ElementsAre("b1", "c1"));
  EXPECT_THAT(rules_.Passing(Spread(3)), ElementsAre("a1", "a2", "b1", "c1"));
}

TEST_F(TopologySpreadTest, ATaskThatIsNotCountedItselfAddsNothing) {
  rules_.Run("a1", 2);
  rules_.Run("b1", 1);
  TaskRequirements needs = Spread(1);
  needs.terms[0].counts_itself = false;
  EXPECT_THAT(rules_.Passing(needs), ElementsAre("b1", "c1"));
}

TEST_F(TopologySpreadTest, DomainsThatTheTaskCannotUseDoNotCountAsEmpty) {
  rules_.Run("a1", 2);
  rules_.Run("b1", 1);
  const Only a_and_b({0, 1});
  EXPECT_THAT(rules_.Passing(Spread(1), &a_and_b), ElementsAre("b1", "c1"));
  EXPECT_THAT(rules_.Passing(Spread(2), &a_and_b), ElementsAre("a1", "a2", "b1", "c1"));
}

TEST_F(TopologySpreadTest, SaysWhyANodeIsOut) {
  rules_.Run("b1", 1);
  EXPECT_THAT(
      rules_.Rejections(Spread(1)),
      UnorderedElementsAre(
          SeenRejection{"b1", Reason::kSpreadSkew, rules_.zone.value, 0, 0, 0, false},
          SeenRejection{"bare", Reason::kTopologyLabelMissing, rules_.zone.value, 0, 0, 0, true}));
}

TEST_F(TopologySpreadTest, ScoresByHowManyMoreThanInTheEmptiest) {
  rules_.Run("a2", 1);
  rules_.Run("b1", 3);
  const auto scores = rules_.Scores(Spread(1, 10));
  EXPECT_EQ(scores.at("c1"), kMaxScore);
  EXPECT_EQ(scores.at("a1"), kMaxScore / 2);
  EXPECT_EQ(scores.at("b1"), kMaxScore / 4);
  EXPECT_EQ(scores.at("bare"), 0);
}

TEST_F(TopologySpreadTest, ALargerSkewCountsLess) {
  rules_.Run("b1", 3);
  EXPECT_EQ(rules_.Scores(Spread(3, 10)).at("b1"), kMaxScore / 2);
}

TEST_F(TopologySpreadTest, SharesTheScoreAmongRulesByWeight) {
  rules_.Run("b1", 1);
  TaskRequirements needs = Spread(1, 3);
  needs.terms.push_back(needs.terms[0]);
  needs.terms[1].weight = 1;
  needs.terms[1].counter = rules_.table().AddCounter(rules_.zone);
  // Half of three quarters, and the other quarter.
  EXPECT_EQ(rules_.Scores(needs).at("b1"), kMaxScore * 5 / 8);
}

TEST_F(TopologySpreadTest, IsNotAskedWithoutARuleOfItsKind) {
  TaskRequirements needs;
  needs.terms = {rules_.Rule(TermKind::kAffinity), rules_.Rule(TermKind::kAntiAffinity, 5)};
  EXPECT_TRUE(rules_.probe.As<FilterPlugin>().PassesAll(needs));
  EXPECT_TRUE(rules_.probe.As<ScorePlugin>().Skips(needs));
  EXPECT_TRUE(rules_.probe.As<FilterPlugin>().PassesAll(Spread(1, 5)));
  EXPECT_TRUE(rules_.probe.As<ScorePlugin>().Skips(Spread(1)));
  std::vector<DomainKey> keys;
  rules_.probe.As<DomainPlugin>().AppendKeys(needs, keys);
  EXPECT_THAT(keys, IsEmpty());
}

}  // namespace
}  // namespace berth::plugins
