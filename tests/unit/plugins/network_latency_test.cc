#include "network_latency/network_latency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/plugins/domain_rules.h"

namespace berth::plugins {
namespace {

using testing::DomainRules;

class NetworkLatencyTest : public ::testing::Test {
 protected:
  NetworkLatencyTest() { rules_.table().WatchNearness(rules_.zone); }

  void Measure(std::string_view from, std::string_view to, int64_t round_trip_us) {
    rules_.table().latencies().Set(At(from), At(to), round_trip_us);
    rules_.table().latencies().Recount(rules_.table().topology(), 100);
  }
  std::map<std::string, int32_t> Scores(TermKind kind) {
    TaskRequirements needs;
    needs.terms = {rules_.Rule(kind, 7)};
    return rules_.Scores(needs);
  }
  Slot At(std::string_view node) { return rules_.probe.cluster.At(node); }

  DomainRules rules_{kNetworkLatency};
};

TEST_F(NetworkLatencyTest, PrefersDomainsThatAreNearItsPeersOnAnAverage) {
  Measure("a1", "b1", 64);     // 9
  Measure("b1", "c1", 1'000);  // 5
  Measure("a1", "c1", 2'000);  // 4
  rules_.Run("a1", 1);
  rules_.Run("c1", 3);
  const auto scores = Scores(TermKind::kNearTasks);
  EXPECT_EQ(scores.at("a1"), kMaxScore * (10 + 3 * 4) / 40);
  EXPECT_EQ(scores.at("a2"), scores.at("a1"));
  EXPECT_EQ(scores.at("b1"), kMaxScore * (9 + 3 * 5) / 40);
  EXPECT_EQ(scores.at("c1"), kMaxScore * (4 + 3 * 10) / 40);
  EXPECT_EQ(scores.at("bare"), 0);
}

TEST_F(NetworkLatencyTest, PrefersDomainsThatAreNearTheNearestData) {
  Measure("a1", "b1", 64);
  Measure("b1", "c1", 1'000);
  Measure("a1", "c1", 2'000);
  rules_.Run("a1", 1);
  rules_.Run("c1", 3);
  const auto scores = Scores(TermKind::kNearData);
  EXPECT_EQ(scores.at("a1"), kMaxScore);
  EXPECT_EQ(scores.at("b1"), kMaxScore * 9 / 10);
  EXPECT_EQ(scores.at("c1"), kMaxScore);
  EXPECT_EQ(scores.at("bare"), 0);
}

TEST_F(NetworkLatencyTest, IsOfNoOpinionWhileThereIsNothingToBeNear) {
  Measure("a1", "b1", 64);
  for (const auto& [node, score] : Scores(TermKind::kNearTasks)) EXPECT_EQ(score, 0) << node;
  for (const auto& [node, score] : Scores(TermKind::kNearData)) EXPECT_EQ(score, 0) << node;
}

TEST_F(NetworkLatencyTest, WhereNothingIsMeasuredTheSameDomainIsNear) {
  rules_.Run("a1", 1);
  rules_.probe.cluster.Add(testing::NodeBuilder("d1").Label("zone", "d"));  // not in the table
  rules_.Run("d1", 1);
  for (const TermKind kind : {TermKind::kNearTasks, TermKind::kNearData}) {
    const int32_t alone = kind == TermKind::kNearTasks ? kMaxScore / 2 : kMaxScore;
    const auto scores = Scores(kind);
    EXPECT_EQ(scores.at("a2"), alone);
    EXPECT_EQ(scores.at("d1"), alone);
    EXPECT_EQ(scores.at("b1"), 0);
  }
}

TEST_F(NetworkLatencyTest, SharesItsScoreAmongRulesByWeight) {
  rules_.Run("a1", 1);
  const CounterId other = rules_.table().AddCounter(rules_.zone);
  TaskRequirements there;
  there.counted_in = {other};
  rules_.table().Allocate(At("c1"), there, {});
  TaskRequirements needs;
  needs.terms = {rules_.Rule(TermKind::kNearTasks, 3), rules_.Rule(TermKind::kNearData, 1),
                 rules_.Rule(TermKind::kSpread, 50)};
  needs.terms[1].counter = other;
  const auto scores = rules_.Scores(needs);
  EXPECT_EQ(scores.at("a1"), kMaxScore / 4 * 3);
  EXPECT_EQ(scores.at("c1"), kMaxScore / 4);
  EXPECT_EQ(scores.at("b1"), 0);
}

TEST_F(NetworkLatencyTest, IsNotAskedWithoutARuleOfItsKind) {
  TaskRequirements needs;
  needs.terms = {rules_.Rule(TermKind::kSpread), rules_.Rule(TermKind::kAffinity, 5)};
  EXPECT_TRUE(rules_.probe.As<ScorePlugin>().Skips(needs));
  needs.terms.push_back(rules_.Rule(TermKind::kNearData, 5));
  EXPECT_FALSE(rules_.probe.As<ScorePlugin>().Skips(needs));
}

}  // namespace
}  // namespace berth::plugins
