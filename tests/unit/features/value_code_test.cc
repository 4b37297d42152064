#include "features/value_code.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

TEST(ValueCodeTest, AmountsBelow256AreTheirOwnCode) {
  for (int64_t value = 0; value < 256; ++value) {
    EXPECT_EQ(EncodeValue(value), value);
    EXPECT_EQ(DecodeValue(EncodeValue(value)), value);
  }
}

TEST(ValueCodeTest, NegativeAmountsCountAsNothing) {
  EXPECT_EQ(EncodeValue(-1), 0);
  EXPECT_EQ(EncodeValue(INT64_MIN), 0);
}

TEST(ValueCodeTest, ADoublingIs256CodesEverywhere) {
  for (int64_t value = 256; value < INT64_MAX / 2; value += value / 3) {
    EXPECT_EQ(EncodeValue(2 * value) - EncodeValue(value), kCodesOfADoubling) << value;
  }
}

TEST(ValueCodeTest, EveryCodeIsItsOwnAmountsCode) {
  for (int code = 0; code <= kLargestCode; ++code) {
    const int64_t value = DecodeValue(static_cast<ValueCode>(code));
    EXPECT_EQ(EncodeValue(value), code);
    if (code > 0) {
      EXPECT_GT(value, DecodeValue(static_cast<ValueCode>(code - 1)));
    }
  }
  EXPECT_EQ(DecodeValue(UINT16_MAX), DecodeValue(kLargestCode));
}

TEST(ValueCodeTest, AmountsComeBackWithinAFiveHundredth) {
  base::Rng rng(testing::TestSeed(1));
  for (int round = 0; round < 100'000; ++round) {
    const auto value = static_cast<int64_t>(rng.Next() >> (1 + rng.Uniform(63)));
    const int64_t back = DecodeValue(EncodeValue(value));
    EXPECT_LE(std::abs(back - value), value / 500) << value;
  }
  EXPECT_GT(DecodeValue(EncodeValue(INT64_MAX)), INT64_MAX / 500 * 499);
}

}  // namespace
}  // namespace berth::features
