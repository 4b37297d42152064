#include "common/exact_fraction.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace berth::plugins {
namespace {

int64_t ByIntegers(int64_t part, int64_t whole) {
  if (part <= 0 || whole <= 0) return 0;
  return (part < whole ? part : whole) * kMaxScore / whole;
}

TEST(ScorePartTest, EqualsIntegerDivisionAtTheEdges) {
  const std::vector<int32_t> edges = {
      0, 1, 2, 3, 7, 999, 1000, 1 << 20, 1 << 29, 1 << 30, kMaxQuanta - 1, kMaxQuanta};
  for (int32_t part : edges) {
    for (int32_t whole : edges) {
      if (whole > kMaxQuanta) continue;
      EXPECT_EQ(ScorePart(part, whole), ByIntegers(part, whole)) << part << "/" << whole;
    }
  }
}

TEST(ScorePartTest, EqualsIntegerDivisionNextToEveryWholeQuotient) {
  base::Rng rng(7);
  for (int i = 0; i < 2'000'000; ++i) {
    // Parts at which the quotient is about to step are those at which rounding could go wrong.
    const int bits = 1 + static_cast<int>(rng.Uniform(30));
    const auto whole = static_cast<int32_t>(1 + rng.Uniform((uint64_t{1} << bits) - 1));
    const auto step = static_cast<int64_t>(rng.Uniform(kMaxScore + 1));
    const int64_t part = step * whole / kMaxScore + static_cast<int64_t>(rng.Uniform(3)) - 1;
    const auto clamped = static_cast<int32_t>(part < 0 ? 0 : part > whole ? whole : part);
    ASSERT_EQ(ScorePart(clamped, whole), ByIntegers(clamped, whole)) << clamped << "/" << whole;
  }
}

TEST(ScorePartTest, BringsThePartIntoRange) {
  EXPECT_EQ(ScorePart(-5, 10), 0);
  EXPECT_EQ(ScorePart(15, 10), kMaxScore);
  EXPECT_EQ(ScorePart(INT32_MIN, 0), 0);
  EXPECT_EQ(ScorePart(5, 0), 0);
}

TEST(ScoreMeanTest, EqualsIntegerDivision) {
  base::Rng rng(8);
  for (int i = 0; i < 500'000; ++i) {
    const auto divisor = static_cast<int32_t>(1 + rng.Uniform(1600));
    const auto mean = static_cast<int64_t>(rng.Uniform(kMaxScore));
    // At a step, or just before one.
    const auto sum =
        static_cast<int32_t>(mean * divisor + static_cast<int64_t>(rng.Uniform(2)) * (divisor - 1));
    ASSERT_EQ(ScoreMean(sum, divisor, 1.0F / static_cast<float>(divisor)), sum / divisor)
        << sum << "/" << divisor;
  }
  EXPECT_EQ(ScoreMean(1600 * kMaxScore, 1600, 1.0F / 1600), kMaxScore);
}

TEST(ScoreShareTest, SharesAddUpToExactlyTheWhole) {
  for (const std::vector<int64_t>& weights :
       std::vector<std::vector<int64_t>>{{1}, {1, 1, 1}, {100, 1, 7}, {3, 3, 3, 3, 3, 3, 3}}) {
    int64_t total = 0;
    for (int64_t weight : weights) total += weight;
    int64_t before = 0;
    int64_t sum = 0;
    for (int64_t weight : weights) {
      sum += ScoreShare(before, weight, total);
      before += weight;
    }
    EXPECT_EQ(sum, kMaxScore);
  }
}

}  // namespace
}  // namespace berth::plugins
