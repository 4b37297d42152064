#include "features/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "tests/support/random_cluster.h"
#include "tests/support/status_text.h"

namespace berth::features {
namespace {

constexpr HistoryField kTime = HistoryField::kDuration;

// Outcomes of 100 s each, of which history says one thing and the rules another.
void Tell(Calibration& calibration, int64_t history, int64_t rules, int times) {
  for (int i = 0; i < times; ++i) {
    const std::vector<Said> said = {{.source = Source::kHistory, .value = history},
                                    {.source = Source::kRules, .value = rules}};
    calibration.Record(kTime, said, 100'000);
  }
}

TEST(CalibrationTest, ReportsErrorsAndSides) {
  Calibration calibration;
  for (int i = 0; i < 30; ++i) {
    const std::vector<Said> over = {{.source = Source::kHistory, .value = 150'000}};
    const std::vector<Said> under = {{.source = Source::kHistory, .value = 90'000}};
    const std::vector<Said> exact = {{.source = Source::kHistory, .value = 100'000}};
    calibration.Record(kTime, over, 100'000);
    calibration.Record(kTime, under, 100'000);
    calibration.Record(kTime, exact, 100'000);
  }
  const CalibrationReport report = calibration.Report(kTime, Source::kHistory);
  EXPECT_EQ(report.outcomes, 90);
  EXPECT_EQ(report.over, 30);
  EXPECT_EQ(report.under, 30);
  EXPECT_NEAR(report.mean_error_percent, 20, 1);
  EXPECT_NEAR(report.median_error_percent, 10, 1.25);
  EXPECT_FALSE(report.coverage_percent.has_value());
  EXPECT_TRUE(report.on);
  EXPECT_EQ(calibration.Report(kTime, Source::kRules).outcomes, 0);
  EXPECT_EQ(calibration.Report(HistoryField::kMemory, Source::kHistory).outcomes, 0);
}

TEST(CalibrationTest, ExactPredictionsHaveNoError) {
  Calibration calibration;
  Tell(calibration, 100'000, 100'000, 5);
  const CalibrationReport report = calibration.Report(kTime, Source::kHistory);
  EXPECT_EQ(report.mean_error_percent, 0);
  EXPECT_EQ(report.median_error_percent, 0);
}

TEST(CalibrationTest, OldErrorsFade) {
  CalibrationOptions options;
  options.half_life = 50;
  Calibration calibration(options);
  Tell(calibration, 300'000, 100'000, 500);
  EXPECT_NEAR(calibration.Report(kTime, Source::kHistory).mean_error_percent, 200, 0.1);
  Tell(calibration, 100'000, 100'000, 50);
  EXPECT_NEAR(calibration.Report(kTime, Source::kHistory).mean_error_percent, 100, 2);
  Tell(calibration, 100'000, 100'000, 50);
  EXPECT_NEAR(calibration.Report(kTime, Source::kHistory).mean_error_percent, 50, 2);
  EXPECT_EQ(calibration.Report(kTime, Source::kHistory).outcomes, 600);
}

TEST(CalibrationTest, AMedianIsNotMovedByAFewHugeErrors) {
  Calibration calibration;
  base::Rng rng(testing::TestSeed(1));
  for (int i = 0; i < 1000; ++i) {
    const int64_t value = i % 10 == 0 ? INT64_MAX : 110'000;
    const std::vector<Said> said = {{.source = Source::kRules, .value = value}};
    calibration.Record(kTime, said, 100'000);
  }
  const CalibrationReport report = calibration.Report(kTime, Source::kRules);
  EXPECT_NEAR(report.median_error_percent, 10, 1.25);
  EXPECT_GT(report.mean_error_percent, 500);
  EXPECT_LE(report.mean_error_percent, 10'000);
}

TEST(CalibrationTest, CountsWhatLiesInIntervals) {
  Calibration calibration;
  for (int i = 0; i < 1000; ++i) {
    const std::vector<Said> said = {
        {.source = Source::kHistory, .value = 100, .low = 50, .high = 200}};
    calibration.Record(kTime, said, i % 4 == 0 ? 300 : i % 4 == 1 ? 200 : 50);
  }
  EXPECT_NEAR(calibration.Report(kTime, Source::kHistory).coverage_percent.value_or(-1), 75, 1);
}

TEST(CalibrationTest, ALayerWorseThanTheOneBelowSwitchesItselfOff) {
  Calibration calibration;
  Tell(calibration, 150'000, 120'000, 29);
  EXPECT_TRUE(calibration.On(kTime, Source::kHistory));  // not yet enough to judge by
  Tell(calibration, 150'000, 120'000, 1);
  EXPECT_FALSE(calibration.On(kTime, Source::kHistory));
  EXPECT_TRUE(calibration.On(kTime, Source::kRules));
  EXPECT_TRUE(calibration.On(HistoryField::kMemory, Source::kHistory));
  EXPECT_FALSE(calibration.Report(kTime, Source::kHistory).on);
  const auto switches = calibration.TakeSwitches();
  ASSERT_EQ(switches.size(), 1u);
  EXPECT_EQ(switches[0].field, kTime);
  EXPECT_EQ(switches[0].source, Source::kHistory);
  EXPECT_FALSE(switches[0].on);
  EXPECT_NEAR(switches[0].error, 0.585, 0.05);
  EXPECT_NEAR(switches[0].below, 0.263, 0.05);
  EXPECT_TRUE(calibration.TakeSwitches().empty());
}

TEST(CalibrationTest, ItComesBackWhenItIsBetterAgain) {
  Calibration calibration;
  Tell(calibration, 150'000, 120'000, 100);
  ASSERT_FALSE(calibration.On(kTime, Source::kHistory));
  Tell(calibration, 102'000, 120'000, 20);
  EXPECT_FALSE(calibration.On(kTime, Source::kHistory));
  Tell(calibration, 102'000, 120'000, 300);
  EXPECT_TRUE(calibration.On(kTime, Source::kHistory));
  const auto switches = calibration.TakeSwitches();
  ASSERT_EQ(switches.size(), 2u);
  EXPECT_TRUE(switches[1].on);
}

TEST(CalibrationTest, LayersThatAreAlikeDoNotFlicker) {
  // Errors of both are drawn alike: with one threshold, chance would switch history all the time.
  Calibration calibration;
  base::Rng rng(testing::TestSeed(2));
  for (int i = 0; i < 20'000; ++i) {
    const auto draw = [&] { return static_cast<int64_t>(50'000 + rng.Uniform(100'000)); };
    Tell(calibration, draw(), draw(), 1);
  }
  EXPECT_LT(calibration.TakeSwitches().size(), 60u);
}

TEST(CalibrationTest, BetweenTwoThatAreNearlyExactThereIsNothingToChoose) {
  Calibration calibration;
  Tell(calibration, 101'000, 100'000, 1000);
  EXPECT_TRUE(calibration.On(kTime, Source::kHistory));
}

TEST(CalibrationTest, OneShortTaskDoesNotOutweighAHundred) {
  // History is right but for tasks that end at once, where it says a thousand times too much.
  Calibration calibration;
  for (int i = 0; i < 1000; ++i) {
    const std::vector<Said> said = {{.source = Source::kHistory, .value = 100'000},
                                    {.source = Source::kRules, .value = 1'000}};
    calibration.Record(kTime, said, i % 50 == 0 ? 100 : 100'000);
  }
  EXPECT_GT(calibration.Report(kTime, Source::kHistory).mean_error_percent,
            calibration.Report(kTime, Source::kRules).mean_error_percent);
  EXPECT_TRUE(calibration.On(kTime, Source::kHistory));
}

TEST(CalibrationTest, WhatIsDeclaredHolds) {
  Calibration calibration;
  for (int i = 0; i < 500; ++i) {
    const std::vector<Said> said = {{.source = Source::kDeclared, .value = 9'000'000},
                                    {.source = Source::kHistory, .value = 100'000}};
    calibration.Record(kTime, said, 100'000);
  }
  EXPECT_TRUE(calibration.On(kTime, Source::kDeclared));
  EXPECT_GT(calibration.Report(kTime, Source::kDeclared).mean_error_percent, 1000);
}

TEST(CalibrationTest, TheModelIsHeldAgainstTheRules) {
  Calibration calibration;
  for (int i = 0; i < 100; ++i) {
    const std::vector<Said> said = {{.source = Source::kModel, .value = 400'000},
                                    {.source = Source::kRules, .value = 110'000}};
    calibration.Record(kTime, said, 100'000);
  }
  EXPECT_FALSE(calibration.On(kTime, Source::kModel));
}

TEST(CalibrationTest, TasksOfWhichOneSpokeAloneDecideNothing) {
  Calibration calibration;
  for (int i = 0; i < 500; ++i) {
    const std::vector<Said> history = {{.source = Source::kHistory, .value = 900'000}};
    const std::vector<Said> rules = {{.source = Source::kRules, .value = 100'000}};
    calibration.Record(kTime, history, 100'000);
    calibration.Record(kTime, rules, 100'000);
  }
  EXPECT_TRUE(calibration.On(kTime, Source::kHistory));
}

TEST(CalibrationTest, WhatWasKeptGoesOnTheSame) {
  Calibration calibration, restarted;
  Tell(calibration, 150'000, 120'000, 100);
  ASSERT_EQ(testing::Text(restarted.Load(calibration.Save())), "OK");
  EXPECT_EQ(restarted.Save(), calibration.Save());
  EXPECT_FALSE(restarted.On(kTime, Source::kHistory));
  EXPECT_TRUE(restarted.TakeSwitches().empty());
  Tell(calibration, 100'000, 120'000, 200);
  Tell(restarted, 100'000, 120'000, 200);
  EXPECT_EQ(restarted.Save(), calibration.Save());
  EXPECT_TRUE(restarted.On(kTime, Source::kHistory));
}

TEST(CalibrationTest, EachDamagedByteIsRefusedAndNothingChanges) {
  Calibration calibration, other;
  Tell(calibration, 150'000, 120'000, 3);
  Tell(other, 100'000, 120'000, 40);
  const std::string sound = calibration.Save(), before = other.Save();
  for (size_t at = 0; at < sound.size(); ++at) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const absl::Status status = other.Load(damaged);
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << "byte " << at << ": " << status;
    ASSERT_EQ(testing::Text(status).find("DATA_LOSS: piece calibration: "), 0u);
  }
  EXPECT_EQ(other.Save(), before);
  EXPECT_EQ(other.Load("").code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace berth::features
