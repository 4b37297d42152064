#include "base/quantities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/strings.h"

namespace berth::base {
namespace {

using ::testing::HasSubstr;

std::string Message(const absl::Status& status) { return S(status.message()); }

TEST(QuantitiesTest, ReadsCores) {
  const std::vector<std::pair<std::string, int64_t>> cases = {
      {"2", 2000},    {"0.5", 500},           {"500m", 500},   {"0", 0},
      {"1.25", 1250}, {"0.001", 1},           {"1m", 1},       {"007", 7000},
      {"1.50", 1500}, {"0.1", 100},           {"1500m", 1500}, {"64", 64000},
      {"2.0m", 2},    {"1000000", 1000000000}};
  for (const auto& [text, milli] : cases) {
    const auto parsed = ParseCpuMilli(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, milli) << text;
  }
}

TEST(QuantitiesTest, RefusesWhatAreNotCores) {
  for (const char* text : {"",      " ",
                           "-1",    "-0.5",
                           "+1",    "1.",
                           ".5",    "1..2",
                           "1.2.3", "1e3",
                           "nan",   "inf",
                           "0x10",  "1 ",
                           " 1",    "2Gi",
                           "1M",    "m",
                           "1mm",   "0.0001",
                           "0.5m",  "99999999999999999999",
                           "1,5",   "9223372036854775807"}) {
    const auto parsed = ParseCpuMilli(text);
    ASSERT_FALSE(parsed.ok()) << text << " gave " << *parsed;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(Message(ParseCpuMilli("two").status()), HasSubstr("2, 0.5 or 500m"));
  EXPECT_THAT(Message(ParseCpuMilli("-1").status()), HasSubstr("\"-1\" is negative"));
  EXPECT_THAT(Message(ParseCpuMilli("0.0001").status()), HasSubstr("finer than a thousandth"));
  for (const char* text : {"9223372036854775807", "99999999999999999999", "99999999999999999999.5",
                           "99999999999999999999.00001", "99999999999999999999m"}) {
    EXPECT_THAT(Message(ParseCpuMilli(text).status()), HasSubstr("is too large")) << text;
  }
}

TEST(QuantitiesTest, ReadsBytes) {
  const std::vector<std::pair<std::string, int64_t>> cases = {{"2Gi", int64_t{2} << 30},
                                                              {"512Mi", int64_t{512} << 20},
                                                              {"2G", 2'000'000'000},
                                                              {"2.5Gi", int64_t{2560} << 20},
                                                              {"64B", 64},
                                                              {"0", 0},
                                                              {"0Gi", 0},
                                                              {"1k", 1000},
                                                              {"1Ki", 1024},
                                                              {"0.1Ki", 103},  // 102.4, rounded up
                                                              {"1.5M", 1'500'000},
                                                              {"8191Pi", int64_t{8191} << 50},
                                                              {"3T", 3'000'000'000'000}};
  for (const auto& [text, bytes] : cases) {
    const auto parsed = ParseBytes(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(QuantitiesTest, RefusesWhatAreNotBytes) {
  for (const char* text :
       {"",       "2",    "1024",  "-2Gi", "Gi",    ".5Gi",  "2 Gi",   "2gi",
        "2GB",    "2GiB", "2Kb",   "nan",  "infGi", "1e9Gi", "8192Pi", "99999999999999999999Gi",
        "2Gi2Mi", "2m",   "0x2Gi", "2Gi\n"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
  EXPECT_THAT(Message(ParseBytes("99999999999999999999Gi").status()), HasSubstr("is too large"));
  EXPECT_THAT(Message(ParseBytes("99999999999999999999").status()), HasSubstr("has no unit: "));
}

TEST(QuantitiesTest, ProposesTheLikelyUnit) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"2", "did you mean 2Gi?"},         {"536870912", "did you mean 512Mi?"},
      {"1500000", "did you mean 1500k?"}, {"2GB", "did you mean 2Gi?"},
      {"512mb", "did you mean 512Mi?"},   {"4K", "did you mean 4Ki?"},
      {"2.5g", "did you mean 2.5Gi?"}};
  for (const auto& [text, proposal] : cases) {
    EXPECT_THAT(Message(ParseBytes(text).status()), HasSubstr(proposal)) << text;
  }
  EXPECT_THAT(Message(ParseBytes("9 lots").status()), HasSubstr("512Mi, 2.5Gi or 2G (10^9)"));
}

TEST(QuantitiesTest, QuotesHostileTextWithoutItsControlCharacters) {
  const std::string message = Message(ParseBytes("1\x1b[2J").status());
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(Message(ParseBytes(std::string(1'000'000, 'x')).status()).size(), 400u);
}

TEST(QuantitiesTest, ReadsBandwidth) {
  EXPECT_EQ(ParseBitsPerSecond("10Gbit").value(), 10'000'000'000);
  EXPECT_EQ(ParseBitsPerSecond("100Mbit/s").value(), 100'000'000);
  EXPECT_EQ(ParseBitsPerSecond("2.5Gbit").value(), 2'500'000'000);
  EXPECT_EQ(ParseBitsPerSecond("0").value(), 0);
  for (const char* text : {"", "10", "10G", "10Gb", "-1Mbit", "Mbit", "10GB/s", "99999999Tbit"}) {
    EXPECT_FALSE(ParseBitsPerSecond(text).ok()) << text;
  }
}

TEST(QuantitiesTest, ReadsDurations) {
  const std::vector<std::pair<std::string, int64_t>> cases = {
      {"10s", 10'000},
      {"250ms", 250},
      {"5m", 300'000},
      {"1h30m", 5'400'000},
      {"1d2h3m4s5ms", 93'784'005},
      {"0", 0},
      {"0s", 0},
      {"1.5s", 1'500},
      {"0.5h", 1'800'000},
      {"02:30:00", 9'000'000},
      {"100:00:01", 360'001'000},
      {"36500d", int64_t{36'500} * 86'400'000}};
  for (const auto& [text, ms] : cases) {
    const auto parsed = ParseDuration(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(absl::ToInt64Milliseconds(*parsed), ms) << text;
  }
}

TEST(QuantitiesTest, RefusesWhatAreNotDurations) {
  for (const char* text :
       {"",        "10",       "-5s",           "5 s",   "s",      "1m1h",
        "1s1s",    "1x",       "1h30",          "0.1ms", "10:30",  "1:60:00",
        "1:00:60", "1:2:3:4",  ":1:2",          "1::2",  "36501d", "99999999999999999999s",
        "inf",     "5minutes", "12345678:00:00"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
  EXPECT_THAT(Message(ParseDuration("10").status()), HasSubstr("did you mean 10s?"));
  EXPECT_THAT(Message(ParseDuration("10:30").status()), HasSubstr("HH:MM:SS"));
  EXPECT_THAT(Message(ParseDuration("1m1h").status()), HasSubstr("out of order"));
}

TEST(QuantitiesTest, ReadsCountsWithinTheirRange) {
  EXPECT_EQ(ParseCount("1_000_000", 0, 2'000'000).value(), 1'000'000);
  EXPECT_EQ(ParseCount("-5", -10, 10).value(), -5);
  EXPECT_EQ(ParseCount("0", 0, 0).value(), 0);
  for (const char* text : {"", "-", "_1", "1_", "1.0", "1e3", "+1", "0x1", "11", "-11", "one",
                           "99999999999999999999999999999999999999999999"}) {
    EXPECT_FALSE(ParseCount(text, -10, 10).ok()) << text;
  }
  EXPECT_THAT(Message(ParseCount("2147483648", 1, 1024).status()),
              HasSubstr("write a whole number from 1 to 1024"));
}

TEST(QuantitiesTest, WritesBytesForPeople) {
  const std::vector<std::pair<int64_t, std::string>> cases = {
      {0, "0"},
      {1, "1B"},
      {1023, "1023B"},
      {1024, "1Ki"},
      {int64_t{9} << 20, "9Mi"},
      {(int64_t{9} << 20) + 600'000, "10Mi"},
      {(int64_t{1} << 30) - 1, "1Gi"},
      {int64_t{12} << 30, "12Gi"},
      {int64_t{3277} << 20, "3.2Gi"},
      {int64_t{1} << 40, "1Ti"},
      {(int64_t{1} << 40) - 1, "1Ti"},
      {std::numeric_limits<int64_t>::max(), "8192Pi"}};
  for (const auto& [bytes, text] : cases) EXPECT_EQ(FormatBytes(bytes), text) << bytes;
}

TEST(QuantitiesTest, RoundingDownNeverSaysMoreThanThereIs) {
  EXPECT_EQ(FormatBytes((int64_t{12} << 30) - 1, Rounding::kDown), "11.9Gi");
  EXPECT_EQ(FormatBytes((int64_t{10} << 20) - 1, Rounding::kDown), "9Mi");
  for (int64_t bytes = 1; bytes > 0 && bytes < (int64_t{1} << 60); bytes = bytes * 3 + 7) {
    const auto back = ParseBytes(FormatBytes(bytes, Rounding::kDown));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_LE(*back, bytes);
    EXPECT_GE(*back, bytes / 2);
  }
}

TEST(QuantitiesTest, ExactFormsParseBackToTheSameAmount) {
  for (int64_t amount = 1; amount > 0 && amount < (int64_t{1} << 59); amount = amount * 5 / 2 + 1) {
    for (const int64_t bytes : {amount, amount & ~int64_t{0xfffff}, amount / 1000 * 1000}) {
      EXPECT_EQ(ParseBytes(FormatBytesExact(bytes)).value(), bytes);
    }
    if (amount < (int64_t{1} << 50)) {
      EXPECT_EQ(ParseCpuMilli(FormatCpuMilli(amount)).value(), amount);
      EXPECT_EQ(ParseBitsPerSecond(FormatBitsPerSecond(amount)).value(), amount);
    }
    if (amount < int64_t{36'500} * 86'400'000) {
      const absl::Duration duration = absl::Milliseconds(amount);
      EXPECT_EQ(ParseDuration(FormatExactDuration(duration)).value(), duration);
    }
  }
  EXPECT_EQ(FormatBytesExact(int64_t{2560} << 20), "2560Mi");
  EXPECT_EQ(FormatCpuMilli(1250), "1.25");
  EXPECT_EQ(FormatExactDuration(absl::Minutes(90)), "1h30m");
  EXPECT_EQ(FormatExactDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(FormatBitsPerSecond(10'000'000'000), "10Gbit");
}

TEST(QuantitiesTest, WritesTimesForPeople) {
  EXPECT_EQ(FormatElapsed(104), "0.1s");
  EXPECT_EQ(FormatElapsed(2'000), "2.0s");
  EXPECT_EQ(FormatElapsed(59'949), "59.9s");
  EXPECT_EQ(FormatElapsed(59'960), "1m");
  EXPECT_EQ(FormatElapsed(125'000), "2m5s");
  EXPECT_EQ(FormatElapsed(11'520'000), "3h12m");
  EXPECT_EQ(FormatElapsed(371'000'000), "4d7h");
  EXPECT_EQ(FormatElapsed(-5), "0.0s");
  EXPECT_EQ(FormatAge(59'999), "59s");
  EXPECT_EQ(FormatAge(60'000), "1m");
  EXPECT_EQ(FormatAge(3 * 3'600'000), "3h");
  EXPECT_EQ(FormatAge(int64_t{12} * 86'400'000), "12d");
  EXPECT_EQ(FormatAge(-1), "0s");
}

}  // namespace
}  // namespace berth::base
