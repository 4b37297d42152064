#include "features/quantities_in_text.h"

#include <gtest/gtest.h>

namespace berth::features {
namespace {

TEST(QuantitiesInTextTest, SizesArePowersOf1024) {
  EXPECT_EQ(ParseSizeText("64G", 0), 64 * kGi);
  EXPECT_EQ(ParseSizeText("64 GB", 0), 64 * kGi);
  EXPECT_EQ(ParseSizeText("1.5TiB", 0), 1.5 * kTi);
  EXPECT_EQ(ParseSizeText("8000", kMi), 8000 * kMi);
  EXPECT_EQ(ParseSizeText("8000", 0), std::nullopt);
  EXPECT_EQ(ParseSizeText("8 cats", kMi), std::nullopt);
}

TEST(QuantitiesInTextTest, APointMayStandBeforeTheUnit) {
  EXPECT_EQ(ParseSizeText("128.GB", 1), 128 * kGi);
}

TEST(QuantitiesInTextTest, AUnitMayStandForThePoint) {
  size_t bytes = 0;
  EXPECT_NEAR(*ReadParameters("7b1", &bytes), 7.1e9, 1);
  EXPECT_EQ(bytes, 3U);
}

TEST(QuantitiesInTextTest, ClockTimesFollowTheScheduler) {
  EXPECT_EQ(ParseClock("90", ClockStyle::kSlurm), 90 * kMinuteMs);
  EXPECT_EQ(ParseClock("30:00", ClockStyle::kSlurm), 30 * kMinuteMs);
  EXPECT_EQ(ParseClock("0-10", ClockStyle::kSlurm), 10 * kHourMs);
  EXPECT_EQ(ParseClock("1-12:00:00", ClockStyle::kSlurm), 36 * kHourMs);
  EXPECT_EQ(ParseClock("3600", ClockStyle::kHms), kHourMs);
  EXPECT_EQ(ParseClock("14:00/hostA", ClockStyle::kHm), 14 * kHourMs);
  EXPECT_EQ(ParseClock("UNLIMITED", ClockStyle::kSlurm), std::nullopt);
}

TEST(QuantitiesInTextTest, HumanTimesAddUp) {
  EXPECT_EQ(ParseHumanTime("2h 30m", 0), 150 * kMinuteMs);
  EXPECT_EQ(ParseHumanTime("1 day 3 hours", 0), 27 * kHourMs);
  EXPECT_EQ(ParseHumanTime("90", kSecondMs), 90 * kSecondMs);
  EXPECT_EQ(ParseHumanTime("90", 0), std::nullopt);
}

TEST(QuantitiesInTextTest, ParametersOfExpertsAreFewerThanTheirProduct) {
  size_t bytes = 0;
  EXPECT_EQ(ReadParameters("1.3B", &bytes), 1.3e9);
  EXPECT_EQ(bytes, 4u);
  EXPECT_NEAR(*ReadParameters("8x7B", &bytes), 46e9, 1e9);
  EXPECT_EQ(ReadParameters("7bit", &bytes), std::nullopt);
}

TEST(QuantitiesInTextTest, NumbersMayHaveCommasAndFractions) {
  EXPECT_EQ(WholeNumber("1,000"), 1000);
  EXPECT_EQ(WholeNumber("0.25"), 0.25);
  EXPECT_EQ(WholeNumber("8x"), std::nullopt);
  EXPECT_EQ(ReadNumber("1234567890123456789").bytes, 0u) << "no amount has so many digits";
}

}  // namespace
}  // namespace berth::features
