#include "features/model_budget.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"
#include "tests/support/status_text.h"

namespace berth::features {
namespace {

constexpr int64_t kNoon = testing::FakeClock::kStartWallMs + 12 * 3'600'000;
constexpr int64_t kTomorrow = kNoon + 24 * 3'600'000;

TEST(ModelBudgetTest, WithoutLimitsEverythingIsAllowedAndCounted) {
  ModelBudget budget;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(budget.Allows("a", {}, {1000, 1000}, kNoon));
    budget.Reserve("a", {}, {1000, 1000}, kNoon);
  }
  EXPECT_EQ(budget.use("a"), (ModelBudget::Use{100, 100'000, 100'000, 0}));
  EXPECT_EQ(budget.use("b"), ModelBudget::Use{});
}

TEST(ModelBudgetTest, RequestsUnderWayDoNotExceedALimitTogether) {
  const BudgetLimits limits{.tokens = 1000};
  ModelBudget budget;
  ASSERT_TRUE(budget.Allows("a", limits, {400, 200}, kNoon));
  const auto first = budget.Reserve("a", limits, {400, 200}, kNoon);
  EXPECT_FALSE(budget.Allows("a", limits, {400, 200}, kNoon));
  budget.Settle("a", limits, first, {100, 50}, kNoon);
  EXPECT_EQ(budget.use("a"), (ModelBudget::Use{1, 100, 50, 0}));
  EXPECT_TRUE(budget.Allows("a", limits, {400, 200}, kNoon));
  EXPECT_TRUE(budget.Allows("a", limits, {800, 50}, kNoon)) << "exactly the limit";
  EXPECT_FALSE(budget.Allows("a", limits, {800, 51}, kNoon));
}

TEST(ModelBudgetTest, MoneyIsOfPromptsAndAnswersAndRoundedUp) {
  // 0.15 and 0.60 for a million tokens.
  const BudgetLimits limits{
      .micros = 1000, .prompt_micros_per_million = 150'000, .answer_micros_per_million = 600'000};
  ModelBudget budget;
  budget.Reserve("a", limits, {1000, 500}, kNoon);
  EXPECT_EQ(budget.use("a").micros, 150 + 300);
  budget.Reserve("a", limits, {1, 0}, kNoon);
  EXPECT_EQ(budget.use("a").micros, 451);
  EXPECT_TRUE(budget.Allows("a", limits, {3660, 0}, kNoon));
  EXPECT_FALSE(budget.Allows("a", limits, {3661, 0}, kNoon));
}

TEST(ModelBudgetTest, ADayEndsAtMidnightAndNotWhenAClockIsSetBack) {
  const BudgetLimits limits{.requests = 1};
  ModelBudget budget;
  const auto yesterdays = budget.Reserve("a", limits, {500, 0}, kNoon);
  EXPECT_FALSE(budget.Allows("a", limits, {}, ModelBudget::NextDayMs(kNoon) - 1));
  EXPECT_TRUE(budget.Allows("a", limits, {}, ModelBudget::NextDayMs(kNoon)));
  budget.Reserve("a", limits, {10, 0}, kTomorrow);
  budget.Settle("a", limits, yesterdays, {0, 0}, kTomorrow);
  EXPECT_EQ(budget.use("a"), (ModelBudget::Use{1, 10, 0, 0})) << "yesterday's is over";
  EXPECT_FALSE(budget.Allows("a", limits, {}, kNoon)) << "set back by a day";
}

TEST(ModelBudgetTest, WhatAServerClaimsIsBounded) {
  const BudgetLimits limits{.micros = 1,
                            .prompt_micros_per_million = kMostTokenPrice,
                            .answer_micros_per_million = kMostTokenPrice};
  ModelBudget budget;
  const auto reserved = budget.Reserve("a", {}, {1, 1}, kNoon);
  budget.Settle("a", limits, reserved, {INT64_MAX, -5}, kNoon);
  EXPECT_EQ(budget.use("a").prompt_tokens, 1'000'000'000);
  EXPECT_EQ(budget.use("a").answer_tokens, 0);
  EXPECT_GT(budget.use("a").micros, 0);
  EXPECT_FALSE(budget.Allows("a", limits, {}, kNoon));
}

TEST(ModelBudgetTest, IsTheSameAfterItWasKept) {
  const BudgetLimits limits{.requests = 3, .prompt_micros_per_million = 5'000'000};
  ModelBudget budget;
  budget.Reserve("a \"b\"", limits, {100, 20}, kNoon);
  budget.Reserve("c", limits, {1, 2}, kNoon);
  const auto again = ModelBudget::Decode(budget.Encode());
  ASSERT_EQ(testing::Text(again), "OK");
  EXPECT_EQ(again->use("a \"b\""), budget.use("a \"b\""));
  EXPECT_EQ(again->use("c"), budget.use("c"));
  EXPECT_EQ(again->Encode(), budget.Encode());
}

TEST(ModelBudgetTest, IsNotReadFromSomethingElse) {
  for (const char* text :
       {"", "{}", "[]", "null", "{\"version\": 2, \"day\": 1, \"endpoints\": {}}",
        "{\"version\": 1, \"day\": -1, \"endpoints\": {}}",
        "{\"version\": 1, \"day\": 1, \"endpoints\": {\"a\": {\"requests\": \"1\"}}}",
        "{\"version\": 1, \"day\": 1, \"endpoints\": {\"a\": 3}}"}) {
    EXPECT_EQ(testing::Text(ModelBudget::Decode(text)),
              "INVALID_ARGUMENT: not a budget of version 1")
        << text;
  }
}

}  // namespace
}  // namespace berth::features
