#include "features/interval_trust.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

TEST(IntervalTrustTest, StartsFromTheNominalQuantiles) {
  const IntervalTrust trust(80);
  EXPECT_DOUBLE_EQ(trust.low(), 0.1);
  EXPECT_DOUBLE_EQ(trust.high(), 0.9);
}

TEST(IntervalTrustTest, AnOutcomeOutsideWidensThatEnd) {
  IntervalTrust trust(80);
  trust.Learn(1000, 2000, 4000, 500);
  EXPECT_LT(trust.low(), 0.1);
  EXPECT_LT(trust.high(), 0.9);
  IntervalTrust other(80);
  other.Learn(1000, 2000, 4000, 9000);
  EXPECT_GT(other.low(), 0.1);
  EXPECT_GT(other.high(), 0.9);
}

TEST(IntervalTrustTest, TheEndsOfAnIntervalAreInIt) {
  IntervalTrust trust(80), inside(80);
  trust.Learn(1000, 2000, 4000, 1000);
  inside.Learn(1000, 2000, 4000, 2000);
  EXPECT_EQ(trust.state().low, inside.state().low);
  EXPECT_EQ(trust.state().high, inside.state().high);
}

// Predicts quantiles of a distribution that is `wrong` times as wide as that of the outcomes.
double CoverageOf(int32_t wanted, double wrong, uint64_t seed) {
  base::Rng rng(seed);
  IntervalTrust trust(wanted);
  int inside = 0;
  constexpr int kOutcomes = 20'000, kCounted = 10'000;
  for (int i = 0; i < kOutcomes; ++i) {
    const auto quantile = [&](double p) {
      return static_cast<int64_t>(1'000'000 + (p - 0.5) * wrong * 1'000'000);
    };
    const int64_t low = quantile(trust.low()), high = quantile(trust.high());
    const auto actual = static_cast<int64_t>(500'000 + rng.UniformDouble() * 1'000'000);
    if (i >= kOutcomes - kCounted) inside += low <= actual && actual <= high ? 1 : 0;
    trust.Learn(low, 1'000'000, high, actual);
  }
  return static_cast<double>(inside) / kCounted;
}

TEST(IntervalTrustTest, CoversWhatWasAskedForHoweverWrongTheQuantiles) {
  const uint64_t seed = testing::TestSeed(1);
  for (const int32_t wanted : {50, 80, 90}) {
    for (const double wrong : {0.95, 1.0, 1.5, 3.0}) {
      EXPECT_NEAR(CoverageOf(wanted, wrong, seed), wanted / 100.0, 0.02)
          << wanted << " % of quantiles that are " << wrong << " times as wide";
    }
  }
}

TEST(IntervalTrustTest, ConfidenceIsTheShareOfRightPredictionsWithIntervalsSoWide) {
  IntervalTrust trust(80);
  for (int i = 0; i < 2000; ++i) trust.Learn(1000, 1100, 1300, i % 4 == 0 ? 9000 : 1100);
  EXPECT_NEAR(trust.Confidence(1000, 1300), 75, 3);
  for (int i = 0; i < 2000; ++i) trust.Learn(1000, 9000, 90'000, i % 10 == 0 ? 9000 : 1100);
  EXPECT_NEAR(trust.Confidence(1000, 90'000), 10, 4);
  EXPECT_NEAR(trust.Confidence(1000, 1300), 75, 3);
}

TEST(IntervalTrustTest, EndsStayWhereThereAreQuantiles) {
  IntervalTrust outside(80), inside(80);
  for (int i = 0; i < 100'000; ++i) {
    outside.Learn(1000, 1000, 1000, i % 2 == 0 ? 1 : 100'000);
    inside.Learn(1, 1000, 100'000, 1000);
  }
  EXPECT_GE(outside.low(), 0.0);
  EXPECT_LE(outside.high(), 1.0);
  EXPECT_LT(inside.low(), 0.5);
  EXPECT_GT(inside.high(), 0.5);
  EXPECT_TRUE(IntervalTrust(80).Restore(outside.state()));
  EXPECT_TRUE(IntervalTrust(80).Restore(inside.state()));
}

TEST(IntervalTrustTest, RefusesAStateThatCannotComeAbout) {
  IntervalTrust trust(80);
  const IntervalTrust::State sound = trust.state();
  for (const int32_t wrong : {-1, 0, 500'000, INT32_MIN, INT32_MAX}) {
    IntervalTrust::State state = sound;
    state.low = wrong;
    EXPECT_FALSE(trust.Restore(state)) << wrong;
  }
  for (const int32_t wrong : {-1, 500'000, 1'000'000, INT32_MAX}) {
    IntervalTrust::State state = sound;
    state.high = wrong;
    EXPECT_FALSE(trust.Restore(state)) << wrong;
  }
  IntervalTrust::State state = sound;
  state.right[3] = 1'000'001;
  EXPECT_FALSE(trust.Restore(state));
  EXPECT_EQ(trust.state(), sound);
}

}  // namespace
}  // namespace berth::features
