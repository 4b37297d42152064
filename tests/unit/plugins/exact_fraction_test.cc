#include "common/exact_fraction.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace berth::plugins {
namespace {

int64_t ByIntegers(int64_t part, int64_t whole, int64_t share) {
  if (part <= 0 || whole <= 0) return 0;
  return (part < whole ? part : whole) * share / whole;
}

TEST(ExactFractionTest, EqualsIntegerDivisionAtTheEdges) {
  const std::vector<int32_t> edges = {
      0, 1, 2, 3, 7, 999, 1000, 1 << 20, 1 << 29, 1 << 30, kMaxQuanta - 1, kMaxQuanta};
  for (int32_t part : edges) {
    for (int32_t whole : edges) {
      for (int32_t share : {0, 1, 2, 349525, kMaxScore - 1, kMaxScore}) {
        EXPECT_EQ(ExactFraction(part, whole, share), ByIntegers(part, whole, share))
            << part << "/" << whole << " of " << share;
      }
    }
  }
}

TEST(ExactFractionTest, EqualsIntegerDivisionNextToEveryWholeQuotient) {
  base::Rng rng(7);
  for (int i = 0; i < 200'000; ++i) {
    // Parts at which the quotient is about to step are those at which rounding could go wrong.
    const auto whole = static_cast<int32_t>(1 + rng.Uniform(kMaxQuanta));
    const auto step = static_cast<int64_t>(rng.Uniform(kMaxScore + 1));
    const int64_t part = step * whole / kMaxScore + static_cast<int64_t>(rng.Uniform(3)) - 1;
    const auto clamped = static_cast<int32_t>(part < 0 ? 0 : part > whole ? whole : part);
    ASSERT_EQ(ExactFraction(clamped, whole, kMaxScore), ByIntegers(clamped, whole, kMaxScore))
        << clamped << "/" << whole;
  }
}

TEST(ExactFractionTest, BringsThePartIntoRange) {
  EXPECT_EQ(ExactFraction(-5, 10, kMaxScore), 0);
  EXPECT_EQ(ExactFraction(15, 10, kMaxScore), kMaxScore);
  EXPECT_EQ(ExactFraction(INT32_MIN, 0, kMaxScore), 0);
  EXPECT_EQ(ExactFraction(5, 0, kMaxScore), 0);
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
