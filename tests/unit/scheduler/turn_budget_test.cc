#include "scheduler/turn_budget.h"

#include <gtest/gtest.h>

namespace berth::scheduler {
namespace {

constexpr TurnBudget::Allowance kMost = {.work_units = 20'000'000, .commands = 4096};

TEST(TurnBudgetTest, SlowTurnsGetLessToDo) {
  TurnBudget budget(kMost);
  const int64_t before = budget.next().work_units;
  // 10 ns an entry: a million of them fit into 10 ms.
  for (int turn = 0; turn < 100; ++turn) budget.Note(1'000'000, 0, 0, 0.010);
  EXPECT_LT(budget.next().work_units, before);
  EXPECT_NEAR(static_cast<double>(budget.next().work_units), 1'000'000, 10'000);
}

TEST(TurnBudgetTest, FastTurnsGetMoreButNeverBeyondTheMost) {
  TurnBudget budget(kMost);
  for (int turn = 0; turn < 100; ++turn) budget.Note(10'000'000, 0, 0, 0.001);
  EXPECT_EQ(budget.next().work_units, kMost.work_units);
}

TEST(TurnBudgetTest, CommandsThatLookAtManyNodesAreTakenFewAtATime) {
  TurnBudget budget(kMost);
  for (int turn = 0; turn < 100; ++turn) budget.Note(10'000'000, 10'000'000, 10, 0.010);
  EXPECT_EQ(budget.next().commands, 16u);
  for (int turn = 0; turn < 100; ++turn) budget.Note(2'000'000, 2'000'000, 1000, 0.002);
  EXPECT_GT(budget.next().commands, 1000u);
  EXPECT_LE(budget.next().commands, kMost.commands);
}

TEST(TurnBudgetTest, ATurnThatDidNothingTellsNothing) {
  TurnBudget budget(kMost);
  const auto before = budget.next();
  for (int turn = 0; turn < 100; ++turn) budget.Note(1, 0, 0, 1.0);
  EXPECT_EQ(budget.next().work_units, before.work_units);
  EXPECT_EQ(budget.next().commands, before.commands);
}

TEST(TurnBudgetTest, AMachineThatStoodStillDoesNotStarveTheNextTurn) {
  TurnBudget budget(kMost);
  for (int turn = 0; turn < 100; ++turn) budget.Note(50'000, 50'000, 1, 60.0);
  EXPECT_GE(budget.next().work_units, 50'000);
  EXPECT_GE(budget.next().commands, 16u);
}

TEST(TurnBudgetTest, AnOperatorsSmallerLimitIsKept) {
  TurnBudget budget({.work_units = 1000, .commands = 4});
  EXPECT_EQ(budget.next().work_units, 1000);
  EXPECT_EQ(budget.next().commands, 4u);
}

}  // namespace
}  // namespace berth::scheduler
