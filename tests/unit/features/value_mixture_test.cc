#include "features/value_mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

constexpr bool kAtLeast = true;

TEST(ValueMixtureTest, QuantilesOfEqualWeightsAreThoseOfTheList) {
  ValueMixture mixture;
  for (const ValueCode code : {30, 10, 50, 20, 40}) mixture.Add(code, false, 2.5);
  mixture.Settle();
  EXPECT_EQ(mixture.Quantile(0), 10);
  EXPECT_EQ(mixture.Quantile(0.2), 10);
  EXPECT_EQ(mixture.Quantile(0.21), 20);
  EXPECT_EQ(mixture.Quantile(0.5), 30);
  EXPECT_EQ(mixture.Quantile(0.8), 40);
  EXPECT_EQ(mixture.Quantile(1), 50);
}

TEST(ValueMixtureTest, AHeavyValueDrawsTheMedian) {
  ValueMixture mixture;
  for (const ValueCode code : {10, 20, 30}) mixture.Add(code, false, 1);
  mixture.Add(500, false, 3.5);
  mixture.Settle();
  EXPECT_EQ(mixture.Quantile(0.5), 500);
}

TEST(ValueMixtureTest, WhatWasCutShortCountsAbove) {
  // Of four tasks two were stopped at 10: they would have gone the way of those that went on.
  ValueMixture mixture;
  mixture.Add(10, kAtLeast, 1);
  mixture.Add(10, kAtLeast, 1);
  mixture.Add(20, false, 1);
  mixture.Add(40, false, 1);
  mixture.Settle();
  EXPECT_EQ(mixture.Quantile(0.01), 20);
  EXPECT_EQ(mixture.Quantile(0.5), 20);
  EXPECT_EQ(mixture.Quantile(0.51), 40);
}

TEST(ValueMixtureTest, WhatWasCutShortLateSaysNothingOfTheShort) {
  ValueMixture mixture;
  mixture.Add(10, false, 1);
  mixture.Add(20, false, 1);
  mixture.Add(30, kAtLeast, 1);
  mixture.Add(40, false, 1);
  mixture.Settle();
  EXPECT_EQ(mixture.Quantile(0.25), 10);
  EXPECT_EQ(mixture.Quantile(0.5), 20);
  EXPECT_EQ(mixture.Quantile(0.51), 40);
}

TEST(ValueMixtureTest, WhereAllWasCutShortTheLargestIsTheBestGuess) {
  ValueMixture mixture;
  for (const ValueCode code : {10, 30, 20}) mixture.Add(code, kAtLeast, 1);
  mixture.Settle();
  EXPECT_EQ(mixture.Quantile(0.1), 30);
  EXPECT_EQ(mixture.Quantile(0.9), 30);
}

TEST(ValueMixtureTest, NothingWeighsNothing) {
  ValueMixture mixture;
  mixture.Add(10, false, 0);
  EXPECT_TRUE(mixture.empty());
}

TEST(ValueMixtureTest, WhatIsTooMuchIsLeftOut) {
  ValueMixture mixture;
  for (size_t i = 0; i < ValueMixture::kMost; ++i) mixture.Add(10, false, 1);
  for (size_t i = 0; i < 10 * ValueMixture::kMost; ++i) mixture.Add(99, false, 1);
  mixture.Settle();
  EXPECT_EQ(mixture.Quantile(1), 10);
}

// The plainest way to say what the estimate is: each value that was cut short hands its weight on
// to those above it, in proportion to theirs, from the smallest up.
ValueCode NaiveQuantile(std::vector<std::tuple<ValueCode, bool, double>> parts, double p) {
  std::sort(parts.begin(), parts.end());
  double total = 0;
  for (const auto& part : parts) total += std::get<2>(part);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!std::get<1>(parts[i])) continue;
    double above = 0;
    for (size_t j = i + 1; j < parts.size(); ++j) above += std::get<2>(parts[j]);
    if (above == 0) continue;  // it is the largest: it keeps its weight
    for (size_t j = i + 1; j < parts.size(); ++j) {
      std::get<2>(parts[j]) *= 1 + std::get<2>(parts[i]) / above;
    }
    std::get<2>(parts[i]) = 0;
  }
  double up_to = 0;
  for (const auto& [code, at_least, weight] : parts) {
    up_to += weight / total;
    if (up_to >= p - 1e-7 && weight > 0) return code;
  }
  return std::get<0>(parts.back());
}

TEST(ValueMixtureTest, AgreesWithTheNaiveEstimateInAnyOrder) {
  base::Rng rng(testing::TestSeed(1));
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::tuple<ValueCode, bool, double>> parts;
    const auto count = static_cast<size_t>(testing::Between(rng, 1, 40));
    for (size_t i = 0; i < count; ++i) {
      parts.emplace_back(static_cast<ValueCode>(rng.Uniform(20)), testing::Chance(rng, 30),
                         0.1 + rng.UniformDouble());
    }
    ValueMixture forwards, backwards;
    for (size_t i = 0; i < count; ++i) {
      const auto& [code, at_least, weight] = parts[i];
      forwards.Add(code, at_least, weight);
      const auto& [code2, at_least2, weight2] = parts[count - 1 - i];
      backwards.Add(code2, at_least2, weight2);
    }
    forwards.Settle();
    backwards.Settle();
    for (int step = 1; step < 20; ++step) {
      const double p = step / 20.0 + 1e-4;
      ASSERT_EQ(forwards.Quantile(p), NaiveQuantile(parts, p)) << "round " << round << ", " << p;
      ASSERT_EQ(forwards.Quantile(p), backwards.Quantile(p));
    }
  }
}

}  // namespace
}  // namespace berth::features
