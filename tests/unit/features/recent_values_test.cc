#include "features/recent_values.h"

#include <gtest/gtest.h>

#include <cmath>

namespace berth::features {
namespace {

constexpr Decay kDecay{.ends = 4, .seconds = 3600};

SeenValue At(uint32_t at_s, ValueCode code) { return {.at_s = at_s, .code = code}; }

TEST(HalvingWeightTest, HalvesEachSixteenSteps) {
  for (int steps = 0; steps < 17 * 16; ++steps) {
    EXPECT_NEAR(HalvingWeight(steps), 65536 * std::exp2(-steps / 16.0), 1.01) << steps;
  }
  EXPECT_EQ(HalvingWeight(0), kWholeWeight);
  EXPECT_EQ(HalvingWeight(int64_t{17} * 16), 0u);
  EXPECT_EQ(HalvingWeight(INT64_MAX), 0u);
  EXPECT_EQ(HalvingWeight(-5), kWholeWeight);
}

TEST(RecentValuesTest, KeepsTheNewestInOrder) {
  RecentValues values;
  for (uint32_t i = 0; i < 100; ++i) {
    values.Add(At(i, static_cast<ValueCode>(i)));
    ASSERT_EQ(values.size(), std::min<size_t>(i + 1, RecentValues::kMost));
    for (size_t age = 0; age < values.size(); ++age) {
      ASSERT_EQ(values.Newest(age).code, i - age);
    }
  }
}

TEST(RecentValuesTest, AValueCountsHalfAfterSoManyMore) {
  RecentValues values;
  for (uint32_t i = 0; i < 9; ++i) values.Add(At(1000, 7));
  EXPECT_EQ(values.WeightOf(0, 1000, kDecay), kWholeWeight);
  EXPECT_EQ(values.WeightOf(4, 1000, kDecay), kWholeWeight / 2);
  EXPECT_EQ(values.WeightOf(8, 1000, kDecay), kWholeWeight / 4);
}

TEST(RecentValuesTest, AValueCountsHalfAfterSoMuchTime) {
  RecentValues values;
  values.Add(At(1000, 7));
  EXPECT_EQ(values.WeightOf(0, 1000 + 3600, kDecay), kWholeWeight / 2);
  EXPECT_EQ(values.WeightOf(0, 1000 + 2 * 3600, kDecay), kWholeWeight / 4);
  EXPECT_EQ(values.TotalWeight(1000 + 2 * 3600, kDecay), kWholeWeight / 4);
  EXPECT_EQ(values.TotalWeight(1000 + 100 * 3600, kDecay), 0u);
  EXPECT_EQ(values.WeightOf(0, INT64_MAX, kDecay), 0u);
  constexpr Decay kSlow{.ends = 1, .seconds = Decay::kMostSeconds};
  EXPECT_EQ(values.WeightOf(0, 1000 + Decay::kMostSeconds, kSlow), kWholeWeight / 2);
  EXPECT_EQ(values.WeightOf(0, INT64_MAX, kSlow), 0u);
}

TEST(RecentValuesTest, WhatComesFromTheFutureCountsAsNew) {
  RecentValues values;
  values.Add(At(5000, 7));
  EXPECT_EQ(values.WeightOf(0, 1000, kDecay), kWholeWeight);
  EXPECT_EQ(values.WeightOf(0, INT64_MIN, kDecay), kWholeWeight);
}

TEST(RecentValuesTest, TakesNoMoreThanItsValues) {
  RecentValues values;
  EXPECT_EQ(values.bytes(), 0u);
  for (uint32_t i = 0; i < 1000; ++i) values.Add(At(i, 1));
  EXPECT_EQ(values.bytes(), RecentValues::kMost * sizeof(SeenValue));
}

}  // namespace
}  // namespace berth::features
