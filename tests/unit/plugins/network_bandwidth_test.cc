#include "network_bandwidth/network_bandwidth.h"

#include <gtest/gtest.h>

#include "tests/unit/plugins/domain_rules.h"

namespace berth::plugins {
namespace {

using testing::DomainRules;
using testing::NodeBuilder;

class NetworkBandwidthTest : public ::testing::Test {
 protected:
  NetworkBandwidthTest() { needs_.terms = {rules_.Rule(TermKind::kNearTasks, 1)}; }

  // Of a node with so much free.
  int32_t Score(int32_t mbit) {
    const std::string name = "n" + std::to_string(mbit);
    state::NodeSpec spec;
    spec.name = name;
    spec.capacity.builtin = {1000, 1000, 0, mbit};
    BERTH_CHECK(rules_.table().Put(spec).ok());
    return rules_.Scores(needs_).at(name);
  }

  DomainRules rules_{kNetworkBandwidth};
  TaskRequirements needs_;
};

TEST_F(NetworkBandwidthTest, GivesATenthForEachDoublingOfWhatIsFree) {
  EXPECT_EQ(Score(0), 0);
  EXPECT_EQ(Score(100), 0);
  EXPECT_EQ(Score(150), kMaxScore / 20);
  EXPECT_EQ(Score(200), kMaxScore / 10);
  EXPECT_EQ(Score(25'600), kMaxScore * 8 / 10);
  EXPECT_EQ(Score(102'400), kMaxScore);
  EXPECT_EQ(Score(kMaxQuanta), kMaxScore);
}

TEST_F(NetworkBandwidthTest, NeverFallsWithMore) {
  int32_t before = 0;
  for (int32_t mbit = 90; mbit < 1'000; mbit += 7) {
    const int32_t score = Score(mbit);
    EXPECT_GE(score, before) << mbit;
    before = score;
  }
}

TEST_F(NetworkBandwidthTest, LooksAtWhatIsNotGivenAway) {
  EXPECT_EQ(Score(800), kMaxScore * 3 / 10);
  TaskRequirements holder;
  holder.requests[kBandwidth] = 600;
  rules_.table().Allocate(rules_.probe.cluster.At("n800"), holder, {});
  EXPECT_EQ(rules_.Scores(needs_).at("n800"), kMaxScore / 10);
}

TEST_F(NetworkBandwidthTest, IsNotAskedWithoutARuleOfNearness) {
  EXPECT_TRUE(rules_.probe.As<ScorePlugin>().Skips(TaskRequirements{}));
  EXPECT_FALSE(rules_.probe.As<ScorePlugin>().Skips(needs_));
}

}  // namespace
}  // namespace berth::plugins
